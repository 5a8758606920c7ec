/**
 * Readers beside a writer that appends, rolls, flushes, settles, writes checkpoints, is closed, killed, stopped and replaced, all of it when
 * the seed says so. A reader looks between any two calls that the writer makes to the file system, also in the middle of a
 * write. Whatever it shows must be a beginning of what the log holds in the end, whole commits only, never less than before, nothing that
 * the writer has not committed; and each subscription must have been given everything, once and in order. A failure names its seed; run it
 * alone with ANNALS_RACE_SEED. ANNALS_RACE_RUNS sets the number of runs (default 40).
 */
import t from 'tap'
import type { FileEventStore, ReadOnlyEventStore, StoredEvent, SubscribeOptions } from '../../../engine/index.js'
import { MemoryFileSystem } from '../../../engine/io/memory-file-system.js'
import { openReadOnly, openStore } from '../../../engine/store/open-store.js'
import { simulatedProcess, type SimulatedProcess } from '../../support/crash-environment.js'
import { TINY } from '../../support/crash-workload.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'
import { SeededRandom } from '../../support/random.js'

const RUNS = Number(process.env['ANNALS_RACE_RUNS'] ?? 40)
const ONE_SEED = process.env['ANNALS_RACE_SEED']
const STORE = '/store'
const STREAMS = Array.from({ length: 20 }, (_, n) => `${['a', 'a-b', 'b'][n % 3]!}-${n}`)
const ALL = 1_000_000

/** What somebody saw: which read, and the events of it. */
interface Seen {
  readonly what: string
  readonly stream?: string | undefined
  readonly end: number
  readonly events: Promise<readonly StoredEvent[]>
}

interface Follower {
  readonly options: SubscribeOptions
  readonly found: StoredEvent[]
  readonly ended: Promise<void>
}

class Race {
  readonly #random: SeededRandom
  readonly #seed: number
  #time = 1_700_000_000_000
  readonly #disk = new MemoryFileSystem({ now: () => this.#time++ })
  readonly #processes: SimulatedProcess[] = []
  readonly #seen: Seen[] = []
  readonly #followers: Follower[] = []
  readonly #without: boolean
  #files!: FaultyFileSystem
  #store: FileEventStore | undefined
  #reader: ReadOnlyEventStore | undefined
  #looking = false
  /** The most that was shown. */
  #shown = 0
  looks = 0
  writers = 0
  wrong: string | undefined

  constructor(seed: number) {
    this.#seed = seed
    this.#random = new SeededRandom(seed)
    this.#without = this.#random.chance(0.25)
  }

  async run(): Promise<string | undefined> {
    const random = this.#random
    await this.#open()
    await this.#openReader()
    for (let step = 60 + random.below(60); step > 0 && this.wrong === undefined; step--) {
      const dice = random.below(100)
      if (dice < 70) await this.#append()
      else if (dice < 76) await this.#do((store) => store.flush())
      else if (dice < 80) await this.#do((store) => store.checkpoint())
      else if (dice < 88) this.#advance(random.pick([200, 600, 1100]))
      else if (dice < 90) await this.#reopen('close')
      else if (dice < 93) await this.#reopen('kill')
      else if (dice < 95) await this.#reopen('stop')
      else if (dice < 97) await this.#openReader()
      else for (let turns = random.below(20); turns > 0; turns--) await turn()
    }
    await this.#store!.append(STREAMS[0]!, [{ type: 'Last' }])
    return this.wrong ?? (await this.#compare())
  }

  async #append(): Promise<void> {
    const random = this.#random
    const durability = random.pick(['fsync', 'fsync', 'os', 'interval'] as const)
    const entries = Array.from({ length: random.chance(0.3) ? 1 + random.below(4) : 1 }, () => ({
      stream: random.pick(STREAMS),
      events: Array.from({ length: 1 + random.below(random.chance(0.1) ? 12 : 3) }, () => ({
        type: random.pick(['T', 'U']),
        data: { n: random.below(99), text: 'x'.repeat(random.below(60)) },
      })),
    }))
    const appending = this.#store!.appendMany(entries, { durability })
    appending.catch(() => {})
    if (random.chance(0.6)) await this.#settled(appending)
  }

  async #do(work: (store: FileEventStore) => Promise<void>): Promise<void> {
    await this.#settled(work(this.#store!))
  }

  /** Waits for something that may never come to an end, because its process was killed. */
  async #settled(work: Promise<unknown>): Promise<void> {
    const state = { over: false }
    const note = (): void => {
      state.over = true
    }
    work.then(note, note)
    for (let turns = 0; !state.over && turns < 3000; turns++) {
      await turn()
      if (turns % 50 === 49) this.#advance(100)
    }
  }

  #advance(milliseconds: number): void {
    for (const process of this.#processes) process.advance(milliseconds)
  }

  /** Another writer takes over from one that was closed, killed, or goes on without knowing. */
  async #reopen(how: 'close' | 'kill' | 'stop'): Promise<void> {
    const store = this.#store!
    const files = this.#files
    this.#store = undefined
    if (how === 'close') await this.#settled(store.close())
    else if (how === 'kill') files.freeze()
    await this.#open()
    if (how === 'stop') await this.#settled(store.close())
    files.freeze()
  }

  async #open(): Promise<void> {
    const random = this.#random
    const files = new FaultyFileSystem(this.#disk)
    this.#files = files
    const own = simulatedProcess(files, this.#seed)
    this.#processes.push(own)
    files.setFaults({
      shortenTo: 1 + random.below(120),
      only: (operation) => {
        this.#look()
        return operation.kind === 'write' && operation.path.endsWith('.log') && random.chance(0.3)
      },
    })
    // Stores of an earlier annals have no watermark: then the log alone must tell.
    if (this.#without) this.#hideWatermark()
    this.#store = await openStore(own.environment, STORE, TINY)
    this.writers++
    const { events } = this.#store.stats()
    if (events < this.#shown) this.wrong = `a new writer has found ${events} events, ${this.#shown} were shown`
  }

  #hideWatermark(): void {
    if (this.#disk.stat(`${STORE}/watermark`)?.kind === 'directory') return
    this.#disk.makeDirectories(`${STORE}/watermark`)
  }

  async #openReader(): Promise<void> {
    const own = simulatedProcess(this.#disk, this.#seed)
    this.#processes.push(own)
    const before = this.#reader
    this.#reader = undefined
    const reader = await openReadOnly(own.environment, STORE, { limits: TINY.limits, readOnly: true })
    if (reader.position < this.#shown) this.wrong = `opened at ${reader.position}, ${this.#shown} were shown`
    await before?.close()
    this.#reader = reader
    for (const options of [
      {},
      { category: this.#random.pick(['a', 'a-b', 'b']) },
      { stream: this.#random.pick(STREAMS) },
    ]) {
      const found: StoredEvent[] = []
      const take = async (): Promise<void> => {
        for await (const event of reader.subscribe(options)) found.push(event)
      }
      this.#followers.push({ options, found, ended: take() })
    }
  }

  /** Looks at once: the writer is in the middle of something. */
  #look(): void {
    const reader = this.#reader
    if (reader === undefined || this.#looking || !this.#random.chance(0.1)) return
    this.#looking = true
    this.looks++
    const committed = this.#store?.stats().events ?? Infinity
    reader.refresh().catch((error: unknown) => (this.wrong ??= `refresh: ${String(error)}`))
    const end = reader.position
    if (end < this.#shown) this.wrong ??= `${end} events after ${this.#shown}`
    if (end > committed) this.wrong ??= `${end} events are shown, ${committed} are committed`
    this.#shown = Math.max(this.#shown, end)
    const stream = this.#random.pick(STREAMS)
    this.#see('all', undefined, reader.readAll({ fromPosition: Math.max(0, end - this.#random.below(60)) }))
    this.#see('stream', stream, reader.readStream(stream))
    if (this.#random.chance(0.2)) this.#see('backward', stream, reader.readStream(stream, { direction: 'backward' }))
    this.#looking = false
  }

  #see(what: string, stream: string | undefined, events: ReturnType<ReadOnlyEventStore['readAll']>): void {
    const read = events.batches(ALL)[Symbol.asyncIterator]().next() as Promise<IteratorResult<StoredEvent[], undefined>>
    const { position: end } = this.#reader! // what it has begun with: it has looked once more by itself
    const found = read.then(({ value }) => (what === 'backward' ? (value ?? []).toReversed() : (value ?? [])))
    found.catch((error: unknown) => (this.wrong ??= `${what} ${stream}: ${(error as Error).stack}`))
    this.#seen.push({ what, stream, end, events: found })
  }

  async #compare(): Promise<string | undefined> {
    const reader = this.#reader!
    for (let wait = 0; wait < 200 && reader.position < this.#store!.stats().events; wait++) {
      await turn()
      this.#advance(50)
      if (this.#without && wait === 100) await this.#store!.append(STREAMS[0]!, [{ type: 'One more proves it' }])
      if (this.#without && wait === 150) break
    }
    if (!this.#without && reader.position < this.#store!.stats().events) return 'the reader stands still'
    await this.#settled(this.#store!.close())
    await reader.refresh()
    const all: StoredEvent[] = []
    for await (const event of reader.readAll()) all.push(event)
    const last = this.#store!.stats().events
    if (all.length !== last) return `${all.length} events in the end instead of ${last}`
    for (let wait = 0; wait < 100; wait++) await turn()
    const ids = all.map(({ id }) => id)
    for (const { what, stream, end, events } of this.#seen) {
      const found = await events
      const wanted = all.filter((event) => event.position < end && (stream === undefined || event.stream === stream))
      const part = stream === undefined ? wanted.slice(wanted.length - found.length) : wanted
      const at = part.findIndex(({ id }, i) => id !== found[i]?.id)
      if (at >= 0 || found.length !== part.length) {
        return `${what} ${stream ?? ''} below ${end}: ${found.length} of ${part.length} events, first difference at ${at}`
      }
      if (what === 'all' && found.some(({ id, position }) => ids[position] !== id)) return `${what}: out of place`
    }
    await reader.close()
    for (const { options, found, ended } of this.#followers) {
      await ended
      const { stream, category } = options
      const wanted = all.filter(
        (event) =>
          (stream === undefined || event.stream === stream) &&
          (category === undefined || event.stream.startsWith(`${category}-`)),
      )
      const isLast =
        this.#followers.indexOf(this.#followers.at(-1)!) - this.#followers.findIndex((f) => f.found === found) < 3
      const at = found.findIndex(({ id }, i) => id !== wanted[i]?.id)
      if (at >= 0 || (isLast && found.length !== wanted.length)) {
        return `${JSON.stringify(options)}: ${found.length} of ${wanted.length} events, first difference at ${at}`
      }
    }
    return undefined
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

t.setTimeout(600_000)

t.test(
  '[fault 80] [fault 81] [M4] [R9] [R13] readers see what is committed, whole, and all of it, whatever the writer does',
  async (t) => {
    const seeds = ONE_SEED === undefined ? Array.from({ length: RUNS }, (_, seed) => seed) : [Number(ONE_SEED)]
    let looks = 0
    let writers = 0
    for (const seed of seeds) {
      const race = new Race(seed)
      let wrong: string | undefined
      try {
        wrong = await race.run()
      } catch (error) {
        wrong = (error as Error).stack
      }
      looks += race.looks
      writers += race.writers
      if (wrong !== undefined) {
        t.fail(`seed ${seed}: ${wrong}`)
        if (ONE_SEED === undefined) break
      }
    }
    t.ok(looks > 10 * seeds.length, `${looks} looks beside ${writers} writers`)
  },
)
