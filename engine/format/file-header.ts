/**
 * The header every file of a store begins with. All integers are little-endian.
 *
 * | Offset | Size | Type  | Field            | Meaning                                                                |
 * | ------ | ---- | ----- | ---------------- | ---------------------------------------------------------------------- |
 * | 0      | 8    | bytes | magic            | `ANNALS`, a letter for the kind of file, line feed                      |
 * | 8      | 2    | u16   | read version     | a reader must know this version to read the file                        |
 * | 10     | 2    | u16   | write version    | the version of the writer                                               |
 * | 12     | 4    | u32   | header length    | bytes of this header; the content follows                               |
 * | 16     | 4    | u32   | crc              | CRC-32C of the header without this field: bytes 0 … 15, then 20 …       |
 * | 20     | 16   | bytes | store id         | the same in every file of a store                                       |
 * | 36     | 8    | u64   | epoch            | the writer that made the file                                           |
 * | 44     | 8    | u64   | base             | position (log) or offset (stream) of the first event                    |
 * | 52     | 8    | u64   | previous base    | log: base of the segment before; stream: base of the segment before     |
 * | 60     | 8    | u64   | previous epoch   | log: epoch of the segment before                                        |
 * | 68     | 8    | u64   | previous end     | log: bytes of the segment before that count; what lies behind does not  |
 * | 76     | 8    | u64   | sequence         | log: sequence of the first group                                        |
 * | 84     | 8    | u64   | durable          | log: groups with a sequence below this were durable before it was made  |
 * | 92     | 2    | u16   | flags            | 1: records may use shapes                                               |
 * | 94     | 2    | u16   | name length      | bytes of the name                                                       |
 * | 96     | …    | UTF-8 | name             | stream segments and their indexes: the name of the stream               |
 *
 * The magic is checked before the version and the version before the checksum, each with its own error: a file of a
 * newer version is not a damaged one.
 */
import { crc32c } from './crc32c.js'
import { readU64, windowOf, writeU64, type Window } from './frame.js'

export const READ_VERSION = 1
export const WRITE_VERSION = 1

/** Letters of the magic: home, log segment, log index, stream table, key file, stream segment, stream index, checkpoint, watermark. */
export type FileKind = 'H' | 'L' | 'P' | 'T' | 'K' | 'S' | 'I' | 'C' | 'W'

export interface FileHeader {
  readonly kind: FileKind
  readonly storeId: Buffer
  readonly epoch: number
  readonly base: number
  readonly previousBase: number
  readonly previousEpoch: number
  readonly previousEnd: number
  readonly sequence: number
  readonly durable: number
  readonly shapes: boolean
  readonly name: Buffer
}

export const HEADER_FIXED_BYTES = 96
const CRC_AT = 16
const AFTER_CRC = 20
const MAX_HEADER_BYTES = HEADER_FIXED_BYTES + 4096
const NO_NAME = Buffer.alloc(0)
const FLAG_SHAPES = 1

/** What `parseHeader` found. `empty`: nothing but zeros, or no bytes at all. */
export type HeaderVerdict =
  | { readonly kind: 'header'; readonly header: FileHeader; readonly length: number }
  | { readonly kind: 'empty' }
  | { readonly kind: 'foreign' }
  | { readonly kind: 'version'; readonly readVersion: number; readonly writeVersion: number }
  | { readonly kind: 'damaged'; readonly reason: string }

export type HeaderFields = Partial<FileHeader> & Pick<FileHeader, 'kind' | 'storeId'>

/** Encodes a header; fields left out are 0, and `shapes` is off. */
export function encodeHeader(fields: HeaderFields): Buffer {
  const name = fields.name ?? NO_NAME
  const bytes = Buffer.alloc(HEADER_FIXED_BYTES + name.length)
  const { view } = windowOf(bytes)
  bytes.write(`ANNALS${fields.kind}\n`, 0, 'latin1')
  view.setUint16(8, READ_VERSION, true)
  view.setUint16(10, WRITE_VERSION, true)
  view.setUint32(12, bytes.length, true)
  fields.storeId.copy(bytes, 20)
  writeU64(view, 36, fields.epoch ?? 0)
  writeU64(view, 44, fields.base ?? 0)
  writeU64(view, 52, fields.previousBase ?? 0)
  writeU64(view, 60, fields.previousEpoch ?? 0)
  writeU64(view, 68, fields.previousEnd ?? 0)
  writeU64(view, 76, fields.sequence ?? 0)
  writeU64(view, 84, fields.durable ?? 0)
  view.setUint16(92, fields.shapes ? FLAG_SHAPES : 0, true)
  view.setUint16(94, name.length, true)
  name.copy(bytes, HEADER_FIXED_BYTES)
  view.setUint32(CRC_AT, headerCrc(bytes, bytes.length), true)
  return bytes
}

/** Reads the header at the start of a file of an expected kind. */
export function parseHeader(window: Window, end: number, kind: FileKind): HeaderVerdict {
  const { bytes, view } = window
  if (end === 0 || (end >= 8 && bytes.readUInt32LE(0) === 0 && bytes.readUInt32LE(4) === 0)) return { kind: 'empty' }
  if (end < 8) return { kind: 'damaged', reason: 'the file ends inside its header' }
  if (bytes.toString('latin1', 0, 8) !== `ANNALS${kind}\n`) return { kind: 'foreign' }
  if (end < HEADER_FIXED_BYTES) return { kind: 'damaged', reason: 'the file ends inside its header' }
  const readVersion = view.getUint16(8, true)
  if (readVersion !== READ_VERSION) return { kind: 'version', readVersion, writeVersion: view.getUint16(10, true) }
  const length = view.getUint32(12, true)
  if (length < HEADER_FIXED_BYTES || length > MAX_HEADER_BYTES) {
    return { kind: 'damaged', reason: 'the header length is impossible' }
  }
  if (length > end) return { kind: 'damaged', reason: 'the file ends inside its header' }
  if (headerCrc(bytes, length) !== view.getUint32(CRC_AT, true)) {
    return { kind: 'damaged', reason: 'the header checksum is wrong' }
  }
  if (view.getUint16(94, true) !== length - HEADER_FIXED_BYTES) {
    return { kind: 'damaged', reason: 'the name length is wrong' }
  }
  const header: FileHeader = {
    kind,
    storeId: Buffer.from(bytes.subarray(20, 36)),
    epoch: readU64(view, 36),
    base: readU64(view, 44),
    previousBase: readU64(view, 52),
    previousEpoch: readU64(view, 60),
    previousEnd: readU64(view, 68),
    sequence: readU64(view, 76),
    durable: readU64(view, 84),
    shapes: (view.getUint16(92, true) & FLAG_SHAPES) !== 0,
    name: Buffer.from(bytes.subarray(HEADER_FIXED_BYTES, length)),
  }
  const { epoch, base, previousBase, previousEpoch, previousEnd, sequence, durable } = header
  if (Number.isNaN(epoch + base + previousBase + previousEpoch + previousEnd + sequence + durable)) {
    return { kind: 'damaged', reason: 'a number in the header is beyond all numbers' }
  }
  return { kind: 'header', header, length }
}

function headerCrc(bytes: Uint8Array, length: number): number {
  return crc32c(bytes, AFTER_CRC, length, crc32c(bytes, 0, CRC_AT))
}
