/** A deadline that was set and may still come, as far as it is kept in memory. */
export interface PendingDeadline {
  readonly dueAt: number
  /** Of its event in the stream of deadlines. */
  readonly offset: number
  /** Which deadline of which process it is. */
  readonly key: string
}

/** Deadlines in memory. */
const MOST = 10_000

/**
 * The next deadlines, by when they are due. Not more than so many are kept: those that come later are forgotten, and it is known from where on they have
 * to be looked up again, which is when all others have passed.
 */
export class DeadlineSchedule {
  readonly #most: number
  /** By rising time. */
  #next: PendingDeadline[] = []
  readonly #keys = new Set<string>()
  /** The first that was forgotten: none from it on is here. */
  #horizon: PendingDeadline | undefined

  constructor(most = MOST) {
    this.#most = most
  }

  get size(): number {
    return this.#next.length
  }

  /** When the next one is due, or has to be looked up. */
  get nextAt(): number | undefined {
    return this.first()?.dueAt ?? this.#horizon?.dueAt
  }

  /** From where on deadlines have to be looked up, now that all before have passed. */
  get missing(): PendingDeadline | undefined {
    return this.first() === undefined ? this.#horizon : undefined
  }

  add(deadline: PendingDeadline): void {
    if (this.#horizon !== undefined && !isBefore(deadline, this.#horizon)) return
    let from = 0
    let to = this.#next.length
    while (from < to) {
      const middle = (from + to) >>> 1
      if (isBefore(this.#next[middle]!, deadline)) from = middle + 1
      else to = middle
    }
    this.#next.splice(from, 0, deadline)
    this.#keys.add(deadline.key)
    if (this.#next.length <= this.#most) return
    // Most were cancelled: they make room.
    if (this.#keys.size <= this.#most / 2) this.#next = this.#next.filter(({ key }) => this.#keys.has(key))
    else this.#keys.delete((this.#horizon = this.#next.pop()!).key)
  }

  /** It will not come any more: it has passed, was cancelled or replaced. Those that are not in memory are found out when they are due. */
  remove(key: string): void {
    this.#keys.delete(key)
  }

  /** The next one. */
  first(): PendingDeadline | undefined {
    for (;;) {
      const first = this.#next[0]
      if (first === undefined || this.#keys.has(first.key)) return first
      this.#next.shift()
    }
  }

  /** Everything from `missing` on is about to be looked up and added again. */
  lookedUp(): void {
    this.#horizon = undefined
  }
}

/** Those that are due at once come in the order in which they were set. */
export function isBefore(a: Pick<PendingDeadline, 'dueAt' | 'offset'>, b: typeof a): boolean {
  return a.dueAt < b.dueAt || (a.dueAt === b.dueAt && a.offset < b.offset)
}
