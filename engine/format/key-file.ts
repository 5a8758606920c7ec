/**
 * A key file: where the commit ids, tags and types of one log segment, or of several that follow each other, are found. It
 * is derived from the records by one rule: for the first event of each commit with an id an entry by the id; for each tag of
 * each event one by the tag; for each type and each segment one by the type, for its last event there. After a header of kind `K`
 * (base and epoch of the first log segment; previous end = bytes of the last one):
 *
 * | Offset | Size   | Type | Field        | Meaning                                                                           |
 * | ------ | ------ | ---- | ------------ | --------------------------------------------------------------------------------- |
 * | 0      | 4      | u32  | segments     | n                                                                                 |
 * | 4      | 4      | u32  | blocks       | b                                                                                 |
 * | 8      | 8      | u64  | entries      |                                                                                   |
 * | 16     | 8      | u64  | end          | position behind the last event of the last segment                                |
 * | 24     | 4      | u32  | filter bytes | f, a multiple of 4; 0: no filter                                                  |
 * | 28     | 4      | u32  | crc          | CRC-32C of the crc field of the header, bytes 0 … 27, and 32 … up to the blocks   |
 * | 32     | 16·n   |      | segments     | of each log segment u64 base and u64 epoch                                        |
 * | …      | 4·b    | u32  | fences       | of each block the high half of the hash of its first entry                       |
 * | …      | f      |      | filter       | a Bloom filter of all hashes                                                      |
 * | …      | 4096·b |      | blocks       |                                                                                   |
 *
 * | Offset | Size | Type | Field   | Meaning                                                                         |
 * | ------ | ---- | ---- | ------- | ------------------------------------------------------------------------------- |
 * | 0      | 4    | u32  | crc     | CRC-32C of the crc field of the header, the number of the block (u32), bytes 4 … 4095 |
 * | 4      | 4    | u32  | entries | e, 1 to 204; only the last block has fewer than 204                              |
 * | 8      | 20·e |      | entries | by rising hash, then position; zeros behind them                                 |
 *
 * | Offset | Size | Type | Field    | Meaning                                              |
 * | ------ | ---- | ---- | -------- | ---------------------------------------------------- |
 * | 0      | 4    | u32  | high     | high half of the hash of the key                     |
 * | 4      | 4    | u32  | low      | low half                                             |
 * | 8      | 8    | u64  | position | of the event                                         |
 * | 16     | 4    | u32  | byte     | where its frame starts in its log segment            |
 */
import { crc32c } from './crc32c.js'
import { encodeHeader, HEADER_FIXED_BYTES, parseHeader } from './file-header.js'
import { readU64, windowOf, writeU64, type Window } from './frame.js'

export const KEY_BLOCK_BYTES = 4096
export const KEY_BLOCK_HEAD_BYTES = 8
export const KEY_ENTRY_BYTES = 20
export const KEY_BLOCK_ENTRIES = 204
/** Bits of the filter for each entry, and how many of them each hash sets: 1 lookup in 100 of a key that is not there reads a block. */
const FILTER_BITS = 10
const FILTER_PROBES = 6
const FIXED = 32
const SEGMENT = 16
const CRC_AT = 28
const CRC_OF_HEADER_AT = 16

/** A log segment that a key file covers. */
export interface KeyedSegment {
  readonly base: number
  readonly epoch: number
}

/** What stands before the blocks. */
export interface KeyFileHead {
  readonly segments: readonly KeyedSegment[]
  /** Bytes of the last segment that were read for it. */
  readonly lastBytes: number
  /** Position behind the last event. */
  readonly end: number
  readonly entries: number
  readonly fences: Uint32Array
  /** No bytes: there is none. */
  readonly filter: Uint8Array
  /** Where the blocks start in the file. */
  readonly blocksAt: number
  /** Checksum of the header: ties blocks to their file. */
  readonly seed: number
}

export function blocksOf(entries: number): number {
  return Math.ceil(entries / KEY_BLOCK_ENTRIES)
}

/** Bytes of the filter for so many entries; 0 when it would be larger than `most`. */
export function filterBytesOf(entries: number, most: number): number {
  const bytes = 4 * Math.ceil((entries * FILTER_BITS) / 32)
  return bytes > most ? 0 : bytes
}

/** Bytes of everything before the blocks. */
export function headBytesOf(segments: number, blocks: number, filterBytes: number): number {
  return HEADER_FIXED_BYTES + FIXED + SEGMENT * segments + 4 * blocks + filterBytes
}

export function addToFilter(filter: Uint8Array, high: number, low: number): void {
  const bits = 8 * filter.length
  for (let i = 0, at = high; i < FILTER_PROBES; i++, at = (at + (low | 1)) >>> 0) {
    const bit = at % bits
    filter[bit >>> 3]! |= 1 << (bit & 7)
  }
}

/** False: no entry has this hash. */
export function filterHas(filter: Uint8Array, high: number, low: number): boolean {
  const bits = 8 * filter.length
  if (bits === 0) return true
  for (let i = 0, at = high; i < FILTER_PROBES; i++, at = (at + (low | 1)) >>> 0) {
    const bit = at % bits
    if ((filter[bit >>> 3]! & (1 << (bit & 7))) === 0) return false
  }
  return true
}

/** Returns the header of a key file, and the seed of its blocks. */
export function keyFileHeader(
  storeId: Buffer,
  segments: readonly KeyedSegment[],
  lastBytes: number,
): { readonly header: Buffer; readonly seed: number } {
  const { base, epoch } = segments[0]!
  const header = encodeHeader({ kind: 'K', storeId, base, epoch, previousEnd: lastBytes })
  return { header, seed: header.readUInt32LE(CRC_OF_HEADER_AT) }
}

/** Encodes everything before the blocks. */
export function encodeKeyFileHead(
  header: Buffer,
  head: Pick<KeyFileHead, 'segments' | 'end' | 'entries' | 'fences' | 'filter' | 'seed'>,
): Buffer {
  const { segments, fences, filter } = head
  const bytes = Buffer.alloc(headBytesOf(segments.length, fences.length, filter.length))
  header.copy(bytes)
  const at = HEADER_FIXED_BYTES
  const { view } = windowOf(bytes)
  view.setUint32(at, segments.length, true)
  view.setUint32(at + 4, fences.length, true)
  writeU64(view, at + 8, head.entries)
  writeU64(view, at + 16, head.end)
  view.setUint32(at + 24, filter.length, true)
  let to = at + FIXED
  for (const { base, epoch } of segments) {
    writeU64(view, to, base)
    writeU64(view, to + 8, epoch)
    to += SEGMENT
  }
  for (const fence of fences) {
    view.setUint32(to, fence, true)
    to += 4
  }
  bytes.set(filter, to)
  view.setUint32(at + CRC_AT, headCrc(bytes, at, head.seed), true)
  return bytes
}

/** How long the part before the blocks is, as the fixed part says; undefined when that can not be. `bytes`: the first of the file. */
export function keyFileHeadBytes(bytes: Buffer): number | undefined {
  if (bytes.length < HEADER_FIXED_BYTES + FIXED) return undefined
  const { view } = windowOf(bytes)
  const at = HEADER_FIXED_BYTES
  return headBytesOf(view.getUint32(at, true), view.getUint32(at + 4, true), view.getUint32(at + 24, true))
}

/** Decodes the part before the blocks of a file of `size` bytes. Returns undefined when it is not right: it is then made again. */
export function decodeKeyFileHead(bytes: Buffer, size: number, storeId: Buffer): KeyFileHead | undefined {
  const window = windowOf(bytes)
  const { view } = window
  const verdict = parseHeader(window, bytes.length, 'K')
  if (verdict.kind !== 'header' || verdict.length !== HEADER_FIXED_BYTES) return undefined
  if (!verdict.header.storeId.equals(storeId) || keyFileHeadBytes(bytes) !== bytes.length) return undefined
  const at = HEADER_FIXED_BYTES
  const seed = view.getUint32(CRC_OF_HEADER_AT, true)
  if (headCrc(bytes, at, seed) !== view.getUint32(at + CRC_AT, true)) return undefined
  const count = view.getUint32(at, true)
  const blocks = view.getUint32(at + 4, true)
  const entries = readU64(view, at + 8)
  if (blocksOf(entries) !== blocks || size !== bytes.length + KEY_BLOCK_BYTES * blocks) return undefined
  const segments: KeyedSegment[] = []
  let from = at + FIXED
  for (let i = 0; i < count; i++, from += SEGMENT) {
    segments.push({ base: readU64(view, from), epoch: readU64(view, from + 8) })
  }
  const { base, epoch, previousEnd } = verdict.header
  if (segments[0]?.base !== base || segments[0].epoch !== epoch) return undefined
  const fences = new Uint32Array(blocks)
  for (let i = 0; i < blocks; i++, from += 4) fences[i] = view.getUint32(from, true)
  const end = readU64(view, at + 16)
  const filter = bytes.subarray(from)
  return { segments, lastBytes: previousEnd, end, entries, fences, filter, blocksAt: bytes.length, seed }
}

/** Gives a block its checksum. Its entries are there, and zeros behind them. */
export function sealBlock({ bytes, view }: Window, at: number, number: number, entries: number, seed: number): void {
  view.setUint32(at + 4, entries, true)
  view.setUint32(at, blockCrc(bytes, at, number, seed), true)
}

/** Tells whether the bytes are this block of this file, as it was written. */
export function isBlock({ bytes, view }: Window, number: number, entries: number, seed: number): boolean {
  if (bytes.length !== KEY_BLOCK_BYTES || view.getUint32(4, true) !== entries) return false
  return blockCrc(bytes, 0, number, seed) === view.getUint32(0, true)
}

function headCrc(bytes: Uint8Array, at: number, seed: number): number {
  return crc32c(bytes, at + FIXED, bytes.length, crc32c(bytes, at, at + CRC_AT, crcOfWord(seed, 0)))
}

function blockCrc(bytes: Uint8Array, at: number, number: number, seed: number): number {
  return crc32c(bytes, at + 4, at + KEY_BLOCK_BYTES, crcOfWord(number, crcOfWord(seed, 0)))
}

function crcOfWord(word: number, before: number): number {
  const bytes = Uint8Array.of(word, word >>> 8, word >>> 16, word >>> 24)
  return crc32c(bytes, 0, 4, before)
}
