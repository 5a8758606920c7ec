import type { Done } from './file-system.js'

/**
 * The syncs of one file or folder: one at a time, and the first failure is the answer to all that come later. The system reports a sync
 * that failed to whoever asks first and then holds the lost pages as clean, so that a second one, or one beside it, would succeed
 * and have written nothing ("Can Applications Recover from fsync Failures?", Rebello et al., USENIX ATC 2020).
 */
export class SerialSync {
  readonly #sync: (done: Done) => void
  #busy = false
  #failure: NodeJS.ErrnoException | undefined
  readonly #waiting: Done[] = []

  constructor(sync: (done: Done) => void) {
    this.#sync = sync
  }

  /** True while one is under way, or waits to be. */
  get isBusy(): boolean {
    return this.#busy || this.#waiting.length > 0
  }

  /** Calls back when everything written before this call is durable, or with why nobody can know. */
  run(done: Done): void {
    if (this.#failure !== undefined) return done(this.#failure)
    if (this.#busy) {
      this.#waiting.push(done)
      return
    }
    this.#busy = true
    this.#sync((error) => {
      this.#busy = false
      this.#failure = error ?? undefined
      // One sync serves all that came meanwhile, because it begins after each of them; whoever is told now may come again.
      const waiting = this.#waiting.splice(0)
      const tellWaiting = (): void => {
        if (waiting.length > 0) {
          this.run((next) => {
            for (const other of waiting) other(next)
          })
        }
      }
      if (error === null) tellWaiting()
      done(error)
      if (error !== null) tellWaiting()
    })
  }
}
