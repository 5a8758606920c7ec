/**
 * Subscriptions against writers, flushes, rolls, evictions and closes, all of which happen when the seed says so. Whatever the order, each
 * subscription must have been given what it follows, from where it began, once and in order. A failure names its seed; run it alone
 * with ANNALS_RACE_SEED. ANNALS_RACE_RUNS sets the number of runs (default 120).
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { FileEventStore, Limits, StoredEvent, SubscribeOptions } from '../../../engine/index.js'
import type { Environment } from '../../../engine/io/file-system.js'
import { MemoryFileSystem } from '../../../engine/io/memory-file-system.js'
import { nodeEnvironment } from '../../../engine/io/node-environment.js'
import { openStore } from '../../../engine/store/open-store.js'
import { simulatedProcess } from '../../support/crash-environment.js'
import { SeededRandom } from '../../support/random.js'

const RUNS = Number(process.env['ANNALS_RACE_RUNS'] ?? 120)
const ONE_SEED = process.env['ANNALS_RACE_SEED']
/** More streams than are kept in memory, so that they are forgotten and loaded again while somebody follows them. */
const STREAMS = Array.from({ length: 24 }, (_, n) => `${['a', 'a-b', 'b'][n % 3]!}-${n}`)
const INTERESTS: readonly SubscribeOptions[] = [
  {},
  { category: 'a' },
  { category: 'a-b' },
  { category: 'b' },
  { category: 'none' },
  { types: ['U'] },
  { types: ['U', 'Last'], category: 'a' },
  { types: ['T'], stream: STREAMS[0] },
  ...STREAMS.slice(0, 6).map((stream) => ({ stream })),
]

interface Follower {
  readonly options: SubscribeOptions
  readonly found: StoredEvent[]
  /** Fulfilled when it has ended. */
  readonly ended: Promise<void>
}

class Race {
  readonly #random: SeededRandom
  readonly #store: FileEventStore
  /** Lets timers come due, where time is the test's. */
  readonly #advance: () => void
  readonly #followers: Follower[] = []
  #writing = true
  #closed = false

  constructor(store: FileEventStore, random: SeededRandom, advance: () => void) {
    this.#store = store
    this.#random = random
    this.#advance = advance
  }

  /** Returns what is wrong, if anything. */
  async run(): Promise<string | undefined> {
    const random = this.#random
    const work = [
      ...Array.from({ length: 1 + random.below(3) }, () => this.#write()),
      ...Array.from({ length: 2 + random.below(6) }, () => this.#follow()),
      this.#maintain(),
    ]
    await Promise.all(work)
    const all: StoredEvent[] = []
    for await (const event of this.#store.readAll()) all.push(event)
    // Nothing is written any more: what is not there after a while will never come.
    for (let wait = 0; wait < 400 && this.#missing(all) !== undefined; wait++) await this.#pause(5)
    const missing = this.#missing(all)
    this.#closed = true
    await this.#store.close()
    for (const { ended } of this.#followers) await ended
    return missing
  }

  #missing(all: readonly StoredEvent[]): string | undefined {
    for (const { options, found } of this.#followers) {
      const { stream, category, types, fromPosition = 0 } = options
      const wanted = all.filter(
        (event) =>
          event.position >= (fromPosition as number) &&
          (stream === undefined || event.stream === stream) &&
          (types === undefined || types.includes(event.type)) &&
          (category === undefined || event.stream.startsWith(`${category}-`)),
      )
      const [want, got] = [wanted, found].map((events) => events.map(({ id, position }) => `${position} ${id}`))
      const at = want!.findIndex((id, i) => id !== got![i])
      if (at !== -1 || got!.length > want!.length) {
        return `${JSON.stringify(options)}: ${got!.length} of ${want!.length} events, first difference at ${at}: ${got![at]} instead of ${want![at]}`
      }
    }
    return undefined
  }

  async #write(): Promise<void> {
    const random = this.#random
    for (let left = 10 + random.below(50); left > 0; left--) {
      const durability = random.pick(['fsync', 'os', 'interval'] as const)
      const events = (): { type: string; data: unknown }[] =>
        Array.from({ length: 1 + random.below(random.chance(0.1) ? 90 : 3) }, () => ({
          type: random.pick(['T', 'T', 'U']),
          data: random.below(99),
        }))
      const appending = random.chance(0.2)
        ? this.#store.appendMany(
            Array.from({ length: 1 + random.below(4) }, () => ({ stream: random.pick(STREAMS), events: events() })),
            { durability },
          )
        : this.#store.append(random.pick(STREAMS), events(), { durability })
      if (random.chance(0.7)) await appending
      else appending.catch(() => {})
      if (random.chance(0.4)) await this.#pause(random.below(4))
    }
    // The last one waits for those before it, whatever their durability.
    await this.#store.append(random.pick(STREAMS), [{ type: 'Last' }])
    this.#writing = false
  }

  /** Follows something; leaves now and then, and goes on from the checkpoint. */
  async #follow(): Promise<void> {
    const random = this.#random
    await this.#pause(random.below(12))
    const interest = random.pick(INTERESTS)
    const end = this.#store.stats().events
    const fromPosition = random.pick([0, 0, Math.floor(end / 2), end])
    // 'end' and the position that it is at this moment are the same.
    const options = { ...interest, fromPosition }
    const found: StoredEvent[] = []
    const ended = this.#take(fromPosition === end ? { ...interest, fromPosition: 'end' } : options, found)
    this.#followers.push({ options, found, ended })
  }

  async #take(options: SubscribeOptions, found: StoredEvent[]): Promise<void> {
    const random = this.#random
    const patience = random.pick([0, 0, 1, 3])
    for (let from: SubscribeOptions = options; ;) {
      const control = new AbortController()
      const subscription = this.#store.subscribe({ ...from, signal: control.signal })
      const leaveAfter = random.chance(0.5) ? 1 + random.below(20) : Infinity
      let taken = 0
      if (random.chance(0.5)) {
        for await (const event of subscription) {
          found.push(event)
          if (patience > 0 && random.chance(0.3)) await this.#pause(random.below(patience + 1))
          if (++taken >= leaveAfter) break
        }
      } else {
        for await (const batch of subscription.batches(1 + random.below(100))) {
          found.push(...batch)
          if (patience > 0) await this.#pause(random.below(patience + 1))
          if (++taken >= leaveAfter) break
        }
      }
      if (taken < leaveAfter) return // the store was closed
      // While it waits, the checkpoint moves without an event; leaving then must not lose one either.
      if (this.#isOver()) return
      from = { ...options, fromPosition: subscription.position }
      const waiting = this.#store.subscribe({ ...from, signal: control.signal })
      const next = waiting.next().then(
        (result) => result.value,
        () => undefined,
      )
      await this.#pause(random.below(4))
      const checkpoint = waiting.position
      control.abort()
      const event = await next
      if (event === undefined) from = { ...options, fromPosition: Math.max(checkpoint, waiting.position) }
      else {
        found.push(event)
        from = { ...options, fromPosition: event.position + 1 }
      }
      if (random.chance(0.3)) await this.#pause(random.below(6))
      if (this.#isOver()) return
    }
  }

  /** A method, because it changes while others have their turn. */
  #isOver(): boolean {
    return this.#closed
  }

  async #maintain(): Promise<void> {
    const random = this.#random
    while (this.#writing) {
      await this.#pause(1 + random.below(6))
      if (random.chance(0.3)) await this.#store.flush()
      else if (random.chance(0.1)) await this.#store.checkpoint()
    }
  }

  /** Lets others go first, in one of the ways there are. */
  async #pause(turns: number): Promise<void> {
    this.#advance()
    for (let i = 0; i < turns; i++) {
      await (this.#random.chance(0.3)
        ? new Promise<void>((resolve) => process.nextTick(resolve))
        : new Promise<void>((resolve) => setImmediate(resolve)))
    }
    await Promise.resolve()
  }
}

function limitsOf(random: SeededRandom): Partial<Limits> {
  return {
    logSegmentBytes: random.pick([1024, 4096, 100_000]),
    streamSegmentBytes: random.pick([512, 2048]),
    dirtyBytes: random.pick([1, 5000, 1_000_000]),
    groupBytes: random.pick([4096, 16_384]),
    groupCommits: random.pick([1, 3, 1000]),
    cachedStreams: 16,
    indexIntervalBytes: random.pick([64, 256]),
    readWindowBytes: random.pick([4096, 20_000]),
    openFiles: random.pick([4, 100]),
  }
}

async function race(environment: Environment, directory: string, seed: number, advance: () => void): Promise<void> {
  const random = new SeededRandom(seed)
  const store = await openStore(environment, directory, { limits: limitsOf(random), syncIntervalMs: 70 })
  const wrong = await new Race(store, random, advance).run()
  if (wrong !== undefined) throw new Error(`seed ${seed}: ${wrong}`)
}

const seeds = ONE_SEED === undefined ? Array.from({ length: RUNS }, (_, n) => n + 1) : [Number(ONE_SEED)]

t.test('[R13] no event is lost and none comes twice, in any order of things', { timeout: 300_000 }, async (t) => {
  for (const seed of seeds) {
    const simulated = simulatedProcess(new MemoryFileSystem({ now: () => 0 }), seed)
    await race(simulated.environment, '/store', seed, () => simulated.advance(20))
  }
  t.pass(`${seeds.length} seeds`)
})

t.test('[R13] nor on the disk of this machine', { timeout: 300_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'annals-race-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const some = seeds.filter((_, i) => i % 10 === 0)
  for (const seed of some) await race(nodeEnvironment(), join(folder, String(seed)), seed, () => {})
  t.pass(`${some.length} seeds`)
})
