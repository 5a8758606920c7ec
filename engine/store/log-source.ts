import type { LogDirectory, LogSegment } from '../commit-log/log-directory.js'
import type { LogHeads } from '../commit-log/log-heads.js'
import type { LogIndexes } from '../commit-log/log-index.js'
import { CorruptionError } from '../errors.js'
import { type EventDecoder, eventFits, eventPosition } from '../format/event-record.js'
import { HEADER_FIXED_BYTES } from '../format/file-header.js'
import { FRAME_EVENT, FRAME_KIND } from '../format/frame.js'
import { bytesBelow, findEntry, findEntryIndex, type IndexEntry } from '../format/sparse-index.js'
import { nextRun, type Run, type TimeRange } from '../format/time-runs.js'
import { asCorruption } from '../format/value-format.js'
import { type Limits, MAX_COMMIT_BYTES } from '../limits.js'
import { FrameReader } from '../segment/frame-reader.js'
import type { ReadHandles } from '../segment/read-handles.js'
import type { StoredEvent } from '../types/event.js'
import type { EventSource } from './event-iterator.js'
import type { Selection } from './selection.js'

const FIRST_BYTES = 64 * 1024
/** Where no more events than these are wanted, no more is read than they need. */
const FEW = 32
/** What looking at the index of a segment costs, told in events. */
const INDEX_COST = 256

/** What reading the log needs; one per store. */
export interface LogReading {
  readonly directory: LogDirectory
  readonly heads: LogHeads
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

/** Bytes of a segment; of these the first `bytes` hold all that is wanted, where an index tells. */
interface Range {
  readonly from: number
  readonly end: number
  readonly bytes?: number | undefined
}

/** Reads the log in commit order. */
export class LogSource implements EventSource {
  readonly #reading: LogReading
  readonly #end: number
  readonly #selection: Selection | undefined
  #position: number
  #path = ''
  /** Position behind the last event that the reader is to find: that of its segment, or of a run of a time. */
  #runEnd = 0
  #reader: FrameReader | undefined
  #at = 0
  /** Where to go on should the index that named this run turn out wrong; undefined when none did. */
  #before: number | undefined
  /** A segment whose index led astray. */
  #distrusted = ''

  /** Reads positions `from` … `end − 1`, all of which are committed; of these the events that a selection takes. */
  constructor(reading: LogReading, from: number, end: number, selection?: Selection) {
    this.#reading = reading
    this.#position = from
    this.#end = end
    this.#selection = selection
  }

  next(most: number): StoredEvent[] | Promise<StoredEvent[]> {
    const events: StoredEvent[] = []
    while (this.#position < this.#end) {
      if (this.#selection?.due === true) return this.#selection.pause().then(() => this.next(most))
      try {
        if (!this.#inRun && !this.#open()) continue
        const ready = this.#ready()
        if (ready !== true) {
          return ready.then(
            () => this.next(most),
            (error: unknown) => {
              this.#failed(error)
              return this.next(most)
            },
          )
        }
        this.#decode(events, most)
      } catch (error) {
        if (events.length === 0) this.#failed(error) // else those before it first; the next call meets it again
      }
      if (events.length > 0) break
    }
    if (this.#position >= this.#end) {
      this.#reader?.close()
      this.#reader = undefined
    }
    return events
  }

  get #inRun(): boolean {
    return this.#reader !== undefined && this.#position < this.#runEnd
  }

  /** What looks like damage may be an index that names another place: then the segment is read from its beginning. */
  #failed(error: unknown): void {
    if (this.#before === undefined || !(error instanceof CorruptionError)) throw error
    this.#distrusted = this.#path
    this.#position = this.#before
    this.#before = undefined
    this.#reader = undefined
  }

  #ready(): true | Promise<void> {
    if (this.#at < this.#reader!.end) return true
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

  /** Opens the segment of the next event. Returns false when it holds nothing that is asked for, and was passed over. */
  #open(): boolean {
    const { directory, heads, handles, limits } = this.#reading
    const index = directory.indexOf(this.#position)
    const segment = directory.segments[index]
    if (segment === undefined) {
      throw new CorruptionError('the first log segment is missing', { file: directory.path, byte: 0 })
    }
    this.#runEnd = directory.segments[index + 1]?.base ?? this.#end
    this.#path = segment.path
    this.#reader = undefined
    this.#before = undefined
    heads.check(segment)
    const times = this.#selection?.filter.times
    const timed = times !== undefined && this.#distrusted !== segment.path
    const range: Range | undefined = timed ? this.#rangeOf(segment, times) : this.#rangeFrom(segment)
    if (range === undefined) return false
    const { from, end, bytes } = range
    const few = !timed && this.#end - this.#position <= FEW
    const least = 2 * limits.indexIntervalBytes
    this.#reader = new FrameReader(handles, {
      path: segment.path,
      from,
      end,
      maxFrameBytes: MAX_COMMIT_BYTES,
      firstBytes: few ? Math.min(bytes ?? least, FIRST_BYTES) : FIRST_BYTES,
      windowBytes: few ? FIRST_BYTES : limits.readWindowBytes,
    })
    this.#at = 0
    return true
  }

  /** The bytes of a segment from the next event on. */
  #rangeFrom(segment: LogSegment): Range {
    const { handles, indexes, active, lastEnd } = this.#reading
    const growing = active()
    const isActive = growing?.path === segment.path
    const end = isActive ? growing.end : (lastEnd(segment.path) ?? handles.get(segment.path).size())
    if (this.#position === segment.base || this.#distrusted === segment.path) return { from: HEADER_FIXED_BYTES, end }
    const entries = isActive ? growing.entries : indexes.entries(segment, end)
    const found = findEntryIndex(entries, this.#position)
    const entry = entries[found]
    const from = entry !== undefined && entry.byte < end ? this.#checked(segment.path, entry, end) : HEADER_FIXED_BYTES
    const few = this.#end - this.#position <= FEW && from === entry?.byte
    return { from, end, bytes: few ? bytesBelow(entries, found, this.#end) : undefined }
  }

  /**
   * The bytes of the next events of a segment that may be of a time; undefined when there are none. Neither opens the segment nor reads
   * of it: that the index is right shows when what it names is read.
   */
  #rangeOf(segment: LogSegment, times: TimeRange): Range | undefined {
    const { indexes, active, lastEnd } = this.#reading
    const growing = active()
    const isActive = growing?.path === segment.path
    const bytes = isActive ? growing.end : (lastEnd(segment.path) ?? indexes.sizeOf(segment))
    let from = HEADER_FIXED_BYTES
    this.#selection!.spend(isActive || indexes.knows(segment) ? 1 : INDEX_COST)
    let run: Run | undefined
    if (isActive || !indexes.excludes(segment, bytes, times)) {
      const entries = isActive ? growing.entries : indexes.entries(segment, bytes)
      run = nextRun({ entries, end: Math.min(this.#runEnd, this.#end), endByte: bytes }, this.#position, times)
      if (run !== undefined) from = findEntry(entries, run.from)?.byte ?? HEADER_FIXED_BYTES
    }
    if (run === undefined) {
      const { directory, heads } = this.#reading
      const next = directory.segments[directory.indexOf(segment.base) + 1]
      if (next !== undefined && this.#runEnd < this.#end) heads.checkFollows(next, segment)
      this.#position = this.#runEnd
      return undefined
    }
    this.#before = this.#position
    this.#position = run.from
    this.#runEnd = run.to
    return { from, end: run.endByte }
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
      const { window } = reader
      const right = window.bytes[FRAME_KIND] === FRAME_EVENT && eventPosition(window, 0) === entry.number
      return right ? entry.byte : HEADER_FIXED_BYTES
    } catch (error) {
      if (error instanceof CorruptionError) return HEADER_FIXED_BYTES
      throw error
    } finally {
      reader.close()
    }
  }

  #decode(events: StoredEvent[], most: number): void {
    const { decoder } = this.#reading
    const reader = this.#reader!
    const { window } = reader
    const end = Math.min(this.#end, this.#runEnd)
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
          const event = this.#event(decoder, at, length)
          if (event !== undefined) events.push(event)
          this.#position++
          if (this.#before !== undefined) this.#before = this.#position
        }
      }
      this.#at += length
    }
  }

  /** Decodes an event, unless it is not asked for. */
  #event(decoder: EventDecoder, at: number, length: number): StoredEvent | undefined {
    const reader = this.#reader!
    try {
      if (this.#selection?.takes(reader.window, at) === false) return undefined
      return decoder.decode(reader.window, at, length)
    } catch (error) {
      throw asCorruption(error, { file: this.#path, byte: reader.base + at })
    }
  }
}
