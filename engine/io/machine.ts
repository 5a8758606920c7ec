import { randomFillSync } from 'node:crypto'
import type { Environment } from './file-system.js'

/** One call to the generator serves 256 ids of 16 bytes: alone, each would cost more than the rest of the id. */
const POOL_BYTES = 4096

/** setTimeout calls back at once for anything longer. */
const LONGEST_DELAY = 2 ** 31 - 1

/** Returns clock, randomness and timers of this machine: an environment without files and process. */
export function machine(): Pick<Environment, 'now' | 'elapsed' | 'random' | 'soon' | 'after'> {
  const pool = Buffer.allocUnsafeSlow(POOL_BYTES)
  let used = POOL_BYTES
  return {
    now: Date.now,
    elapsed: () => performance.now(),
    random(target) {
      if (target.byteLength > POOL_BYTES) {
        randomFillSync(target)
        return
      }
      if (used + target.byteLength > POOL_BYTES) {
        randomFillSync(pool)
        used = 0
      }
      target.set(pool.subarray(used, used + target.byteLength))
      used += target.byteLength
    },
    // Node runs these when the queue of promise reactions is empty, and before it looks for other events.
    soon: (callback) => process.nextTick(callback),
    after(delay, callback) {
      const timer = setTimeout(callback, Math.min(delay, LONGEST_DELAY))
      timer.unref()
      return { cancel: () => clearTimeout(timer) }
    },
  }
}

/** The clock of this machine, whatever clock the engine was given: for talking to libraries that look at it themselves. */
export function wallClock(): number {
  return Date.now()
}

/** Keeps the process alive until the function returned is called: timers of an environment do not. */
export function holdProcess(): () => void {
  const timer = setInterval(() => undefined, 60_000)
  return () => clearInterval(timer)
}
