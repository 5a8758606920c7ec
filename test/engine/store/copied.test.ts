import t, { type Test } from 'tap'
import { AnnalsError, type FileEventStore, type OpenOptions, type StoredEvent } from '../../../engine/index.js'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { verify } from '../../../engine/recovery/verify.js'
import { openStore } from '../../../engine/store/open-store.js'
import { SeededRandom } from '../../support/random.js'
import { put } from '../recovery/verify-support.js'
import { numbered, TestMachine } from './test-machine.js'

const limits = { logSegmentBytes: 2048, streamSegmentBytes: 1024, indexIntervalBytes: 256, dirtyBytes: 4096 }
const options: OpenOptions = { limits }
const ROUNDS = 60

/** A store that is written to while it is copied, file by file. */
class Writer {
  readonly machine = new TestMachine()
  readonly #random: SeededRandom
  #store!: FileEventStore
  #count = 0

  constructor(random: SeededRandom) {
    this.#random = random
  }

  async start(): Promise<void> {
    this.#store = await this.machine.open(options)
    for (let i = 0; i < 40; i++) await this.step()
  }

  async step(): Promise<void> {
    const random = this.#random
    const stream = `s${random.below(6)}`
    if (random.chance(0.3)) {
      await this.#store.appendMany([
        { stream, events: numbered(2, this.#count++) },
        { stream: 'all', events: numbered(1, this.#count++) },
      ])
    } else await this.#store.append(stream, numbered(1 + random.below(3), this.#count++))
    if (random.chance(0.2)) await this.#store.flush()
    if (random.chance(0.1)) await this.#store.checkpoint()
  }

  async events(): Promise<StoredEvent[]> {
    return collect(this.#store.readAll())
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  /** Copies folders one after the other; between two files the writer goes on. Files that are gone by then are left out. */
  async copy(order: readonly string[], skip: readonly string[] = []): Promise<ReadonlyMap<string, Buffer>> {
    const copy = new Map<string, Buffer>()
    for (const place of order) {
      for (const path of this.machine.find('').filter((name) => name.startsWith(`/store/${place}`))) {
        if (this.#random.chance(0.3)) await this.step()
        if (skip.some((name) => path.startsWith(`/store/${name}`))) continue
        if (this.machine.environment.files.stat(path) !== undefined) copy.set(path, this.machine.contents(path))
      }
    }
    return copy
  }
}

async function collect(events: AsyncIterable<StoredEvent>, into: StoredEvent[] = []): Promise<StoredEvent[]> {
  for await (const event of events) into.push(event)
  return into
}

function environmentOf(copy: ReadonlyMap<string, Buffer>): ReturnType<typeof memoryEnvironment> {
  const environment = memoryEnvironment()
  for (const folder of ['log', 'streams', 'epoch']) environment.files.makeDirectories(`/store/${folder}`)
  for (const [path, contents] of copy) put(environment.files, path, contents)
  return environment
}

const PLACES = ['annals', 'checkpoint', 'epoch', 'log', 'streams']

function shuffled(random: SeededRandom): string[] {
  const left = [...PLACES]
  return PLACES.map(() => left.splice(random.below(left.length), 1)[0]!)
}

/** What is served must be what was written, at its place; an error must be one of annals. */
async function servedRightly(t: Test, got: AsyncIterable<StoredEvent>, right: readonly StoredEvent[], what: string) {
  const events: StoredEvent[] = []
  try {
    await collect(got, events)
  } catch (error) {
    if (!(error instanceof AnnalsError) || error.code !== 'ERR_CORRUPT') t.fail(`${what}: ${String(error)}`)
    return { events, whole: false }
  } finally {
    if (JSON.stringify(events) !== JSON.stringify(right.slice(0, events.length))) t.same(events, right, what)
  }
  return { events, whole: true }
}

t.test(
  '[fault 55] a copy made in any order while the writer runs serves a prefix or says that it is not whole',
  async (t) => {
    const outcomes = { whole: 0, refused: 0, damaged: 0 }
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const random = new SeededRandom(seed)
      const writer = new Writer(random)
      await writer.start()
      const environment = environmentOf(await writer.copy(shuffled(random)))
      const written = await writer.events()
      await writer.close()
      const found = await verify(environment, '/store', { limits }).catch((error: unknown) => error as AnnalsError)
      let store: FileEventStore
      try {
        store = await openStore(environment, '/store', options)
      } catch (error) {
        if (!(error instanceof AnnalsError) || error.code !== 'ERR_CORRUPT') t.fail(`seed ${seed}: ${String(error)}`)
        outcomes.refused++
        continue
      }
      const all = await servedRightly(t, store.readAll(), written, `seed ${seed}: all`)
      let damaged = store.recovery.damage !== undefined || !all.whole
      for (const stream of new Set(written.map((event) => event.stream))) {
        const right = written.filter((event) => event.stream === stream)
        const got = await servedRightly(t, store.readStream(stream), right, `seed ${seed}: ${stream}`)
        const inLog = all.events.filter((event) => event.stream === stream).length
        if (!got.whole || got.events.length !== inLog) damaged = true
        if (got.whole && all.whole && store.recovery.damage === undefined && got.events.length > inLog) {
          t.fail(`seed ${seed}: ${stream} has events that the log does not hold`)
        }
      }
      await store.close().catch(() => {})
      if (damaged && (found instanceof Error || found.ok)) {
        t.match(found, { ok: false }, `seed ${seed}: verify says nothing`)
      }
      outcomes[damaged ? 'damaged' : 'whole']++
    }
    t.comment(outcomes)
    t.ok(outcomes.whole > 0 && outcomes.damaged > 0)
  },
)

t.test('[fault 55] a copy of the streams, then of the log, without checkpoint, is whole', async (t) => {
  for (let seed = 1; seed <= ROUNDS; seed++) {
    const random = new SeededRandom(1000 + seed)
    const writer = new Writer(random)
    await writer.start()
    const before = (await writer.events()).length
    const copy = await writer.copy(['annals', 'streams', 'log'])
    const written = await writer.events()
    await writer.close()
    const environment = environmentOf(copy)
    const store = await openStore(environment, '/store', options)
    t.equal(store.recovery.damage, undefined)
    const all = await collect(store.readAll())
    t.ok(all.length >= before, `seed ${seed}: what was there when it began is there`)
    t.same(all, written.slice(0, all.length))
    for (const stream of new Set(all.map((event) => event.stream))) {
      t.same(
        await collect(store.readStream(stream)),
        all.filter((event) => event.stream === stream),
      )
    }
    await store.append('s0', numbered(1))
    await store.close()
    t.match(await verify(environment, '/store', { limits }), { ok: true, events: all.length + 1 })
  }
})
