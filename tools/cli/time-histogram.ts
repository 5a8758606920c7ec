const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
/** Each goes into the next: what is counted by one can be counted by the next. */
const WIDTHS: readonly number[] = [
  ...[SECOND_MS, 10 * SECOND_MS, MINUTE_MS, 10 * MINUTE_MS, HOUR_MS, 6 * HOUR_MS, DAY_MS, 7 * DAY_MS, 28 * DAY_MS],
  ...[364 * DAY_MS, 3640 * DAY_MS, 36_400 * DAY_MS, 364_000 * DAY_MS, 3_640_000 * DAY_MS, 36_400_000 * DAY_MS],
  364_000_000 * DAY_MS,
]
const MOST_BUCKETS = 4096

export interface TimeBucket {
  /** Milliseconds since the epoch. */
  readonly from: number
  readonly events: number
}

/** Counts times by stretches that get longer as the range does, in bounded memory. */
export class TimeHistogram {
  #buckets = new Map<number, number>()
  #width = 0
  min = Infinity
  max = -Infinity

  add(time: number): void {
    if (time < this.min) this.min = time
    if (time > this.max) this.max = time
    const bucket = Math.floor(time / WIDTHS[this.#width]!)
    this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + 1)
    if (this.#buckets.size > MOST_BUCKETS) this.#widen()
  }

  /** At most so many stretches of equal length that follow each other, from the first that has something to the last. */
  rows(most: number): { readonly bucketMs: number; readonly buckets: readonly TimeBucket[] } {
    if (this.min > this.max) return { bucketMs: WIDTHS[this.#width]!, buckets: [] }
    while (this.#span() > most && this.#width < WIDTHS.length - 1) this.#widen()
    const bucketMs = WIDTHS[this.#width]!
    const first = Math.floor(this.min / bucketMs)
    const buckets = Array.from({ length: this.#span() }, (_, i) => ({
      from: (first + i) * bucketMs,
      events: this.#buckets.get(first + i) ?? 0,
    }))
    return { bucketMs, buckets }
  }

  #span(): number {
    const width = WIDTHS[this.#width]!
    return Math.floor(this.max / width) - Math.floor(this.min / width) + 1
  }

  #widen(): void {
    const ratio = WIDTHS[this.#width + 1]! / WIDTHS[this.#width]!
    this.#width++
    const wider = new Map<number, number>()
    for (const [bucket, events] of this.#buckets) {
      const into = Math.floor(bucket / ratio)
      wider.set(into, (wider.get(into) ?? 0) + events)
    }
    this.#buckets = wider
  }
}

/** What the length of a stretch is called. */
export function stretchName(bucketMs: number): string {
  const units = [
    [364 * DAY_MS, '52 weeks'],
    [7 * DAY_MS, 'week'],
    [DAY_MS, 'day'],
    [HOUR_MS, 'hour'],
    [MINUTE_MS, 'minute'],
    [SECOND_MS, 'second'],
  ] as const
  const [unit, name] = units.find(([length]) => bucketMs >= length)!
  const count = bucketMs / unit
  return count === 1 ? name : unit === 364 * DAY_MS ? `${52 * count} weeks` : `${count} ${name}s`
}

/** The beginning of a stretch, no finer than the stretch is long. */
export function stretchLabel({ from }: TimeBucket, bucketMs: number): string {
  if (Math.abs(from) > 8.64e15) return String(from)
  const iso = new Date(from).toISOString()
  const tail = bucketMs >= DAY_MS ? 'T00:00:00.000Z' : bucketMs >= MINUTE_MS ? ':00.000Z' : '.000Z'
  return iso.slice(0, iso.length - tail.length)
}
