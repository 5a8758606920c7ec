/**
 * What stores are used for, each as a short run of a few hundred changes to the disk: long enough to come by every place in the
 * engine, short enough to crash after each of its steps many times.
 */
import type { FileEventStore } from '../../engine/index.js'
import type { Durability } from '../../engine/types/durability.js'
import { CrashDisk, type CrashDiskOptions } from './crash-disk.js'
import { openSession, type Session, TINY } from './crash-workload.js'
import { type Commit, CrashWorld } from './crash-world.js'
import type { CrashMode } from './disk-state.js'
import { SeededRandom } from './random.js'

/** What one run left: the disk with all its steps, and since which step what had to be there. */
export interface Recording {
  readonly disk: CrashDisk
  readonly world: CrashWorld
  /** Commits and the number of steps there were when they were acknowledged. */
  readonly acknowledged: ReadonlyMap<number, number>
  /** The same for when they were durable: with the acknowledgement, or for relaxed ones with what came behind them. */
  readonly durable: ReadonlyMap<number, number>
}

export type WorkloadName = keyof typeof WORKLOADS

type Script = (run: Run) => Promise<void>

const limits = (changes: Partial<NonNullable<typeof TINY.limits>>): typeof TINY => ({
  limits: { ...TINY.limits, ...changes },
})

/** Ten runs. Each takes a seed, so that a soak never runs the same one twice. */
export const WORKLOADS = {
  'many streams': async (run) => {
    const names = Array.from({ length: 24 }, (_, i) => (i % 5 === 0 ? `S${i}/ü` : `s-${i}`))
    await run.session(async () => {
      await run.atOnce(names.slice(0, 16).map((name) => [name]))
      await run.flush()
      for (let i = 0; i < 6; i++) await run.atOnce([[run.random.pick(names)], [run.random.pick(names)]])
    })
    await run.session(async () => {
      await run.atOnce(names.slice(8).map((name) => [name]))
    })
  },
  'batches and large events': async (run) => {
    await run.session(
      async () => {
        for (let i = 0; i < 9; i++) {
          const name = run.random.pick(['a', 'b', 'c'])
          if (i % 3 === 1) await run.append([name], { textBytes: 1000 + run.random.below(5000) })
          else await run.append(new Array<string>(2 + run.random.below(24)).fill(name))
        }
      },
      limits({ logSegmentBytes: 16_384, streamSegmentBytes: 8192, groupBytes: 8192, dirtyBytes: 16_384 }),
    )
    await run.session(
      async () => {
        await run.append(new Array<string>(50).fill('a'))
        await run.append(['a', 'b'], { textBytes: 7000 })
      },
      limits({ logSegmentBytes: 16_384, streamSegmentBytes: 8192, groupBytes: 8192, dirtyBytes: 16_384 }),
    )
  },
  'several streams in a commit': async (run) => {
    const names = ['a', 'A', 'account/1', 'ü', '..', 'x'.repeat(200)]
    for (let i = 0; i < 2; i++) {
      await run.session(async () => {
        for (let round = 0; round < 5; round++) {
          const some = (): string[] => Array.from({ length: 2 + run.random.below(5) }, () => run.random.pick(names))
          await run.atOnce([some(), some(), [run.random.pick(names)]])
          if (round === 2) run.pass(600)
        }
      })
    }
  },
  'log rolls': async (run) => {
    await run.session(
      async () => {
        for (let i = 0; i < 14; i++) await run.atOnce([['a'], ['b']].slice(0, 1 + (i % 2)))
        await run.turns(6)
        for (let i = 0; i < 6; i++) await run.append(['a', 'c'])
      },
      limits({ logSegmentBytes: 512 }),
    )
  },
  'stream rolls': async (run) => {
    await run.session(
      async () => {
        for (let i = 0; i < 8; i++) {
          await run.append(new Array<string>(3).fill('hot'))
          if (i % 2 === 0) await run.append(['hot', 'cold', 'hot'])
          await run.flush()
        }
        await run.append(['cold'])
      },
      limits({ streamSegmentBytes: 256 }),
    )
    await run.session(
      async () => {
        await run.append(new Array<string>(6).fill('hot'))
      },
      limits({ streamSegmentBytes: 256 }),
    )
  },
  checkpoints: async (run) => {
    await run.session(async () => {
      for (let i = 0; i < 7; i++) {
        await run.atOnce([['a'], ['b', 'c'], [run.random.pick(['d', 'e'])]])
        if (i % 3 === 0) await run.checkpoint()
        else if (i % 3 === 1) run.pass(600)
        await run.turns(run.random.below(4))
      }
      const beside = run.append(['a', 'b'])
      await run.checkpoint()
      await beside
    })
    await run.session(async () => {
      run.pass(1100)
      await run.append(['a'])
      await run.checkpoint()
    })
  },
  reopenings: async (run) => {
    for (let i = 0; i < 6; i++) {
      await run.session(
        async () => {
          await run.append([run.random.pick(['a', 'b'])])
          if (i % 2 === 0) await run.append(['a', 'b', 'c'])
          if (i === 3) run.pass(600)
        },
        {},
        i % 3 === 2 ? 'killed' : 'closed',
      )
    }
  },
  'relaxed durability': async (run) => {
    for (let i = 0; i < 2; i++) {
      await run.session(
        async () => {
          for (let round = 0; round < 9; round++) {
            const durability = run.random.pick<Durability>(['os', 'os', 'interval', 'interval', 'fsync'])
            await run.atOnce([['a'], [run.random.pick(['b', 'c']), 'a']], { durability })
            if (round % 4 === 1) run.pass(120)
            if (round % 4 === 3) run.pass(600)
            await run.turns(1)
          }
        },
        limits({ logSegmentBytes: 1024 }),
        i === 0 ? 'closed' : 'killed',
      )
    }
  },
  'commit ids and tags': async (run) => {
    for (let i = 0; i < 2; i++) {
      await run.session(
        async () => {
          for (let round = 0; round < 6; round++) {
            await run.atOnce([['a'], ['b', 'c', run.random.pick(['a', 'd'])]], { keyed: true })
            if (round % 3 === 1) run.pass(1100) // key files that are missing are made
            await run.turns(3)
          }
        },
        limits({ logSegmentBytes: 512, streamSegmentBytes: 4096 }),
        i === 0 ? 'killed' : 'closed',
      )
    }
  },
  takeover: async (run) => {
    const first = await run.open()
    await run.atOnce([['a'], ['a', 'b']])
    const late = run.append(['a', 'a'], { on: first }).catch(() => undefined) // on its way when another takes the store
    run.pass(60_000) // it was stopped for a minute and has given no sign of life
    const second = await run.open()
    await run.append(['b', 'c'])
    await late
    await run.append(['a'], { on: first, lost: true })
    await first.store.close().catch(() => undefined)
    await run.atOnce([['a'], ['c', 'b']])
    await run.close(second)
    await run.session(async () => {
      await run.append(['a', 'b', 'c'])
    })
  },
} satisfies Record<string, Script>

/** Records a workload. */
export async function recordWorkload(
  name: WorkloadName,
  seed: number,
  options: CrashDiskOptions = {},
): Promise<Recording> {
  const run = new Run(seed, new CrashDisk(undefined, options))
  await WORKLOADS[name](run)
  return run
}

/** What must be there after a crash after so many steps. */
export function requiredAt({ acknowledged, durable }: Recording, step: number, mode: CrashMode): Set<number> {
  const required = new Set<number>()
  const since = mode === 'kill' || mode === 'torn' ? acknowledged : durable
  for (const [number, at] of since) if (at <= step) required.add(number)
  return required
}

interface AppendSettings {
  readonly durability?: Durability
  readonly textBytes?: number
  /** It gets a commit id and tags. Default: false. */
  readonly keyed?: boolean
  /** Default: the newest session. */
  readonly on?: Session
  /** It must be refused. Default: false. */
  readonly lost?: boolean
}

/** A run under way: keeps the books of what was acknowledged when. */
class Run implements Recording {
  readonly world = new CrashWorld()
  readonly acknowledged = new Map<number, number>()
  readonly durable = new Map<number, number>()
  readonly random: SeededRandom
  readonly disk: CrashDisk
  readonly #seed: number
  #sessions = 0
  #session: Session | undefined
  #numbers = new Map<Session, number>()

  constructor(seed: number, disk: CrashDisk) {
    this.#seed = seed
    this.disk = disk
    this.random = new SeededRandom(seed)
  }

  async open(options = TINY): Promise<Session> {
    const session = await openSession(this.disk, this.#seed * 100 + this.#sessions, options)
    this.#allDurable([...this.acknowledged.keys()]) // opening makes durable what it found
    this.#numbers.set(session, this.#sessions++)
    return (this.#session = session)
  }

  /** Opens, works, and closes; or leaves everything as it is, as a kill does. */
  async session(work: () => Promise<void>, options = TINY, end: 'closed' | 'killed' = 'closed'): Promise<void> {
    const session = await this.open({ ...TINY, ...options })
    await work()
    if (end === 'closed') await this.close(session)
    else await session.store.discard(new Error('killed'))
  }

  async close({ store }: Session): Promise<void> {
    const before = [...this.acknowledged.keys()]
    await store.close()
    this.#allDurable(before)
  }

  append(streams: readonly string[], settings: AppendSettings = {}): Promise<void> {
    const { durability = 'fsync', textBytes, keyed = false, on = this.#session!, lost = false } = settings
    this.world.session = this.#numbers.get(on)!
    const number = this.world.commits.length
    const keys = keyed ? { commitId: `commit ${number}`, tags: ['all', `third:${number % 3}`] } : undefined
    const commit = this.world.plan(streams, durability, textBytes, keys)
    return this.world.append(on.store, commit).then(
      () => {
        if (lost) throw new Error(`commit ${commit.number} was acknowledged by a writer that had lost the store`)
        this.#acknowledge(commit)
      },
      (error: unknown) => {
        if (!lost) throw error
      },
    )
  }

  /** Appends several commits in one turn, so that they share groups. */
  async atOnce(commits: readonly (readonly string[])[], settings: AppendSettings = {}): Promise<void> {
    await Promise.all(commits.map((streams) => this.append(streams, settings)))
  }

  async checkpoint(): Promise<void> {
    const before = [...this.acknowledged.keys()]
    await this.#store.checkpoint()
    this.#allDurable(before)
  }

  flush(): Promise<void> {
    return this.#store.flush()
  }

  /** Lets time pass. */
  pass(milliseconds: number): void {
    this.#session!.process.advance(milliseconds)
  }

  /** Lets what runs in the background go on for a while. */
  async turns(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
  }

  get #store(): FileEventStore {
    return this.#session!.store
  }

  #acknowledge({ number, durability, session }: Commit): void {
    this.acknowledged.set(number, this.disk.steps.length)
    if (durability !== 'fsync') return
    // Everything before it in the log is durable with it.
    this.#allDurable(
      [...this.acknowledged.keys()].filter((other) => other <= number && this.world.commits[other]!.session <= session),
    )
  }

  #allDurable(numbers: readonly number[]): void {
    for (const number of numbers) if (!this.durable.has(number)) this.durable.set(number, this.disk.steps.length)
  }
}
