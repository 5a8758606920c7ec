import { randomUUID } from 'node:crypto'
import type { OrderEvent } from '../../events.js'
import type { OrderRecord } from '../../raw/raw-records.js'
import { ConflictError } from '../conflict.js'
import type { ComparedEngine, ComparedStore, OpenOptions, Visit } from '../engine.js'
import { type Lmdb, type LmdbDatabase, loadRival, missingRival, rivalVersion } from '../rivals.js'

let lmdb: Lmdb | undefined

export const lmdbEngine: ComparedEngine = {
  kind: 'store',
  name: 'lmdb',
  title: 'LMDB',
  note: "lmdb: events by position in lmdb's own MessagePack with shared structures, and [stream, offset] → position; the version compared in the transaction; one in flight as synchronous transactions, more as asynchronous ones, which lmdb commits in groups; durable without overlappingSync, so that a promise means on disk; relaxed with noSync",
  family: 'lmdb',
  cannot: () => missingRival('lmdb'),
  prepare() {
    lmdb = loadRival('lmdb') as Lmdb
  },
  open: async (options: OpenOptions) => new LmdbStore(options),
  isConflict: (error) => error instanceof ConflictError,
  version: () => rivalVersion('lmdb'),
}

type Stored = Omit<OrderRecord, 'position'>

class LmdbStore implements ComparedStore {
  readonly #root: LmdbDatabase<unknown, unknown>
  readonly #events: LmdbDatabase<number, Stored>
  readonly #streams: LmdbDatabase<readonly [string, number], number>
  readonly #synchronous: boolean
  #next: number

  constructor({ directory, level, inFlight }: OpenOptions) {
    this.#synchronous = inFlight === 1
    const relaxed = level === 'relaxed'
    this.#root = lmdb!.open({
      path: directory,
      noSubdir: false,
      mapSize: 16 * 2 ** 30,
      overlappingSync: false,
      noSync: relaxed,
    })
    this.#events = this.#root.openDB({
      name: 'events',
      sharedStructuresKey: Symbol.for('structures'),
    })
    this.#streams = this.#root.openDB({ name: 'streams', encoding: 'ordered-binary' })
    const [last] = this.#events.getKeys({ end: -1, reverse: true, limit: 1 })
    this.#next = last === undefined ? 0 : last + 1
  }

  append(stream: string, events: readonly OrderEvent[], version: number): Promise<void> | void {
    const write = (): void => {
      const has = (offset: number): boolean => this.#streams.doesExist([stream, offset])
      if (has(version) || (version > 0 && !has(version - 1))) throw new ConflictError(stream, version)
      for (let n = 0; n < events.length; n++) {
        const { type, data, metadata } = events[n]!
        const position = this.#next++
        const event = {
          stream,
          offset: version + n,
          id: randomUUID(),
          type,
          timestamp: Date.now(),
          schemaVersion: 1,
          tags: [],
          data,
          metadata,
        }
        if (this.#synchronous) {
          this.#events.putSync(position, event)
          this.#streams.putSync([stream, version + n], position)
        } else {
          // They belong to the transaction, whose promise is the one that counts.
          this.#events.put(position, event).catch(() => undefined)
          this.#streams.put([stream, version + n], position).catch(() => undefined)
        }
      }
    }
    return this.#synchronous ? this.#root.transactionSync(write) : this.#root.transaction(write)
  }

  version(stream: string): number {
    const [last] = this.#streams.getKeys({ start: [stream, Infinity], end: [stream, -1], reverse: true, limit: 1 })
    return last === undefined ? 0 : last[1] + 1
  }

  readStream(stream: string, fromOffset: number, limit: number, visit: Visit): void {
    const range = { start: [stream, fromOffset], end: [stream, fromOffset + limit], limit }
    for (const { value } of this.#streams.getRange(range)) visit({ ...this.#events.get(value)!, position: value })
  }

  readAll(visit: Visit): void {
    for (const { key, value } of this.#events.getRange({ start: 0 })) visit({ ...value, position: key })
  }

  settle(): void {
    // Nothing goes on behind the scenes.
  }

  close(): Promise<void> {
    return this.#root.close()
  }
}
