/**
 * The stream table of a log segment: which streams have events in it, and where. It stands for the segment until the
 * stream segments written from it are fsynced: with it, opening after a crash need not read the log segment. Derived:
 * rebuilt from the log segment when it is missing or wrong. After a header of kind `T` (base and epoch of the log
 * segment; previous end = bytes of the log segment it covers):
 *
 * | Offset | Size  | Type  | Field   | Meaning                                                              |
 * | ------ | ----- | ----- | ------- | -------------------------------------------------------------------- |
 * | 0      | 4     | u32   | streams | n                                                                    |
 * | 4      | 4     | u32   | events  | m                                                                    |
 * | 8      | 4     | u32   | names   | bytes of all names                                                   |
 * | 12     | 4     | u32   | crc     | CRC-32C of bytes 0 … 11, then of everything from byte 16             |
 * | 16     | 24·n  |       | streams | entries, see below, by rising hash                                   |
 * | …      | 4·m   | u32   | bytes   | where each event's frame starts in the log segment, stream by stream |
 * | …      | names | UTF-8 | names   | in the order of the entries, without separators                      |
 *
 * | Offset | Size | Type | Field        | Meaning                                                  |
 * | ------ | ---- | ---- | ------------ | -------------------------------------------------------- |
 * | 0      | 4    | u32  | hash         | CRC-32C of the name in UTF-8                             |
 * | 4      | 4    | u32  | name start   | in names                                                 |
 * | 8      | 4    | u32  | event start  | index of the stream's first event in bytes               |
 * | 12     | 4    | u32  | events       | how many                                                 |
 * | 16     | 8    | u64  | first offset | offset of the first of them; the others follow densely   |
 */
import { crc32c } from './crc32c.js'
import { readU64, windowOf, writeU64, type Window } from './frame.js'
import type { StreamKey } from './names.js'

const FIXED = 16
const ENTRY = 24
/** A hash that was not computed yet. */
const UNKNOWN = -1
/** Bits that one pass of sorting looks at: three passes for 32 bits. */
const RADIX_BITS = 11
const HASHES = 2 ** 32
/** A guess reaches so many entries to either side before the search takes halves. */
const FIRST_REACH = 32

/** What one stream has in a log segment: the offset of its first event there and where each event's frame starts. */
export interface StreamEntry {
  readonly firstOffset: number
  readonly bytes: readonly number[]
}

/** Collects the table of a log segment while its events are written or scanned. In columns: an object for each stream would take five times as much. */
export class StreamTableBuilder {
  readonly #ordinals = new Map<string, number>()
  /** By ordinal of the stream. */
  readonly #hashes: number[] = []
  readonly #firstOffsets: number[] = []
  readonly #counts: number[] = []
  readonly #lastEvents: number[] = []
  /** By event: where its frame starts, and the stream's event before it. */
  readonly #bytes: number[] = []
  readonly #before: number[] = []

  /** Number of streams. */
  get size(): number {
    return this.#ordinals.size
  }

  /** Adds an event. `hash` is that of the name; where it is undefined, it is computed once it is needed. Returns the stream's ordinal. */
  add(name: string, hash: number | undefined, offset: number, byte: number): number {
    let ordinal = this.#ordinals.get(name)
    if (ordinal === undefined) {
      ordinal = this.#hashes.length
      this.#ordinals.set(name, ordinal)
      this.#hashes.push(hash ?? UNKNOWN)
      this.#firstOffsets.push(offset)
      this.#counts.push(0)
      this.#lastEvents.push(-1)
    }
    this.addTo(ordinal, offset, byte)
    return ordinal
  }

  /** Adds an event of a stream whose ordinal is known. */
  addTo(ordinal: number, offset: number, byte: number): void {
    const count = this.#counts[ordinal]!
    if (offset !== this.#firstOffsets[ordinal]! + count) return // behind a gap that damage has left: the stream ends before it
    this.#counts[ordinal] = count + 1
    this.#before.push(this.#lastEvents[ordinal]!)
    this.#lastEvents[ordinal] = this.#bytes.length
    this.#bytes.push(byte)
  }

  lookup({ name }: StreamKey): StreamEntry | undefined {
    const ordinal = this.#ordinals.get(name)
    if (ordinal === undefined) return undefined
    const bytes: number[] = []
    for (let event = this.#lastEvents[ordinal]!; event >= 0; event = this.#before[event]!) {
      bytes.push(this.#bytes[event]!)
    }
    return { firstOffset: this.#firstOffsets[ordinal]!, bytes: bytes.reverse() }
  }

  names(): IterableIterator<string> {
    return this.#ordinals.keys()
  }

  /** Names whose hash is wanted. */
  *namesWhere(isWanted: (hash: number) => boolean): Generator<string> {
    for (const [name, ordinal] of this.#ordinals) if (isWanted(this.#hash(name, ordinal))) yield name
  }

  #hash(name: string, ordinal: number): number {
    const known = this.#hashes[ordinal]!
    return known === UNKNOWN ? (this.#hashes[ordinal] = hashOf(name)) : known
  }

  /** Encodes the content that follows the file header. */
  encode(): Buffer {
    const allNames = [...this.#ordinals.keys()]
    for (let ordinal = 0; ordinal < allNames.length; ordinal++) this.#hash(allNames[ordinal]!, ordinal)
    const order = byRisingHash(this.#hashes)
    let joined = ''
    for (const ordinal of order) joined += allNames[ordinal]!
    const names = Buffer.from(joined, 'utf8')
    const isAscii = names.length === joined.length
    const bytesFrom = FIXED + ENTRY * order.length
    const window = windowOf(Buffer.allocUnsafe(bytesFrom + 4 * this.#bytes.length + names.length))
    const { bytes, view } = window
    view.setUint32(0, order.length, true)
    view.setUint32(4, this.#bytes.length, true)
    view.setUint32(8, names.length, true)
    let at = FIXED
    let events = 0
    let nameStart = 0
    for (const ordinal of order) {
      const count = this.#counts[ordinal]!
      view.setUint32(at, this.#hashes[ordinal]!, true)
      view.setUint32(at + 4, nameStart, true)
      view.setUint32(at + 8, events, true)
      view.setUint32(at + 12, count, true)
      writeU64(view, at + 16, this.#firstOffsets[ordinal]!)
      at += ENTRY
      const name = allNames[ordinal]!
      nameStart += isAscii ? name.length : Buffer.byteLength(name, 'utf8')
      events += count
      let byteAt = bytesFrom + 4 * events
      for (let event = this.#lastEvents[ordinal]!; event >= 0; event = this.#before[event]!) {
        view.setUint32((byteAt -= 4), this.#bytes[event]!, true)
      }
    }
    names.copy(bytes, bytesFrom + 4 * events)
    view.setUint32(12, tableCrc(bytes, 0, bytes.length), true)
    return bytes
  }
}

/** A stream table in memory, read in place. */
export class StreamTable {
  readonly #window: Window
  readonly #start: number
  readonly #streams: number
  readonly #events: number
  readonly #names: number

  private constructor(window: Window, start: number) {
    this.#window = window
    this.#start = start
    this.#streams = window.view.getUint32(start, true)
    this.#events = window.view.getUint32(start + 4, true)
    this.#names = start + FIXED + ENTRY * this.#streams + 4 * this.#events
  }

  /** Reads a table that fills `start` … `end`. Returns undefined when it is not whole. */
  static parse(window: Window, start: number, end: number): StreamTable | undefined {
    if (end - start < FIXED) return undefined
    const { view } = window
    const bytes =
      FIXED +
      ENTRY * view.getUint32(start, true) +
      4 * view.getUint32(start + 4, true) +
      view.getUint32(start + 8, true)
    if (bytes !== end - start || tableCrc(window.bytes, start, end) !== view.getUint32(start + 12, true)) {
      return undefined
    }
    return new StreamTable(window, start)
  }

  /** Number of events, all streams together. */
  get events(): number {
    return this.#events
  }

  lookup(key: StreamKey): StreamEntry | undefined {
    const { bytes, view } = this.#window
    const { hash } = key
    const first = this.#firstOf(hash)
    for (let i = first; i < this.#streams && view.getUint32(this.#entry(i), true) === hash; i++) {
      const [start, end] = this.#nameRange(i)
      if (key.stands(bytes, start, end)) return this.#read(i)
    }
    return undefined
  }

  names(): Generator<string> {
    return this.namesWhere(() => true)
  }

  /** Names whose hash is wanted. */
  *namesWhere(isWanted: (hash: number) => boolean): Generator<string> {
    for (let i = 0; i < this.#streams; i++) {
      if (!isWanted(this.#window.view.getUint32(this.#entry(i), true))) continue
      const [start, end] = this.#nameRange(i)
      yield this.#window.bytes.toString('utf8', start, end)
    }
  }

  #entry(i: number): number {
    return this.#start + FIXED + ENTRY * i
  }

  #nameRange(i: number): [number, number] {
    const { view } = this.#window
    const start = this.#names + view.getUint32(this.#entry(i) + 4, true)
    const end =
      i + 1 < this.#streams
        ? this.#names + view.getUint32(this.#entry(i + 1) + 4, true)
        : this.#names + view.getUint32(this.#start + 8, true)
    return [start, end]
  }

  /** Index of the first entry whose hash is not below. Looks first where it would be if hashes were evenly spread, as those of many names are. */
  #firstOf(hash: number): number {
    const { view } = this.#window
    const isBelow = (i: number): boolean => view.getUint32(this.#entry(i), true) < hash
    let low = 0
    let high = this.#streams
    if (high > 4 * FIRST_REACH) {
      const guess = Math.floor((hash / HASHES) * high)
      let reach = FIRST_REACH
      if (isBelow(guess)) {
        for (low = guess + 1; low + reach < high && isBelow(low + reach); reach *= 2) low += reach + 1
        high = Math.min(high, low + reach)
      } else {
        for (high = guess; high - reach > low && !isBelow(high - reach); reach *= 2) high -= reach
        low = Math.max(low, high - reach)
      }
    }
    while (low < high) {
      const middle = (low + high) >>> 1
      if (isBelow(middle)) low = middle + 1
      else high = middle
    }
    return low
  }

  #read(i: number): StreamEntry | undefined {
    const { view } = this.#window
    const at = this.#entry(i)
    const start = view.getUint32(at + 8, true)
    const count = view.getUint32(at + 12, true)
    if (start + count > this.#events) return undefined
    const from = this.#start + FIXED + ENTRY * this.#streams + 4 * start
    const bytes: number[] = []
    for (let n = 0; n < count; n++) bytes.push(view.getUint32(from + 4 * n, true))
    return { firstOffset: readU64(view, at + 16), bytes }
  }
}

/**
 * Returns the indexes of hashes by rising hash, and by rising index where they are equal. A radix sort: a
 * table of 30,000 streams is made on the main thread, and comparing would take ten times as long.
 */
function byRisingHash(hashes: readonly number[]): Uint32Array {
  let order = Uint32Array.from(hashes, (_, i) => i)
  const values = 1 << RADIX_BITS
  for (let shift = 0; shift < 32; shift += RADIX_BITS) {
    const starts = new Uint32Array(values + 1)
    for (const hash of hashes) starts[((hash >>> shift) & (values - 1)) + 1]!++
    for (let i = 0; i < values; i++) starts[i + 1]! += starts[i]!
    const sorted = new Uint32Array(order.length)
    for (const i of order) sorted[starts[(hashes[i]! >>> shift) & (values - 1)]!++] = i
    order = sorted
  }
  return order
}

function hashOf(name: string): number {
  const bytes = Buffer.from(name, 'utf8')
  return crc32c(bytes, 0, bytes.length)
}

function tableCrc(bytes: Uint8Array, start: number, end: number): number {
  return crc32c(bytes, start + FIXED, end, crc32c(bytes, start, start + 12))
}
