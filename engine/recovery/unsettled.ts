import { CorruptionError } from '../errors.js'
import { checkFrame, MIN_FRAME_BYTES, type Window, windowOf } from '../format/frame.js'
import { parseHeader } from '../format/file-header.js'
import type { StreamKey } from '../format/names.js'
import { type StreamEntry, StreamTable, type StreamTableBuilder } from '../format/stream-table.js'
import type { LogSegment } from '../commit-log/log-directory.js'
import type { FileSystem } from '../io/file-system.js'
import { readFileSync, readFullySync } from '../io/transfer.js'
import { MAX_COMMIT_BYTES } from '../limits.js'
import type { ReadHandles } from '../segment/read-handles.js'
import type { Slabs } from '../segment/slabs.js'
import { faultOfEvent } from '../streams/segment-scan.js'
import type { StreamLoader } from '../streams/stream-loader.js'
import type { StreamState } from '../streams/stream-state.js'

const MAX_TABLE_BYTES = 256 * 1024 * 1024
/** Events of a stream that stand no further from each other in the log are read together, so many bytes at a time. */
const NEAR_BYTES = 4 * 1024
const PIECE_BYTES = 64 * 1024
/** Read behind where the last of them starts: most records. */
const RECORD_BYTES = 1024

/** A log segment whose events may not be in fsynced stream segments, and which streams have events in it. */
export interface UnsettledSegment {
  readonly segment: LogSegment
  /** Reads the table at its first use. */
  readonly table: () => StreamTable | StreamTableBuilder
}

/** Bytes of a log segment that were read, and where they start in it. */
interface LogPiece {
  readonly from: number
  readonly window: Window
}

const NOTHING: LogPiece = { from: 0, window: windowOf(Buffer.alloc(0)) }

/**
 * The part of redo that is done stream by stream, when a stream is first used: what earlier sessions wrote to its files
 * without a sync is checked against the stream tables, and what did not survive is taken from the log again. So
 * opening costs the same for one stream and for a million.
 */
export class Unsettled {
  readonly #loader: StreamLoader
  readonly #handles: ReadHandles
  readonly #slabs: Slabs
  #segments: readonly UnsettledSegment[] = []

  constructor(loader: StreamLoader, handles: ReadHandles, slabs: Slabs) {
    this.#loader = loader
    this.#handles = handles
    this.#slabs = slabs
  }

  /** Oldest first. */
  get segments(): readonly UnsettledSegment[] {
    return this.#segments
  }

  set(segments: readonly UnsettledSegment[]): void {
    this.#segments = segments
  }

  /** Forgets everything: all of it is in fsynced stream segments. */
  clear(): void {
    this.#segments = []
  }

  /** Offset from which on events of a stream may not be in fsynced segments; Infinity when all are. */
  unprovenFrom(key: StreamKey): number {
    for (const { table } of this.#segments) {
      const entry = table().lookup(key)
      if (entry !== undefined) return entry.firstOffset
    }
    return Infinity
  }

  /** Byte of a segment from which on it may not be on the disk, or one before that. */
  unprovenByte(key: StreamKey, base: number): number {
    return this.#loader.startBefore(key, base, this.unprovenFrom(key))
  }

  load(key: StreamKey): StreamState {
    const segments = this.#segments
    let oldest = 0
    let entry: StreamEntry | undefined
    while (oldest < segments.length && (entry = segments[oldest]!.table().lookup(key)) === undefined) oldest++
    if (entry === undefined) return this.#loader.load(key)
    const state = this.#loader.load(key, entry.firstOffset)
    // Its files have all that the newest table names: those between, which may be many, name nothing more.
    if (state.version >= this.#endOf(key)) return state
    for (; oldest < segments.length; oldest++) {
      const { segment, table } = segments[oldest]!
      entry = table().lookup(key)
      if (entry === undefined) continue
      state.damage = this.#attach(state, segment, entry)
      if (state.damage !== undefined) break
    }
    return state
  }

  /** Offset behind the last event of a stream that a table names. */
  #endOf(key: StreamKey): number {
    for (let i = this.#segments.length - 1; i >= 0; i--) {
      const entry = this.#segments[i]!.table().lookup(key)
      if (entry !== undefined) return entry.firstOffset + entry.bytes.length
    }
    return 0
  }

  /**
   * Adds the events of a table that the stream's files lack, checked one by one: they wait in the log for the next flush, which whoever
   * loads the stream queues. Returns what keeps it from adding them all.
   */
  #attach(state: StreamState, segment: LogSegment, { firstOffset, bytes }: StreamEntry): CorruptionError | undefined {
    const { key } = state
    if (firstOffset > state.version) {
      return new CorruptionError('events before this one are missing', {
        file: segment.path,
        byte: bytes[0]!,
        stream: key.name,
        offset: state.version,
      })
    }
    try {
      let piece = NOTHING
      for (let i = state.version - firstOffset; i < bytes.length; i++) {
        piece = this.#check(segment, bytes, i, key, firstOffset + i, piece)
        if (state.tail.length === 0 && state.last !== undefined) state.last.unfinished = true
        state.tail.push(this.#slabs.adopt(segment.path, bytes[i]!))
        state.version++
      }
      return undefined
    } catch (error) {
      if (error instanceof CorruptionError) return error
      throw error
    } finally {
      state.nextOffset = state.version
    }
  }

  /** Checks the event at `bytes[i]`, in the piece that was read last or in one read now, which is returned. */
  #check(
    { path }: LogSegment,
    bytes: readonly number[],
    i: number,
    key: StreamKey,
    offset: number,
    last: LogPiece,
  ): LogPiece {
    const byte = bytes[i]!
    const wrong = (reason: string): CorruptionError =>
      new CorruptionError(reason, { file: path, byte, stream: key.name, offset })
    let piece = last
    let at = byte - piece.from
    const left = (): number => piece.window.bytes.length - at
    if (at < 0 || left() < 4) {
      piece = this.#read(path, byte, spanFrom(bytes, i))
      at = 0
      if (left() < 4) throw wrong('the log segment ends before the record')
    }
    const length = piece.window.view.getUint32(at, true)
    if (length < MIN_FRAME_BYTES || length > MAX_COMMIT_BYTES) {
      throw wrong('the length of a record is impossible')
    }
    if (left() < length) {
      piece = this.#read(path, byte, Math.max(length, spanFrom(bytes, i)))
      at = 0
    }
    const { window } = piece
    if (typeof checkFrame(window, at, window.bytes.length, length) !== 'number') {
      throw wrong('the checksum of a record is wrong')
    }
    const fault = faultOfEvent(window, at, length, key, offset)
    if (fault !== undefined) throw wrong(fault)
    return piece
  }

  #read(path: string, from: number, length: number): LogPiece {
    const bytes = Buffer.allocUnsafeSlow(length)
    const got = readFullySync(this.#handles.get(path), bytes, 0, length, from)
    return { from, window: windowOf(bytes.subarray(0, got)) }
  }
}

/** How many bytes to read for the event at `bytes[i]` and those behind it that are near. */
function spanFrom(bytes: readonly number[], i: number): number {
  let last = i
  while (last + 1 < bytes.length) {
    const distance = bytes[last + 1]! - bytes[last]!
    if (distance < 0 || distance > NEAR_BYTES || bytes[last + 1]! - bytes[i]! > PIECE_BYTES) break
    last++
  }
  return bytes[last]! - bytes[i]! + RECORD_BYTES
}

/** Reads the stream table of a log segment. Returns undefined when it is missing or wrong: it is then made from the segment. */
export function readStreamTable(
  files: FileSystem,
  path: string,
  segment: LogSegment,
  storeId: Buffer,
): { readonly table: StreamTable; readonly end: number } | undefined {
  let bytes: Buffer | undefined
  try {
    bytes = readFileSync(files, path, MAX_TABLE_BYTES)
  } catch {
    return undefined // derived: whatever is wrong with it, the log segment tells the same
  }
  if (bytes === undefined) return undefined
  const window = windowOf(bytes)
  const verdict = parseHeader(window, bytes.length, 'T')
  if (verdict.kind !== 'header') return undefined
  const { header, length } = verdict
  if (!header.storeId.equals(storeId) || header.base !== segment.base || header.epoch !== segment.epoch) {
    return undefined
  }
  const table = StreamTable.parse(window, length, bytes.length)
  return table && { table, end: header.previousEnd }
}
