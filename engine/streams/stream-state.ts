import type { CorruptionError } from '../errors.js'
import type { StreamKey } from '../format/names.js'
import type { IndexBuilder } from '../format/sparse-index.js'

/** The segment file that a stream's next events go to. */
export interface LastSegment {
  readonly base: number
  /** Bytes that count. */
  bytes: number
  /** An earlier writer did not finish it, and may still have it open: it gets a new file before anything is written. */
  unfinished: boolean
  /** Shapes known to be defined in the file. Shared between streams of the same kind: replace, never change. */
  shapes: readonly number[]
  /** Present once the segment is large enough to have an index. */
  index: { readonly builder: IndexBuilder; written: number } | undefined
}

const NO_BASES: readonly number[] = Object.freeze([])

/** What the engine knows of a stream in use. */
export class StreamState {
  readonly key: StreamKey
  /** Committed events. */
  version: number
  /** The next offset to give out, counting appends that are not committed yet. */
  nextOffset: number
  /** Events that are in stream segments. */
  flushed: number
  /** Bases of all its segments, the last included, oldest first. */
  bases: readonly number[] = NO_BASES
  last: LastSegment | undefined
  /** Addresses of the events from `flushed` on, in memory. */
  tail: number[] = []
  /** Path of the log segment that its newest event went to, and its ordinal in the stream table of that. */
  logSegment = ''
  ordinal = 0
  /** Waits in the queue of the flush. */
  queued = false
  /** Calls under way that count on it: it is not forgotten meanwhile. */
  pins = 0
  /** Used since the cache last looked. */
  recent = true
  /** Set when events from `flushed` on cannot be served. */
  damage: CorruptionError | undefined

  constructor(key: StreamKey, version: number) {
    this.key = key
    this.version = version
    this.nextOffset = version
    this.flushed = version
  }

  /** True when nothing is lost by forgetting it: all its events are in its files. */
  get idle(): boolean {
    return this.pins === 0 && this.tail.length === 0 && this.nextOffset === this.flushed && this.damage === undefined
  }
}
