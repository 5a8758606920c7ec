/**
 * One listener for each AbortSignal, whoever waits for it: one signal often ends thousands of subscriptions, and the system takes
 * more than ten listeners of one signal for a leak and says so.
 */
export class AbortListeners {
  readonly #waiting = new Map<AbortSignal, { readonly listener: () => void; readonly callbacks: Set<() => void> }>()

  /** Calls back once when the signal is aborted, until the callback is removed. */
  add(signal: AbortSignal, callback: () => void): void {
    let entry = this.#waiting.get(signal)
    if (entry === undefined) {
      const callbacks = new Set<() => void>()
      const listener = (): void => {
        this.#waiting.delete(signal)
        for (const call of callbacks) call()
      }
      signal.addEventListener('abort', listener, { once: true })
      entry = { listener, callbacks }
      this.#waiting.set(signal, entry)
    }
    entry.callbacks.add(callback)
  }

  remove(signal: AbortSignal, callback: () => void): void {
    const entry = this.#waiting.get(signal)
    if (entry?.callbacks.delete(callback) !== true || entry.callbacks.size > 0) return
    signal.removeEventListener('abort', entry.listener)
    this.#waiting.delete(signal)
  }

  /** Signals that somebody waits for. */
  get size(): number {
    return this.#waiting.size
  }
}
