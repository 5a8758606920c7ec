import { quote } from '../errors.js'
import { decodeCheckpoint } from '../format/checkpoint.js'
import { crc32c } from '../format/crc32c.js'
import { isZero, readU64, windowOf } from '../format/frame.js'
import { WATERMARK_BYTES, WATERMARK_RECORD_BYTES } from '../format/watermark.js'
import { INDEX_ENTRY_BYTES } from '../format/sparse-index.js'
import { StreamTable } from '../format/stream-table.js'
import { hex32, sayTime } from './fields.js'
import { type InspectedItem, type InspectedRecord, problem } from './records.js'

/** What the files that are made from others are inspected with: their bytes, and where the content begins. */
export interface DerivedFile {
  readonly bytes: Buffer
  readonly start: number
  readonly storeId: Buffer
  /** The crc field of the header, which ties entries to their file. */
  readonly headerCrc: number
}

/** Entries of a sparse index. */
export function* indexItems({ bytes, start, headerCrc }: DerivedFile): Generator<InspectedItem, void> {
  const { view } = windowOf(bytes)
  const seed = crcOfWord(headerCrc)
  let before: { readonly number: number; readonly end: number } | undefined
  let number = 0
  let at = start
  for (; at + INDEX_ENTRY_BYTES <= bytes.length; at += INDEX_ENTRY_BYTES) {
    const event = readU64(view, at)
    const byte = view.getUint32(at + 24, true)
    const end = view.getUint32(at + 28, true)
    const crc = view.getUint32(at + 32, true)
    const right = crc32c(bytes, at, at + 32, seed)
    const times = `${sayTime(view.getFloat64(at + 8, true))} to ${sayTime(view.getFloat64(at + 16, true))}`
    yield {
      ...record(number++, at, INDEX_ENTRY_BYTES, 'entry', crc, right),
      detail: `event ${event} at byte ${byte}, up to byte ${end}, ${times}`,
    }
    if (crc !== right) yield problem('I11', at, 'the checksum of an entry is wrong')
    else if (Number.isNaN(event) || end <= byte) yield problem('I11', at, 'an entry names an impossible place')
    else if (before !== undefined && (event <= before.number || byte !== before.end)) {
      yield problem('I11', at, 'an entry does not begin where the one before ends')
    }
    before = { number: event, end }
  }
  if (at < bytes.length) {
    yield { ...record(number, at, bytes.length - at, 'damage'), detail: 'the file ends inside an entry' }
    yield problem('I11', at, 'the file ends inside an entry')
  }
}

const TABLE_FIXED = 16
const TABLE_ENTRY = 24
/** Places that are shown of a stream. */
const SHOWN_PLACES = 8

/** Streams of a stream table. */
export function* tableItems({ bytes, start }: DerivedFile): Generator<InspectedItem, void> {
  const window = windowOf(bytes)
  const { view } = window
  if (StreamTable.parse(window, start, bytes.length) === undefined) {
    yield { ...record(0, start, bytes.length - start, 'damage'), detail: 'the table is not whole' }
    yield problem(
      'I12',
      start,
      bytes.length - start < TABLE_FIXED ? 'the file ends inside the table' : whyNoTable(bytes, start),
    )
    return
  }
  const streams = view.getUint32(start, true)
  const places = start + TABLE_FIXED + TABLE_ENTRY * streams
  const names = places + 4 * view.getUint32(start + 4, true)
  for (let i = 0; i < streams; i++) {
    const at = start + TABLE_FIXED + TABLE_ENTRY * i
    const nameAt = names + view.getUint32(at + 4, true)
    const nameEnd = i + 1 < streams ? names + view.getUint32(at + TABLE_ENTRY + 4, true) : bytes.length
    const first = view.getUint32(at + 8, true)
    const count = view.getUint32(at + 12, true)
    const offset = readU64(view, at + 16)
    const stream = bytes.toString('utf8', nameAt, Math.max(nameAt, nameEnd))
    const shown = Math.min(count, SHOWN_PLACES)
    const placesEnd = places + 4 * (first + shown)
    const list =
      placesEnd > names
        ? '?'
        : Array.from({ length: shown }, (_, n) => view.getUint32(places + 4 * (first + n), true)).join(', ')
    const hash = view.getUint32(at, true)
    yield {
      ...record(i, at, TABLE_ENTRY, 'stream'),
      stream,
      offset,
      detail: `${count} from offset ${offset}, at bytes ${list}${count > shown ? ', …' : ''}`,
    }
    const name = bytes.subarray(nameAt, Math.max(nameAt, nameEnd))
    if (crc32c(name, 0, name.length) !== hash) {
      yield problem('I12', at, `the hash of ${quote(stream)} is not ${hex32(hash)}`)
    }
    if (placesEnd > names) yield problem('I12', at, 'the entry names places that the table does not have')
  }
}

function whyNoTable(bytes: Buffer, start: number): string {
  const { view } = windowOf(bytes)
  const [streams, events, names] = [0, 4, 8].map((at) => view.getUint32(start + at, true)) as [number, number, number]
  const length = TABLE_FIXED + TABLE_ENTRY * streams + 4 * events + names
  if (length !== bytes.length - start) return `the table says ${length} bytes, and there are ${bytes.length - start}`
  return 'the checksum of the table is wrong'
}

/** The body of a checkpoint: one record. */
export function* checkpointItems({ bytes, start, storeId }: DerivedFile): Generator<InspectedItem, void> {
  const body = start + 8
  const verdict = decodeCheckpoint(bytes, storeId)
  const crc = bytes.length >= body ? bytes.readUInt32LE(start + 4) : undefined
  const right = bytes.length >= body ? crc32c(bytes, body, bytes.length) : undefined
  const base = record(0, start, Math.max(0, bytes.length - start), 'body', crc, right)
  if (verdict.kind === 'checkpoint') {
    const { redo, settledPosition, clean, shapes } = verdict.checkpoint
    const place = `log segment ${redo.base}-${redo.epoch} at byte ${redo.byte}, sequence ${redo.sequence}, position ${redo.position}`
    yield {
      ...base,
      detail: `${clean ? 'clean' : 'not clean'}; redo from ${place}; settled below position ${settledPosition}; ${shapes.length} shapes`,
    }
  } else {
    yield { ...base, kind: 'damage' }
    yield problem(
      'I12',
      start,
      verdict.kind === 'unusable' ? `the checkpoint cannot be used: ${verdict.reason}` : 'it is of a newer version',
    )
  }
}

/** Places of the watermark: one for each writer, by its epoch; zeros where none has written. */
export function* watermarkItems({ bytes, start, headerCrc }: DerivedFile): Generator<InspectedItem, void> {
  const { view } = windowOf(bytes)
  if (bytes.length !== WATERMARK_BYTES) {
    yield problem(
      'I12',
      Math.min(start, bytes.length),
      `the file has ${bytes.length} bytes instead of ${WATERMARK_BYTES}`,
    )
  }
  for (let i = 0, at = start; at < bytes.length; i++, at += WATERMARK_RECORD_BYTES) {
    const length = Math.min(WATERMARK_RECORD_BYTES, bytes.length - at)
    if (isZero(bytes, at, at + length)) {
      yield { ...record(i, at, length, 'place'), detail: 'of no writer yet' }
      continue
    }
    const whole = length === WATERMARK_RECORD_BYTES
    const crc = whole ? view.getUint32(at + 60, true) : undefined
    const right = whole ? crc32c(bytes, at, at + 60, crcOfWord(headerCrc)) : undefined
    const [epoch, sequence, position] = whole ? [0, 8, 16].map((field) => readU64(view, at + field)) : []
    const detail = whole ? `epoch ${epoch!}: committed below sequence ${sequence!}, position ${position!}` : undefined
    yield { ...record(i, at, length, whole ? 'place' : 'damage', crc, right), detail }
    if (crc === undefined || crc !== right) {
      yield problem('I12', at, 'a place of the watermark is not right; it counts for nothing')
    }
  }
}

export function record(
  number: number,
  byte: number,
  length: number,
  kind: InspectedRecord['kind'],
  crc?: number,
  right?: number,
): InspectedRecord {
  return { what: 'record', number, byte, length, kind, crc, rightCrc: right === crc ? undefined : right }
}

export function crcOfWord(word: number, before = 0): number {
  const bytes = Uint8Array.of(word, word >>> 8, word >>> 16, word >>> 24)
  return crc32c(bytes, 0, 4, before)
}
