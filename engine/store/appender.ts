import type { Commit, CommitLog } from '../commit-log/commit-log.js'
import { failureOfSync } from '../commit-log/write-failure.js'
import { AnnalsError, asIoError, InvalidArgumentError, TooLargeError, VersionConflictError } from '../errors.js'
import { encodeCommitId } from '../format/event-options.js'
import { windowOf } from '../format/frame.js'
import type { ShapeTable } from '../format/shapes.js'
import type { Environment, Timer } from '../io/file-system.js'
import type { StreamCatalog } from '../streams/stream-catalog.js'
import type { StreamState } from '../streams/stream-state.js'
import type { Durability } from '../types/durability.js'
import type { ExpectedVersion, NewEvent } from '../types/event.js'
import type {
  AppendManyOptions,
  AppendOptions,
  AppendResult,
  CommitOptions,
  StreamAppend,
} from '../types/event-store.js'
import { checkAppendMany, checkAppendOptions } from './append-options.js'
import type { AppendConditions, KnownCommit, Refusal } from './append-conditions.js'
import { resultTimestamp } from './commit-repeat.js'
import { AppendWaiter, RefusalWaiter } from './append-waiter.js'
import { CommitBuilder } from './commit-builder.js'
import type { Settings } from './options.js'

const NO_OPTIONS: AppendOptions = Object.freeze({})
const ALONE = { before: false, after: false }

export interface AppenderParts {
  readonly environment: Environment
  readonly settings: Settings
  readonly shapes: ShapeTable
  readonly log: CommitLog<StreamState>
  readonly catalog: StreamCatalog
  readonly conditions: AppendConditions
  /** Throws when the store is closed. */
  readonly assertOpen: () => void
  /** Position behind the last event, and the greatest timestamp the store has assigned. */
  readonly position: number
  readonly lastTimestamp: number
}

/** The events of one stream in a commit, and where they go. */
interface PlannedAppend {
  readonly state: StreamState
  readonly events: readonly NewEvent[]
  readonly offset: number
  readonly position: number
}

/**
 * The front of the writer: checks versions and limits, gives out offsets, positions and timestamps, encodes, and hands the
 * commit to the log. All of it in the turn of the call, so that call order is commit order; nothing has changed when it refuses.
 */
export class Appender {
  readonly #environment: Environment
  readonly #settings: Settings
  readonly #log: CommitLog<StreamState>
  readonly #catalog: StreamCatalog
  readonly #commits: CommitBuilder
  readonly #conditions: AppendConditions
  readonly #assertOpen: () => void
  #nextPosition: number
  #lastTimestamp: number
  #syncTimer: Timer | undefined

  constructor(parts: AppenderParts) {
    const { environment, settings } = parts
    this.#environment = environment
    this.#settings = settings
    this.#log = parts.log
    this.#catalog = parts.catalog
    this.#assertOpen = parts.assertOpen
    this.#conditions = parts.conditions
    this.#nextPosition = parts.position
    this.#lastTimestamp = parts.lastTimestamp
    this.#commits = new CommitBuilder(settings.limits, parts.shapes, settings.shapes, (target) =>
      environment.random(target),
    )
  }

  get lastTimestamp(): number {
    return this.#lastTimestamp
  }

  /** Starts no more syncs of relaxed appends: closing syncs everything. */
  stop(): void {
    this.#syncTimer?.cancel()
  }

  append(stream: string, events: readonly NewEvent[], options: AppendOptions = NO_OPTIONS): Promise<AppendResult> {
    try {
      if (options !== NO_OPTIONS) {
        checkAppendOptions(options)
        if (options.commitId !== undefined || options.failIfEventsMatch !== undefined) {
          const only = { stream, events, expectedVersion: options.expectedVersion }
          return this.#appendAll([only], options).then(([result]) => result!)
        }
      }
      const state = this.#writable(stream, events)
      const conflict = conflictOf(state.key.name, options.expectedVersion, state.nextOffset)
      if (conflict !== undefined) {
        return this.#refuse({ error: conflict, uncommitted: state.nextOffset > state.version })
      }
      const durability = options.durability ?? this.#settings.durability
      if (events.length === 0) {
        const result = resultOf(state.key.name, state.nextOffset, 0, 0, this.#now(), durability)
        return this.#resultOfNothing(result, state.nextOffset > state.version)
      }
      const { length } = events // a getter of an event may change it
      this.#assertRoom(length)
      const now = this.#now()
      const offset = state.nextOffset
      const position = this.#nextPosition
      this.#commits.begin(this.#log.place)
      this.#commits.add(state, events, offset, position, now, ALONE)
      const waiter = new AppendWaiter(resultOf(state.key.name, offset, length, position, now, durability))
      const commit = this.#commits.finish(position)
      if (this.#commits.keyed) this.#conditions.add(commit)
      this.#log.append(commit, durability, waiter)
      state.nextOffset = offset + length
      this.#accept(length, now, durability)
      return waiter.promise
    } catch (error) {
      return Promise.reject(asIoError(error, 'append'))
    }
  }

  appendMany(appends: readonly StreamAppend[], options: AppendManyOptions = {}): Promise<AppendResult[]> {
    try {
      checkAppendMany(appends, options)
      this.#assertOpen()
    } catch (error) {
      return Promise.reject(asIoError(error, 'append'))
    }
    return this.#appendAll(appends, options)
  }

  #appendAll(appends: readonly StreamAppend[], options: CommitOptions): Promise<AppendResult[]> {
    const next = new Map<StreamState, number>()
    try {
      return this.#appendPlan(appends, options, next)
    } catch (error) {
      return Promise.reject(asIoError(error, 'append'))
    } finally {
      for (const state of next.keys()) state.pins--
    }
  }

  /** `next`: the offset behind the events planned for each stream; the streams in it are pinned. */
  #appendPlan(
    appends: readonly StreamAppend[],
    options: CommitOptions,
    next: Map<StreamState, number>,
  ): Promise<AppendResult[]> {
    const durability = options.durability ?? this.#settings.durability
    const { commitId } = options
    if (commitId !== undefined) {
      const known = this.#known(commitId, appends)
      if (known !== undefined) return 'error' in known ? this.#refuse(known) : this.#repeat(known, durability)
    }
    const now = this.#now()
    const firstPosition = this.#nextPosition
    const results: AppendResult[] = []
    const plan: PlannedAppend[] = []
    let position = firstPosition
    for (const { stream, events, expectedVersion } of appends) {
      const state = this.#writable(stream, events)
      if (!next.has(state)) state.pins++
      const offset = next.get(state) ?? state.nextOffset
      next.set(state, offset + events.length)
      const conflict = conflictOf(state.key.name, expectedVersion, offset)
      if (conflict !== undefined) {
        return this.#refuse({ error: conflict, uncommitted: state.nextOffset > state.version })
      }
      results.push(resultOf(state.key.name, offset, events.length, position, now, durability))
      if (events.length > 0) plan.push({ state, events: events.slice(), offset, position })
      position += events.length
    }
    if (options.failIfEventsMatch !== undefined) {
      const { failIfEventsMatch, after = -1 } = options
      const refusal = this.#conditions.conflict(failIfEventsMatch, after, firstPosition)
      if (refusal !== undefined) return this.#refuse(refusal)
    }
    if (plan.length === 0) {
      const uncommitted = [...next.keys()].some((state) => state.nextOffset > state.version)
      return this.#resultOfNothing(results, uncommitted)
    }
    this.#assertRoom(position - firstPosition)
    this.#commits.begin(this.#log.place, commitId === undefined ? undefined : encodeCommitId(commitId))
    for (const [i, { state, events, offset, position: at }] of plan.entries()) {
      this.#commits.add(state, events, offset, at, now, { before: i > 0, after: i < plan.length - 1 })
    }
    const commit = this.#commits.finish(firstPosition)
    const waiter = new AppendWaiter(commitId === undefined ? results : timestamped(results, commit))
    if (this.#commits.keyed) this.#conditions.add(commit)
    this.#log.append(commit, durability, waiter)
    for (const [state, offset] of next) state.nextOffset = offset
    this.#accept(position - firstPosition, now, durability)
    return waiter.promise
  }

  /** Returns a stream that may be appended to. Throws when the store, the stream or the events cannot be used. */
  #writable(stream: string, events: readonly NewEvent[]): StreamState {
    this.#assertOpen()
    this.#assertWritable()
    if (!Array.isArray(events)) throw new InvalidArgumentError('Cannot append: events is no array')
    const state = this.#catalog.get(stream)
    if (state.damage !== undefined) throw state.damage
    return state
  }

  #assertWritable(): void {
    const { failure } = this.#log
    if (failure === undefined) return
    if (failure.code === 'ERR_LOCK_LOST') throw failure // whoever noticed first: the answer is the same
    throw new AnnalsError(
      'ERR_WRITER_FAILED',
      `Cannot append: an earlier append failed (${failure.code}); open the store again to go on`,
      { cause: failure },
    )
  }

  #assertRoom(events: number): void {
    const { limits } = this.#settings
    if (events > limits.commitEvents) {
      throw new TooLargeError(
        `Cannot append ${events} events at once: the limit is ${limits.commitEvents}`,
        limits.commitEvents,
        events,
      )
    }
    if (this.#log.pendingBytes >= limits.pendingBytes) {
      throw new AnnalsError(
        'ERR_OVERLOADED',
        `Cannot append: ${this.#log.pendingBytes} bytes wait for the disk, the limit is ${limits.pendingBytes}; wait for earlier appends`,
      )
    }
  }

  /** A version that rests on events on their way is told once those are committed. */
  #resultOfNothing<Result>(result: Result, uncommitted: boolean): Promise<Result> {
    const waiter = new AppendWaiter(result)
    return uncommitted && this.#log.waitForNewest(waiter) ? waiter.promise : Promise.resolve(result)
  }

  #refuse({ error, uncommitted }: Refusal): Promise<never> {
    if (!uncommitted) return Promise.reject(error)
    const waiter = new RefusalWaiter(error)
    return this.#log.waitForNewest(waiter) ? waiter.promise : Promise.reject(error)
  }

  /** The commit that has an id, where something is appended at all: a commit without events is not remembered. */
  #known(commitId: string, appends: readonly StreamAppend[]): KnownCommit | Refusal | undefined {
    let count = 0
    for (const { stream, events } of appends) {
      this.#writable(stream, events)
      count += events.length
    }
    return count === 0 ? undefined : this.#conditions.known(commitId, appends, this.#nextPosition)
  }

  /** Returns what the first append of a commit returned, once it is as durable as this one asks for. */
  async #repeat(known: KnownCommit, durability: Durability): Promise<AppendResult[]> {
    if (known.uncommitted) await this.#resultOfNothing(undefined, true)
    if (durability === 'fsync' && this.#log.unsynced) {
      await new Promise<void>((resolve, reject) =>
        this.#log.sync((error) => {
          if (error === null) return resolve()
          this.#log.failSync(error) // nobody may sync again what this one has given up
          reject(failureOfSync(error))
        }),
      )
      this.#assertWritable() // a log that has failed meanwhile syncs nothing
    }
    return (await known.results()).map((result) => ({ ...result, durability }))
  }

  #now(): number {
    return Math.max(this.#environment.now(), this.#lastTimestamp)
  }

  #accept(events: number, now: number, durability: Durability): void {
    this.#nextPosition += events
    this.#lastTimestamp = now
    if (durability === 'interval') this.#syncSoon()
  }

  #syncSoon(): void {
    this.#syncTimer ??= this.#environment.after(this.#settings.syncIntervalMs, () => this.#syncRelaxed())
  }

  #syncRelaxed(): void {
    this.#syncTimer = undefined
    if (this.#log.pendingBytes > 0) this.#syncSoon() // what is on its way now is not covered by this sync
    this.#log.sync((error) => {
      if (error !== null) this.#log.failSync(error)
    })
  }
}

function conflictOf(
  stream: string,
  expected: ExpectedVersion | undefined,
  actual: number,
): VersionConflictError | undefined {
  if (expected === undefined || expected === 'any') return undefined
  const met = expected === 'noStream' ? actual === 0 : expected === 'streamExists' ? actual > 0 : expected === actual
  return met ? undefined : new VersionConflictError(stream, expected, actual)
}

/** The results of a commit with an id: with a timestamp that its records tell again. */
function timestamped(results: readonly AppendResult[], commit: Commit<StreamState>): AppendResult[] {
  const timestamp = resultTimestamp(windowOf(commit.bytes), commit.starts, commit.at, commit.count)
  return results.map((result) => ({ ...result, timestamp }))
}

function resultOf(
  stream: string,
  offset: number,
  events: number,
  position: number,
  timestamp: number,
  durability: Durability,
): AppendResult {
  return {
    stream,
    firstOffset: offset,
    lastOffset: offset + events - 1,
    version: offset + events,
    position: events === 0 ? -1 : position + events - 1,
    timestamp,
    durability,
  }
}
