import { said } from '../errors.js'
import type { Clock } from '../io/clock.js'
import type { ProjectionStore } from './projection-store.js'

/** Keeps a lease while there is work to do, and tells when somebody else has it. */
export class LeaseKeeper {
  readonly holder: string
  readonly #store: ProjectionStore
  readonly #lease: string
  readonly #clock: Clock
  readonly #ms: number
  /** While it is held. Aborted when it is given back or lost. */
  #tenure: AbortController | undefined

  constructor(store: ProjectionStore, lease: string, holder: string, clock: Clock, ms: number) {
    this.#store = store
    this.#lease = lease
    this.holder = holder
    this.#clock = clock
    this.#ms = ms
  }

  /** Milliseconds between two looks of those who wait, and between two renewals. */
  get intervalMs(): number {
    return Math.max(1, Math.floor(this.#ms / 3))
  }

  /** Returns what is aborted when the lease is lost; undefined: somebody else has it. Held already, it asks nobody. */
  async claim(): Promise<AbortSignal | undefined> {
    if (this.#tenure !== undefined) return this.#tenure.signal
    if (!(await this.#claim())) return undefined
    const tenure = new AbortController()
    this.#tenure = tenure
    // It ends with the tenure, and never rejects.
    this.#renew(tenure).catch(said)
    return tenure.signal
  }

  async release(): Promise<void> {
    this.#end()
    await this.#store.release(this.#lease, this.holder)
  }

  #end(): void {
    const tenure = this.#tenure
    this.#tenure = undefined
    tenure?.abort(new Error('the lease is over'))
  }

  async #claim(): Promise<boolean> {
    const now = this.#clock.now()
    return this.#store.claim(this.#lease, this.holder, now, now + this.#ms)
  }

  async #renew(tenure: AbortController): Promise<void> {
    const { signal } = tenure
    while (!signal.aborted) {
      try {
        await this.#clock.sleep(this.intervalMs, { signal, keepAlive: false })
        if (await this.#claim()) continue
      } catch {
        // Given back; or the store does not answer, and who has the lease is not known.
      }
      if (this.#tenure === tenure) this.#end()
      return
    }
  }
}
