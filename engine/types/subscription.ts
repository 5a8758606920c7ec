import type { StoredEvent } from './event.js'
import type { EventFilterOptions } from './event-filter-options.js'

export interface SubscribeOptions extends Pick<EventFilterOptions, 'types' | 'correlationId'> {
  /** Follows one stream, which need not exist yet. Not together with `category`. */
  readonly stream?: string | undefined
  /** Follows all streams whose names start with the category and a dash: `account` follows `account-1`. Default: everything. */
  readonly category?: string | undefined
  /** The next position to read, which is what `position` was: a checkpoint. 'end': only what is committed from now on. Default: 0. */
  readonly fromPosition?: number | 'end' | undefined
  /** With `stream`, instead of `fromPosition`: the next offset to read. */
  readonly fromOffset?: number | 'end' | undefined
  /**
   * Called once, the first time that everything committed was handed out and the consumer asks for more. Gets the
   * position that was reached. What it throws ends the subscription.
   */
  readonly onCaughtUp?: ((position: number) => void) | undefined
  /** Ends it: it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Events from a place on, and then those that are committed, for ever: each once, in order. Iterate over it once, event by event
 * or in batches. It ends with `break`, `close()` and when the store is closed; with its signal it rejects.
 *
 * Iterating throws ERR_CORRUPT, ERR_IO.
 */
export interface Subscription<Event = StoredEvent> extends AsyncIterableIterator<Event, undefined>, AsyncDisposable {
  /**
   * The checkpoint: the next position to read. Moves when an event is handed out, and with the store while there is nothing to
   * hand out. Subscribing from here misses nothing and repeats nothing.
   */
  readonly position: number
  /**
   * How many events are left: those of the stream for a stream, otherwise all positions up to the end of the store, where it is not
   * known yet which of them are wanted.
   */
  readonly lag: number
  /** True while nothing is left. */
  readonly isCaughtUp: boolean
  next(): Promise<IteratorResult<Event, undefined>>
  return(): Promise<IteratorResult<Event, undefined>>
  [Symbol.asyncIterator](): Subscription<Event>
  /** Iterates over arrays of what is there, 1 to `size` events: a batch never waits to be full. */
  batches(size: number): AsyncIterableIterator<Event[], undefined>
  /** Ends it, also while somebody waits for the next event. */
  close(): Promise<void>
}
