/** Counts how often each word comes, in bounded memory: when there are too many different ones, those that came least are forgotten. */
export class Frequent {
  readonly #most: number
  #counts = new Map<string, number>()
  /** Nothing was forgotten: all counts are right. */
  isExact = true

  constructor(most: number) {
    this.#most = most
  }

  add(word: string): void {
    this.#counts.set(word, (this.#counts.get(word) ?? 0) + 1)
    if (this.#counts.size <= this.#most) return
    this.isExact = false
    this.#counts = new Map(this.sorted().slice(0, this.#most >> 1))
  }

  /** The most frequent first. */
  sorted(): [word: string, count: number][] {
    return [...this.#counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
  }
}
