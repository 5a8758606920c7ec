import { randomUUID } from 'node:crypto'
import type { OrderEvent } from '../../events.js'
import { packrFor } from '../../raw/frames.js'
import type { OrderRecord } from '../../raw/raw-records.js'
import { ConflictError } from '../conflict.js'
import type { ComparedEngine, ComparedStore, OpenOptions, Visit } from '../engine.js'
import { GroupCommit } from '../group-commit.js'
import { type Level, type LevelDatabase, type LevelPut, loadRival, missingRival, rivalVersion } from '../rivals.js'

let level: Level | undefined

export const classicLevel: ComparedEngine = {
  kind: 'store',
  name: 'classic-level',
  title: 'classic-level',
  note: 'LevelDB: events by position as MessagePack, and stream and offset → position, in one batch; the versions of the streams in use are held in memory; appends of one turn of the event loop share a batch; Snappy, cache 64 MiB, write buffer 32 MiB; durable with sync',
  family: 'classic-level',
  cannot: () => missingRival('classic-level'),
  prepare() {
    level = loadRival('classic-level') as Level
  },
  async open(options: OpenOptions) {
    const database = new level!.ClassicLevel(options.directory, {
      keyEncoding: 'utf8',
      valueEncoding: 'buffer',
      cacheSize: 64 * 2 ** 20,
      writeBufferSize: 32 * 2 ** 20,
    })
    await database.open()
    const store = new LevelStore(database, options)
    await store.load()
    return store
  },
  isConflict: (error) => error instanceof ConflictError,
  version: () => rivalVersion('classic-level'),
}

const DIGITS = 10
const NEXTV = 1000

/** Sorts as the number does. */
function digits(n: number): string {
  return String(n).padStart(DIGITS, '0')
}

const eventKey = (position: number): string => `e${digits(position)}`
const streamKey = (stream: string, offset: number): string => `s${stream}\0${digits(offset)}`

class LevelStore implements ComparedStore {
  readonly #database: LevelDatabase
  readonly #packr = packrFor('maps')
  readonly #versions = new Map<string, number>()
  readonly #group: GroupCommit<readonly LevelPut[]> | undefined
  readonly #sync: boolean
  #next = 0

  constructor(database: LevelDatabase, { level, inFlight }: OpenOptions) {
    this.#database = database
    this.#sync = level === 'durable'
    if (inFlight > 1) this.#group = new GroupCommit((puts) => database.batch(puts.flat(), { sync: this.#sync }))
  }

  async load(): Promise<void> {
    const last = await this.#last('e', 'f')
    this.#next = last === undefined ? 0 : Number(last.slice(1)) + 1
  }

  append(stream: string, events: readonly OrderEvent[], version: number): Promise<void> {
    const known = this.#versions.get(stream)
    const fits = known === undefined ? this.#ends(stream, version) : known === version
    if (!fits) return Promise.reject(new ConflictError(stream, version))
    return this.#put(stream, events, version)
  }

  /** Tells whether a stream that is not in memory yet has so many events: at once, so that appends stay in their order. */
  #ends(stream: string, version: number): boolean {
    const has = (offset: number): boolean => this.#database.getSync(streamKey(stream, offset)) !== undefined
    return version >= 0 && (version === 0 || has(version - 1)) && !has(version)
  }

  #put(stream: string, events: readonly OrderEvent[], version: number): Promise<void> {
    const puts: LevelPut[] = []
    for (let n = 0; n < events.length; n++) {
      const { type, data, metadata } = events[n]!
      const position = this.#next++
      const event = {
        stream,
        offset: version + n,
        position,
        id: randomUUID(),
        type,
        timestamp: Date.now(),
        schemaVersion: 1,
        tags: [],
        data,
        metadata,
      }
      puts.push({ type: 'put', key: eventKey(position), value: this.#packr.pack(event) })
      const pointer = Buffer.allocUnsafe(4)
      pointer.writeUInt32LE(position)
      puts.push({ type: 'put', key: streamKey(stream, version + n), value: pointer })
    }
    this.#versions.set(stream, version + events.length)
    return this.#group === undefined ? this.#database.batch(puts, { sync: this.#sync }) : this.#group.add(puts)
  }

  async version(stream: string): Promise<number> {
    const known = this.#versions.get(stream)
    if (known !== undefined) return known
    const last = await this.#last(`s${stream}\0`, `s${stream}\x01`)
    return last === undefined ? 0 : Number(last.slice(-DIGITS)) + 1
  }

  async #last(gte: string, lt: string): Promise<string | undefined> {
    const iterator = this.#database.iterator({ gte, lt, reverse: true, limit: 1 })
    const entry = await iterator.next()
    await iterator.close()
    return entry?.[0]
  }

  async readStream(stream: string, fromOffset: number, limit: number, visit: Visit): Promise<void> {
    const range = {
      gte: streamKey(stream, fromOffset),
      lt: limit === Infinity ? `s${stream}\x01` : streamKey(stream, fromOffset + limit),
    }
    await this.#entries(range, async (entries) => {
      const keys = entries.map(([, pointer]) => eventKey(pointer.readUInt32LE()))
      for (const value of await this.#database.getMany(keys)) visit(this.#packr.unpack(value!) as OrderRecord)
    })
  }

  async readAll(visit: Visit): Promise<void> {
    await this.#entries({ gte: 'e', lt: 'f' }, (entries) => {
      for (const [, value] of entries) visit(this.#packr.unpack(value) as OrderRecord)
    })
  }

  async #entries(
    range: Readonly<Record<string, string>>,
    visit: (entries: readonly (readonly [string, Buffer])[]) => Promise<void> | void,
  ): Promise<void> {
    const iterator = this.#database.iterator({ ...range, highWaterMarkBytes: 256 * 1024 })
    for (;;) {
      const entries = await iterator.nextv(NEXTV)
      if (entries.length === 0) break
      await visit(entries)
    }
    await iterator.close()
  }

  settle(): void {
    // LevelDB compacts when it likes; what it has not done by then is not charged.
  }

  close(): Promise<void> {
    return this.#database.close()
  }
}
