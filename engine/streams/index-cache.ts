import { CorruptionError } from '../errors.js'
import { HEADER_FIXED_BYTES } from '../format/file-header.js'
import type { StreamKey } from '../format/names.js'
import { IndexBuilder, type IndexEntry } from '../format/sparse-index.js'
import type { Limits } from '../limits.js'
import type { ReadHandles } from '../segment/read-handles.js'
import { readIndex } from './segment-index.js'
import type { StreamDirectory } from './stream-directory.js'
import { scanInto } from './stream-loader.js'

/** Entries held in memory, all indexes together: some 12 MB, the indexes of 500 MB of events. */
const KEPT_ENTRIES = 128 * 1024

/**
 * Indexes of sealed stream segments, read at first use, the least recently used forgotten first. One that is missing or wrong is made
 * from its segment: some 50 ms for 64 MiB, once, instead of as much for each read.
 */
export class IndexCache {
  readonly #directory: StreamDirectory
  readonly #handles: ReadHandles
  readonly #interval: number
  readonly #known = new Map<string, readonly IndexEntry[]>()
  #entries = 0

  constructor(directory: StreamDirectory, handles: ReadHandles, limits: Limits) {
    this.#directory = directory
    this.#handles = handles
    this.#interval = limits.indexIntervalBytes
  }

  /** Returns the entries of a sealed segment, as far as its records are right. */
  get(key: StreamKey, base: number): readonly IndexEntry[] {
    const path = this.#directory.segmentPath(key, base)
    return this.#kept(path, () => readIndex(this.#directory, key, base) ?? this.#rebuilt(path, key, base))
  }

  /** Returns the first entries of a segment that is written to; none when its file does not have them. */
  first(key: StreamKey, base: number, count: number): readonly IndexEntry[] {
    const path = this.#directory.segmentPath(key, base)
    return this.#kept(`${path}:${count}`, () => {
      const entries = readIndex(this.#directory, key, base) ?? []
      return entries.length < count ? [] : entries.slice(0, count)
    })
  }

  #kept(name: string, read: () => readonly IndexEntry[]): readonly IndexEntry[] {
    const known = this.#known.get(name)
    if (known !== undefined) {
      this.#known.delete(name)
      this.#known.set(name, known)
      return known
    }
    const entries = read()
    this.#known.set(name, entries)
    this.#entries += entries.length
    for (const [oldest, { length }] of this.#known) {
      if (this.#entries <= KEPT_ENTRIES || oldest === name) break
      this.#known.delete(oldest)
      this.#entries -= length
    }
    return entries
  }

  #rebuilt(path: string, key: StreamKey, base: number): readonly IndexEntry[] {
    const builder = new IndexBuilder(this.#interval)
    const from = { byte: HEADER_FIXED_BYTES + key.byteLength, number: base }
    try {
      scanInto(builder, this.#handles.get(path), path, from, this.#handles.sizeOfFinished(path), key)
      builder.finish()
    } catch (error) {
      // Whoever reads that far is told; what lies before the damage is indexed all the same.
      if (!(error instanceof CorruptionError)) throw error
    }
    return builder.entries
  }
}
