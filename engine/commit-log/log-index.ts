import { eventPosition, eventTimestamp } from '../format/event-record.js'
import { encodeHeader, HEADER_FIXED_BYTES, parseHeader } from '../format/file-header.js'
import { FRAME_EVENT, FRAME_KIND, windowOf } from '../format/frame.js'
import { decodeEntries, encodeEntries, IndexBuilder, type IndexEntry } from '../format/sparse-index.js'
import type { TimeRange } from '../format/time-runs.js'
import type { FileSystem } from '../io/file-system.js'
import { readFileSync, writeFullySync } from '../io/transfer.js'
import { type Limits, MAX_COMMIT_BYTES } from '../limits.js'
import { FrameReader } from '../segment/frame-reader.js'
import type { ReadHandles } from '../segment/read-handles.js'
import type { LogDirectory, LogSegment } from './log-directory.js'

const CRC_OF_HEADER_AT = 16

/** Encodes the index file of a log segment. */
export function encodeLogIndex(
  storeId: Buffer,
  segment: { readonly base: number; readonly epoch: number },
  entries: readonly IndexEntry[],
): Buffer {
  const header = encodeHeader({ kind: 'P', storeId, base: segment.base, epoch: segment.epoch })
  return Buffer.concat([header, encodeEntries(entries, 0, header.readUInt32LE(CRC_OF_HEADER_AT))])
}

/** Writes a derived file in place: when a crash cuts it short it is wrong, and made again. */
export function writeDerived(files: FileSystem, path: string, contents: Buffer): void {
  const handle = files.open(path, files.stat(path) === undefined ? 'create' : 'write')
  try {
    handle.truncate(0)
    writeFullySync(handle, contents, 0, contents.length, 0)
  } finally {
    handle.close()
  }
}

/** Reads the index of a log segment. Returns undefined when it is missing or wrong in any way. */
export function readLogIndex(
  files: FileSystem,
  path: string,
  segment: LogSegment,
  storeId: Buffer,
  maxBytes: number,
): IndexEntry[] | undefined {
  let bytes: Buffer | undefined
  try {
    bytes = readFileSync(files, path, maxBytes)
  } catch {
    return undefined // an index carries no authority (D6)
  }
  if (bytes === undefined) return undefined
  const window = windowOf(bytes)
  const verdict = parseHeader(window, bytes.length, 'P')
  if (verdict.kind !== 'header' || !verdict.header.storeId.equals(storeId)) return undefined
  if (verdict.header.base !== segment.base || verdict.header.epoch !== segment.epoch) return undefined
  return decodeEntries(window, verdict.length, bytes.length, window.view.getUint32(CRC_OF_HEADER_AT, true))
}

/** Indexes of the log segments, read at first use, made from the records where they are missing. */
export class LogIndexes {
  readonly #files: FileSystem
  readonly #directory: LogDirectory
  readonly #handles: ReadHandles
  readonly #storeId: Buffer
  readonly #limits: Limits
  readonly #known = new Map<string, readonly IndexEntry[]>()
  /** By path: between which times the events before `end` are. Three numbers for each log segment that was asked for. */
  readonly #spans = new Map<string, { readonly min: number; readonly max: number; readonly end: number }>()

  constructor(files: FileSystem, directory: LogDirectory, handles: ReadHandles, storeId: Buffer, limits: Limits) {
    this.#files = files
    this.#directory = directory
    this.#handles = handles
    this.#storeId = storeId
    this.#limits = limits
  }

  /** Returns the entries of a segment of which `end` bytes count. */
  entries(segment: LogSegment, end: number): readonly IndexEntry[] {
    let entries = this.#known.get(segment.path)
    if (entries === undefined) {
      entries =
        readLogIndex(
          this.#files,
          this.#directory.beside(segment, '.idx'),
          segment,
          this.#storeId,
          this.#limits.logSegmentBytes * 16,
        ) ?? this.#build(segment, end)
      if (this.#known.size >= 64) this.#known.delete(this.#known.keys().next().value!)
      this.#known.set(segment.path, entries)
    }
    return entries
  }

  /** Returns the bytes of a segment without opening it. */
  sizeOf(segment: LogSegment): number {
    return this.#files.stat(segment.path)?.size ?? 0
  }

  /** Tells whether `excludes` can answer without reading the index. */
  knows(segment: LogSegment): boolean {
    return this.#spans.has(segment.path)
  }

  /** Tells that no event of a segment, of which `end` bytes count, is of a time. */
  excludes(segment: LogSegment, end: number, times: TimeRange): boolean {
    let span = this.#spans.get(segment.path)
    if (span === undefined) {
      span = spanOf(this.entries(segment, end))
      this.#spans.set(segment.path, span)
    }
    return span.end >= end && (span.min > times.to || span.max < times.from)
  }

  #build(segment: LogSegment, end: number): readonly IndexEntry[] {
    const builder = new IndexBuilder(this.#limits.indexIntervalBytes)
    scanLogInto(builder, this.#handles, segment.path, HEADER_FIXED_BYTES, end)
    builder.finish() // only one that is not written to is asked about here
    return builder.entries
  }
}

function spanOf(entries: readonly IndexEntry[]): { min: number; max: number; end: number } {
  let min = Infinity
  let max = -Infinity
  for (const { minTime, maxTime } of entries) {
    if (minTime < min) min = minTime
    if (maxTime > max) max = maxTime
  }
  return { min, max, end: entries.at(-1)?.end ?? 0 }
}

/** Takes up the index of a segment of which `end` bytes count: as far as it goes, and the rest from the records. */
export function resumeLogIndex(
  files: FileSystem,
  directory: LogDirectory,
  handles: ReadHandles,
  segment: LogSegment,
  storeId: Buffer,
  limits: Limits,
  end: number,
): IndexBuilder {
  const path = directory.beside(segment, '.idx')
  const written = readLogIndex(files, path, segment, storeId, limits.logSegmentBytes * 16) ?? []
  const entries = written.filter(({ byte }) => byte < end)
  const builder = IndexBuilder.resume(limits.indexIntervalBytes, entries.slice(0, -1))
  scanLogInto(builder, handles, segment.path, entries.at(-1)?.byte ?? HEADER_FIXED_BYTES, end)
  return builder
}

/** Adds the events of a stretch of a log segment to its index; stops quietly where the records stop being right. */
export function scanLogInto(
  builder: IndexBuilder,
  handles: ReadHandles,
  path: string,
  from: number,
  end: number,
): void {
  const windowBytes = 1024 * 1024
  const maxFrameBytes = MAX_COMMIT_BYTES
  for (let byte = from; byte < end;) {
    const reader = new FrameReader(handles, {
      path,
      from: byte,
      end,
      maxFrameBytes,
      firstBytes: windowBytes,
      windowBytes: 0,
    })
    try {
      // Damage is thrown at once: this is the first window, which nobody has begun to read ahead.
      reader.advance() as boolean
    } catch {
      return // readers of the events report it; an index may end early
    }
    const { window } = reader
    for (let at = reader.start; at < reader.end;) {
      const length = window.view.getUint32(at, true)
      if (window.bytes[at + FRAME_KIND] === FRAME_EVENT) {
        builder.add(eventPosition(window, at), byte + at, eventTimestamp(window, at), length)
      }
      at += length
    }
    byte += reader.end
  }
}
