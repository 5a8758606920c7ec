import { assertAgrees, filesOfStore } from '../interop/agreement.js'
import type { CrashDisk } from './crash-disk.js'
import { openSession, STORE_PATH, TINY, work } from './crash-workload.js'
import type { CrashWorld } from './crash-world.js'
import type { CrashMode } from './disk-state.js'
import { assertSettled, checkRecovery } from './invariants.js'
import { SeededRandom } from './random.js'

/** Opens the disk that a crash has left and checks everything; then appends, closes and opens once more. Throws what is wrong. */
export async function checkImage(
  disk: CrashDisk,
  recorded: CrashWorld,
  required: ReadonlySet<number>,
  seed: number,
  afterFault = false,
): Promise<void> {
  const world = recorded.copy()
  const { store } = await openSession(disk, seed)
  checkRecovery(store, disk.stat(`${STORE_PATH}/checkpoint`) !== undefined)
  const present = await world.check(store, required)
  for (const streams of [['a'], ['new', 'b', 'a'], ['b', 'b', 'b']]) {
    const commit = world.plan(streams, 'fsync')
    await world.append(store, commit)
    present.add(commit.number)
  }
  await world.check(store, present)
  await store.checkpoint() // settles what earlier sessions have left: until then the log stands for it
  await store.close()
  const { store: again } = await openSession(disk, seed + 1)
  if (!again.recovery.clean) throw new Error('the store was closed and still has something to recover')
  await world.check(again, present)
  await assertSettled(again, afterFault)
  if (!afterFault) await assertAgrees(filesOfStore(disk, STORE_PATH), { store: again, ...TINY.limits })
  await again.close()
  if (disk.openHandles > 0) throw new Error(`${disk.openHandles} files were left open`)
}

/** What must be there after the next crash: after a kill, and after a power cut before anybody has finished opening. */
export interface Required {
  readonly kill: ReadonlySet<number>
  readonly powerCut: ReadonlySet<number>
}

function isKill(mode: CrashMode): boolean {
  return mode === 'kill' || mode === 'torn'
}

/**
 * Crashes again and again: opens what a crash has left, reads and appends, and crashes in the middle of that, `depth` times; then
 * checks as `checkImage` does. What was read once, or acknowledged, must be there ever after.
 */
export async function crashAgain(
  first: CrashDisk,
  recorded: CrashWorld,
  required: Required,
  seed: number,
  depth: number,
): Promise<void> {
  const random = new SeededRandom(seed)
  const history: string[] = []
  let disk = first
  let world = recorded
  let must = required.kill
  let { powerCut } = required
  try {
    for (let i = 0; i < depth; i++) {
      world = world.copy()
      const session = await openSession(disk, seed + i)
      if (session.store.recovery.damage !== undefined) throw session.store.recovery.damage
      const served = await world.check(session.store, must)
      const servedAt = disk.steps.length
      const acknowledged = new Map<number, number>()
      await work(session, world, {
        seed: seed + i,
        rounds: 3,
        durabilities: ['fsync'],
        acknowledged: (number) => acknowledged.set(number, disk.steps.length),
      })
      session.process.advance(1100) // what was left unsettled is settled now
      for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
      const step = random.chance(0.4) ? random.below(servedAt + 1) : random.below(disk.steps.length + 1)
      const mode = random.pick<CrashMode>(['kill', 'torn', 'minimal', 'strict', 'ordered'])
      history.push(`${mode} after step ${step} of ${disk.steps.length}, opened at ${servedAt}`)
      if (step >= servedAt) {
        for (const [number, at] of acknowledged) if (at <= step) served.add(number)
        powerCut = served
      }
      must = step >= servedAt || !isKill(mode) ? powerCut : must
      disk = disk.crash(mode, seed * 7 + i, step)
    }
    await checkImage(disk, world, must, seed)
  } catch (error) {
    throw new Error(`${(error as Error).message} (${history.join('; ')})`, { cause: error })
  }
}

/** Crashes `depth` times while opening what the crash before has left, at any step of it; then checks as `checkImage` does. */
export async function crashInRecovery(
  first: CrashDisk,
  world: CrashWorld,
  required: Required,
  seed: number,
  depth: number,
): Promise<void> {
  const random = new SeededRandom(seed)
  const history: string[] = []
  let disk = first
  let must = required.kill
  let { powerCut } = required
  try {
    for (let i = 0; i < depth; i++) {
      const { store } = await openSession(disk, seed + i)
      const openedAt = disk.steps.length
      if (store.recovery.damage !== undefined) throw store.recovery.damage
      // What follows in the background belongs to it.
      for (let turn = random.below(30); turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve))
      const step = random.below(disk.steps.length + 1)
      await store.discard(new Error('crashed'))
      const mode = random.pick<CrashMode>(['kill', 'torn', 'minimal', 'strict', 'ordered'])
      history.push(`${mode} after step ${step} of ${disk.steps.length}, opened at ${openedAt}`)
      if (step >= openedAt) powerCut = must
      else if (!isKill(mode)) must = powerCut
      disk = disk.crash(mode, seed * 7 + i, step)
    }
    await checkImage(disk, world, must, seed)
  } catch (error) {
    throw new Error(`${(error as Error).message} (${history.join('; ')})`, { cause: error })
  }
}
