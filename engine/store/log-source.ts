import type { LogDirectory } from '../commit-log/log-directory.js'
import type { LogIndexes } from '../commit-log/log-index.js'
import { CorruptionError } from '../errors.js'
import { type EventDecoder, eventFits, eventPosition } from '../format/event-record.js'
import { HEADER_FIXED_BYTES } from '../format/file-header.js'
import { FRAME_EVENT, FRAME_KIND } from '../format/frame.js'
import { findEntry, type IndexEntry } from '../format/sparse-index.js'
import { ValueFormatError } from '../format/value-format.js'
import { type Limits, MAX_COMMIT_BYTES } from '../limits.js'
import { FrameReader } from '../segment/frame-reader.js'
import type { ReadHandles } from '../segment/read-handles.js'
import type { StoredEvent } from '../types/event.js'
import type { EventSource } from './event-iterator.js'

const FIRST_BYTES = 64 * 1024

/** What reading the log needs; one per store. */
export interface LogReading {
  readonly directory: LogDirectory
  readonly indexes: LogIndexes
  readonly handles: ReadHandles
  readonly decoder: EventDecoder
  readonly limits: Limits
  /** The segment that is written to: how much of it counts, and its index; undefined when none is. */
  readonly active: () =>
    { readonly path: string; readonly end: number; readonly entries: readonly IndexEntry[] } | undefined
  /** How much of the last segment counted when the store was opened. */
  readonly lastEnd: (path: string) => number | undefined
}

/** Reads the log in commit order. */
export class LogSource implements EventSource {
  readonly #reading: LogReading
  readonly #end: number
  #position: number
  #segment = -1
  #path = ''
  #segmentEnd = 0
  #reader: FrameReader | undefined
  #at = 0

  /** Reads positions `from` … `end − 1`, all of which are committed. */
  constructor(reading: LogReading, from: number, end: number) {
    this.#reading = reading
    this.#position = from
    this.#end = end
  }

  next(most: number): StoredEvent[] | Promise<StoredEvent[]> {
    const events: StoredEvent[] = []
    while (this.#position < this.#end) {
      const ready = this.#ready()
      if (ready !== true) return ready.then(() => this.next(most))
      try {
        this.#decode(events, most)
      } catch (error) {
        if (events.length === 0) throw error // else those before it first; the next call meets it again
      }
      if (events.length > 0) break
    }
    return events
  }

  #ready(): true | Promise<void> {
    if (this.#reader !== undefined && this.#at < this.#reader.end && this.#position < this.#segmentEnd) return true
    if (this.#reader === undefined || this.#position >= this.#segmentEnd) this.#open()
    const advanced = this.#reader!.advance()
    if (typeof advanced !== 'boolean') return advanced.then((more) => this.#arrived(more))
    this.#arrived(advanced)
    return true
  }

  #arrived(more: boolean): void {
    if (!more) {
      throw new CorruptionError('events are missing at its end', { file: this.#path, byte: this.#reader!.base })
    }
    this.#at = this.#reader!.start
  }

  #open(): void {
    const { directory, handles, indexes, limits } = this.#reading
    this.#segment = directory.indexOf(this.#position)
    const segment = directory.segments[this.#segment]
    if (segment === undefined) {
      throw new CorruptionError('the first log segment is missing', { file: directory.path, byte: 0 })
    }
    const active = this.#reading.active()
    const isActive = active?.path === segment.path
    const end = isActive ? active.end : (this.#reading.lastEnd(segment.path) ?? handles.get(segment.path).size())
    this.#segmentEnd = directory.segments[this.#segment + 1]?.base ?? this.#end
    let from = HEADER_FIXED_BYTES
    if (this.#position > segment.base) {
      const entries = isActive ? active.entries : indexes.entries(segment, end)
      const entry = findEntry(entries, this.#position)
      if (entry !== undefined && entry.byte < end) from = this.#checked(segment.path, entry, end)
    }
    this.#path = segment.path
    const few = this.#end - this.#position <= 32
    this.#reader = new FrameReader(handles, {
      path: segment.path,
      from,
      end,
      maxFrameBytes: MAX_COMMIT_BYTES,
      firstBytes: few ? 2 * limits.indexIntervalBytes : FIRST_BYTES,
      windowBytes: limits.readWindowBytes,
    })
    this.#at = 0
  }

  /** An index is never trusted: the event it names must start there. */
  #checked(path: string, entry: IndexEntry, end: number): number {
    const { handles, limits } = this.#reading
    const reader = new FrameReader(handles, {
      path,
      from: entry.byte,
      end,
      maxFrameBytes: MAX_COMMIT_BYTES,
      firstBytes: limits.indexIntervalBytes,
      windowBytes: limits.indexIntervalBytes,
    })
    try {
      if (reader.advance() !== true) return HEADER_FIXED_BYTES
    } catch (error) {
      if (error instanceof CorruptionError) return HEADER_FIXED_BYTES
      throw error
    }
    const right = reader.window.bytes[FRAME_KIND] === FRAME_EVENT && eventPosition(reader.window, 0) === entry.number
    return right ? entry.byte : HEADER_FIXED_BYTES
  }

  #decode(events: StoredEvent[], most: number): void {
    const { decoder } = this.#reading
    const reader = this.#reader!
    const { window } = reader
    const end = Math.min(this.#end, this.#segmentEnd)
    while (this.#at < reader.end && events.length < most && this.#position < end) {
      const at = this.#at
      const length = window.view.getUint32(at, true)
      if (window.bytes[at + FRAME_KIND] === FRAME_EVENT) {
        const position = eventPosition(window, at)
        if (!eventFits(window, at, length) || !(position <= this.#position)) {
          throw new CorruptionError(`position ${this.#position} is missing`, {
            file: this.#path,
            byte: reader.base + at,
          })
        }
        if (position === this.#position) {
          events.push(this.#event(decoder, at, length))
          this.#position++
        }
      }
      this.#at += length
    }
  }

  #event(decoder: EventDecoder, at: number, length: number): StoredEvent {
    const reader = this.#reader!
    try {
      return decoder.decode(reader.window, at, length)
    } catch (error) {
      if (!(error instanceof ValueFormatError)) throw error
      throw new CorruptionError(error.message, { file: this.#path, byte: reader.base + at }, { cause: error })
    }
  }
}
