import { InvalidArgumentError, quote } from '../../engine/errors.js'
import type { Durability } from '../../engine/types/durability.js'
import type { StoredEvent } from '../../engine/types/event.js'
import { type Clock, nodeClock } from '../io/clock.js'
import type { ReactionError } from './errors.js'

export interface ReactorOptions {
  /** Where it begins when it has no checkpoint: a position, or 'end' for what is committed from now on. Default: 0. */
  readonly from?: number | 'end' | undefined
  /** Events between two checkpoints, at most: so many may be delivered again after a crash. Default: 100. */
  readonly checkpointEvery?: number | undefined
  /** Of the checkpoints. One that a power cut takes only has events delivered again. Default: 'os'. */
  readonly checkpointDurability?: Durability | undefined
  /** Of what is appended. Default: that of the store. */
  readonly durability?: Durability | undefined
  /** What to do about a handler that fails: how often it is called, and how long to wait between, which doubles each time. */
  readonly retry?:
    | {
        /** Default: 5. */
        readonly attempts?: number | undefined
        /** Milliseconds. Default: 100. */
        readonly delayMs?: number | undefined
        /** Milliseconds. Default: 10,000. */
        readonly maxDelayMs?: number | undefined
      }
    | undefined
  /** Milliseconds that a handler may take. Default: 30,000. */
  readonly timeoutMs?: number | undefined
  /**
   * What to do about an event whose handler has failed for good: stop there, or set it aside as a dead letter and go on. Or a function
   * that says which. Default: 'stop'.
   */
  readonly onFailure?: ReactionPolicy | ((error: ReactionError, event: StoredEvent) => ReactionPolicy) | undefined
  /** Hears of each attempt that failed, and in how many milliseconds the next one is; undefined: there is none. What it throws is dropped. */
  readonly onFailedAttempt?: ((error: ReactionError, delayMs: number | undefined) => void) | undefined
  readonly clock?: Clock | undefined
}

export type ReactionPolicy = 'stop' | 'dead-letter'

/** Options with everything that was left out. */
export interface ReactorSettings {
  readonly from: number | 'end'
  readonly checkpointEvery: number
  readonly checkpointDurability: Durability
  readonly durability: Durability | undefined
  readonly attempts: number
  readonly delayMs: number
  readonly maxDelayMs: number
  readonly timeoutMs: number
  readonly onFailure: (error: ReactionError, event: StoredEvent) => ReactionPolicy
  readonly onFailedAttempt: (error: ReactionError, delayMs: number | undefined) => void
  readonly clock: Clock
}

/** Throws InvalidArgumentError (ERR_INVALID_ARGUMENT). */
export function reactorSettings(name: string, options: ReactorOptions): ReactorSettings {
  const { retry = {}, onFailure = 'stop', from = 0, onFailedAttempt } = options
  const refuse = (reason: string): never => {
    throw new InvalidArgumentError(`Cannot run reactor ${quote(name)}: ${reason}`)
  }
  const whole = (what: string, value: number | undefined, otherwise: number, least: number): number => {
    if (value === undefined) return otherwise
    if (Number.isSafeInteger(value) && value >= least) return value
    return refuse(`${what} is ${String(value)}, not a whole number from ${least}`)
  }
  const policies: readonly unknown[] = ['stop', 'dead-letter']
  if (typeof onFailure !== 'function' && !policies.includes(onFailure)) refuse(`onFailure is ${onFailure}`)
  return {
    from: from === 'end' ? from : whole('from', from, 0, 0),
    checkpointEvery: whole('checkpointEvery', options.checkpointEvery, 100, 1),
    checkpointDurability: options.checkpointDurability ?? 'os',
    durability: options.durability,
    attempts: whole('retry.attempts', retry.attempts, 5, 1),
    delayMs: whole('retry.delayMs', retry.delayMs, 100, 0),
    maxDelayMs: whole('retry.maxDelayMs', retry.maxDelayMs, 10_000, 0),
    timeoutMs: whole('timeoutMs', options.timeoutMs, 30_000, 1),
    onFailure: typeof onFailure === 'function' ? onFailure : () => onFailure,
    onFailedAttempt: (error, delayMs) => {
      try {
        onFailedAttempt?.(error, delayMs)
      } catch {
        // It was told; what becomes of the event does not depend on it.
      }
    },
    clock: options.clock ?? nodeClock,
  }
}
