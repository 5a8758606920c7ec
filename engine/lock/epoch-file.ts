/**
 * The contents of an epoch file, which tells who made the epoch and whether it is over. All integers are little-endian.
 *
 * | Offset | Size | Type  | Field              | Meaning                                                            |
 * | ------ | ---- | ----- | ------------------ | ------------------------------------------------------------------ |
 * | 0      | 8    | bytes | magic              | `ANNALSE`, line feed                                               |
 * | 8      | 2    | u16   | read version       | a reader must know this version to read the file                   |
 * | 10     | 2    | u16   | write version      | the version of the writer                                          |
 * | 12     | 4    | u32   | length             | bytes of the file                                                  |
 * | 16     | 4    | u32   | crc                | CRC-32C of bytes 0 … 15, 20 … 55 and 64 …                          |
 * | 20     | 16   | bytes | store id           | the same in every file of a store                                  |
 * | 36     | 8    | u64   | epoch              | the number that is also the name of the file                       |
 * | 44     | 8    | u64   | since              | when the store was opened, milliseconds since 1970                 |
 * | 52     | 4    | u32   | pid                | process                                                            |
 * | 56     | 8    | bytes | released           | zeros; `RELEASED` once the writer has given up its lock            |
 * | 64     | 1    | u8    | host length        | bytes of the host                                                  |
 * | 65     | …    | UTF-8 | host               | name of its machine                                                |
 * | …      | 1    | u8    | incarnation length | bytes of the incarnation                                           |
 * | …      | …    | UTF-8 | incarnation        | tells the process from an earlier one with the same pid            |
 *
 * The name of the file is the authority on the number: a file that a crash left empty is an epoch all the same, of
 * somebody unknown.
 *
 * `released` is written in place, alone, into the finished file. So that it can be cut short without harm, it has no part
 * in the checksum and is its own: each byte is zero or the letter that belongs there, and only all letters count.
 */
import { crc32c } from '../format/crc32c.js'

/** Who has, or had, a store open for writing. */
export interface Holder {
  readonly pid: number
  readonly host: string
  /** What tells the process from an earlier one with the same pid on this host; '' if unknown. */
  readonly incarnation: string
  /** When it opened the store, milliseconds since the epoch. */
  readonly since: number
  readonly epoch: number
}

/**
 * What `parseEpochFile` found. `unfinished`: empty, nothing but zeros, or cut short, as a crash leaves a file that was
 * just being created. `damaged`: altered in any other way.
 */
export type EpochFileVerdict =
  | { readonly kind: 'holder'; readonly holder: Holder; readonly storeId: Uint8Array; readonly released: boolean }
  | { readonly kind: 'version'; readonly readVersion: number }
  | { readonly kind: 'unfinished' }
  | { readonly kind: 'damaged' }

const MAGIC = 'ANNALSE\n'
const VERSION = 1
const CRC_AT = 16
const AFTER_CRC = 20
const HOST_AT = 64
const MAX_TEXT_BYTES = 255

/** What is written at `RELEASED_AT` when the writer has given up its lock. */
export const RELEASED = Buffer.from('RELEASED')
export const RELEASED_AT = 56

/** No epoch file is longer. */
export const MAX_EPOCH_FILE_BYTES = HOST_AT + 2 * (1 + MAX_TEXT_BYTES)

/** Encodes an epoch file. Host and incarnation are cut after 255 bytes. */
export function encodeEpochFile(holder: Holder, storeId: Uint8Array): Buffer {
  const host = shortText(holder.host)
  const incarnation = shortText(holder.incarnation)
  const bytes = Buffer.alloc(HOST_AT + 2 + host.length + incarnation.length)
  bytes.write(MAGIC, 0, 'latin1')
  bytes.writeUInt16LE(VERSION, 8)
  bytes.writeUInt16LE(VERSION, 10)
  bytes.writeUInt32LE(bytes.length, 12)
  bytes.set(storeId.subarray(0, 16), AFTER_CRC)
  bytes.writeBigUInt64LE(BigInt(holder.epoch), 36)
  bytes.writeBigUInt64LE(BigInt(Math.max(0, Math.floor(holder.since))), 44)
  bytes.writeUInt32LE(holder.pid >>> 0, 52)
  bytes.writeUInt8(host.length, HOST_AT)
  host.copy(bytes, HOST_AT + 1)
  const incarnationAt = HOST_AT + 1 + host.length
  bytes.writeUInt8(incarnation.length, incarnationAt)
  incarnation.copy(bytes, incarnationAt + 1)
  bytes.writeUInt32LE(checksum(bytes), CRC_AT)
  return bytes
}

/** Reads an epoch file. Never throws because of what the bytes are. */
export function parseEpochFile(bytes: Buffer): EpochFileVerdict {
  if (isUnfinished(bytes)) return { kind: 'unfinished' }
  if (bytes.length < CRC_AT || bytes.toString('latin1', 0, 8) !== MAGIC) return { kind: 'damaged' }
  const readVersion = bytes.readUInt16LE(8)
  if (readVersion !== VERSION) return { kind: 'version', readVersion }
  if (bytes.length < HOST_AT + 2 || bytes.readUInt32LE(12) !== bytes.length) return { kind: 'damaged' }
  const mark = bytes.subarray(RELEASED_AT, HOST_AT)
  const isMark = mark.every((byte, i) => byte === 0 || byte === RELEASED[i])
  if (!isMark || bytes.readUInt32LE(CRC_AT) !== checksum(bytes)) return { kind: 'damaged' }
  const hostEnd = HOST_AT + 1 + bytes.readUInt8(HOST_AT)
  if (hostEnd >= bytes.length || hostEnd + 1 + bytes.readUInt8(hostEnd) !== bytes.length) return { kind: 'damaged' }
  return {
    kind: 'holder',
    released: mark.equals(RELEASED),
    storeId: Uint8Array.from(bytes.subarray(AFTER_CRC, 36)),
    holder: {
      epoch: Number(bytes.readBigUInt64LE(36)),
      since: Number(bytes.readBigUInt64LE(44)),
      pid: bytes.readUInt32LE(52),
      host: bytes.toString('utf8', HOST_AT + 1, hostEnd),
      incarnation: bytes.toString('utf8', hostEnd + 1),
    },
  }
}

/** Tells whether this is the beginning of a file, which is not all there. Of a newer version only zeros are known to be. */
function isUnfinished(bytes: Buffer): boolean {
  if (bytes.every((byte) => byte === 0)) return true
  const begins = bytes.toString('latin1', 0, 8) === MAGIC.slice(0, bytes.length)
  if (!begins || bytes.length < CRC_AT) return begins
  return bytes.readUInt16LE(8) === VERSION && bytes.readUInt32LE(12) > bytes.length
}

/** `crc32c` takes where the bytes begin and end, and the checksum of those before. */
function checksum(bytes: Buffer): number {
  const head = crc32c(bytes, 0, CRC_AT)
  return crc32c(bytes, HOST_AT, bytes.length, crc32c(bytes, AFTER_CRC, RELEASED_AT, head))
}

/** Cuts at a character, so that what is read back is the beginning of what was given. */
function shortText(text: string): Buffer {
  const bytes = Buffer.from(text)
  let end = Math.min(bytes.length, MAX_TEXT_BYTES)
  while (end < bytes.length && (bytes[end]! & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}
