/**
 * The watermark: how far the log is committed, for readers in other processes. It carries no authority: recovery does not look at it, and
 * a reader that finds none goes by what the log proves by itself. After a header of kind `W` come sixteen places of 64 bytes; a writer has
 * the one of its epoch modulo 16 and overwrites it after its commits, unsynced. The one with the greatest epoch counts, of those that are right.
 *
 * | Offset | Size | Type | Field         | Meaning                                                                  |
 * | ------ | ---- | ---- | ------------- | ------------------------------------------------------------------------ |
 * | 0      | 8    | u64  | epoch         | the writer                                                               |
 * | 8      | 8    | u64  | sequence      | groups with a sequence below this are committed                          |
 * | 16     | 8    | u64  | position      | position behind the last of their events                                 |
 * | 24     | 8    | u64  | base          | the log segment in which the last of them ends                           |
 * | 32     | 8    | u64  | segment epoch | its epoch                                                                |
 * | 40     | 8    | u64  | byte          | where it ends                                                            |
 * | 48     | 12   | bytes | –            | 0                                                                        |
 * | 60     | 4    | u32  | crc           | CRC-32C of the crc field of the header (4 bytes), then of bytes 0 … 59   |
 */
import { crc32c } from './crc32c.js'
import type { LogPlace } from './checkpoint.js'
import { encodeHeader, HEADER_FIXED_BYTES, parseHeader } from './file-header.js'
import { isZero, readU64, windowOf, type Window, writeU64 } from './frame.js'

export const WATERMARK_FILE = 'watermark'
export const WATERMARK_PLACES = 16
export const WATERMARK_RECORD_BYTES = 64
export const WATERMARK_BYTES = HEADER_FIXED_BYTES + WATERMARK_PLACES * WATERMARK_RECORD_BYTES

const CRC_OF_HEADER_AT = 16
const CRC_AT = 60

/** What a writer has committed. */
export interface Watermark {
  /** Epoch of the writer. */
  readonly writer: number
  /** Where the next group goes: all before it is committed. Without a log segment all of it is 0. */
  readonly place: LogPlace
}

/** Encodes a watermark file that says nothing yet. */
export function emptyWatermarks(storeId: Buffer): Buffer {
  const header = encodeHeader({ kind: 'W', storeId })
  return Buffer.concat([header, Buffer.alloc(WATERMARK_BYTES - header.length)])
}

/** Where the record of a writer stands in the file. */
export function watermarkAt(writer: number): number {
  return HEADER_FIXED_BYTES + (writer % WATERMARK_PLACES) * WATERMARK_RECORD_BYTES
}

/** What checksums of the records of a store begin with: it is in the header that all its watermark files have. */
export function watermarkSeed(header: Uint8Array): number {
  return crc32c(header, CRC_OF_HEADER_AT, CRC_OF_HEADER_AT + 4)
}

/** Encodes a record into the first 64 bytes of a window, whose bytes from 48 on are 0. */
export function encodeWatermark({ bytes, view }: Window, seed: number, { writer, place }: Watermark): void {
  writeU64(view, 0, writer)
  writeU64(view, 8, place.sequence)
  writeU64(view, 16, place.position)
  writeU64(view, 24, place.base)
  writeU64(view, 32, place.epoch)
  writeU64(view, 40, place.byte)
  view.setUint32(CRC_AT, crc32c(bytes, 0, CRC_AT, seed), true)
}

/** Reads the newest record of a file. Returns undefined when it has none, or is no watermark file of this store. */
export function newestWatermark(bytes: Buffer, storeId: Buffer): Watermark | undefined {
  const window = windowOf(bytes)
  const verdict = parseHeader(window, bytes.length, 'W')
  if (verdict.kind !== 'header' || !verdict.header.storeId.equals(storeId)) return undefined
  const seed = watermarkSeed(bytes)
  let newest: Watermark | undefined
  for (let at = verdict.length; at + WATERMARK_RECORD_BYTES <= bytes.length; at += WATERMARK_RECORD_BYTES) {
    const watermark = decodeWatermark(window, at, seed)
    if (watermark !== undefined && watermark.writer > (newest?.writer ?? -1)) newest = watermark
  }
  return newest
}

/** Returns where a watermark file is not what a writer of this store has made of it, in bytes; undefined when it is right. */
export function faultOfWatermark(bytes: Buffer, storeId: Buffer): number | undefined {
  const fresh = emptyWatermarks(storeId)
  if (bytes.length !== fresh.length || bytes.compare(fresh, 0, HEADER_FIXED_BYTES, 0, HEADER_FIXED_BYTES) !== 0) {
    return 0
  }
  const window = windowOf(bytes)
  const seed = watermarkSeed(bytes)
  for (let at = HEADER_FIXED_BYTES; at < bytes.length; at += WATERMARK_RECORD_BYTES) {
    const untouched = isZero(bytes, at, at + WATERMARK_RECORD_BYTES)
    if (!untouched && decodeWatermark(window, at, seed) === undefined) return at
  }
  return undefined
}

function decodeWatermark({ bytes, view }: Window, at: number, seed: number): Watermark | undefined {
  if (view.getUint32(at + CRC_AT, true) !== crc32c(bytes, at, at + CRC_AT, seed)) return undefined
  const field = (i: number): number => readU64(view, at + 8 * i)
  const place = { sequence: field(1), position: field(2), base: field(3), epoch: field(4), byte: field(5) }
  const writer = field(0)
  if ([writer, ...Object.values(place)].some((value) => Number.isNaN(value))) return undefined
  return writer === 0 ? undefined : { writer, place } // epochs begin at 1: 0 is nobody's
}
