import type { StreamKey } from '../format/names.js'
import type { IndexEntry } from '../format/sparse-index.js'
import { readIndex } from './segment-index.js'
import type { StreamDirectory } from './stream-directory.js'

/** Entries held in memory, all indexes together: some 12 MB, the indexes of 500 MB of events. */
const KEPT_ENTRIES = 128 * 1024

/** Indexes of sealed stream segments, read at first use, the least recently used forgotten first. */
export class IndexCache {
  readonly #directory: StreamDirectory
  readonly #known = new Map<string, readonly IndexEntry[]>()
  #entries = 0

  constructor(directory: StreamDirectory) {
    this.#directory = directory
  }

  /** Returns the entries of a sealed segment; none when the index is missing or wrong. */
  get(key: StreamKey, base: number): readonly IndexEntry[] {
    const path = this.#directory.segmentPath(key, base)
    const known = this.#known.get(path)
    if (known !== undefined) {
      this.#known.delete(path)
      this.#known.set(path, known)
      return known
    }
    const entries = readIndex(this.#directory, key, base)
    if (entries === undefined) return [] // not remembered: it may be made again
    this.#known.set(path, entries)
    this.#entries += entries.length
    for (const [oldest, { length }] of this.#known) {
      if (this.#entries <= KEPT_ENTRIES || oldest === path) break
      this.#known.delete(oldest)
      this.#entries -= length
    }
    return entries
  }
}
