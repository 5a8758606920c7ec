import type { StoredEvent } from '../../engine/types/event.js'
import type { EventStore } from '../../engine/types/event-store.js'
import { causedBy } from '../../engine/types/caused-by.js'
import { isReused } from '../known-commit.js'
import { unitOfWork } from '../unit-of-work.js'
import type { Deadlines } from './deadlines.js'
import { ReactionError } from './errors.js'
import type { Reactor } from './reactor.js'
import type { ReactorLog } from './reactor-log.js'
import type { ReactorSettings } from './reactor-options.js'

/** What says that the store cannot go on: another attempt would fail as well, and the handler is not to blame. */
const STORE_FAILURES: readonly unknown[] = [
  'ERR_CLOSED',
  'ERR_READ_ONLY',
  'ERR_LOCK_LOST',
  'ERR_WRITER_FAILED',
  'ERR_OUTCOME_UNKNOWN',
  'ERR_NO_SPACE',
  'ERR_IO',
  'ERR_CORRUPT',
]

/** Has events handled: each until it is done or has failed for good, with its appends as one commit that is known by its id. */
export class Reactions {
  readonly #store: EventStore
  readonly #reactor: Reactor
  readonly #settings: ReactorSettings
  readonly #log: ReactorLog
  readonly #deadlines: Deadlines | undefined

  constructor(
    store: EventStore,
    reactor: Reactor,
    settings: ReactorSettings,
    log: ReactorLog,
    deadlines: Deadlines | undefined,
  ) {
    this.#store = store
    this.#reactor = reactor
    this.#settings = settings
    this.#log = log
    this.#deadlines = deadlines
  }

  /** Handles an event. Throws ReactionError when it failed for good and is not to be set aside; what the store throws; the signal's reason. */
  async handle(event: StoredEvent, signal: AbortSignal): Promise<void> {
    const failure = await this.attempt(event, signal)
    if (failure === undefined) return
    if (this.#settings.onFailure(failure, event) !== 'dead-letter') throw failure
    await this.#log.setAside(event, failure)
  }

  /** Handles an event, as often as it takes and is allowed. Returns why it failed for good. */
  async attempt(event: StoredEvent, signal: AbortSignal): Promise<ReactionError | undefined> {
    const { attempts, delayMs, maxDelayMs, clock, onFailedAttempt } = this.#settings
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted()
      try {
        await this.#once(event, attempt, signal)
        return undefined
      } catch (error) {
        signal.throwIfAborted()
        if (isStoreFailure(error)) throw error
        const failure = new ReactionError(this.#reactor.name, event, this.#reactor.handlerName(event), attempt, error)
        const delay = attempt < attempts ? Math.min(maxDelayMs, delayMs * 2 ** (attempt - 1)) : undefined
        onFailedAttempt(failure, delay)
        if (delay === undefined) return failure
        await clock.sleep(delay, { signal })
      }
    }
  }

  async #once(event: StoredEvent, attempt: number, signal: AbortSignal): Promise<void> {
    const effectId = this.#log.effectId(event)
    // Handled before a crash, and only the checkpoint behind it was not stored.
    for await (const _ of this.#store.readAll({ commitId: effectId, limit: 1, signal })) return
    const { durability, clock } = this.#settings
    try {
      const changes = await unitOfWork(
        this.#store,
        (unit) =>
          this.#inTime(signal, (own) =>
            this.#reactor.handle(event, { unit, effectId, attempt, now: clock.now(), signal: own }),
          ),
        { commitId: effectId, metadata: causedBy(event), durability, signal },
      )
      if (changes !== undefined) this.#deadlines?.committed(changes)
    } catch (error) {
      // Another reactor of this name was faster; this one will hear of it when it stores its checkpoint.
      if (!isReused(error) || (error as { readonly commitId?: unknown }).commitId !== effectId) throw error
    }
  }

  /** Waits for a handler no longer than it may take. What it does to its unit afterwards is part of nothing. */
  async #inTime<Result>(signal: AbortSignal, handle: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const { clock, timeoutMs } = this.#settings
    const over = new AbortController()
    const ended = new AbortController()
    const timedOut = clock.sleep(timeoutMs, { signal: AbortSignal.any([ended.signal, signal]) }).then(() => {
      throw new Error(`it did not end within ${timeoutMs} ms`)
    })
    try {
      return await Promise.race([handle(AbortSignal.any([over.signal, signal])), timedOut])
    } catch (error) {
      over.abort(error)
      throw error
    } finally {
      timedOut.catch(() => undefined)
      ended.abort()
    }
  }
}

function isStoreFailure(error: unknown): boolean {
  return error instanceof Error && STORE_FAILURES.includes((error as { readonly code?: unknown }).code)
}
