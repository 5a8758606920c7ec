/** Writing this much takes a few microseconds where the page cache takes it; handing it to another thread takes several tens. */
const MOST_BYTES = 16 * 1024
/** After so many, or so long, the event loop turns: whoever appends in a loop must not keep everybody else from theirs. */
const MOST_A_TURN = 64
const LONGEST_TURN_MS = 4
/** A write that takes longer had to wait for the disk: the system holds up those who write faster than it can. */
const SLOW_MS = 2
/** So many go through the thread pool then. */
const AFTER_SLOW = 256

/**
 * Which groups of relaxed appends are written on the main thread (design D10). An append that finds nothing in flight otherwise waits
 * for two changes of thread, ten times as long as for its write. Never for what is synced.
 */
export class MainThreadWrites {
  readonly #elapsed: () => number
  #inTurn = 0
  #turnBegan = 0
  #avoided = 0

  constructor(elapsed: () => number) {
    this.#elapsed = elapsed
  }

  /** Tells whether to write so many bytes on the main thread now. */
  allows(bytes: number): boolean {
    if (bytes > MOST_BYTES) return false
    if (this.#avoided > 0) {
      this.#avoided--
      return false
    }
    if (this.#inTurn === 0) return true
    return this.#inTurn < MOST_A_TURN && this.#elapsed() - this.#turnBegan < LONGEST_TURN_MS
  }

  /** Such a write has ended. */
  wrote(began: number): void {
    if (this.#inTurn++ === 0) {
      this.#turnBegan = began
      setImmediate(() => {
        this.#inTurn = 0
      })
    }
    if (this.#elapsed() - began > SLOW_MS) this.#avoided = AFTER_SLOW
  }
}
