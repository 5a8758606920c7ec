import type { FileEventStore, OpenOptions } from '../../engine/index.js'
import { openStore } from '../../engine/store/open-store.js'
import type { FileSystem } from '../../engine/io/file-system.js'
import type { Durability } from '../../engine/types/durability.js'
import { type SimulatedProcess, simulatedProcess } from './crash-environment.js'
import type { CrashWorld } from './crash-world.js'
import { SeededRandom } from './random.js'

/** Below a folder that is missing too: all of it has to be made durable. */
export const STORE_PATH = '/data/stores/store'

/** Everything is small, so that a few hundred appends roll, seal, flush and settle many times. */
export const TINY: OpenOptions = {
  limits: {
    eventBytes: 8192,
    groupBytes: 4096,
    logSegmentBytes: 2048,
    streamSegmentBytes: 512,
    indexIntervalBytes: 128,
    dirtyBytes: 8192,
    deferredBytes: 16_384,
    readWindowBytes: 4096,
    cachedStreams: 16,
    openFiles: 4,
  },
}

const NAMES = ['a', 'account/1', 'Account/1', 'ü', 'b', 'c', '..', 'con', 'stream with spaces', 'x'.repeat(40)]

export interface Session {
  readonly store: FileEventStore
  readonly process: SimulatedProcess
}

export async function openSession(
  files: FileSystem,
  seed: number,
  options: OpenOptions = TINY,
  pid?: number,
): Promise<Session> {
  const process = simulatedProcess(files, seed, pid)
  return { store: await openStore(process.environment, STORE_PATH, options), process }
}

export interface WorkloadOptions {
  readonly seed: number
  readonly rounds: number
  readonly durabilities: readonly Durability[]
  /** Called when a commit was acknowledged. */
  readonly acknowledged: (number: number) => void
  /** Called with each error, and the number of the commit that it is about. Default: throws it. */
  readonly failed?: (error: unknown, number?: number) => void
}

/** Appends in bursts, and between them does everything else a store does. */
export async function work({ store, process }: Session, world: CrashWorld, options: WorkloadOptions): Promise<void> {
  const random = new SeededRandom(options.seed)
  const waiting: Promise<void>[] = []
  let thrown: unknown
  const failed =
    options.failed ??
    ((error) => {
      thrown ??= error
    })
  for (let round = 0; round < options.rounds; round++) {
    const burst = 1 + random.below(6)
    for (let i = 0; i < burst; i++) {
      const commit = world.plan(streamsOf(random), random.pick(options.durabilities))
      waiting.push(
        world.append(store, commit).then(
          () => options.acknowledged(commit.number),
          (error: unknown) => failed(error, commit.number),
        ),
      )
    }
    if (random.chance(0.7)) await Promise.all(waiting.splice(0))
    const dice = random.below(20)
    try {
      if (dice === 0) await store.flush()
      else if (dice === 1) await store.checkpoint()
      else if (dice < 4) process.advance(600)
      else if (dice < 6) process.advance(120)
      else if (dice === 6) process.advance(2000)
      else if (dice < 9) for await (const _event of store.readStream(random.pick(NAMES), { limit: 3 })) break
    } catch (error) {
      failed(error)
    }
    if (random.chance(0.3)) await new Promise((resolve) => setImmediate(resolve))
  }
  await Promise.all(waiting)
  if (thrown !== undefined) throw thrown as Error
}

/** Mostly one event; batches; several streams in one commit, some of them twice. */
function streamsOf(random: SeededRandom): string[] {
  const dice = random.below(10)
  if (dice < 5) return [random.pick(NAMES)]
  if (dice < 8) return new Array<string>(1 + random.below(6)).fill(random.pick(NAMES))
  return Array.from({ length: 2 + random.below(6) }, () => random.pick(NAMES))
}
