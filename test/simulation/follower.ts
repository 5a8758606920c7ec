import type { FileEventStore, StoredEvent } from '../../engine/index.js'

/** No subscription takes so many turns of the event loop to read what is there. */
const MOST_TURNS = 2000

/** A subscriber with a checkpoint: goes on where the one before it was, in the next process too. */
export class Follower {
  /** The next position to read. */
  position: number
  /** Events that it was given. */
  seen = 0
  #wrong: Error | undefined
  readonly #ends = new AbortController()

  /** @param check Throws when an event is not what was appended. */
  constructor(store: FileEventStore, fromPosition: number, check: (event: StoredEvent) => void) {
    this.position = fromPosition
    this.#follow(store, check).catch((error: unknown) => {
      if (!this.#ends.signal.aborted) this.#wrong ??= error as Error
    })
  }

  /** Nothing that comes now counts: its process is dead, or has lost the store. */
  stop(): void {
    this.#ends.abort()
  }

  /** Waits until it has seen everything before `end`. Throws when something came twice, was left out, or does not come. */
  async caughtUp(end: number): Promise<void> {
    for (let turn = 0; turn < MOST_TURNS && this.position < end && this.#wrong === undefined; turn++) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    if (this.#wrong !== undefined) throw this.#wrong
    if (this.position !== end) throw new Error(`a subscription stands at ${this.position}, the store ends at ${end}`)
  }

  async #follow(store: FileEventStore, check: (event: StoredEvent) => void): Promise<void> {
    const { signal } = this.#ends
    for await (const event of store.subscribe({ fromPosition: this.position, signal })) {
      if (signal.aborted) return
      if (event.position !== this.position) {
        throw new Error(`a subscription was given position ${event.position} instead of ${this.position}`)
      }
      check(event)
      this.position++
      this.seen++
    }
  }
}
