import { AnnalsError, InvalidArgumentError, quote } from '../../engine/errors.js'
import type { StoredEvent } from '../../engine/types/event.js'
import type { EventStore } from '../../engine/types/event-store.js'
import { type DeadlineMark, Deadlines } from './deadlines.js'
import { Reactions } from './reactions.js'
import type { Reactor } from './reactor.js'
import { type ReactionLetter, ReactorLog } from './reactor-log.js'
import { type ReactorOptions, reactorSettings, type ReactorSettings } from './reactor-options.js'

/** `failed`: it stands before an event that it cannot react to, or the store does not work; `failure` says which. */
export type ReactorStatus = 'running' | 'failed' | 'stopped'

interface Waiter {
  readonly position: number
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

/** Reacts to what is committed, event by event in commit order, from when it is started until it is stopped. */
export class ReactorRunner implements AsyncDisposable {
  readonly reactor: Reactor
  readonly #store: EventStore
  readonly #settings: ReactorSettings
  readonly #log: ReactorLog
  readonly #reactions: Reactions
  readonly #deadlines: Deadlines | undefined
  readonly #stop = new AbortController()
  readonly #waiters = new Set<Waiter>()
  #status: ReactorStatus = 'running'
  #failure: unknown
  #position = 0
  /** What the checkpoint says. */
  #stored = 0
  #storedDeadlines: DeadlineMark | undefined
  /** While a deadline is over: events before this position come before it. */
  #before: number | undefined
  /** Up to here nothing was left to react to when it was looked. */
  #clear = 0
  #resumed: () => void = () => undefined
  #loop: Promise<void> | undefined

  /** @internal Use `runReactor`. */
  constructor(store: EventStore, reactor: Reactor, settings: ReactorSettings) {
    this.reactor = reactor
    this.#store = store
    this.#settings = settings
    this.#log = new ReactorLog(store, reactor.name, settings)
    this.#deadlines = reactor.hasDeadlines ? new Deadlines(store, reactor.name, settings.clock) : undefined
    this.#reactions = new Reactions(store, reactor, settings, this.#log, this.#deadlines)
  }

  get name(): string {
    return this.reactor.name
  }

  get status(): ReactorStatus {
    return this.#status
  }

  /** Why it has failed. `resume` tries again. */
  get failure(): unknown {
    return this.#failure
  }

  /** The next position to read: what it wants of everything before it is done or set aside. */
  get position(): number {
    return this.#position
  }

  /** When the next deadline of a process manager is due, in milliseconds since the epoch; undefined: none is pending. One that was cancelled may be counted. */
  get nextDeadline(): number | undefined {
    return this.#deadlines?.nextAt
  }

  /**
   * Resolves when it has reacted to everything up to a position, as an append returned it.
   *
   * @throws what it has failed with; ERR_CLOSED when it is stopped; the signal's reason
   */
  async whenProcessed(position: number, { signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    let last = -1
    const { types, category, stream } = this.reactor
    const asked = { types, category, fromPosition: this.#position, toPosition: position, signal }
    for await (const event of this.#store.readAll(asked)) {
      if (stream === undefined || event.stream === stream) last = event.position
    }
    if (last < this.#position) return
    if (this.#status !== 'running') throw this.#reason()
    await new Promise<void>((resolve, reject) => {
      const waiter: Waiter = { position: last, resolve, reject }
      this.#waiters.add(waiter)
      signal?.addEventListener(
        'abort',
        () => {
          if (this.#waiters.delete(waiter)) reject(signal.reason as Error)
        },
        { once: true },
      )
    })
  }

  /** Reads what was set aside, in the order of the positions. */
  async deadLetters(): Promise<ReactionLetter[]> {
    return this.#log.letters()
  }

  /** Has the handlers try the dead letters again, in order. Resolves to those that failed again, and stay. */
  async retryDeadLetters(): Promise<ReactionLetter[]> {
    const { signal } = this.#stop
    for (const { position } of await this.#log.letters()) {
      for await (const event of this.#store.readAll({ fromPosition: position, limit: 1, signal })) {
        if ((await this.#reactions.attempt(event, signal)) === undefined) await this.#log.madeUp(event)
      }
    }
    return this.#log.letters()
  }

  /** Tries again after a failure, from the event that it stands before. */
  resume(): void {
    if (this.#status !== 'failed') return
    this.#status = 'running'
    this.#failure = undefined
    this.#resumed()
  }

  /**
   * Stops it. A handler under way is told by its signal and not waited for; its event is handled at the next start. Twice is a no-op.
   */
  async stop(): Promise<void> {
    this.#stop.abort(new AnnalsError('ERR_CLOSED', `Reactor ${quote(this.name)} was stopped`))
    this.#resumed()
    await this.#loop
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** @internal Finds where to begin, and begins. */
  async start(): Promise<void> {
    await this.#begin()
    this.#loop = this.#run()
  }

  async #begin(): Promise<void> {
    const { signal } = this.#stop
    const stored = await this.#log.load(signal)
    const { from } = this.#settings
    this.#position = stored?.position ?? (from === 'end' ? await endOf(this.#store) : from)
    await this.#deadlines?.begin(stored?.deadlines, signal)
    this.#storedDeadlines = stored?.deadlines
    // What is committed from now on is reacted to, also when the process ends before anything happens.
    if (stored === undefined && this.#position > 0) await this.#log.save({ position: this.#position })
    this.#stored = this.#position
  }

  async #run(): Promise<void> {
    let again = false
    do {
      try {
        // What was written meanwhile, and by whom, is looked up again.
        if (again) await this.#begin()
        await this.#follow(this.#stop.signal)
        again = false // the store is closed
      } catch (error) {
        again = await this.#failed(error)
      }
    } while (again)
    // What is not stored of this is found out again at the next start.
    if (this.#failure === undefined) await this.#checkpoint().catch(() => undefined)
    this.#status = 'stopped'
    this.#reject()
  }

  /** Waits until somebody wants it to go on. Resolves to false when it is over. */
  async #failed(error: unknown): Promise<boolean> {
    const isOver = (): boolean => this.#stop.signal.aborted
    if (isOver() || (error as { readonly code?: unknown }).code === 'ERR_CLOSED') return false
    await this.#checkpoint().catch(() => undefined)
    this.#failure = error
    this.#status = 'failed'
    this.#reject()
    if (!isOver()) await new Promise<void>((resolve) => (this.#resumed = resolve))
    return !isOver()
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { types, category, stream } = this.reactor
    const asked = { types, category, stream, fromPosition: this.#position, signal }
    await using subscription = this.#store.subscribe(asked)
    // A batch is what is there: far behind they are full, and live each commit is one.
    const batches = subscription.batches(this.#settings.checkpointEvery)
    for (;;) {
      const next = batches.next()
      next.catch(() => undefined) // told below, unless a deadline fails before
      if (this.#deadlines !== undefined) await this.#passDeadlines(this.#deadlines, next, signal)
      const batch = await next
      if (batch.done === true) return
      for (const event of batch.value) await this.#handle(event, signal)
      await this.#checkpoint()
    }
  }

  /** Deals with deadlines as they are due, until there are more events. */
  async #passDeadlines(deadlines: Deadlines, next: Promise<unknown>, signal: AbortSignal): Promise<void> {
    const { clock, checkpointEvery } = this.#settings
    const more = { come: false }
    const come = (): void => {
      more.come = true
    }
    next.then(come, come)
    for (let wait = await deadlines.wait(signal); wait !== undefined; wait = await deadlines.wait(signal)) {
      if (wait > 0) {
        const over = new AbortController()
        const slept = clock.sleep(wait, { signal: AbortSignal.any([over.signal, signal]) }).catch(() => undefined)
        await Promise.race([next, slept]).catch(() => undefined)
        over.abort()
        if (more.come || signal.aborted) return
        continue
      }
      // What was committed until it was noticed that it is over comes before.
      this.#before ??= await endOf(this.#store)
      if (await this.#isWanted(this.#before, signal)) return
      for (let count = 0; count < checkpointEvery; count++) {
        const event = await deadlines.due(signal)
        if (event === undefined) break
        await this.#reactions.handle(event, signal)
        deadlines.passed()
      }
      await this.#checkpoint()
      this.#before = undefined
      if (more.come) return
    }
  }

  /** Tells whether there is an event to react to before a position. */
  async #isWanted(end: number, signal: AbortSignal): Promise<boolean> {
    const fromPosition = Math.max(this.#position, this.#clear)
    if (fromPosition >= end) return false
    const { types, category } = this.reactor
    const asked = { types, category, fromPosition, toPosition: end - 1, limit: 1, signal }
    for await (const _ of this.#store.readAll(asked)) return true
    this.#clear = end
    return false
  }

  async #handle(event: StoredEvent, signal: AbortSignal): Promise<void> {
    await this.#reactions.handle(event, signal)
    this.#position = event.position + 1
    for (const waiter of this.#waiters) {
      if (waiter.position < this.#position && this.#waiters.delete(waiter)) waiter.resolve()
    }
  }

  async #checkpoint(): Promise<void> {
    const mark = this.#deadlines?.mark
    const deadlines = mark !== undefined && mark.end > 0 ? mark : undefined
    if (this.#position === this.#stored && isSameMark(deadlines, this.#storedDeadlines)) return
    await this.#log.save({ position: this.#position, ...(deadlines === undefined ? {} : { deadlines }) })
    this.#stored = this.#position
    this.#storedDeadlines = deadlines
  }

  #reject(): void {
    for (const waiter of this.#waiters) waiter.reject(this.#reason())
    this.#waiters.clear()
  }

  #reason(): Error {
    return (
      (this.#failure as Error | undefined) ?? new AnnalsError('ERR_CLOSED', `Reactor ${quote(this.name)} was stopped`)
    )
  }
}

/**
 * Runs a reactor in the background. Resolves when it has begun; what it fails with later is `failure`, and what `whenProcessed` rejects with.
 *
 * Whatever a crash comes between, the appends of a reaction happen once: they are one commit with an id of the event's. Everything else a
 * handler does may happen again, with the same `effectId`.
 *
 * @throws InvalidArgumentError (ERR_INVALID_ARGUMENT); what reading throws
 */
export async function runReactor(
  store: EventStore,
  reactor: Reactor,
  options: ReactorOptions = {},
): Promise<ReactorRunner> {
  if (!(typeof (reactor as Partial<Reactor> | undefined)?.handle === 'function')) {
    throw new InvalidArgumentError('Cannot run a reactor: it was not made by reactor() or processManager()')
  }
  const runner = new ReactorRunner(store, reactor, reactorSettings(reactor.name, options))
  await runner.start()
  return runner
}

function isSameMark(a: DeadlineMark | undefined, b: DeadlineMark | undefined): boolean {
  return a?.from === b?.from && a?.end === b?.end && a?.dueAt === b?.dueAt
}

/** Returns the position behind the last committed event. */
async function endOf(store: EventStore): Promise<number> {
  await using subscription = store.subscribe({ fromPosition: 'end' })
  return subscription.position
}
