import { CorruptionError } from '../errors.js'
import { checkFrame, MIN_FRAME_BYTES, windowOf } from '../format/frame.js'
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

/** A log segment whose events may not be in fsynced stream segments, and which streams have events in it. */
export interface UnsettledSegment {
  readonly segment: LogSegment
  /** Reads the table at its first use. */
  readonly table: () => StreamTable | StreamTableBuilder
}

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
      for (let i = state.version - firstOffset; i < bytes.length; i++) {
        this.#check(segment, bytes[i]!, key, firstOffset + i)
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

  #check(segment: LogSegment, byte: number, key: StreamKey, offset: number): void {
    const handle = this.#handles.get(segment.path)
    const wrong = (reason: string): CorruptionError =>
      new CorruptionError(reason, { file: segment.path, byte, stream: key.name, offset })
    const head = Buffer.allocUnsafe(4)
    if (readFullySync(handle, head, 0, 4, byte) < 4) throw wrong('the log segment ends before the record')
    const length = head.readUInt32LE(0)
    if (length < MIN_FRAME_BYTES || length > MAX_COMMIT_BYTES) {
      throw wrong('the length of a record is impossible')
    }
    const record = Buffer.allocUnsafe(length)
    const got = readFullySync(handle, record, 0, length, byte)
    const window = windowOf(record)
    if (typeof checkFrame(window, 0, got, length) !== 'number') throw wrong('the checksum of a record is wrong')
    const fault = faultOfEvent(window, 0, length, key, offset)
    if (fault !== undefined) throw wrong(fault)
  }
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
