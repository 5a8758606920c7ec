/** A reproducible source of randomness (mulberry32): the same seeds, the same numbers. Seeds are whole numbers. */
export class SeededRandom {
  #state = 0x5bd1e995

  constructor(...seeds: readonly number[]) {
    for (const seed of seeds) {
      // Both halves of a number above 2^32 count.
      for (const half of [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0]) {
        this.#state = Math.imul(this.#state ^ half, 0x9e3779b1) ^ (this.#state >>> 15)
      }
    }
  }

  /** Returns a number from 0 up to, not including, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  /** Returns a whole number from 0 up to, not including, `below`. */
  below(below: number): number {
    return Math.floor(this.next() * below)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }
}
