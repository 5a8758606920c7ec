import { allZero, crc32c, Fields, sameBytes } from './bytes.js'
import { must } from './damage.js'
import { type Header, readHeader } from './header.js'
import type { LogSegment } from './log.js'

const BLOCK_BYTES = 4096
const BLOCK_ENTRIES = 204

export interface KeyEntry {
  readonly high: number
  readonly low: number
  readonly position: number
  readonly byte: number
}

/** A key file, and the log segments it says to be about. */
export interface KeyFile {
  readonly header: Header
  readonly segments: readonly { readonly base: number; readonly epoch: number }[]
  readonly end: number
  readonly entries: readonly KeyEntry[]
}

/** Base, epoch and kind of the name of a key file, or `undefined` if it is none of the store's. */
export function parseKeyName(file: string): { base: number; epoch: number; tier: number } | undefined {
  const match = /^([0-9]{16})-([0-9]{10})\.key([1-8]?)$/.exec(file)
  return match ? { base: Number(match[1]), epoch: Number(match[2]), tier: Number(match[3]) } : undefined
}

/** Reads a key file. */
export function readKeyFile(file: Uint8Array): KeyFile {
  const header = readHeader(file, 'K')
  const content = file.subarray(header.length)
  const fields = new Fields(content)
  const count = fields.u32()
  const blocks = fields.u32()
  const entryCount = fields.u64()
  const end = fields.u64()
  const filterBytes = fields.u32()
  const crc = fields.u32()
  const blocksAt = 32 + 16 * count + 4 * blocks + filterBytes
  must(content.length === blocksAt + BLOCK_BYTES * blocks, 'a key file that is not as long as it says')
  must(
    crc === crc32c(header.crcField, content.subarray(0, 28), content.subarray(32, blocksAt)),
    'the checksum of a key file is wrong',
  )
  const segments = Array.from({ length: count }, () => ({ base: fields.u64(), epoch: fields.u64() }))
  must(count > 0, 'a key file of no segment')
  must(segments[0]!.base === header.base && segments[0]!.epoch === header.epoch, 'a key file of another first segment')
  const fences = Array.from({ length: blocks }, () => fields.u32())
  const filter = fields.range(filterBytes)
  const entries: KeyEntry[] = []
  for (let number = 0; number < blocks; number++) {
    const first = entries.length
    readBlock(
      header.crcField,
      number,
      content.subarray(blocksAt + number * BLOCK_BYTES).subarray(0, BLOCK_BYTES),
      entries,
    )
    must(number === blocks - 1 || entries.length === (number + 1) * BLOCK_ENTRIES, 'a block that is not full')
    must(fences[number] === entries[first]!.high, 'a fence that is not the first hash of its block')
  }
  must(entries.length === entryCount, `a key file of ${entries.length} entries that names ${entryCount}`)
  for (let i = 1; i < entries.length; i++) {
    must(inOrder(entries[i - 1]!, entries[i]!) <= 0, 'entries of a key file that are not in order')
  }
  const whole = 4 * Math.ceil((10 * entries.length) / 32)
  must(filterBytes === 0 || filterBytes === whole, 'a filter of another size')
  must(filterBytes === 0 || sameBytes(filter, filterOf(entries, filterBytes)), 'a filter of other hashes')
  return { header, segments, end, entries }
}

function readBlock(seed: Uint8Array, number: number, block: Uint8Array, entries: KeyEntry[]): void {
  const fields = new Fields(block)
  const numbered = new Uint8Array(4)
  new DataView(numbered.buffer).setUint32(0, number, true)
  must(fields.u32() === crc32c(seed, numbered, block.subarray(4)), 'the checksum of a block of keys is wrong')
  const count = fields.u32()
  must(count >= 1 && count <= BLOCK_ENTRIES, `a block of ${count} keys`)
  for (let i = 0; i < count; i++) {
    entries.push({ high: fields.u32(), low: fields.u32(), position: fields.u64(), byte: fields.u32() })
  }
  must(allZero(block.subarray(fields.at)), 'something stands behind the entries of a block')
}

function inOrder(a: KeyEntry, b: KeyEntry): number {
  return a.high - b.high || a.low - b.low || a.position - b.position
}

function filterOf(entries: readonly KeyEntry[], bytes: number): Uint8Array {
  const filter = new Uint8Array(bytes)
  for (const { high, low } of entries) {
    const step = (low | 1) >>> 0
    for (let i = 0; i < 6; i++) {
      const bit = ((high + i * step) % 2 ** 32) % (8 * bytes)
      filter[bit >> 3]! |= 1 << (bit % 8)
    }
  }
  return filter
}

/** The entries that these log segments give, in the order of a key file. */
export function keysOf(segments: readonly LogSegment[], storeId: Uint8Array): KeyEntry[] {
  const entries: KeyEntry[] = []
  const add = (kind: number, text: string, position: number, byte: number): void => {
    entries.push({ ...hashOf(kind, text, storeId), position, byte })
  }
  for (const { records } of segments) {
    const types = new Map<string, readonly [number, number]>()
    for (const { event, at } of records) {
      const { position } = event
      if (event.first && event.commitId !== undefined) add(1, event.commitId, position, at)
      for (const tag of event.tags) add(2, tag, position, at)
      types.set(event.type, [position, at])
    }
    for (const [type, [position, at]] of types) add(3, type, position, at)
  }
  return entries.sort(inOrder)
}

function hashOf(kind: number, text: string, storeId: Uint8Array): { readonly high: number; readonly low: number } {
  const fields = new Fields(storeId)
  const key = new TextEncoder().encode(text)
  let high = times(fields.u32() ^ kind, 0x9e3779b1)
  let low = times(fields.u32() ^ kind, 0x5f356495)
  for (const byte of key) {
    high = times(high ^ byte, 0x9e3779b1)
    low = times(low ^ byte, 0x5f356495)
  }
  high = mix(high ^ key.length)
  low = mix(low ^ high)
  return { high: mix(high + low), low }
}

function times(a: number, b: number): number {
  return Math.imul(a, b) >>> 0
}

function mix(number: number): number {
  let h = number >>> 0
  h = times(h ^ (h >>> 16), 0x85ebca6b)
  h = times(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
