import { type Window, windowOf } from '../format/frame.js'

/** Bytes of a lent window: whole small streams, and a few events from anywhere. */
export const LENT_BYTES = 16 * 1024
/** Windows kept for the next read: one is in use for most of the time, since most short reads end in the turn they begin in. */
const KEPT = 8

/**
 * Windows for short reads. Allocating one for each would cost such a read an eighth of its time, garbage collection included.
 * Who borrows one has it alone until he gives it back. One that is never given back, since its iteration was left in the
 * middle, goes with that iteration.
 */
export class ReadWindows {
  readonly #free: Window[] = []

  borrow(): Window {
    return this.#free.pop() ?? windowOf(Buffer.allocUnsafeSlow(LENT_BYTES))
  }

  /** Nothing may look into the window any more. */
  giveBack(window: Window): void {
    if (this.#free.length < KEPT) this.#free.push(window)
  }
}
