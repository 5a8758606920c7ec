/**
 * The sparse index of a segment: where to start reading for an offset (stream) or a position (log), and which stretches
 * can hold events of a time. Derived from the records alone by one rule, so a rebuilt index is identical to the lost
 * one: an entry stands for the first event, and then for each event that starts at least one interval after the event
 * of the entry before. It is written when the next entry begins or the segment is sealed, so the last stretch of a
 * segment in use has none. After a header of kind `P` (log) or `I` (stream):
 *
 * | Offset | Size | Type | Field    | Meaning                                                              |
 * | ------ | ---- | ---- | -------- | -------------------------------------------------------------------- |
 * | 0      | 8    | u64  | number   | offset or position of the event                                       |
 * | 8      | 8    | f64  | min time | least timestamp from this event to before the next entry's            |
 * | 16     | 8    | f64  | max time | greatest timestamp of the same events                                 |
 * | 24     | 4    | u32  | byte     | where the event's frame starts in the segment                         |
 * | 28     | 4    | u32  | end      | where the next entry's event starts; of the last: where the last event of the segment ends |
 * | 32     | 4    | u32  | crc      | CRC-32C of the crc field of the header, then of bytes 0 … 31          |
 */
import { crc32c } from './crc32c.js'
import { readU64, windowOf, writeU64, type Window } from './frame.js'

export const INDEX_ENTRY_BYTES = 36

export interface IndexEntry {
  readonly number: number
  readonly minTime: number
  readonly maxTime: number
  readonly byte: number
  readonly end: number
}

/** Entries of an index, oldest first: in memory, or as they stand in a file. */
export interface IndexEntries {
  readonly length: number
  /** Returns entry `i` of 0 … `length − 1`. Throws WrongIndexError when it is not right. */
  at(i: number): IndexEntry | undefined
  /** Throws WrongIndexError when any of them is not right. Left out where all were checked before. */
  check?(): void
}

/** Collects the entries of one segment while its events are written or scanned. */
export class IndexBuilder {
  readonly #interval: number
  #entries: IndexEntry[] = []
  #released = 0
  #number = 0
  #byte = -1
  #minTime = 0
  #maxTime = 0
  /** Where the last event ends. */
  #end = 0

  /** `interval` in bytes. */
  constructor(interval: number) {
    this.#interval = interval
  }

  /** Finished entries that were not released, oldest first. */
  get entries(): readonly IndexEntry[] {
    return this.#entries
  }

  /** Finished entries that came before these. */
  get released(): number {
    return this.#released
  }

  /** All finished entries. */
  get count(): number {
    return this.#released + this.#entries.length
  }

  /** Forgets the finished entries: they stand in their file. */
  release(): void {
    this.#released += this.#entries.length
    this.#entries = []
  }

  /** `length`: bytes of the event's frame. */
  add(number: number, byte: number, timestamp: number, length: number): void {
    this.#end = byte + length
    if (this.#byte >= 0 && byte - this.#byte < this.#interval) {
      if (timestamp < this.#minTime) this.#minTime = timestamp
      if (timestamp > this.#maxTime) this.#maxTime = timestamp
      return
    }
    this.#finish(byte)
    this.#number = number
    this.#byte = byte
    this.#minTime = timestamp
    this.#maxTime = timestamp
  }

  /** Ends the last stretch: the segment is sealed. */
  finish(): void {
    this.#finish(this.#end)
  }

  #finish(end: number): void {
    if (this.#byte < 0) return
    this.#entries.push({ number: this.#number, minTime: this.#minTime, maxTime: this.#maxTime, byte: this.#byte, end })
    this.#byte = -1
  }

  /** Takes up an index where it was left, to go on behind its last entry; `released` stand in its file before these. */
  static resume(interval: number, entries: readonly IndexEntry[], released = 0): IndexBuilder {
    const builder = new IndexBuilder(interval)
    builder.#released = released
    for (const entry of entries) builder.#entries.push(entry)
    return builder
  }
}

/** Encodes entries `from` … for a file whose header has this checksum. */
export function encodeEntries(entries: readonly IndexEntry[], from: number, headerCrc: number): Buffer {
  const window = windowOf(Buffer.alloc((entries.length - from) * INDEX_ENTRY_BYTES))
  const seed = seedOf(headerCrc)
  for (let i = from; i < entries.length; i++) {
    const entry = entries[i]!
    const at = (i - from) * INDEX_ENTRY_BYTES
    writeU64(window.view, at, entry.number)
    window.view.setFloat64(at + 8, entry.minTime, true)
    window.view.setFloat64(at + 16, entry.maxTime, true)
    window.view.setUint32(at + 24, entry.byte, true)
    window.view.setUint32(at + 28, entry.end, true)
    window.view.setUint32(at + 32, crc32c(window.bytes, at, at + 32, seed), true)
  }
  return window.bytes
}

/** Decodes all entries from `start`, or returns undefined when one is wrong or between two of them one is missing: the index is then rebuilt. */
export function decodeEntries(window: Window, start: number, end: number, headerCrc: number): IndexEntry[] | undefined {
  if ((end - start) % INDEX_ENTRY_BYTES !== 0) return undefined
  const seed = seedOf(headerCrc)
  const entries: IndexEntry[] = []
  for (let at = start; at < end; at += INDEX_ENTRY_BYTES) {
    if (!isRight(window, at, seed, at === start)) return undefined
    entries.push(decodeEntry(window, at))
  }
  return entries
}

function decodeEntry({ view }: Window, at: number): IndexEntry {
  return {
    number: readU64(view, at),
    minTime: view.getFloat64(at + 8, true),
    maxTime: view.getFloat64(at + 16, true),
    byte: view.getUint32(at + 24, true),
    end: view.getUint32(at + 28, true),
  }
}

/** Tells whether an entry is what was written, and follows the one before it. */
function isRight({ bytes, view }: Window, at: number, seed: number, isFirst: boolean): boolean {
  if (crc32c(bytes, at, at + 32, seed) !== view.getUint32(at + 32, true)) return false
  const number = readU64(view, at)
  const byte = view.getUint32(at + 24, true)
  if (Number.isNaN(number) || view.getUint32(at + 28, true) <= byte) return false
  const before = at - INDEX_ENTRY_BYTES
  return isFirst || (number > readU64(view, before) && byte === view.getUint32(before + 28, true))
}

/** Thrown where a part of an index was to be used that is wrong: it is to be made again from its segment. Never leaves the engine. */
export class WrongIndexError extends Error {
  override readonly name = 'WrongIndexError'
}

/**
 * The entries of an index as its file has them. Each is checked when it is first used: a large index has 16,000, of which finding an
 * event takes some ten. Takes less than half the memory of decoded ones.
 */
export class StoredEntries implements IndexEntries {
  readonly length: number
  readonly #window: Window
  readonly #start: number
  readonly #seed: number
  /** 1 for each that was found right. */
  readonly #checked: Uint8Array
  #allChecked = false

  /** `count` entries stand from byte `start` of the window on, in which nothing is changed any more. */
  constructor(window: Window, start: number, count: number, headerCrc: number) {
    this.length = count
    this.#window = window
    this.#start = start
    this.#seed = seedOf(headerCrc)
    this.#checked = new Uint8Array(count)
  }

  at(i: number): IndexEntry | undefined {
    const checked = this.#checked[i]
    if (checked === undefined) return undefined
    const at = this.#start + i * INDEX_ENTRY_BYTES
    if (checked === 0) {
      if (!isRight(this.#window, at, this.#seed, i === 0)) throw new WrongIndexError()
      this.#checked[i] = 1
    }
    return decodeEntry(this.#window, at)
  }

  check(): void {
    if (this.#allChecked) return
    for (let i = 0; i < this.length; i++) this.at(i)
    this.#allChecked = true
  }
}

function seedOf(headerCrc: number): number {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(headerCrc)
  return crc32c(bytes, 0, 4)
}

/** A guess reaches so many entries to either side before the search takes halves. */
const FIRST_REACH = 8

/**
 * Returns the index of the last entry at or below a number; −1 when all are above. Looks first where the number would be if all
 * entries were equally far apart, which they nearly are: an index is long, and each entry looked at comes from another place in memory.
 */
export function findEntryIndex(entries: IndexEntries, number: number): number {
  let low = 0
  let high = entries.length
  if (high > 4 * FIRST_REACH) {
    const first = entries.at(0)!.number
    const last = entries.at(high - 1)!.number
    if (number <= first || number >= last) return number < first ? -1 : number === first ? 0 : high - 1
    const guess = Math.floor(((number - first) / (last - first)) * (high - 1))
    let reach = FIRST_REACH
    if (entries.at(guess)!.number <= number) {
      for (low = guess + 1; low + reach < high && entries.at(low + reach)!.number <= number; reach *= 2) {
        low += reach + 1
      }
      high = Math.min(high, low + reach)
    } else {
      for (high = guess; high - reach > low && entries.at(high - reach)!.number > number; reach *= 2) high -= reach
      low = Math.max(low, high - reach)
    }
  }
  while (low < high) {
    const middle = (low + high) >>> 1
    if (entries.at(middle)!.number <= number) low = middle + 1
    else high = middle
  }
  return low - 1
}

/** Returns the last entry at or below a number, or undefined when all are above. */
export function findEntry(entries: IndexEntries, number: number): IndexEntry | undefined {
  const found = findEntryIndex(entries, number)
  return found < 0 ? undefined : entries.at(found)
}

/**
 * Returns how many bytes from the entry `found` on hold everything below the number `end`; undefined where no entry follows that
 * stands behind it.
 */
export function bytesBelow(entries: IndexEntries, found: number, end: number): number | undefined {
  if (found < 0) return undefined
  const first = entries.at(found)!
  for (let i = found; i < entries.length; i++) {
    const { number, byte } = entries.at(i)!
    if (number >= end) return byte - first.byte
  }
  return undefined
}
