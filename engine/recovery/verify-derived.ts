import { join } from 'node:path'
import type { ExpectedGroup } from '../commit-log/group-scan.js'
import { encodeLogIndex } from '../commit-log/log-index.js'
import type { LogDirectory, LogSegment } from '../commit-log/log-directory.js'
import { crc32c } from '../format/crc32c.js'
import {
  EVENT_FIXED_BYTES,
  EventDecoder,
  eventFlags,
  eventOffset,
  eventPosition,
  eventStreamBytes,
  eventTimestamp,
  FLAG_ASSIGNED,
  FLAG_COMMIT_ID,
  FLAG_TAGS,
} from '../format/event-record.js'
import type { Window } from '../format/frame.js'
import { isStreamName, logFileName, streamKey } from '../format/names.js'
import type { LogPlace } from '../format/checkpoint.js'
import { ShapeTable } from '../format/shapes.js'
import { StreamTableBuilder } from '../format/stream-table.js'
import { ValueDecoder } from '../format/value-decoder.js'
import { readFileSync } from '../io/transfer.js'
import { report, type VerifyContext } from './verify-context.js'
import { KeyFileCheck } from './verify-keys.js'
import { IndexCheck } from './verify-index.js'
import { readStreamTable } from './unsettled.js'

const MAX_INDEX_BYTES = 256 * 1024 * 1024

/** Checks what is derived from the log while the log is read: indexes, stream tables, the place the checkpoint names. */
export class LogDerived {
  readonly #context: VerifyContext
  readonly #directory: LogDirectory
  readonly #keys: KeyFileCheck
  readonly #names = new EventDecoder(new ValueDecoder(new ShapeTable({ compile: false })))
  #index: IndexCheck | undefined
  /** What the table of the segment must be part of, and what must be in it. */
  #table: { readonly all: StreamTableBuilder; readonly needed: StreamTableBuilder } | undefined
  #placeFound = false
  #shapesFound = -1
  #lastTimestamp = -Infinity
  #keyedFrom: number | undefined
  #damaged = false

  constructor(context: VerifyContext, directory: LogDirectory) {
    this.#context = context
    this.#directory = directory
    this.#keys = new KeyFileCheck(context, directory)
  }

  segment(segment: LogSegment): void {
    const { environment, storeId, limits, pace } = this.#context
    const bytes = readDerived(this.#context, this.#directory.beside(segment, '.idx'))
    this.#index = bytes && new IndexCheck(bytes, encodeLogIndex(storeId, segment, []), limits.indexIntervalBytes)
    const table = environment.files.stat(this.#directory.beside(segment, '.tab'))
    if (table !== undefined) pace.whole(table.size, 0)
    const wanted = table !== undefined || this.#needsTable(segment)
    this.#keys.segment(segment)
    this.#table = wanted ? { all: new StreamTableBuilder(), needed: new StreamTableBuilder() } : undefined
  }

  event(window: Window, at: number, byte: number): void {
    const position = eventPosition(window, at)
    this.#index?.add(position, byte, eventTimestamp(window, at), window.view.getUint32(at, true))
    this.#keys.event(window, at, byte)
    const { checkpoint } = this.#context
    if ((eventFlags(window, at) & (FLAG_COMMIT_ID | FLAG_TAGS)) !== 0) this.#keyedFrom ??= position
    if (!this.#placeFound && (eventFlags(window, at) & FLAG_ASSIGNED) !== 0) {
      this.#lastTimestamp = Math.max(this.#lastTimestamp, eventTimestamp(window, at))
    }
    if (this.#table === undefined) return
    const nameStart = at + EVENT_FIXED_BYTES
    const hash = crc32c(window.bytes, nameStart, nameStart + eventStreamBytes(window, at))
    const name = this.#names.stream(window, at)
    const offset = eventOffset(window, at)
    this.#table.all.add(name, hash, offset, byte)
    if (position >= (checkpoint?.settledPosition ?? 0)) this.#table.needed.add(name, hash, offset, byte)
  }

  place(segment: LogSegment, byte: number, next: ExpectedGroup): void {
    const redo = this.#context.checkpoint?.redo
    if (redo === undefined || redo.base !== segment.base || redo.epoch !== segment.epoch || redo.byte !== byte) return
    this.#placeFound = redo.sequence === next.sequence && redo.position === next.position
    this.#shapesFound = this.#context.records.shapes.size
  }

  finished(segment: LogSegment, end: number, whole: boolean): void {
    this.#keys.finished(segment, end, whole)
    if (!whole) this.#damaged = true
    else {
      this.#checkIndex(segment)
      this.#checkTable(segment, end)
    }
    this.#index = undefined
    this.#table = undefined
  }

  #needsTable(segment: LogSegment): boolean {
    const { checkpoint } = this.#context
    if (checkpoint === undefined) return false
    const { segments } = this.#directory
    const end = segments[segments.indexOf(segment) + 1]?.base ?? Infinity
    return Math.min(end, checkpoint.redo.position) > Math.max(checkpoint.settledPosition, segment.base)
  }

  #checkIndex(segment: LogSegment): void {
    const path = this.#directory.beside(segment, '.idx')
    const last = this.#directory.segments.at(-1) === segment
    if (this.#index === undefined) {
      if (!last) report(this.#context, 'derived', 'I11', path, 0, 'the index is missing')
      return
    }
    // One that was closed and not gone on in has no entry for its last stretch.
    const wrong = this.#index.verdict(undefined)
    if (wrong !== undefined) report(this.#context, 'derived', 'I11', path, 0, wrong)
  }

  #checkTable(segment: LogSegment, end: number): void {
    if (this.#table === undefined) return
    const { environment, storeId } = this.#context
    const path = this.#directory.beside(segment, '.tab')
    const read = readStreamTable(environment.files, path, segment, storeId)
    const table = read?.table
    const wrong = (message: string): void => {
      report(this.#context, 'derived', 'I12', path, 0, message)
    }
    if (table === undefined) {
      if (environment.files.stat(path) !== undefined) wrong('the stream table is damaged')
      else if (this.#needsTable(segment)) wrong('the stream table is missing')
      return
    }
    if (read!.end !== end) return wrong(`the stream table goes up to byte ${read!.end}, its segment to ${end}`)
    const { all, needed } = this.#table
    for (const name of table.names()) {
      const key = keyOf(name)
      const right = key && all.lookup(key)
      const entry = key && table.lookup(key)
      const skip = right === undefined || entry === undefined ? -1 : entry.firstOffset - right.firstOffset
      if (skip < 0 || !entry!.bytes.every((byte, i) => byte === right!.bytes[skip + i])) {
        return wrong('the stream table does not say where the events are')
      }
    }
    if (!this.#needsTable(segment)) return
    for (const name of needed.names()) {
      const key = keyOf(name)
      if (key === undefined) continue // its records were reported
      const entry = table.lookup(key)
      const right = needed.lookup(key)!
      if (entry === undefined || entry.firstOffset > right.firstOffset) return wrong('the stream table lacks events')
      if (entry.firstOffset + entry.bytes.length < right.firstOffset + right.bytes.length) {
        return wrong('the stream table lacks events')
      }
    }
  }

  /** To be called when the log was read. */
  checkCheckpoint(path: string, end: ExpectedGroup): void {
    const { checkpoint } = this.#context
    if (checkpoint === undefined) return
    const wrong = (message: string): void => {
      report(this.#context, 'derived', 'I12', path, 0, message)
    }
    const { redo, shapes, settledPosition, lastTimestamp } = checkpoint
    if (redo.position > end.position && this.#directory.find(redo) < 0) {
      const file = join(this.#directory.path, logFileName(redo.base, redo.epoch, '.log'))
      const message = `the log segment is missing: the checkpoint says that the log went on to position ${redo.position}`
      report(this.#context, 'damage', 'I13', file, 0, message, { position: end.position })
      return
    }
    if (this.#damaged) return
    if (!this.#placeFound && !(redo.position === 0 && redo.byte === 0) && !this.#isRenewed(redo, end)) {
      return wrong('the checkpoint names a place that is not in the log')
    }
    if (settledPosition > redo.position) return wrong('the checkpoint settles more than it covers')
    const keyed = this.#keyedFrom ?? Infinity
    if (keyed < redo.position && (checkpoint.keyedFrom ?? Infinity) > keyed) {
      return wrong(`the checkpoint does not know of the commit id or tags at position ${keyed}`)
    }
    if (lastTimestamp < this.#lastTimestamp) {
      return wrong('the checkpoint has an earlier timestamp than the log before it')
    }
    const known = new Set<number>()
    const inLog = this.#context.records.shapes
    for (const { id, keys } of shapes) {
      known.add(id)
      const defined = inLog.get(id)
      if (
        defined !== undefined &&
        (defined.keys.length !== keys.length || keys.some((key, i) => key !== defined.keys[i]))
      ) {
        return wrong(`the checkpoint defines shape ${id} differently than the log`)
      }
    }
    const before = inLog.definitions().slice(0, Math.max(0, this.#shapesFound))
    if (before.some(({ id }) => !known.has(id))) wrong('the checkpoint lacks a shape that the log defines before it')
  }

  /** The segment it names was empty and is gone: a later recovery put one of its own at the same place. */
  #isRenewed(redo: LogPlace, end: ExpectedGroup): boolean {
    if (redo.position !== redo.base || redo.position !== end.position || redo.sequence !== end.sequence) return false
    return this.#directory.find(redo) < 0
  }
}

function keyOf(name: string): ReturnType<typeof streamKey> | undefined {
  return isStreamName(name) ? streamKey(name) : undefined
}

/** Reads a derived file; undefined when there is none. One that cannot be read is as good as empty. */
export function readDerived(context: VerifyContext, path: string): Buffer | undefined {
  try {
    const bytes = readFileSync(context.environment.files, path, MAX_INDEX_BYTES)
    if (bytes !== undefined) {
      context.pace.whole(bytes.length)
    }
    return bytes
  } catch {
    return Buffer.alloc(0)
  }
}
