import type { EventFilter } from '../format/event-filter.js'
import type { Window } from '../format/frame.js'
import type { StoredEvent } from '../types/event.js'
import { EVENTS_A_TURN, type EventSource } from './event-iterator.js'

/**
 * Which events a read hands out, and how long it has been looking for them: a source whose events are mostly passed over gives the
 * others their turn itself, since whoever iterates hears nothing of those.
 */
export class Selection {
  readonly filter: EventFilter
  readonly #pause: () => Promise<void>
  #looked = 0

  /** `pause` lets the others have their turn, and rejects when the read has been ended meanwhile. */
  constructor(filter: EventFilter, pause: () => Promise<void>) {
    this.filter = filter
    this.#pause = pause
  }

  /** Tells whether the event at `start` is handed out. Throws ValueFormatError. */
  takes(window: Window, start: number): boolean {
    this.#looked++
    return this.filter.matches(window, start)
  }

  /** Counts other work, told in events. */
  spend(events: number): void {
    this.#looked += events
  }

  /** It is time to pause. */
  get due(): boolean {
    return this.#looked >= EVENTS_A_TURN
  }

  pause(): Promise<void> {
    this.#looked = 0
    return this.#pause()
  }
}

/** Hands out the first events of a source. */
export class FirstOf implements EventSource {
  readonly #source: EventSource
  #left: number

  constructor(source: EventSource, count: number) {
    this.#source = source
    this.#left = count
  }

  next(most: number): StoredEvent[] | Promise<StoredEvent[]> {
    if (this.#left === 0) return []
    const events = this.#source.next(Math.min(most, this.#left))
    return Array.isArray(events) ? this.#count(events) : events.then((read) => this.#count(read))
  }

  #count(events: StoredEvent[]): StoredEvent[] {
    this.#left -= events.length
    return events
  }
}
