import { CorruptionError } from '../errors.js'
import { HEADER_FIXED_BYTES } from '../format/file-header.js'
import type { StreamKey } from '../format/names.js'
import {
  IndexBuilder,
  type IndexEntries,
  type IndexEntry,
  StoredEntries,
  WrongIndexError,
} from '../format/sparse-index.js'
import type { Limits } from '../limits.js'
import type { ReadHandles } from '../segment/read-handles.js'
import { readIndex } from './segment-index.js'
import { sizeOfFull } from './segment-scan.js'
import type { StreamDirectory } from './stream-directory.js'
import { scanInto } from './stream-loader.js'
import type { LastSegment, StreamState } from './stream-state.js'

/** Entries held in memory, all indexes together: 5 to 12 MB, the indexes of 500 MB of events. */
const KEPT_ENTRIES = 128 * 1024

/**
 * Indexes of stream segments, read at first use, the least recently used forgotten first. One that is missing or wrong is made
 * from its segment: some 50 ms for 64 MiB, once, instead of as much for each read.
 */
export class IndexCache {
  readonly #directory: StreamDirectory
  readonly #handles: ReadHandles
  readonly #interval: number
  readonly #known = new Map<string, IndexEntries>()
  #entries = 0

  constructor(directory: StreamDirectory, handles: ReadHandles, limits: Limits) {
    this.#directory = directory
    this.#handles = handles
    this.#interval = limits.indexIntervalBytes
  }

  /**
   * Looks something up in the index of a segment, as far as its records are right; `number` is the first offset it is about. What is wrong
   * in the index may show only now: then it is made again, and `look` called once more. With `whole` all of it is checked before.
   */
  look<Found>(
    state: StreamState,
    base: number,
    number: number,
    look: (entries: IndexEntries) => Found,
    whole = false,
  ): Found {
    try {
      const { key, last } = state
      const entries = last?.base === base ? this.#live(key, last, number) : this.get(key, base)
      if (whole) entries.check?.()
      return look(entries)
    } catch (error) {
      if (!(error instanceof WrongIndexError)) throw error
      return look(this.#again(state, base))
    }
  }

  /** Returns the entries of a sealed segment. */
  get(key: StreamKey, base: number): IndexEntries {
    const path = this.#directory.segmentPath(key, base)
    return this.#kept(path, () => readIndex(this.#directory, key, base) ?? this.#rebuilt(path, key, base))
  }

  /** The index of the segment that is written to; the part of it that is in memory, where the event `number` is in that. */
  #live(key: StreamKey, last: LastSegment, number: number): IndexEntries {
    const builder = last.index?.builder
    if (builder === undefined) return []
    const { entries, released } = builder
    if (released === 0 || (entries[0] !== undefined && number >= entries[0].number)) return entries
    const path = this.#directory.segmentPath(key, last.base)
    const stored = this.#kept(`${path}:${released}`, () => {
      const found = readIndex(this.#directory, key, last.base, released)
      if (found?.length !== released) throw new WrongIndexError() // somebody has cut the file, or taken it away
      return found
    })
    if (!(stored instanceof StoredEntries)) return stored // made again
    return new JoinedEntries(stored, entries)
  }

  /** Makes the index of a segment again, as far as its records are right: whoever reads further is told. */
  #again({ key, last }: StreamState, base: number): readonly IndexEntry[] {
    const path = this.#directory.segmentPath(key, base)
    if (last?.base !== base || last.index === undefined) return this.#keep(path, this.#rebuilt(path, key, base))
    const builder = new IndexBuilder(this.#interval)
    // A flush that finds nothing written makes and writes all of it.
    if (this.#scan(builder, path, key, base, last.bytes)) last.index.written = 0
    return this.#keep(`${path}:${last.index.builder.released}`, builder.entries)
  }

  #kept(name: string, read: () => IndexEntries): IndexEntries {
    const known = this.#known.get(name)
    if (known === undefined) return this.#keep(name, read())
    this.#known.delete(name)
    this.#known.set(name, known)
    return known
  }

  #keep<Entries extends IndexEntries>(name: string, entries: Entries): Entries {
    this.#forget(name)
    this.#known.set(name, entries)
    this.#entries += entries.length
    for (const oldest of this.#known.keys()) {
      if (this.#entries <= KEPT_ENTRIES || oldest === name) break
      this.#forget(oldest)
    }
    return entries
  }

  #forget(name: string): void {
    this.#entries -= this.#known.get(name)?.length ?? 0
    this.#known.delete(name)
  }

  #rebuilt(path: string, key: StreamKey, base: number): readonly IndexEntry[] {
    const builder = new IndexBuilder(this.#interval)
    const end = sizeOfFull(this.#handles, this.#directory.storeId, path, key, base)
    if (this.#scan(builder, path, key, base, end)) builder.finish()
    return builder.entries
  }

  /** Returns false when a record is not right: whoever reads that far is told; what lies before the damage is indexed all the same. */
  #scan(builder: IndexBuilder, path: string, key: StreamKey, base: number, end: number): boolean {
    const from = { byte: HEADER_FIXED_BYTES + key.byteLength, number: base }
    try {
      scanInto(builder, this.#handles.get(path), path, from, end, key)
      return true
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error
      return false
    }
  }
}

/** Entries that stand in the file of an index, and those behind them, in memory. */
class JoinedEntries implements IndexEntries {
  readonly length: number
  readonly #stored: StoredEntries
  readonly #rest: readonly IndexEntry[]

  constructor(stored: StoredEntries, rest: readonly IndexEntry[]) {
    this.length = stored.length + rest.length
    this.#stored = stored
    this.#rest = rest
  }

  at(i: number): IndexEntry | undefined {
    return i < this.#stored.length ? this.#stored.at(i) : this.#rest[i - this.#stored.length]
  }

  check(): void {
    this.#stored.check()
    const before = this.#stored.at(this.#stored.length - 1)
    const [next] = this.#rest
    if (next !== undefined && before?.end !== next.byte) throw new WrongIndexError()
  }
}
