import type { Clock } from '../io/clock.js'
import type { StoredEvent } from '../../engine/types/event.js'
import { isThenable } from '../plain-value.js'
import type { AnyHandler, HandlerContext } from './projection.js'

/** An event with the handler that gets it. */
export interface Item {
  readonly stored: StoredEvent
  /** As the program knows it today. */
  readonly event: StoredEvent
  /** What the handler is called in the definition. */
  readonly name: string
  readonly handler: AnyHandler
  /** Why the event could not be brought to its schema version of today. */
  readonly refusal?: unknown
}

/** Something to be done once the batch is stored. */
export interface Effect {
  readonly item: Item
  readonly work: () => unknown
}

export interface CallOptions {
  readonly clock: Clock
  /** Milliseconds that a handler may take. */
  readonly timeoutMs: number
  /** Ends the batch: nothing of it is stored. */
  readonly signal: AbortSignal
  /** Events before this position were projected before. */
  readonly effectsFrom: number
}

/** Calls the handlers of one batch, each for as long as it may take, and gathers the effects they ask for. */
export class HandlerCalls {
  readonly #options: CallOptions
  #effects: Effect[] = []

  constructor(options: CallOptions) {
    this.#options = options
  }

  /** Effects in the order of the events. */
  get effects(): readonly Effect[] {
    return this.#effects.sort((a, b) => a.item.stored.position - b.item.stored.position)
  }

  /** Forgets the effects of a try that came to nothing. */
  begin(): void {
    this.#effects = []
  }

  /** Returns what the handler does; a promise of it when it takes its time. */
  call(item: Item, view: unknown, attempt: number): unknown {
    if (item.refusal !== undefined) throw item.refusal as Error
    const isReplay = item.stored.position < this.#options.effectsFrom
    const effects = this.#effects
    const effect = (work: () => unknown): void => {
      if (!isReplay) effects.push({ item, work })
    }
    const context = new Context(this.#options.signal, attempt, isReplay, effect)
    const result = item.handler(view as never, item.event as never, context)
    return isThenable(result) ? this.#inTime(result, context) : result
  }

  /** Has the effects, one after another. What one throws is told, and stops nothing: the events are projected. */
  async haveEffects(failed: (effect: Effect, error: unknown) => void): Promise<void> {
    for (const effect of this.effects) {
      try {
        const result = effect.work()
        if (isThenable(result)) await this.#inTime(result)
      } catch (error) {
        failed(effect, error)
      }
    }
  }

  #inTime(result: PromiseLike<unknown>, context?: Context): Promise<unknown> {
    const { clock, signal, timeoutMs } = this.#options
    const ended = new AbortController()
    let stop = (): void => undefined
    const inTime = new Promise((resolve, reject) => {
      stop = () => reject(signal.reason as Error)
      if (signal.aborted) stop()
      signal.addEventListener('abort', stop)
      result.then(resolve, reject)
      clock.sleep(timeoutMs, { signal: ended.signal }).then(
        () => reject(new Error(`it did not end within ${timeoutMs} ms`)),
        // It ended in time: nobody waits for the clock any more.
        () => undefined,
      )
    })
    return inTime
      .catch((error: unknown) => {
        context?.abort(error)
        throw error
      })
      .finally(() => {
        signal.removeEventListener('abort', stop)
        ended.abort()
      })
  }
}

class Context implements HandlerContext {
  readonly attempt: number
  readonly isReplay: boolean
  readonly effect: (work: () => unknown) => void
  readonly #stopped: AbortSignal
  /** Only for those who ask for it. */
  #own: AbortController | undefined

  constructor(stopped: AbortSignal, attempt: number, isReplay: boolean, effect: (work: () => unknown) => void) {
    this.#stopped = stopped
    this.attempt = attempt
    this.isReplay = isReplay
    this.effect = effect
  }

  get signal(): AbortSignal {
    this.#own ??= new AbortController()
    if (this.#stopped.aborted) this.#own.abort(this.#stopped.reason)
    return this.#own.signal
  }

  /** It took too long, or the projection is stopped. */
  abort(reason: unknown): void {
    this.#own?.abort(reason)
  }
}
