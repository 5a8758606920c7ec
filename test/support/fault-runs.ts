/** Lets one call of the file system after the other fail, in normal running and in recovery, and checks what must hold. */
import { AnnalsError } from '../../engine/index.js'
import type { Durability } from '../../engine/types/durability.js'
import { CrashDisk } from './crash-disk.js'
import { checkQuickly, textOf } from './crash-images.js'
import { checkImage } from './crash-recording.js'
import { openSession, type Session, work } from './crash-workload.js'
import { CrashWorld } from './crash-world.js'
import type { CrashMode } from './disk-state.js'
import { type Faults, FaultyFileSystem, type Operation } from './faulty-file-system.js'
import { recordWorkload, requiredAt, type WorkloadName } from './workloads.js'

const CHANGES = new Set(['write', 'sync', 'syncDirectory', 'open', 'rename', 'makeDirectory', 'truncate', 'remove'])

/** What goes wrong. `close` never fails: the descriptor is gone whatever the system says. What is only short is gone on with: nobody hears of it. */
export const FAULTS = {
  'EIO once': { code: 'EIO', only: ({ kind }) => kind !== 'close' },
  'EIO once, after the fact': { code: 'EIO', effect: 'whole', only: ({ kind }) => CHANGES.has(kind) },
  'EIO from then on': { code: 'EIO', sticky: true, only: ({ kind }) => kind !== 'close' },
  'ENOSPC once, with a part written': { code: 'ENOSPC', effect: 'part', only: ({ kind }) => CHANGES.has(kind) },
  'ENOSPC from then on': { code: 'ENOSPC', effect: 'part', sticky: true, only: ({ kind }) => CHANGES.has(kind) },
  'a short read or write': { short: true, only: ({ kind }) => kind === 'read' || kind === 'write' },
  'short reads and writes from then on': {
    ...{ short: true, sticky: true },
    only: ({ kind }) => kind === 'read' || kind === 'write',
  },
  'EMFILE once': { code: 'EMFILE', only: ({ kind }) => kind === 'open' || kind === 'list' || kind === 'syncDirectory' },
  'EMFILE from then on': {
    ...{ code: 'EMFILE', sticky: true },
    only: ({ kind }) => kind === 'open' || kind === 'list' || kind === 'syncDirectory',
  },
  'EACCES once': { code: 'EACCES', only: ({ kind }) => kind === 'open' || kind === 'rename' || kind === 'remove' },
  'EACCES from then on': {
    ...{ code: 'EACCES', sticky: true },
    only: ({ kind }) => kind === 'open' || kind === 'rename' || kind === 'remove',
  },
  'EROFS from then on': { code: 'EROFS', sticky: true, only: ({ kind }) => CHANGES.has(kind) && kind !== 'sync' },
} satisfies Record<string, Faults>

export type FaultName = keyof typeof FAULTS

/** What ran under a fault, and what it left. */
interface Outcome {
  readonly disk: CrashDisk
  readonly world: CrashWorld
  /** What was acknowledged, and what of it a power cut may not take. */
  readonly acknowledged: ReadonlySet<number>
  readonly durable: ReadonlySet<number>
  readonly errors: unknown[]
  /** Operations that the fault could have hit. */
  readonly selected: number
}

export interface Scenario {
  readonly name: string
  readonly run: (faults: Faults) => Promise<Outcome>
}

export interface FaultTally {
  operations: number
  runs: number
  /** Disks opened afterwards, after a kill or a power cut. */
  images: number
  readonly failures: string[]
}

/** Opens, works, closes, twice. */
export function normalRunning(seed: number, durabilities: readonly Durability[] = ['fsync']): Scenario {
  return {
    name: `normal running, ${durabilities.join(', ')}`,
    run: (faults) =>
      underFaults(new CrashDisk(), faults, async (files, outcome) => {
        for (let i = 0; i < 2; i++) {
          outcome.world.session = i
          await useStore(files, seed * 10 + i, 2 - i, outcome, durabilities)
        }
      }),
  }
}

/** Opens what a crash has left, looks at every stream, works a little, settles and closes. */
export async function inRecovery(
  workload: WorkloadName,
  seed: number,
  part: number,
  mode: CrashMode,
): Promise<Scenario> {
  const recording = await recordWorkload(workload, seed)
  const step = Math.floor(recording.disk.steps.length * part)
  return {
    name: `recovery of ${workload} after ${mode}`,
    run: (faults) =>
      underFaults(recording.disk.crash(mode, seed, step), faults, async (files, outcome) => {
        for (const commit of recording.world.commits) outcome.world.commits.push(commit)
        for (const name of recording.world.streams) outcome.world.streams.add(name)
        for (const number of requiredAt(recording, step, mode)) {
          outcome.acknowledged.add(number)
          outcome.durable.add(number)
        }
        outcome.world.session = 1000
        await useStore(files, seed, 1, outcome)
      }),
  }
}

/** Runs a scenario once for each operation that a fault can hit, from the `from`-th on, every `stride`-th. */
export async function failEach(scenario: Scenario, fault: FaultName, stride = 1, from = 1): Promise<FaultTally> {
  const faults = FAULTS[fault] as Faults
  const { selected } = await scenario.run({ ...faults, failAt: Infinity })
  const tally: FaultTally = { operations: selected, runs: 0, images: 0, failures: [] }
  const seen = new Map<string, ReadonlySet<number>>()
  for (let failAt = from; failAt <= selected; failAt += stride) {
    tally.runs++
    try {
      const outcome = await inTime(scenario.run({ ...faults, failAt }))
      for (const error of outcome.errors) if (!(error instanceof AnnalsError) || faults.short === true) throw error
      for (const mode of ['kill', 'minimal', 'strict'] as const) {
        const image = outcome.disk.crash(mode, failAt)
        const required = mode === 'kill' ? outcome.acknowledged : outcome.durable
        const digest = `${image.digest()} ${outcome.world.commits.length}`
        const found = seen.get(digest)
        if (found !== undefined && [...required].every((number) => found.has(number))) continue
        tally.images++
        seen.set(digest, await checkQuickly(image, outcome, required, failAt))
        if (tally.images % 16 === 0) {
          await checkImage(outcome.disk.crash(mode, failAt), outcome.world, required, failAt, true)
        }
      }
    } catch (error) {
      tally.failures.push(`${fault} at operation ${failAt} of ${selected}, ${scenario.name}: ${textOf(error)}`)
    }
  }
  return tally
}

interface Books {
  readonly world: CrashWorld
  readonly acknowledged: Set<number>
  readonly durable: Set<number>
  readonly failed: (error: unknown, number?: number) => void
}

async function underFaults(
  disk: CrashDisk,
  faults: Faults,
  run: (files: FaultyFileSystem, books: Books) => Promise<void>,
): Promise<Outcome> {
  let selected = 0
  const only = (operation: Operation): boolean => {
    const hit = faults.only?.(operation) ?? true
    if (hit) selected++
    return hit
  }
  // A failed sync forgets what it should have written, as Linux does: it stays readable and never reaches the disk.
  const onFailure = ({ kind, path }: Operation): void => {
    if (kind === 'sync' && faults.effect !== 'whole') disk.lose(path)
  }
  const files = new FaultyFileSystem(disk, { ...faults, only, onFailure })
  const world = new CrashWorld()
  const acknowledged = new Set<number>()
  const durable = new Set<number>()
  const errors: unknown[] = []
  const failed = (error: unknown, number?: number): void => {
    errors.push(error)
    // Refused for itself, because its stream could not be loaded: what is appended later need not wait for it.
    if (number !== undefined) world.rejected(number, error)
  }
  await run(files, { world, acknowledged, durable, failed })
  // A call that was under way when the writer failed gives its handle back when it ends.
  for (let turn = 0; turn < 50 && files.openHandles > 0; turn++) await new Promise((resolve) => setImmediate(resolve))
  if (files.openHandles > 0) errors.push(new Error(`left open: ${files.openFiles.join(', ')}`))
  return { disk, world, acknowledged, durable, errors, selected }
}

async function useStore(
  files: FaultyFileSystem,
  seed: number,
  rounds: number,
  books: Books,
  durabilities: readonly Durability[] = ['fsync'],
): Promise<void> {
  const { world, durable, failed } = books
  let session: Session
  try {
    session = await openSession(files, seed)
  } catch (error) {
    return failed(error)
  }
  const { store, process } = session
  const attempt = async (call: () => Promise<unknown>): Promise<void> => {
    try {
      await call()
    } catch (error) {
      failed(error)
    }
  }
  for (const name of world.streams) {
    await attempt(async () => {
      for await (const _event of store.readStream(name, { limit: 2 })) break
    })
  }
  for (const number of books.acknowledged) durable.add(number) // opening makes durable what it serves
  const acknowledged = (number: number): void => {
    books.acknowledged.add(number)
    if (world.commits[number]!.durability !== 'fsync') return
    for (const other of books.acknowledged) if (other <= number) durable.add(other)
  }
  await work(session, world, { seed, rounds, durabilities, acknowledged, failed })
  process.advance(1100)
  await attempt(() => store.checkpoint())
  await attempt(() => store.close())
}

/** A run that does not end is a failure. */
async function inTime<T>(run: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('it does not end')), 30_000)
  })
  try {
    return await Promise.race([run, late])
  } finally {
    clearTimeout(timer)
  }
}
