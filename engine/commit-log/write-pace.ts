/** The clock is looked at with every eighth append that joins. */
const LOOK_MASK = 7
/** Groups smaller than this are not worth a write of their own while more is coming. */
const LEAST_DURABLE_BYTES = 8 * 1024
const LEAST_RELAXED_BYTES = 64 * 1024
/** The shortest write grows by this with every write, so that a slower disk is noticed. */
const FORGETTING = 1.05
/** Durations kept for the figures. */
const KEPT_DURATIONS = 1024

/**
 * When to write a group that appends are still joining. An idle disk costs: once it has been idle for half as long as a write
 * takes, it is better to write what is there, so that encoding the rest overlaps with the disk.
 */
export class WritePace {
  readonly #elapsed: () => number
  #idleSince = 0
  #shortest = 1
  #joined = 0
  /** Durations of the latest writes that were synced, in milliseconds, newest last. */
  readonly synced: number[] = []
  syncs = 0

  constructor(elapsed: () => number) {
    this.#elapsed = elapsed
  }

  /** Tells whether a group that an append has just joined should be written now, though more may come. */
  isTime(bytes: number, durable: boolean): boolean {
    if ((++this.#joined & LOOK_MASK) !== 0) return false
    if (bytes < (durable ? LEAST_DURABLE_BYTES : LEAST_RELAXED_BYTES)) return false
    return this.#elapsed() - this.#idleSince >= this.#shortest / 2
  }

  /** A write begins: returns what `ended` wants. */
  begin(): number {
    return this.#elapsed()
  }

  /** A write has ended. */
  end(began: number, durable: boolean): void {
    this.#idleSince = this.#elapsed()
    const duration = this.#idleSince - began
    this.#shortest = Math.min(duration, this.#shortest * FORGETTING)
    if (!durable) return
    this.syncs++
    if (this.synced.length >= KEPT_DURATIONS) this.synced.splice(0, KEPT_DURATIONS / 2)
    this.synced.push(duration)
  }
}
