import { MAX_FILTER_TYPES } from '../../engine/limits.js'
import type { EventStore } from '../../engine/types/event-store.js'
import type { StoredEvent } from '../../engine/types/event.js'
import type { Subscription } from '../../engine/types/subscription.js'
import { said } from '../errors.js'
import { warn } from '../warning.js'
import { type Batch, type BatchWork, DEAD_LETTERS, StateWork, TableWork } from './batches.js'
import { type DeadLetter, deadLetterOf, letterKey } from './dead-letters.js'
import { ProjectionHandlerError, ProjectionMovedError } from './errors.js'
import { HandlerCalls, type Item } from './handler-calls.js'
import type { Projection } from './projection.js'
import type { Settings } from './projection-options.js'
import type { ProjectionBuild, ProjectionHead, RowChange } from './projection-store.js'
import { applySql, SqlFailure } from './sql-work.js'

export interface WorkerContext {
  readonly store: EventStore
  readonly projection: Projection
  readonly settings: Settings
  /** Who stores: refused when somebody else has the lease. */
  readonly holder: string | undefined
  /** Hears of each step: everything before this position is projected. */
  readonly onAdvance: (position: number) => void
  /** Hears of each batch: how many events were projected. */
  readonly onProjected: (events: number) => void
}

/** How long to read, and what ends it. */
export interface FollowOptions {
  /** Ends it at once; what is under way is not stored. */
  readonly signal: AbortSignal
  /** Ends it before this position. Default: never. */
  readonly until?: number | undefined
}

/** After so many positions without an event that is wanted, the checkpoint is stored all the same: a restart need not look at them again. */
const IDLE_POSITIONS = 10_000

/**
 * Brings one build of a projection forward: reads events from its checkpoint on, has the handlers work on them in batches, and stores what
 * they make together with the checkpoint behind them.
 */
export class ProjectionWorker {
  readonly build: ProjectionBuild
  readonly #context: WorkerContext
  readonly #work: BatchWork | undefined
  #scanned: number
  #letters: number
  #subscription: Subscription | undefined
  #isRung = false
  /** Ends the loop before the next try of a handler that has failed, and after a batch that is under way. */
  #interrupt = new AbortController()

  /** The build has a head. */
  constructor(build: ProjectionBuild, context: WorkerContext) {
    const { projection, settings } = context
    this.build = build
    this.#context = context
    this.#work =
      projection.kind === 'sql'
        ? undefined
        : projection.kind === 'state'
          ? new StateWork(build, projection)
          : new TableWork(build, projection, settings.concurrency)
    this.#scanned = build.head!.position
    this.#letters = [...build.entries(DEAD_LETTERS)].length
  }

  /** Everything before this position is projected. Stored is the last place where an event was wanted. */
  get scanned(): number {
    return this.#scanned
  }

  /** Has it look again how far the store is, and say so, even if there is nothing new that it wants. */
  ring(): void {
    this.#isRung = true
    if (this.#subscription !== undefined) this.#close(this.#subscription)
  }

  /** Has it end, so that something else can be done with the build. */
  interrupt(): void {
    this.#interrupt.abort()
    this.ring()
  }

  /**
   * Reads on until `until`, until it is rung, or until the store is closed. Resolves to why it ended.
   *
   * @throws ProjectionHandlerError (ERR_PROJECTION_HANDLER), ProjectionMovedError (ERR_PROJECTION_MOVED), the signal's reason, and what the stores throw
   */
  async follow({ signal, until = Infinity }: FollowOptions): Promise<'until' | 'rung' | 'closed'> {
    const { store, projection, settings } = this.#context
    if (this.#scanned >= until) return 'until'
    signal.throwIfAborted()
    this.#isRung = false
    this.#interrupt = new AbortController()
    const { category, stream, types } = projection
    const subscription = store.subscribe({
      category,
      stream,
      types: types.length > MAX_FILTER_TYPES ? undefined : types,
      fromPosition: this.#scanned,
      onCaughtUp: (position) => {
        this.#advance(Math.min(position, until))
        if (position >= until) this.#close(subscription)
      },
    })
    this.#subscription = subscription
    const stop = (): void => this.#close(subscription)
    signal.addEventListener('abort', stop)
    try {
      for await (const batch of subscription.batches(settings.batchSize)) {
        const wanted = batch.at(-1)!.position < until ? batch : batch.filter(({ position }) => position < until)
        if (!(await this.#project(wanted, signal))) return 'rung'
        this.#advance(Math.min(subscription.position, until))
        if (this.#scanned - this.build.head!.position > IDLE_POSITIONS) await this.persist()
        signal.throwIfAborted()
        if (this.#scanned >= until) return 'until'
        if (this.#wasRung()) return 'rung'
      }
    } finally {
      signal.removeEventListener('abort', stop)
      this.#subscription = undefined
      await subscription.close()
    }
    signal.throwIfAborted()
    if (this.#scanned >= until) return 'until'
    return this.#wasRung() ? 'rung' : 'closed'
  }

  /** Stores how far it is. */
  async persist(): Promise<void> {
    const head = this.build.head!
    if (this.#scanned > head.position) await this.#commit(this.#scanned, [])
  }

  /** Projects a dead letter again. Resolves to false when it fails again: then it stays. */
  async retryLetter(event: StoredEvent, letter: DeadLetter, signal: AbortSignal): Promise<boolean> {
    const { settings } = this.#context
    const items = await this.#itemsOf([event])
    const key = letterKey(event.position)
    const calls = this.#calls(signal)
    const failed = await this.#try(items, letter.attempts + 1, calls, this.build.head!.position, [
      { table: DEAD_LETTERS, key, row: undefined },
    ])
    if (failed === undefined) {
      this.#letters--
      await this.#haveEffects(calls)
      return true
    }
    signal.throwIfAborted()
    const error = this.#refusal(items[0]!, letter.attempts + 1, failed.error)
    const row = deadLetterOf(error, settings.clock.now())
    await this.#commit(this.build.head!.position, [{ table: DEAD_LETTERS, key, row }])
    return false
  }

  /** As it is by now. */
  #wasRung(): boolean {
    return this.#isRung
  }

  #close(subscription: Subscription): void {
    // Closing only marks it as over; it has nothing to wait for.
    subscription.close().catch(said)
  }

  #advance(position: number): void {
    this.#scanned = Math.max(this.#scanned, position)
    this.#context.onAdvance(this.#scanned)
  }

  /** Projects and stores events, in as many pieces as failures among them make necessary. Resolves to false when it was interrupted. */
  async #project(events: readonly StoredEvent[], signal: AbortSignal): Promise<boolean> {
    const items = await this.#itemsOf(events)
    let [from, to] = [0, items.length]
    /** The item at which the last try ended, and how often it has failed. */
    let failing: { readonly at: number; readonly times: number; readonly error: unknown } | undefined
    while (from < items.length) {
      signal.throwIfAborted()
      if (failing?.at === from) {
        const item = items[from]!
        const { times, error } = failing
        if (times >= this.#context.settings.attempts) {
          await this.#setAside(item, this.#refusal(item, times, error))
          ;[from, to] = [from + 1, items.length]
          continue
        }
        await this.#backOff(times, signal)
        if (this.#interrupt.signal.aborted) return false
        to = from + 1
      }
      const piece = items.slice(from, to)
      const position = piece.at(-1)!.stored.position + 1
      const calls = this.#calls(signal)
      const failed = await this.#try(piece, failing?.at === from ? failing.times + 1 : 1, calls, position, [])
      if (failed === undefined) {
        this.#context.onProjected(piece.length)
        this.#advance(position)
        await this.#haveEffects(calls)
        ;[from, to] = [to, items.length]
        continue
      }
      signal.throwIfAborted()
      const at: number = from + failed.index
      failing = { at, times: failing?.at === at ? failing.times + 1 : 1, error: failed.error }
      // What came before it counts, and is done again without it.
      if (at > from) to = at
    }
    return true
  }

  /** Tries a piece, and stores it when nothing fails. */
  async #try(
    items: readonly Item[],
    attempt: number,
    calls: HandlerCalls,
    position: number,
    more: readonly RowChange[],
  ): Promise<Batch['failed']> {
    const work = this.#work
    if (work === undefined) {
      try {
        await this.#commit(position, more, (sql) => applySql(items, attempt, calls, sql))
        return undefined
      } catch (error) {
        if (error instanceof SqlFailure) return error
        throw error
      }
    }
    const atOnce = work instanceof TableWork ? await work.applyAtOnce(items, calls) : undefined
    const done = atOnce !== undefined ? { rows: atOnce } : await work.apply(items, attempt, calls)
    if (done.failed !== undefined) return done.failed
    await this.#commit(position, [...done.rows, ...more])
    if ('done' in done) done.done?.()
    return undefined
  }

  /** Stores rows with the checkpoint. A store that fails is asked again; one that somebody else has changed is not. */
  async #commit(
    position: number,
    rows: readonly RowChange[],
    work?: (sql: Parameters<Parameters<ProjectionBuild['commit']>[1]>[0]) => void,
  ): Promise<void> {
    const { holder, settings } = this.#context
    const before = this.build.head!
    const head: ProjectionHead = { ...before, position }
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.build.commit({ expected: before, holder }, (sql) => {
          work?.(sql)
          return { head, rows }
        })
      } catch (error) {
        this.#work?.reset()
        const isFinal = error instanceof ProjectionMovedError || error instanceof SqlFailure
        if (isFinal || attempt >= settings.attempts) throw error
        await settings.clock.sleep(this.#delay(attempt))
      }
    }
  }

  async #setAside(item: Item, error: ProjectionHandlerError): Promise<void> {
    const { settings } = this.#context
    if (settings.onFailure(error, item.stored) !== 'dead-letter') throw error
    if (this.#letters >= settings.maxDeadLetters) throw error
    const { position } = item.stored
    const row = deadLetterOf(error, settings.clock.now())
    await this.#commit(position + 1, [{ table: DEAD_LETTERS, key: letterKey(position), row }])
    this.#letters++
    this.#advance(position + 1)
  }

  async #itemsOf(events: readonly StoredEvent[]): Promise<Item[]> {
    const { projection } = this.#context
    const items: Item[] = []
    for (const stored of events) {
      try {
        let event: StoredEvent | undefined | Promise<StoredEvent> = projection.events.decode(stored)
        if (event instanceof Promise) event = await event
        if (event === undefined) continue
        const handler = projection.handlerOf(event.type)
        if (handler !== undefined) items.push({ stored, event, handler: handler.handle, name: handler.name })
      } catch (refusal) {
        items.push({ stored, event: stored, handler: () => undefined, name: stored.type, refusal })
      }
    }
    return items
  }

  #calls(signal: AbortSignal): HandlerCalls {
    const { clock, timeoutMs } = this.#context.settings
    return new HandlerCalls({ clock, timeoutMs, signal, effectsFrom: this.build.head!.effectsFrom })
  }

  async #haveEffects(calls: HandlerCalls): Promise<void> {
    const { projection, settings } = this.#context
    await calls.haveEffects(({ item: { stored } }, cause) => {
      const { stream, offset, type } = stored
      const reason = said(cause)
      warn(settings.onWarning, {
        kind: 'effect-failed',
        projection: projection.name,
        stream,
        offset,
        type,
        reason,
        cause,
      })
    })
  }

  #refusal({ name, stored }: Item, attempts: number, cause: unknown): ProjectionHandlerError {
    return new ProjectionHandlerError(this.#context.projection.name, stored, name, attempts, cause)
  }

  async #backOff(failures: number, signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([signal, this.#interrupt.signal])
    try {
      await this.#context.settings.clock.sleep(this.#delay(failures), { signal: either })
    } catch (error) {
      signal.throwIfAborted()
      if (!this.#interrupt.signal.aborted) throw error
    }
  }

  #delay(failures: number): number {
    const { delayMs, maxDelayMs } = this.#context.settings
    return Math.min(delayMs * 2 ** (failures - 1), maxDelayMs)
  }
}
