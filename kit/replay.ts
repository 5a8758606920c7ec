import { InvalidArgumentError } from '../engine/errors.js'
import type { EventFilterOptions } from '../engine/types/event-filter-options.js'
import type { EventReader, EventStore } from '../engine/types/event-store.js'
import type { StoredEvent } from '../engine/types/event.js'
import type { EventRegistry, StoredOf, TypedEvent } from './event-registry.js'
import { type Clock, nodeClock } from './io/clock.js'
import { endOf, type Progress, ProgressMeter } from './progress.js'

export interface ReplayOptions extends EventFilterOptions {
  /** Only events of this stream; `fromOffset` and `toOffset` then say from where to where. Not together with `category`. */
  readonly stream?: string | undefined
  /** Only events of the streams of this category. */
  readonly category?: string | undefined
  /** Where to start: 0, or where an earlier replay ended, which is its `position`. Default: 0. */
  readonly fromPosition?: number | undefined
  /** Where to stop, included. Default: the last event there is when the replay begins. */
  readonly toPosition?: number | undefined
  /** With `stream`: where to start. Default: 0. */
  readonly fromOffset?: number | undefined
  /** With `stream`: where to stop, included. Default: the last event there is when the replay begins. */
  readonly toOffset?: number | undefined
  /** Hands out at most so many events in a second. Default: as many as are asked for. */
  readonly eventsPerSecond?: number | undefined
  /** Hears how far it is, about every `progressMs`, and at the end. Positions are offsets where a stream is replayed. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
  /** Milliseconds. Default: 1,000. */
  readonly progressMs?: number | undefined
  /** Ends it: it then rejects with the signal's reason, and `position` says where to go on. */
  readonly signal?: AbortSignal | undefined
  readonly clock?: Clock | undefined
}

/** Events of the past, to be gone through again. Iterating a second time goes on where the first ended. */
export interface Replay<Event = StoredEvent> extends AsyncIterable<Event> {
  /** The next position to read; with `stream`, the next offset. Moves when an event is handed out: store it when that is dealt with. */
  readonly position: number
}

/** Behind its time by more than this, it does not make up for what it could not hand out. Milliseconds. */
const MAX_BEHIND_MS = 1000
/** A shorter wait than this is put off until there is more of it: timers are not that exact. Milliseconds. */
const LEAST_SLEEP_MS = 4

/**
 * Goes through events again: from a position or an offset, from a time, over a range, of some types; not faster than one wants, telling how far
 * it is, to be ended at any time and gone on with. With `events` they are as the program knows them today.
 *
 * ```ts
 * const march = replay(store, { events, fromTime: Date.UTC(2026, 2, 1), toTime: Date.UTC(2026, 3, 1) - 1, eventsPerSecond: 1000 })
 * for await (const event of march) await send(event)
 * ```
 *
 * Iterating throws what reading throws, and the signal's reason.
 *
 * @throws InvalidArgumentError (ERR_INVALID_ARGUMENT)
 */
export function replay<Event extends TypedEvent>(
  store: EventStore,
  options: ReplayOptions & { readonly events: EventRegistry<Event> },
): Replay<StoredOf<Event>>
export function replay<Event = StoredEvent>(store: EventStore, options?: ReplayOptions): Replay<Event>
export function replay(
  store: EventStore,
  options: ReplayOptions & { readonly events?: EventRegistry<TypedEvent> } = {},
): Replay<unknown> {
  return new EventReplay(store, options)
}

class EventReplay implements Replay {
  readonly #store: EventStore
  readonly #options: ReplayOptions & { readonly events?: EventRegistry<TypedEvent> }
  readonly #clock: Clock
  #next: number

  constructor(store: EventStore, options: ReplayOptions & { readonly events?: EventRegistry<TypedEvent> }) {
    const { stream, category, eventsPerSecond, progressMs } = options
    const refuse = (reason: string): never => {
      throw new InvalidArgumentError(`Cannot replay: ${reason}`)
    }
    if (stream !== undefined && category !== undefined) refuse('a stream or a category, not both')
    if (stream === undefined && (options.fromOffset ?? options.toOffset) !== undefined) refuse('offsets need a stream')
    if (stream !== undefined && (options.fromPosition ?? options.toPosition) !== undefined) {
      refuse('a stream is replayed from offset to offset, not by positions')
    }
    for (const [name, value] of Object.entries({ eventsPerSecond, progressMs })) {
      if (value !== undefined && !(Number.isFinite(value) && value > 0)) refuse(`${name} is ${value}, not above 0`)
    }
    this.#store = store
    this.#options = options
    this.#clock = options.clock ?? nodeClock
    this.#next = (stream === undefined ? options.fromPosition : options.fromOffset) ?? 0
  }

  get position(): number {
    return this.#next
  }

  async *[Symbol.asyncIterator](): AsyncIterator<StoredEvent> {
    const { events, eventsPerSecond, onProgress, progressMs = 1000, signal, stream } = this.#options
    signal?.throwIfAborted()
    const end = await this.#end()
    const meter = new ProgressMeter(this.#clock, this.#next)
    const pace = eventsPerSecond === undefined ? undefined : new Pace(this.#clock, eventsPerSecond)
    const place = stream === undefined ? 'position' : 'offset'
    let nextReport = onProgress === undefined ? Infinity : this.#clock.now() + progressMs
    if (this.#next < end) {
      const read = this.#read(end - 1)
      for await (const event of events === undefined ? read : events.read(read)) {
        if (pace !== undefined) await pace.wait(signal)
        signal?.throwIfAborted()
        this.#next = event[place] + 1
        meter.count(1)
        yield event
        if (nextReport !== Infinity && this.#clock.now() >= nextReport) {
          onProgress!(meter.progress(this.#next, end))
          nextReport = this.#clock.now() + progressMs
        }
      }
      this.#next = Math.max(this.#next, end)
    }
    onProgress?.(meter.progress(this.#next, end))
  }

  /** Position, or offset, behind the last event. */
  async #end(): Promise<number> {
    const { stream, toOffset, toPosition } = this.#options
    if (stream === undefined) return Math.min(endOf(this.#store), (toPosition ?? Infinity) + 1)
    const { version } = await this.#store.streamInfo(stream)
    return Math.min(version, (toOffset ?? Infinity) + 1)
  }

  #read(last: number): EventReader {
    const { stream, category, types, correlationId, fromTime, toTime, signal } = this.#options
    const filter = { types, correlationId, fromTime, toTime, signal }
    return stream === undefined
      ? this.#store.readAll({ ...filter, category, fromPosition: this.#next, toPosition: last })
      : this.#store.readStream(stream, { ...filter, fromOffset: this.#next, toOffset: last })
  }
}

/** Spreads events over time. */
class Pace {
  readonly #clock: Clock
  readonly #everyMs: number
  #due: number

  constructor(clock: Clock, eventsPerSecond: number) {
    this.#clock = clock
    this.#everyMs = 1000 / eventsPerSecond
    this.#due = clock.now()
  }

  /** Resolves when the next event may come. */
  async wait(signal: AbortSignal | undefined): Promise<void> {
    const now = this.#clock.now()
    if (now - this.#due > MAX_BEHIND_MS) this.#due = now - MAX_BEHIND_MS
    const early = this.#due - now
    this.#due += this.#everyMs
    if (early >= LEAST_SLEEP_MS) await this.#clock.sleep(early, { signal })
  }
}
