import type { LastSegment } from './stream-state.js'

type LiveIndex = NonNullable<LastSegment['index']>

/**
 * Bounds the memory of the indexes of segments that are written to: an entry for each few KiB of each of them would grow with the store. Those
 * that were written to longest ago give up the entries that stand in their files; whoever reads there finds them in the files.
 */
export class LiveIndexes {
  readonly #most: number
  readonly #entries = new Map<LiveIndex, number>()
  #sum = 0

  /** `most`: entries held in memory, all indexes together, but for those of the one that is written to. */
  constructor(most: number) {
    this.#most = most
  }

  /** The entries of an index were written to its file. */
  written(index: LiveIndex): void {
    this.forget(index)
    const { length } = index.builder.entries
    this.#entries.set(index, length)
    this.#sum += length
    for (const [oldest, count] of this.#entries) {
      if (this.#sum <= this.#most || oldest === index) break
      oldest.builder.release()
      this.#entries.delete(oldest)
      this.#sum -= count
    }
  }

  /** A segment was sealed. */
  forget(index: LiveIndex): void {
    this.#sum -= this.#entries.get(index) ?? 0
    this.#entries.delete(index)
  }
}
