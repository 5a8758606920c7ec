import { CorruptionError } from '../errors.js'
import { eventOffset, eventPosition } from '../format/event-record.js'
import {
  checkFrame,
  FRAME_EVENT,
  FRAME_KIND,
  FRAME_SEAL,
  FRAME_TRAILER_BYTES,
  MIN_FRAME_BYTES,
  windowOf,
  type Window,
} from '../format/frame.js'
import { HEADER_FIXED_BYTES } from '../format/file-header.js'
import type { StreamKey } from '../format/names.js'
import { decodeSeal, SEAL_BYTES } from '../format/shape-record.js'
import { IndexBuilder, type IndexEntry } from '../format/sparse-index.js'
import type { FileHandle } from '../io/file-system.js'
import { readFullySync } from '../io/transfer.js'
import { type Limits, MAX_COMMIT_BYTES } from '../limits.js'
import { reasonOf } from '../segment/frame-reader.js'
import type { ReadHandles } from '../segment/read-handles.js'
import { LENT_BYTES } from '../segment/read-windows.js'
import {
  checkSegmentHeader,
  faultOfEvent,
  type EventSink,
  scanFile,
  scanFrames,
  type SegmentContents,
} from './segment-scan.js'
import { findInIndex, readEntries, readIndexEnd } from './segment-index.js'
import type { StreamDirectory } from './stream-directory.js'
import { type LastSegment, StreamState } from './stream-state.js'

/** Segments up to this size are read whole when a stream is first used: one open and one read. */
const SMALL_BYTES = LENT_BYTES
/** From this size on a segment has an index. */
export const INDEXED_FROM_BYTES = 64 * 1024

/** What most streams have: shared, because of how many there are. */
const FIRST_ONLY: readonly number[] = Object.freeze([0])

interface OpenedSegment {
  readonly base: number
  readonly path: string
  readonly handle: FileHandle
  readonly size: number
  readonly isSmall: boolean
  /** All of it where it is small, else its header. Valid until the next one is opened. */
  readonly bytes: Buffer
}

/** Finds out from a stream's files, at its first use, how far they go. Costs one open and one read for most streams. */
export class StreamLoader {
  readonly #directory: StreamDirectory
  readonly #handles: ReadHandles
  readonly #limits: Limits
  readonly #logEnd: () => number

  /** `logEnd`: position behind the last event of the log. Whatever a segment holds was in the log before. */
  constructor(directory: StreamDirectory, handles: ReadHandles, limits: Limits, logEnd: () => number = () => Infinity) {
    this.#directory = directory
    this.#handles = handles
    this.#limits = limits
    this.#logEnd = logEnd
  }

  /**
   * Loads a stream. Events from offset `unproven` on may have been written without a sync before a crash: they are read
   * and checked one by one, and what is not right at the end is left out. All others are durable: if the last of them is not
   * right, that is damage, and a CorruptionError is thrown. So it is where the first segment is missing and something says that
   * it was there: events below `unproven`, or later files of the stream.
   */
  load(key: StreamKey, unproven = Infinity): StreamState {
    this.#directory.checkShard(key)
    const state = new StreamState(key, 0)
    const first = this.#directory.segmentPath(key, 0)
    if (this.#directory.files.stat(first) === undefined) {
      // Nothing of it was ever synced, or there was nothing: the log stands for what there is.
      if (unproven === 0 || (unproven === Infinity && !this.#directory.isHeadless(key))) return state
      throw missing(first, key, 0)
    }
    const { windows } = this.#handles
    const lent = windows.borrow()
    try {
      return this.#loaded(state, lent, unproven)
    } finally {
      windows.giveBack(lent)
    }
  }

  #loaded(state: StreamState, lent: Window, unproven: number): StreamState {
    const { key } = state
    const first = this.#open(key, 0, lent)
    const bases = this.#isSealed(first) ? this.#directory.bases(key) : FIRST_ONLY
    // Sealed segments are synced before what follows counts as settled, so only those behind `unproven` need a look, and
    // the one before: where its last event is proven, its seal may not be.
    let at = bases.length - 1
    while (at > 0 && bases[at]! >= unproven) at--
    let found = this.#last(key, at === 0 ? first : this.#open(key, bases[at]!, lent), unproven)
    while (found.contents.nextBase !== undefined && found.contents.nextBase === bases[at + 1]) {
      found = this.#last(key, this.#open(key, bases[++at]!, lent), unproven, found.segment.base)
    }
    const { contents, segment } = found
    if (contents.nextBase === undefined) state.last = segment
    else if (unproven === Infinity) {
      throw missing(this.#directory.segmentPath(key, contents.nextBase), key, contents.nextBase)
    }
    state.bases = at === 0 ? FIRST_ONLY : bases.slice(0, at + 1)
    state.version = contents.version
    state.nextOffset = contents.version
    state.flushed = contents.version
    return state
  }

  /** Opens a segment and reads all of it, or its header where it is not small. */
  #open(key: StreamKey, base: number, lent: Window): OpenedSegment {
    const path = this.#directory.segmentPath(key, base)
    const handle = this.#handles.get(path)
    const size = handle.size()
    const isSmall = size <= SMALL_BYTES
    const wanted = isSmall ? size : Math.min(size, HEADER_FIXED_BYTES + key.byteLength)
    const bytes = lent.bytes.subarray(0, readFullySync(handle, lent.bytes, 0, wanted, 0))
    return { base, path, handle, size, isSmall, bytes }
  }

  /** Looks at the last bytes of a segment only: most streams have one segment, and then no folder needs to be listed. */
  #isSealed({ handle, size, isSmall, bytes }: OpenedSegment): boolean {
    if (size < HEADER_FIXED_BYTES + SEAL_BYTES) return false
    let seal: Buffer
    if (isSmall) {
      if (bytes.length < size) return false
      seal = bytes.subarray(size - SEAL_BYTES)
    } else {
      seal = Buffer.allocUnsafe(SEAL_BYTES)
      if (readFullySync(handle, seal, 0, SEAL_BYTES, size - SEAL_BYTES) < SEAL_BYTES) return false
    }
    const window = windowOf(seal)
    return (
      typeof checkFrame(window, 0, SEAL_BYTES, SEAL_BYTES) === 'number' &&
      decodeSeal(window, 0, SEAL_BYTES) !== undefined
    )
  }

  #last(
    key: StreamKey,
    { base, path, handle, size, isSmall, bytes }: OpenedSegment,
    unproven: number,
    before?: number,
  ): { readonly segment: LastSegment; readonly contents: SegmentContents } {
    let start: number
    try {
      const head = checkSegmentHeader(bytes, path, key, base, this.#directory.storeId)
      // Left by a session whose segments before it were lost, and written again with other bases.
      if (before !== undefined && head.previousBase !== before && base >= unproven) {
        throw new CorruptionError('the segment hangs on another one than the one before it', { file: path, byte: 0 })
      }
      start = head.start
    } catch (error) {
      // A file whose very header was never synced holds nothing durable.
      if (base < unproven || !(error instanceof CorruptionError)) throw error
      return {
        segment: { base, bytes: 0, unfinished: false, shapes: [], index: undefined },
        contents: {
          version: base,
          bytes: 0,
          shapes: [],
          nextBase: undefined,
          lastPosition: -1,
          lastByte: 0,
          fault: error.message,
        },
      }
    }
    const contents = isSmall
      ? scanFrames(windowOf(bytes), 0, start, base, key, MAX_COMMIT_BYTES)
      : unproven === Infinity
        ? this.#fromEnd(handle, path, size, key, base)
        : this.#fromOffset(handle, size, key, base, start, unproven)
    if (contents.fault !== undefined && contents.version < unproven) {
      throw new CorruptionError(contents.fault, {
        file: path,
        byte: contents.bytes,
        stream: key.name,
        offset: contents.version,
      })
    }
    if (contents.lastPosition >= this.#logEnd()) {
      // The folder was put together from files of different moments: going on would give out these positions again.
      throw new CorruptionError('the log does not hold this event', {
        file: path,
        byte: contents.lastByte,
        stream: key.name,
        offset: contents.version - 1,
      })
    }
    const index = this.#index(handle, path, key, base, contents)
    const unfinished = size > contents.bytes
    return { segment: { base, bytes: contents.bytes, unfinished, shapes: contents.shapes, index }, contents }
  }

  /** Reads just the last frames of a segment whose events are all durable. */
  #fromEnd(handle: FileHandle, path: string, size: number, key: StreamKey, base: number): SegmentContents {
    const tail = Buffer.allocUnsafe(Math.min(size, SMALL_BYTES))
    const from = size - tail.length
    readFullySync(handle, tail, 0, tail.length, from)
    let window = windowOf(tail)
    let windowFrom = from
    for (let end = size; end > HEADER_FIXED_BYTES;) {
      const length =
        end - FRAME_TRAILER_BYTES >= windowFrom
          ? window.view.getUint32(end - FRAME_TRAILER_BYTES - windowFrom, true)
          : 0
      const start = end - length
      if (length < MIN_FRAME_BYTES || start < HEADER_FIXED_BYTES || length > MAX_COMMIT_BYTES) break
      if (start < windowFrom) {
        const long = Buffer.allocUnsafe(length)
        readFullySync(handle, long, 0, length, start)
        window = windowOf(long)
        windowFrom = start
      }
      const at = start - windowFrom
      const fault = checkFrame(window, at, at + length, length)
      if (typeof fault !== 'number') throw this.#damaged(path, start, key, reasonOf(fault))
      const kind = window.bytes[at + FRAME_KIND]
      if (kind === FRAME_EVENT) {
        const offset = eventOffset(window, at)
        const wrong =
          faultOfEvent(window, at, length, key, offset) ??
          (offset < base ? 'the event is before the base of its segment' : undefined)
        if (wrong !== undefined) throw this.#damaged(path, start, key, wrong)
        return {
          version: offset + 1,
          bytes: size,
          shapes: [],
          nextBase: undefined,
          lastPosition: eventPosition(window, at),
          lastByte: start,
          fault: undefined,
        }
      }
      if (kind === FRAME_SEAL) {
        const nextBase = decodeSeal(window, at, length)
        if (nextBase === undefined) break
        return { version: nextBase, bytes: size, shapes: [], nextBase, lastPosition: -1, lastByte: 0, fault: undefined }
      }
      end = start
    }
    throw this.#damaged(path, size, key, 'the end of the segment is not a record')
  }

  /** Reads a large segment from the last index point that is durable. */
  #fromOffset(
    handle: FileHandle,
    size: number,
    key: StreamKey,
    base: number,
    start: number,
    unproven: number,
  ): SegmentContents {
    const entry = findInIndex(this.#directory, key, base, Math.min(unproven, Number.MAX_SAFE_INTEGER) - 1)
    const from = this.#isRight(handle, size, entry, key) ? entry : { byte: start, number: base }
    return scanFile(handle, from, size, key, MAX_COMMIT_BYTES)
  }

  /** Returns a byte of a segment at or before the event with an offset, near it where the index can tell. */
  startBefore(key: StreamKey, base: number, offset: number): number {
    if (offset <= base) return 0
    const handle = this.#handles.get(this.#directory.segmentPath(key, base))
    const entry = findInIndex(this.#directory, key, base, offset)
    return this.#isRight(handle, handle.size(), entry, key) ? entry.byte : 0
  }

  /** An index is never trusted: an event with that offset must start there. */
  #isRight(handle: FileHandle, size: number, entry: IndexEntry | undefined, key: StreamKey): entry is IndexEntry {
    if (entry === undefined || entry.byte + MIN_FRAME_BYTES > size) return false
    const { byte, number } = entry
    const head = Buffer.allocUnsafe(4)
    readFullySync(handle, head, 0, 4, byte)
    const length = head.readUInt32LE(0)
    if (length < MIN_FRAME_BYTES || length > MAX_COMMIT_BYTES || byte + length > size) return false
    const window = windowOf(Buffer.allocUnsafe(length))
    readFullySync(handle, window.bytes, 0, length, byte)
    return (
      typeof checkFrame(window, 0, length, length) === 'number' &&
      faultOfEvent(window, 0, length, key, number) === undefined
    )
  }

  /**
   * Takes up the index of a large segment, or makes it anew where it is missing, short or wrong. Of one that goes as far as the segment only
   * the end is read: what stands before is checked by whoever uses it.
   */
  #index(
    handle: FileHandle,
    path: string,
    key: StreamKey,
    base: number,
    contents: SegmentContents,
  ): LastSegment['index'] {
    const size = contents.bytes
    if (size < INDEXED_FROM_BYTES || contents.nextBase !== undefined) return undefined
    const end = readIndexEnd(this.#directory, key, base)
    let entries: readonly IndexEntry[] = end?.last ?? []
    let before = end === undefined ? 0 : end.count - end.last.length
    let last = entries.at(-1)
    if (!this.#isRight(handle, size, last, key)) {
      before = 0
      entries = (readEntries(this.#directory, key, base) ?? []).filter(({ byte }) => byte < size)
      last = entries.at(-1)
      if (!this.#isRight(handle, size, last, key)) entries = []
    }
    const builder = IndexBuilder.resume(this.#limits.indexIntervalBytes, entries.slice(0, -1), before)
    const from = entries.at(-1) ?? { byte: HEADER_FIXED_BYTES + key.byteLength, number: base }
    scanInto(builder, handle, path, from, size, key)
    return { builder, written: Math.min(before + entries.length, builder.count) }
  }

  #damaged(path: string, byte: number, key: StreamKey, reason: string): CorruptionError {
    return new CorruptionError(reason, { file: path, byte, stream: key.name })
  }
}

function missing(file: string, key: StreamKey, offset: number): CorruptionError {
  return new CorruptionError('the segment is missing', { file, byte: 0, stream: key.name, offset })
}

/** Adds the events of a stretch of a segment to its index. Throws CorruptionError where a record is not right. */
export function scanInto(
  builder: IndexBuilder,
  handle: FileHandle,
  path: string,
  from: { readonly byte: number; readonly number: number },
  end: number,
  key: StreamKey,
): void {
  const add: EventSink = (offset, byte, timestamp, _window, _at, length) => builder.add(offset, byte, timestamp, length)
  const { bytes, fault } = scanFile(handle, from, end, key, MAX_COMMIT_BYTES, add)
  if (bytes < end) throw new CorruptionError(fault ?? reasonOf('short'), { file: path, byte: bytes, stream: key.name })
}
