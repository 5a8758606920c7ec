import { CorruptionError, newerVersion } from '../errors.js'
import {
  eventFits,
  eventOffset,
  eventPosition,
  eventStreamBytes,
  eventTimestamp,
  EVENT_FIXED_BYTES,
} from '../format/event-record.js'
import { HEADER_FIXED_BYTES, parseHeader } from '../format/file-header.js'
import {
  checkFrame,
  FRAME_EVENT,
  FRAME_KIND,
  FRAME_SEAL,
  FRAME_SHAPE,
  type FrameFault,
  MIN_FRAME_BYTES,
  type Window,
  windowOf,
} from '../format/frame.js'
import type { StreamKey } from '../format/names.js'
import { decodeSeal, decodeShape } from '../format/shape-record.js'
import type { FileHandle } from '../io/file-system.js'
import { readFullySync } from '../io/transfer.js'
import { reasonOf } from '../segment/frame-reader.js'
import type { ReadHandles } from '../segment/read-handles.js'

const PIECE_BYTES = 1024 * 1024

/** What a stretch of a stream segment holds. */
export interface SegmentContents {
  /** Offset behind the last valid event. */
  version: number
  /** Bytes up to the end of the last valid frame. */
  bytes: number
  /** Shapes defined there. */
  shapes: number[]
  /** Set when the segment is sealed: the base of the next one. */
  nextBase: number | undefined
  /** Position of the last event and where its frame starts; −1 when there is none. */
  lastPosition: number
  lastByte: number
  /** Why it ends before the end of the bytes; undefined when it does not. */
  fault: string | undefined
}

export interface EventSink {
  (offset: number, byte: number, timestamp: number, window: Window, at: number, length: number): void
}

/**
 * Walks the frames of a stream segment that was read into memory: `window` byte 0 is byte `base` of the file. Events
 * must follow each other densely from `version` and belong to the stream.
 */
export function scanFrames(
  window: Window,
  base: number,
  from: number,
  version: number,
  key: StreamKey,
  maxFrameBytes: number,
  sink?: EventSink,
): SegmentContents {
  const contents = nothing(version, base + from)
  const fault = walk(window, base, key, contents, maxFrameBytes, sink)
  if (fault !== undefined) contents.fault = reasonOf(fault)
  return contents
}

/**
 * As `scanFrames`, for the bytes of a file from `byte` on, where the event with offset `number` is the first, up to `end`. They are read
 * in pieces: memory is one of them, or one record.
 */
export function scanFile(
  handle: FileHandle,
  { byte, number }: { readonly byte: number; readonly number: number },
  end: number,
  key: StreamKey,
  maxFrameBytes: number,
  sink?: EventSink,
): SegmentContents {
  const contents = nothing(number, byte)
  let piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, end - byte))
  while (contents.bytes < end) {
    const base = contents.bytes
    const length = readFullySync(handle, piece, 0, Math.min(piece.length, end - base), base)
    if (length === 0) return contents // the file is shorter than it was said to be
    const window = windowOf(piece.subarray(0, length))
    const fault = walk(window, base, key, contents, maxFrameBytes, sink)
    if (contents.fault !== undefined) return contents
    const rest = end - contents.bytes
    const mayGoOn = fault === 'short' || contents.bytes + MIN_FRAME_BYTES > base + length
    if (fault !== undefined && (!mayGoOn || base + length === end || length < piece.length)) {
      contents.fault = reasonOf(fault)
      return contents
    }
    // A record that is longer than a piece.
    if (contents.bytes === base) piece = Buffer.allocUnsafe(Math.min(window.view.getUint32(0, true), rest))
    else if (piece.length > PIECE_BYTES) piece = Buffer.allocUnsafe(PIECE_BYTES)
  }
  return contents
}

function nothing(version: number, bytes: number): SegmentContents {
  return { version, bytes, shapes: [], nextBase: undefined, lastPosition: -1, lastByte: 0, fault: undefined }
}

/**
 * Walks frames from `contents.bytes` on. Returns why what stands there is no frame, undefined at the end; what is wrong with a whole one
 * is told by `contents.fault`.
 */
function walk(
  window: Window,
  base: number,
  key: StreamKey,
  contents: SegmentContents,
  maxFrameBytes: number,
  sink: EventSink | undefined,
): FrameFault | undefined {
  const end = window.bytes.length
  for (let at = contents.bytes - base; at < end;) {
    const length = checkFrame(window, at, end, maxFrameBytes)
    if (typeof length !== 'number') return length
    contents.fault = takeFrame(window, base, at, length, key, contents, sink)
    if (contents.fault !== undefined) return undefined
    at += length
    contents.bytes = base + at
  }
  return undefined
}

function takeFrame(
  window: Window,
  base: number,
  at: number,
  length: number,
  key: StreamKey,
  contents: SegmentContents,
  sink: EventSink | undefined,
): string | undefined {
  if (contents.nextBase !== undefined) return 'a record follows the seal'
  switch (window.bytes[at + FRAME_KIND]) {
    case FRAME_EVENT: {
      const fault = faultOfEvent(window, at, length, key, contents.version)
      if (fault !== undefined) return fault
      sink?.(contents.version, base + at, eventTimestamp(window, at), window, at, length)
      contents.version++
      contents.lastPosition = eventPosition(window, at)
      contents.lastByte = base + at
      return undefined
    }
    case FRAME_SHAPE: {
      const shape = decodeShape(window, at, length)
      if (shape === undefined) return 'a shape definition is malformed'
      contents.shapes.push(shape.id)
      return undefined
    }
    case FRAME_SEAL: {
      const next = decodeSeal(window, at, length)
      // A crash can leave the seal of another segment here, from what the block held before: nobody may follow it.
      if (next !== contents.version) return 'the seal names another offset'
      contents.nextBase = next
      return undefined
    }
    default:
      return 'a record of a kind that does not belong here'
  }
}

/** Says what is wrong with an event frame whose checksum is right; undefined when it is the expected one. */
export function faultOfEvent(
  window: Window,
  at: number,
  length: number,
  key: StreamKey,
  offset: number,
): string | undefined {
  if (!eventFits(window, at, length)) return 'an event is malformed'
  if (eventOffset(window, at) !== offset) return `the event has offset ${eventOffset(window, at)} instead of ${offset}`
  const start = at + EVENT_FIXED_BYTES
  return key.stands(window.bytes, start, start + eventStreamBytes(window, at))
    ? undefined
    : 'the event belongs to another stream'
}

/** Returns the size of a segment that is not the last of its stream. Its header is looked at once, while the file is open: throws CorruptionError or ERR_FORMAT. */
export function sizeOfFull(handles: ReadHandles, storeId: Buffer, path: string, key: StreamKey, base: number): number {
  return handles.sizeOfFinished(path, (handle) => {
    const head = Buffer.allocUnsafe(HEADER_FIXED_BYTES + key.byteLength)
    const got = readFullySync(handle, head, 0, head.length, 0)
    checkSegmentHeader(head.subarray(0, got), path, key, base, storeId)
  })
}

/** Checks the header of a stream segment; returns where its frames begin. Throws CorruptionError or ERR_FORMAT. */
export function checkSegmentHeader(
  bytes: Buffer,
  path: string,
  key: StreamKey,
  base: number,
  storeId: Buffer,
): { readonly start: number; readonly previousBase: number } {
  const verdict = parseHeader(windowOf(bytes), bytes.length, 'S')
  const wrong = (reason: string): CorruptionError =>
    new CorruptionError(reason, { file: path, byte: 0, stream: key.name, offset: base })
  switch (verdict.kind) {
    case 'header': {
      const { header, length } = verdict
      if (!header.storeId.equals(storeId)) throw wrong('the file belongs to another store')
      if (!header.name.equals(key.bytes)) throw wrong('the file belongs to another stream')
      if (header.base !== base) throw wrong(`the file starts at offset ${header.base}, its name says ${base}`)
      return { start: length, previousBase: header.previousBase }
    }
    case 'version':
      throw newerVersion(path, verdict.readVersion, verdict.writeVersion)
    case 'empty':
      throw wrong('the file is empty')
    case 'foreign':
      throw wrong('the file is no stream segment')
    case 'damaged':
      throw wrong(verdict.reason)
  }
}
