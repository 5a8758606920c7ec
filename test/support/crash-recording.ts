import type { Durability } from '../../engine/types/durability.js'
import { assertAgrees, filesOfStore } from '../interop/agreement.js'
import { CrashDisk } from './crash-disk.js'
import { openSession, STORE_PATH, TINY, work } from './crash-workload.js'
import { CrashWorld } from './crash-world.js'
import type { CrashMode } from './disk-state.js'
import { assertSettled, checkRecovery } from './invariants.js'
import { SeededRandom } from './random.js'

export interface Recording {
  readonly disk: CrashDisk
  readonly world: CrashWorld
  /** Commits and the number of steps there were when they were acknowledged. */
  readonly acknowledged: ReadonlyMap<number, number>
}

/** Records three sessions on one disk, each closed. */
export async function record(seed: number, durabilities: readonly Durability[], rounds = 10): Promise<Recording> {
  const disk = new CrashDisk()
  const world = new CrashWorld()
  const acknowledged = new Map<number, number>()
  for (let i = 0; i < 3; i++) {
    world.session = i
    const session = await openSession(disk, seed * 10 + i)
    await work(session, world, {
      seed: seed * 10 + i,
      rounds,
      durabilities,
      acknowledged: (number) => acknowledged.set(number, disk.steps.length),
    })
    await session.store.close()
  }
  return { disk, world, acknowledged }
}

/** What must be there after a crash: acknowledged commits, of the relaxed ones only those a kill cannot take. */
export function requiredAt({ world, acknowledged }: Recording, step: number, mode: CrashMode): Set<number> {
  const required = new Set<number>()
  for (const [number, at] of acknowledged) {
    if (at <= step && (mode === 'kill' || world.commits[number]!.durability === 'fsync')) required.add(number)
  }
  return required
}

/** Opens the disk that a crash has left and checks everything; then appends, closes and opens once more. Throws what is wrong. */
export async function checkImage(
  disk: CrashDisk,
  recorded: CrashWorld,
  required: ReadonlySet<number>,
  seed: number,
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
  await assertSettled(again)
  await assertAgrees(filesOfStore(disk, STORE_PATH), { store: again, ...TINY.limits })
  await again.close()
  if (disk.openHandles > 0) throw new Error(`${disk.openHandles} files were left open`)
}

/**
 * Crashes again and again: opens what a crash has left, reads and appends, and crashes in the middle of that, `depth` times; then
 * checks as `checkImage` does. What was read once, or acknowledged, must be there ever after.
 */
export async function crashAgain(
  first: CrashDisk,
  recorded: CrashWorld,
  required: ReadonlySet<number>,
  seed: number,
  depth: number,
): Promise<void> {
  const random = new SeededRandom(seed)
  const history: string[] = []
  let disk = first
  let world = recorded
  let must = required
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
      const mode = random.pick<CrashMode>(['kill', 'kill', 'minimal', 'strict', 'ordered'])
      history.push(`${mode} after step ${step} of ${disk.steps.length}, opened at ${servedAt}`)
      const next = new Set(step >= servedAt ? served : must)
      for (const [number, at] of acknowledged) if (at <= step) next.add(number)
      must = next
      disk = disk.crash(mode, seed * 7 + i, step)
    }
    await checkImage(disk, world, must, seed)
  } catch (error) {
    throw new Error(`${(error as Error).message} (${history.join('; ')})`, { cause: error })
  }
}
