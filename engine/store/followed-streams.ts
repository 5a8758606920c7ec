import type { LogSegment } from '../commit-log/log-directory.js'
import { CorruptionError } from '../errors.js'
import { eventOffset, eventStreamBytes, EVENT_FIXED_BYTES } from '../format/event-record.js'
import { FRAME_EVENT, FRAME_KIND } from '../format/frame.js'
import type { StreamKey } from '../format/names.js'
import type { StreamTableBuilder } from '../format/stream-table.js'
import { isSystemError } from '../io/system-error.js'
import type { Limits } from '../limits.js'
import type { ReadHandles } from '../segment/read-handles.js'
import type { Slabs } from '../segment/slabs.js'
import type { UnsettledSegment } from '../recovery/unsettled.js'
import type { StreamDirectory } from '../streams/stream-directory.js'
import { StreamLoader } from '../streams/stream-loader.js'
import { StreamState } from '../streams/stream-state.js'
import type { LogFollower } from './log-follower.js'

/** Files come and go while a writer works: then the same is tried again. */
const ATTEMPTS = 4

export interface FollowedStreamsParts {
  readonly streams: StreamDirectory
  readonly handles: ReadHandles
  readonly slabs: Slabs
  readonly limits: Limits
  readonly follower: () => LogFollower
  /** Stream tables of what the checkpoint says to be unsettled, oldest first. */
  readonly unsettled: readonly UnsettledSegment[]
}

/**
 * The streams of a store that another process writes to. Files of streams are being written, replaced and synced all the time, so of them
 * only what was settled long ago is believed. Everything else is read from the log, at places that stream tables name: those of the
 * writer, and of what was followed those made here.
 */
export class FollowedStreams {
  readonly #parts: FollowedStreamsParts
  readonly #settled: StreamLoader
  readonly #whole: StreamLoader
  /** Oldest first; of one segment there may be two. */
  #tables: UnsettledSegment[]

  constructor(parts: FollowedStreamsParts) {
    this.#parts = parts
    const { streams, handles, limits, follower } = parts
    this.#settled = new StreamLoader(streams, handles, limits)
    this.#whole = new StreamLoader(streams, handles, limits, () => follower().position)
    this.#tables = [...parts.unsettled]
  }

  /** Segments with events that are read from the log. */
  get tables(): readonly UnsettledSegment[] {
    return this.#tables
  }

  /** What follows in a segment is collected in this table. */
  collect(segment: LogSegment, table: StreamTableBuilder): void {
    this.#tables.push({ segment, table: () => table })
  }

  /** Events below a position are settled. Returns true when some more are now read from the files of their streams. */
  settle(position: number): boolean {
    const before = this.#tables.length
    if (position >= this.#parts.follower().position) this.#tables = []
    // The last table is still growing; of the others each ends where a later segment begins.
    const endOf = ({ base }: LogSegment): number =>
      this.#tables.find(({ segment }) => segment.base > base)?.segment.base ?? Infinity
    this.#tables = this.#tables.filter(({ segment }) => endOf(segment) > position)
    return this.#tables.length < before
  }

  /** Loads a stream as far as the log was followed. Throws CorruptionError, ERR_FORMAT, or what the system reports. */
  load(key: StreamKey): StreamState {
    for (let attempt = 1; ; attempt++) {
      try {
        return this.#load(key)
      } catch (error) {
        if (attempt === ATTEMPTS || !isSystemError(error, 'ENOENT')) throw error
      }
    }
  }

  #load(key: StreamKey): StreamState {
    const found = this.#tables.flatMap(({ segment, table }) => {
      const entry = table().lookup(key)
      return entry === undefined ? [] : [{ segment, ...entry }]
    })
    const first = found[0]
    const state = first === undefined ? this.#unnamed(key) : this.#upTo(key, first.firstOffset)
    for (const { segment, firstOffset, bytes } of found) {
      if (firstOffset > state.version) {
        throw new CorruptionError('events before this one are missing', {
          file: segment.path,
          byte: bytes[0]!,
          stream: key.name,
          offset: state.version,
        })
      }
      for (let i = state.version - firstOffset; i < bytes.length; i++) this.add(state, segment, bytes[i]!)
    }
    return state
  }

  /** Adds the next event of a stream, which is in the log. */
  add(state: StreamState, segment: LogSegment, byte: number): void {
    state.tail.push(this.#parts.slabs.adopt(segment.path, byte))
    state.version++
    state.nextOffset = state.version
  }

  /**
   * A stream that no table names: all its events are in its files, and settled. What looks otherwise there is being written now, and then
   * the log has it behind what was followed.
   */
  #unnamed(key: StreamKey): StreamState {
    try {
      return this.#whole.load(key)
    } catch (error) {
      const offset = error instanceof CorruptionError ? this.#firstAhead(key) : undefined
      if (offset === undefined) throw error
      return this.#upTo(key, offset)
    }
  }

  /** What the files of a stream hold of its first events, all of which are settled. */
  #upTo(key: StreamKey, count: number): StreamState {
    if (count === 0) return new StreamState(key, 0)
    const state = this.#settled.load(key, count)
    state.version = Math.min(state.version, count)
    state.nextOffset = state.version
    state.flushed = state.version
    state.bases = state.bases.filter((base) => base < count)
    // A segment behind those is not read, and the one before it is sealed.
    if (state.last !== undefined && state.last.base >= count) state.last = undefined
    return state
  }

  /** Offset of the first event of a stream that stands in the log behind what was followed. */
  #firstAhead(key: StreamKey): number | undefined {
    let offset: number | undefined
    this.#parts.follower().eachAhead((window, start, end) => {
      for (let at = start; at < end && offset === undefined; at += window.view.getUint32(at, true)) {
        if (window.bytes[at + FRAME_KIND] !== FRAME_EVENT) continue
        const from = at + EVENT_FIXED_BYTES
        if (key.stands(window.bytes, from, from + eventStreamBytes(window, at))) offset = eventOffset(window, at)
      }
    })
    return offset
  }
}
