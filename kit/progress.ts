import type { EventStore } from '../engine/types/event-store.js'
import type { Clock } from './io/clock.js'

/** How far a replay or a rebuild is. */
export interface Progress {
  /** The next position to read. */
  readonly position: number
  /** Position before which it ends. */
  readonly endPosition: number
  /** Events that were handed out. */
  readonly events: number
  /** Milliseconds since it began. */
  readonly elapsedMs: number
  /** Events handed out in a second, over the whole time. */
  readonly eventsPerSecond: number
  /** Share of the positions that are done, 0 to 1. */
  readonly done: number
  /** Milliseconds that the rest will take at this pace; undefined while there is none. */
  readonly msLeft: number | undefined
}

/** Counts events, and tells from positions how far that is. */
export class ProgressMeter {
  readonly #clock: Clock
  readonly #begun: number
  readonly #from: number
  #events = 0

  constructor(clock: Clock, from: number) {
    this.#clock = clock
    this.#begun = clock.now()
    this.#from = from
  }

  get events(): number {
    return this.#events
  }

  count(events: number): void {
    this.#events += events
  }

  progress(position: number, endPosition: number): Progress {
    const elapsedMs = Math.max(0, this.#clock.now() - this.#begun)
    const all = endPosition - this.#from
    const passed = Math.min(position, endPosition) - this.#from
    return {
      position,
      endPosition,
      events: this.#events,
      elapsedMs,
      eventsPerSecond: elapsedMs === 0 ? 0 : (this.#events * 1000) / elapsedMs,
      done: all <= 0 ? 1 : passed / all,
      msLeft: all <= passed ? 0 : passed === 0 ? undefined : (elapsedMs / passed) * (all - passed),
    }
  }
}

/** Returns the position that the next commit will have. */
export function endOf(store: EventStore): number {
  const subscription = store.subscribe({ fromPosition: 'end' })
  const { position } = subscription
  // Nobody iterates over it: there is nothing to wait for.
  subscription.close().catch(() => undefined)
  return position
}
