import { randomUUID } from 'node:crypto'
import { setTimeout as timer } from 'node:timers/promises'

/** Time, as the kit needs it. `nodeClock` is the real one; tests bring their own. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Resolves after so many milliseconds; rejects with the signal's reason when that is aborted before. */
  sleep(ms: number, options?: SleepOptions): Promise<void>
}

export interface SleepOptions {
  readonly signal?: AbortSignal | undefined
  /** Keeps the process alive meanwhile. Default: true. */
  readonly keepAlive?: boolean | undefined
}

/** The clock of the process. */
export const nodeClock: Clock = {
  now: () => Date.now(),
  async sleep(ms, { signal, keepAlive = true } = {}) {
    signal?.throwIfAborted()
    try {
      await timer(ms, undefined, { ref: keepAlive, ...(signal === undefined ? {} : { signal }) })
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    }
  },
}

/** Returns a name that nobody else has. */
export function randomId(): string {
  return randomUUID()
}
