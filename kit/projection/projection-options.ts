import { InvalidArgumentError } from '../../engine/errors.js'
import type { StoredEvent } from '../../engine/types/event.js'
import { type Clock, nodeClock } from '../io/clock.js'
import type { WarningListener } from '../warning.js'
import type { ProjectionHandlerError } from './errors.js'
import type { ProjectionStore } from './projection-store.js'

export interface ProjectionOptions {
  /** Where rows and checkpoint are kept: `memoryProjections()`, `fileProjections(folder)`, `sqliteProjections(database)`. */
  readonly projections: ProjectionStore
  /** Events that are projected and stored together, at most. Default: 500. */
  readonly batchSize?: number | undefined
  /** How many streams are dealt with at once, where the handlers of tables are asynchronous. Default: 1. */
  readonly concurrency?: number | undefined
  /** What to do about a handler that fails: how often it is called, and how long to wait between, which doubles each time. */
  readonly retry?:
    | {
        /** Default: 3. */
        readonly attempts?: number | undefined
        /** Milliseconds. Default: 100. */
        readonly delayMs?: number | undefined
        /** Milliseconds. Default: 10,000. */
        readonly maxDelayMs?: number | undefined
      }
    | undefined
  /** Milliseconds that an asynchronous handler may take. Default: 30,000. */
  readonly timeoutMs?: number | undefined
  /**
   * What to do about an event whose handler has failed for good: stop there, or set it aside as a dead letter and go on. Or a function
   * that says which. Default: 'stop'.
   */
  readonly onFailure?:
    FailurePolicy | ((error: ProjectionHandlerError, event: StoredEvent) => FailurePolicy) | undefined
  /** Dead letters that are kept; with one more it stops. Default: 1,000. */
  readonly maxDeadLetters?: number | undefined
  /**
   * What to do when an older version of the definition made what is stored: refuse to start, make it again beside what is there and
   * then switch, or go on with it. Default: 'refuse'.
   */
  readonly onChange?: 'refuse' | 'rebuild' | 'keep' | undefined
  /** Milliseconds for which a process that has been killed still counts as the one that projects. Default: 10,000. */
  readonly leaseMs?: number | undefined
  readonly onWarning?: WarningListener | undefined
  readonly clock?: Clock | undefined
}

export type FailurePolicy = 'stop' | 'dead-letter'

/**
 * What a projection is doing. `standby`: another process runs it. `rebuilding`: an older version of it is live, and this one is made beside it.
 * `failed`: it stands before an event that it cannot project, or its store does not work; `failure` says which.
 */
export type ProjectionStatus = 'starting' | 'running' | 'standby' | 'rebuilding' | 'paused' | 'failed' | 'stopped'

/** Options with everything that was left out. */
export interface Settings {
  readonly projections: ProjectionStore
  readonly batchSize: number
  readonly concurrency: number
  readonly attempts: number
  readonly delayMs: number
  readonly maxDelayMs: number
  readonly timeoutMs: number
  readonly onFailure: (error: ProjectionHandlerError, event: StoredEvent) => FailurePolicy
  readonly maxDeadLetters: number
  readonly onChange: 'refuse' | 'rebuild' | 'keep'
  readonly leaseMs: number
  readonly onWarning: WarningListener | undefined
  readonly clock: Clock
}

/** Throws InvalidArgumentError (ERR_INVALID_ARGUMENT). */
export function settingsOf(name: string, options: ProjectionOptions): Settings {
  const { retry = {}, onFailure = 'stop', onChange = 'refuse' } = options
  const refuse = (reason: string): never => {
    throw new InvalidArgumentError(`Cannot run projection "${name}": ${reason}`)
  }
  const whole = (what: string, value: number | undefined, otherwise: number, least: number): number => {
    if (value === undefined) return otherwise
    if (Number.isSafeInteger(value) && value >= least) return value
    return refuse(`${what} is ${String(value)}, not a whole number from ${least}`)
  }
  if (typeof (options.projections as Partial<ProjectionStore> | undefined)?.open !== 'function') {
    refuse('projections is no store for projections')
  }
  const policies: readonly unknown[] = ['stop', 'dead-letter']
  if (typeof onFailure !== 'function' && !policies.includes(onFailure)) refuse(`onFailure is ${onFailure}`)
  const changes: readonly unknown[] = ['refuse', 'rebuild', 'keep']
  if (!changes.includes(onChange)) refuse(`onChange is ${onChange}`)
  return {
    projections: options.projections,
    batchSize: whole('batchSize', options.batchSize, 500, 1),
    concurrency: whole('concurrency', options.concurrency, 1, 1),
    attempts: whole('retry.attempts', retry.attempts, 3, 1),
    delayMs: whole('retry.delayMs', retry.delayMs, 100, 0),
    maxDelayMs: whole('retry.maxDelayMs', retry.maxDelayMs, 10_000, 0),
    timeoutMs: whole('timeoutMs', options.timeoutMs, 30_000, 1),
    onFailure: typeof onFailure === 'function' ? onFailure : () => onFailure,
    maxDeadLetters: whole('maxDeadLetters', options.maxDeadLetters, 1000, 0),
    onChange,
    leaseMs: whole('leaseMs', options.leaseMs, 10_000, 1),
    onWarning: options.onWarning,
    clock: options.clock ?? nodeClock,
  }
}
