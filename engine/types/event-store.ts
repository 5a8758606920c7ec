import type { CorruptionError } from '../errors.js'
import type { Durability } from './durability.js'
import type { EventFilterOptions } from './event-filter-options.js'
import type { Query } from './query.js'
import type { ExpectedVersion, NewEvent, StoredEvent } from './event.js'
import type { SubscribeOptions, Subscription } from './subscription.js'

/** What an append wrote. */
export interface AppendResult {
  /** Name of the stream. */
  readonly stream: string
  /** Offset of the first event of this append. */
  readonly firstOffset: number
  /** Offset of the last one; `firstOffset − 1` when there were none. */
  readonly lastOffset: number
  /** Number of events in the stream after it, which is the next offset. */
  readonly version: number
  /** Position of its last event; −1 when there were none. */
  readonly position: number
  /** Timestamp assigned to its events without one, milliseconds since the epoch. */
  readonly timestamp: number
  /** What was waited for. */
  readonly durability: Durability
  /** There when the commit id was known: nothing was written now, and this is the result of the first append. */
  readonly isRepeat?: true
}

/** What a commit may ask for, over one stream or several. */
export interface CommitOptions {
  /** When the append is acknowledged. Default: that of the store. */
  readonly durability?: Durability | undefined
  /**
   * Makes the append safe to repeat: 1 to 255 bytes of UTF-8. If a commit with this id is stored, or on its way, nothing is written and
   * its result is returned, whatever versions and queries say now; if that has other content, the append is refused.
   */
  readonly commitId?: string | undefined
  /** Refuses the append if an event of the store matches, among those behind `after`. */
  readonly failIfEventsMatch?: Query | undefined
  /** Position of the last event that the decision knows of; only events behind it count. Default −1: all count. */
  readonly after?: number | undefined
}

export interface AppendOptions extends CommitOptions {
  /** What the stream must be like: its version, or 'any' (default), 'noStream', 'streamExists'. */
  readonly expectedVersion?: ExpectedVersion | undefined
}

/** The events of one stream in a commit over several. */
export interface StreamAppend<Event extends NewEvent = NewEvent> {
  readonly stream: string
  readonly events: readonly Event[]
  readonly expectedVersion?: ExpectedVersion | undefined
}

export type AppendManyOptions = CommitOptions

export interface ReadStreamOptions extends EventFilterOptions {
  /** Where to start. Default: 0; backward: the last event. */
  readonly fromOffset?: number | undefined
  /** Where to stop, included. Default: the last event; backward: 0. */
  readonly toOffset?: number | undefined
  /** At most so many events; with a filter, of those it takes. Default: all. */
  readonly limit?: number | undefined
  /** Default: 'forward'. */
  readonly direction?: 'forward' | 'backward' | undefined
  /** Leaves `data` and `metadata` undefined, and does not decode them: to count, to list, to look for. Default: false. */
  readonly withoutData?: boolean | undefined
  /** Ends the read: it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

export interface ReadAllOptions extends EventFilterOptions {
  /** Where to start. Default: 0. */
  readonly fromPosition?: number | undefined
  /** Where to stop, included. Default: the last event. */
  readonly toPosition?: number | undefined
  /** Only events that match, found by the index of tags: what a decision rests on. Default: all. */
  readonly query?: Query | undefined
  /** Only the events of the commit with this id, found by the index of commit ids; not together with `query`. Default: of all commits. */
  readonly commitId?: string | undefined
  /** Only events of streams whose names begin with this and a dash: `account` stands for `account-1`, `account-2` … */
  readonly category?: string | undefined
  /** At most so many events; with a filter, of those it takes. Default: all. */
  readonly limit?: number | undefined
  /** Leaves `data` and `metadata` undefined, and does not decode them: to count, to list, to look for. Default: false. */
  readonly withoutData?: boolean | undefined
  /** Ends the read: it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** Events to iterate over, one by one or in batches. Each iteration reads anew; it sees what was committed when it began. */
export interface EventReader<Event = StoredEvent> extends AsyncIterable<Event> {
  /** Iterates over arrays of `size` events; the last may be shorter. */
  batches(size: number): AsyncIterable<Event[]>
  /**
   * Iterates over commits: of each, those of its events that this read hands out, in its order. Never empty. A read of everything hands out
   * whole commits, but for the first and the last where it begins or ends inside one.
   */
  commits(): AsyncIterable<Event[]>
}

/** What is known of a stream without reading it. */
export interface StreamInfo {
  readonly stream: string
  /** Number of events; 0: there is no such stream. */
  readonly version: number
  /** Timestamps of its first and its last event, milliseconds since the epoch; undefined where there is none. */
  readonly firstTimestamp: number | undefined
  readonly lastTimestamp: number | undefined
  /** Bytes of its segment files. Events that are in the log only are not counted until they are flushed. */
  readonly bytes: number
  /** Number of its segment files; 0 while its events are in the log only. */
  readonly segments: number
}

/** A stream as `listStreams` finds it. */
export interface ListedStream extends StreamInfo {
  /** Set when the stream is damaged: what is said of it may fall short. Others are listed all the same. */
  readonly damage?: CorruptionError | undefined
}

export interface ListStreamsOptions {
  /** Only streams whose names begin with this. */
  readonly prefix?: string | undefined
  /** Only streams of this category: whose names begin with it and a dash. */
  readonly category?: string | undefined
  /** Ends the listing: it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/**
 * An append-only store of events in streams. Implemented by the file engine (`openEventStore`) and in memory
 * (`openMemoryStore`), with the same semantics.
 */
export interface EventStore extends AsyncDisposable {
  /**
   * Appends events to a stream as one commit: all of them or none. Resolves when they are stored as `durability` says.
   * What the caller does to `events` afterwards has no effect. No events: nothing is written or created.
   *
   * @throws AnnalsError ERR_VERSION_CONFLICT, ERR_QUERY_CONFLICT, ERR_COMMIT_ID_REUSED, ERR_INVALID_NAME, ERR_INVALID_EVENT, ERR_INVALID_ARGUMENT, ERR_TOO_LARGE,
   * ERR_OVERLOADED, ERR_CLOSED: nothing was written. ERR_NO_SPACE, ERR_IO, ERR_LOCK_LOST, ERR_OUTCOME_UNKNOWN: the
   * writer has failed; open the store again. ERR_WRITER_FAILED: it had failed before. ERR_CORRUPT: the stream is damaged.
   */
  append(stream: string, events: readonly NewEvent[], options?: AppendOptions): Promise<AppendResult>
  /** Appends to several streams as one commit. Resolves to one result for each entry, in order. Throws as `append` does. */
  appendMany(appends: readonly StreamAppend[], options?: AppendManyOptions): Promise<AppendResult[]>
  /** Reads a stream. A stream that does not exist has no events. Iterating throws ERR_CORRUPT, ERR_IO, ERR_CLOSED. */
  readStream<Event = StoredEvent>(stream: string, options?: ReadStreamOptions): EventReader<Event>
  /** Reads the whole store in commit order. Iterating throws ERR_CORRUPT, ERR_IO, ERR_CLOSED. */
  readAll<Event = StoredEvent>(options?: ReadAllOptions): EventReader<Event>
  /** Reads all streams of a category in commit order: `readAll` with `category`. */
  readCategory<Event = StoredEvent>(category: string, options?: Omit<ReadAllOptions, 'category'>): EventReader<Event>
  /**
   * Follows a stream, a category or everything: reads what is there, and goes on with what is committed. Begins here, not when it
   * is first iterated over. Throws InvalidArgumentError, ERR_CLOSED; with 'end' for a stream also ERR_CORRUPT, ERR_IO.
   */
  subscribe<Event = StoredEvent>(options?: SubscribeOptions): Subscription<Event>
  /** Tells how many events a stream has, from when they are, and what they take. Rejects with ERR_CORRUPT, ERR_IO, ERR_CLOSED. */
  streamInfo(stream: string): Promise<StreamInfo>
  /**
   * Lists streams, each once, in no particular order: those that exist when it begins, and perhaps some that come meanwhile. What is known of
   * each is found out when it is its turn. Iterating throws ERR_IO, ERR_CLOSED; ERR_CORRUPT at the end, when a file does not
   * tell which stream it is of.
   */
  listStreams(options?: ListStreamsOptions): AsyncIterable<ListedStream>
  /** Ends appends under way and gives everything back. Closing twice is a no-op. */
  close(): Promise<void>
}
