const KIB = 1024
const MIB = 1024 * KIB

/**
 * Every bound of the engine in one place (design D10). `defaultLimits` can be overridden per store through
 * `openEventStore(dir, { limits })`, mostly by tests; the hard bounds below are part of the format.
 */
export interface Limits {
  /** Bytes of one encoded event record. */
  readonly eventBytes: number
  /** Events in one append or appendMany. */
  readonly commitEvents: number
  /** Encoded bytes of one append or appendMany. */
  readonly commitBytes: number
  /** Encoded bytes after which a group is closed and the next one collects. */
  readonly groupBytes: number
  /** Commits after which a group is closed. */
  readonly groupCommits: number
  /** Encoded bytes waiting for the disk; further appends are refused with ERR_OVERLOADED. */
  readonly pendingBytes: number
  /** Bytes after which a log segment is sealed and the next begins. */
  readonly logSegmentBytes: number
  /** Bytes after which a stream segment is sealed and the next begins. */
  readonly streamSegmentBytes: number
  /** Bytes of records between two entries of a sparse index. */
  readonly indexIntervalBytes: number
  /** Bytes of records held in memory that are not in their stream segments; then streams with many of them are flushed. */
  readonly dirtyBytes: number
  /** Bytes of the log that wait to be in stream segments; then all streams are flushed. Unless given, 8 × `dirtyBytes`. */
  readonly deferredBytes: number
  /** Streams with events that wait to be in their segments; then all of them are flushed, and at twice as many appends are held back. */
  readonly dirtyStreams: number
  /** Streams kept in memory besides those with unflushed records. */
  readonly cachedStreams: number
  /** Files kept open for reading. */
  readonly openFiles: number
  /** Bytes read ahead by a cold iterator. */
  readonly readWindowBytes: number
  /** Milliseconds the main thread works on a flush before it lets appends through. */
  readonly flushSliceMs: number
  /** Percent of the main thread's time that settling takes while events are read. */
  readonly backgroundShare: number
  /** Milliseconds after which settling that has begun waits for no reads any more. */
  readonly backgroundDelayMs: number
  /** Log segments that can be settled; when so many have gathered settling waits for no reads any more. */
  readonly unsettledSegments: number
  /** Shapes per store. Beyond it objects are written as plain maps. */
  readonly shapes: number
  /** Bytes of the filter of one key file, in memory while the index of keys is in use. A larger one is left out, and each lookup reads a block. */
  readonly keyFilterBytes: number
  /** Blocks of key files in memory, of 4 KiB each. */
  readonly keyBlocks: number
  /** Log segments without a key file whose keys are in memory; of further ones they are read from the log for each question. */
  readonly keyTables: number
}

export const defaultLimits: Limits = {
  eventBytes: 16 * MIB,
  commitEvents: 100_000,
  commitBytes: 64 * MIB,
  groupBytes: 1 * MIB,
  groupCommits: 16_384,
  pendingBytes: 128 * MIB,
  logSegmentBytes: 8 * MIB,
  streamSegmentBytes: 64 * MIB,
  indexIntervalBytes: 4 * KIB,
  dirtyBytes: 32 * MIB,
  deferredBytes: 256 * MIB,
  dirtyStreams: 150_000,
  cachedStreams: 250_000,
  openFiles: 128,
  readWindowBytes: 256 * KIB,
  flushSliceMs: 1,
  backgroundShare: 10,
  backgroundDelayMs: 300_000,
  unsettledSegments: 64,
  shapes: 1024,
  keyFilterBytes: 4 * MIB,
  keyBlocks: 1024,
  keyTables: 8,
}

/** No event or commit is longer, whatever the limits: what readers accept does not depend on how the store is opened. */
export const MAX_COMMIT_BYTES = 2 ** 26
/** No group is longer: a commit with the definitions and the head that the log adds. */
export const MAX_GROUP_BYTES = 2 ** 27
/** No segment is longer: places in one are 32 bits in indexes and stream tables. */
export const MAX_SEGMENT_BYTES = 2 ** 31
/** Bytes of a stream name in UTF-8. */
export const MAX_NAME_BYTES = 1000
/** Bytes of an event type in UTF-8. */
export const MAX_TYPE_BYTES = 1000
/** Tags of one event, and bytes of each in UTF-8. */
export const MAX_TAGS = 250
export const MAX_TAG_BYTES = 255
/** Bytes of a commit id in UTF-8. */
export const MAX_COMMIT_ID_BYTES = 255
/** Types that one read may ask for. */
export const MAX_FILTER_TYPES = 1024
/** Items of a query, types of one item, tags of one item. */
export const MAX_QUERY_PARTS = 250
/** Levels of nesting in data and metadata. */
export const MAX_DEPTH = 128
/** Keys of one shape. */
export const MAX_SHAPE_KEYS = 64
/** Bytes of all keys of one shape. */
export const MAX_SHAPE_KEY_BYTES = 2048
/** Largest shape id. */
export const MAX_SHAPE_ID = 0xffff
/** Entries of indexes of stream segments that are written to, in memory: some 12 MB, the indexes of 500 MB of events. */
export const LIVE_INDEX_ENTRIES = 128 * 1024
