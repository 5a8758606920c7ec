import { CorruptionError } from '../errors.js'
import { eventOffset, EVENT_FIXED_BYTES } from '../format/event-record.js'
import { HEADER_FIXED_BYTES } from '../format/file-header.js'
import { FRAME_EVENT, FRAME_KIND, MIN_FRAME_BYTES, type Window } from '../format/frame.js'
import { bytesBelow, findEntryIndex, type IndexEntries } from '../format/sparse-index.js'
import { asCorruption } from '../format/value-format.js'
import { type Limits, MAX_COMMIT_BYTES } from '../limits.js'
import { FrameReader, type WantedFrames } from '../segment/frame-reader.js'
import type { ReadHandles } from '../segment/read-handles.js'
import type { Slabs } from '../segment/slabs.js'
import { faultOfEvent, sizeOfFull } from '../streams/segment-scan.js'
import type { IndexCache } from '../streams/index-cache.js'
import type { StreamDirectory } from '../streams/stream-directory.js'
import type { StreamState } from '../streams/stream-state.js'
import type { StoredEvent } from '../types/event.js'
import type { Selection } from './selection.js'

/** Bytes of the first read of a stream: small streams in one read, and no more than needed where a few events are wanted. */
const FIRST_BYTES = 64 * 1024

/** What is made of a record: an event, or less. */
export interface RecordDecoder<Event> {
  /** Decodes the frame of an event that fits. Throws ValueFormatError. */
  decode(window: Window, start: number, length: number, stream?: string): Event
}

/** What reading streams needs; one per store. */
export interface StreamReading<Event = StoredEvent> {
  readonly directory: StreamDirectory
  readonly indexes: IndexCache
  readonly handles: ReadHandles
  readonly slabs: Slabs
  readonly decoder: RecordDecoder<Event>
  readonly limits: Limits
}

/** Reads the segments of one stream from an offset on, as far as it is flushed. */
export class SegmentCursor<Event = StoredEvent> {
  readonly #reading: StreamReading<Event>
  readonly #state: StreamState
  #reader: FrameReader | undefined
  #path = ''
  #base = 0
  #at = 0
  /** Offset of the next event. */
  offset: number
  /** Events wanted at most; where they are few, no more is read and checked than that needs. */
  readonly #wanted: number
  readonly #few: boolean
  /** The first event after a seek must be the one the index named. */
  #seeking = false
  readonly #selection: Selection | undefined
  readonly #endByte: number

  /** `wanted`: how many events at most. `endByte`: nothing behind it is read. Default: what counts of the segment. */
  constructor(
    reading: StreamReading<Event>,
    state: StreamState,
    offset: number,
    wanted: number,
    selection?: Selection,
    endByte = Infinity,
  ) {
    this.#reading = reading
    this.#state = state
    this.offset = offset
    this.#wanted = wanted
    this.#few = wanted <= 32 && endByte === Infinity
    this.#selection = selection
    this.#endByte = endByte
  }

  /**
   * Returns events from `offset` on, at most `most`, below `end`, which is flushed. Empty only when `end` is reached, or when it is
   * time for a selection to pause.
   */
  next(most: number, end: number): Event[] | Promise<Event[]> {
    const events: Event[] = []
    try {
      while (events.length === 0 && this.offset < end && this.#selection?.due !== true) {
        const ready = this.#ready()
        if (ready !== true) {
          return ready.then(
            () => this.next(most, end),
            (error: unknown) => this.#failed(error, most, end),
          )
        }
        this.#decode(events, most, end)
      }
    } catch (error) {
      if (events.length === 0) return this.#failed(error, most, end) // else those before it first; the next call meets it again
    }
    return events
  }

  /** Gives back what it borrowed: all that was wanted is decoded. */
  close(): void {
    this.#reader?.close()
    this.#reader = undefined
  }

  /** What looks like damage may be an index that names the middle of a record: then the segment is read from its beginning. */
  #failed(error: unknown, most: number, end: number): Event[] | Promise<Event[]> {
    if (!this.#seeking || !(error instanceof CorruptionError)) return this.#rethrow(error)
    this.#restart()
    return this.next(most, end)
  }

  /** Makes sure that frames are at hand. */
  #ready(): true | Promise<void> {
    if (this.#reader !== undefined && this.#at < this.#reader.end) return true
    this.#reader ??= this.#open()
    const advanced = this.#reader.advance()
    if (advanced === true) return this.#start()
    if (advanced !== false) return advanced.then((more) => this.#arrived(more))
    this.#arrived(false)
    return this.#ready()
  }

  #start(): true {
    this.#at = this.#reader!.start
    return true
  }

  #arrived(more: boolean): void {
    if (more) this.#start()
    else {
      // This segment is read as far as it counted when it was opened; it has grown since, or there is a next one.
      const before = this.#reader!.base
      this.#reader = undefined
      if (this.offset === this.#lastOffset && before === this.#lastBase) {
        throw new CorruptionError('events are missing at its end', { file: this.#path, byte: before })
      }
      this.#lastOffset = this.offset
      this.#lastBase = before
    }
  }
  #lastOffset = -1
  #lastBase = -1

  #open(): FrameReader {
    const { directory, handles, indexes, limits } = this.#reading
    const { key, last, bases } = this.#state
    let base = 0
    for (const candidate of bases) if (candidate <= this.offset) base = candidate
    const path = directory.segmentPath(key, base)
    const end = last?.base === base ? last.bytes : sizeOfFull(handles, directory.storeId, path, key, base)
    const header = HEADER_FIXED_BYTES + key.byteLength
    const least = 2 * limits.indexIntervalBytes
    const first = this.offset === base
    // The first event alone is where its segment begins: an index of a large one takes milliseconds to read.
    const isPlain = first && !(this.#few && this.#wanted > 1 && end - header > least)
    const place = isPlain
      ? undefined
      : indexes.look(this.#state, base, this.offset, (entries) => this.#placeIn(entries))
    const from = first || place === undefined || place.byte >= end ? header : place.byte
    this.#seeking = from !== header
    this.#path = path
    this.#base = base
    const bytes = this.#few ? (place?.bytes ?? least) : FIRST_BYTES
    return new FrameReader(handles, {
      path,
      from,
      end: Math.min(end, this.#endByte),
      maxFrameBytes: MAX_COMMIT_BYTES,
      firstBytes: Math.min(bytes, FIRST_BYTES),
      windowBytes: this.#few ? FIRST_BYTES : limits.readWindowBytes,
      ...(this.#few && this.#seeking ? { wanted: (window, end) => this.#find(window, end) } : undefined),
    })
  }

  /** Where an index has the next event, or one before it, and in how many bytes from there all are that are wanted; undefined when it cannot tell. */
  #placeIn(entries: IndexEntries): { readonly byte: number; readonly bytes: number | undefined } | undefined {
    const found = findEntryIndex(entries, this.offset)
    const entry = found < 0 ? undefined : entries.at(found)
    if (entry === undefined) return undefined
    return {
      byte: entry.byte,
      bytes: this.#few ? bytesBelow(entries, found, this.offset + this.#wanted) : undefined,
    }
  }

  /**
   * Finds the events that are wanted behind the one that the index names. What it passes over is not handed out, so that only its
   * lengths and offsets are looked at: where they do not lead to the right place, all is checked from the beginning.
   */
  #find(window: Window, end: number): WantedFrames | undefined {
    const { view, bytes } = window
    let start = -1
    let left = this.#wanted
    let at = 0
    while (left > 0 && at + EVENT_FIXED_BYTES <= end) {
      const length = view.getUint32(at, true)
      if (length < MIN_FRAME_BYTES || length > end - at) break
      if (bytes[at + FRAME_KIND] === FRAME_EVENT) {
        const offset = eventOffset(window, at)
        if (start < 0 && offset === this.offset) start = at
        if (start >= 0) left--
        else if (!(offset < this.offset)) return undefined
      }
      at += length
    }
    return start < 0 ? undefined : { start, end: at }
  }

  #decode(events: Event[], most: number, end: number): void {
    const { key } = this.#state
    const { decoder } = this.#reading
    const reader = this.#reader!
    const { window } = reader
    const first = events.length
    while (this.#at < reader.end && events.length - first < most && this.offset < end) {
      const at = this.#at
      const length = window.view.getUint32(at, true)
      if (window.bytes[at + FRAME_KIND] === FRAME_EVENT) {
        const offset = window.view.getUint32(at + 24, true) + window.view.getUint32(at + 28, true) * 2 ** 32
        if (this.#seeking || offset < this.offset) {
          // Before the event that is wanted: skipped without decoding.
          if (offset > this.offset || faultOfEvent(window, at, length, key, offset) !== undefined) {
            if (this.#seeking) return this.#restart()
            throw new CorruptionError('an event is out of place', { file: this.#path, byte: reader.base + at })
          }
          this.#seeking = false
          if (offset < this.offset) {
            this.#at += length
            continue
          }
        }
        const fault = faultOfEvent(window, at, length, key, this.offset)
        if (fault !== undefined) throw new CorruptionError(fault, { file: this.#path, byte: reader.base + at })
        const event = decodeAt(decoder, window, at, length, key.name, this.#path, reader.base, this.#selection)
        if (event !== undefined) events.push(event)
        this.offset++
      }
      this.#at += length
    }
  }

  /** The index led astray: reads the segment from its beginning. */
  #restart(): void {
    const { directory, handles, limits } = this.#reading
    const { key, last } = this.#state
    const path = directory.segmentPath(key, this.#base)
    const end = last?.base === this.#base ? last.bytes : sizeOfFull(handles, directory.storeId, path, key, this.#base)
    this.#seeking = false
    this.#reader = new FrameReader(handles, {
      path,
      from: HEADER_FIXED_BYTES + key.byteLength,
      end,
      maxFrameBytes: MAX_COMMIT_BYTES,
      firstBytes: limits.readWindowBytes,
      windowBytes: limits.readWindowBytes,
    })
    this.#at = 0
  }

  /** Names stream and offset in every error of the segment. */
  #rethrow(error: unknown): never {
    if (!(error instanceof CorruptionError) || error.stream !== undefined) throw error
    const { file, byte } = error
    throw new CorruptionError(
      error.reason,
      { file, byte, stream: this.#state.key.name, offset: this.offset },
      { cause: error },
    )
  }
}

/** Decodes an event, unless a selection does not take it. */
export function decodeAt<Event>(
  decoder: RecordDecoder<Event>,
  window: Window,
  at: number,
  length: number,
  stream: string,
  file: string,
  base: number,
  selection: Selection | undefined,
): Event | undefined {
  try {
    if (selection?.takes(window, at) === false) return undefined
    return decoder.decode(window, at, length, stream)
  } catch (error) {
    throw asCorruption(error, { file, byte: base + at })
  }
}
