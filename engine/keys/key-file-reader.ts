import {
  decodeKeyFileHead,
  filterHas,
  isBlock,
  KEY_BLOCK_BYTES,
  KEY_BLOCK_ENTRIES,
  KEY_BLOCK_HEAD_BYTES,
  KEY_ENTRY_BYTES,
  type KeyFileHead,
  keyFileHeadBytes,
} from '../format/key-file.js'
import { HEADER_FIXED_BYTES } from '../format/file-header.js'
import { readU64, windowOf, type Window } from '../format/frame.js'
import { readFullySync } from '../io/transfer.js'
import type { ReadHandles } from '../segment/read-handles.js'
import type { KeyPlace } from './key-table.js'

const FIXED_BYTES = HEADER_FIXED_BYTES + 32

/** A key file is not what it should be: it is made again from the log. */
export class WrongKeyFile extends Error {
  readonly file: KeyFile

  constructor(file: KeyFile, message: string, options?: ErrorOptions) {
    super(message, options)
    this.file = file
  }
}

/** Takes an error as one of a key file that is wrong. Throws any other. */
export function asWrongKeyFile(error: unknown): WrongKeyFile {
  if (error instanceof WrongKeyFile) return error
  throw error
}

/** Blocks read lately, of all key files: the memory that lookups take. */
export class BlockCache {
  readonly #limit: number
  readonly #blocks = new Map<number, Window>()
  #files = 0

  /** `limit` in blocks of 4 KiB. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Returns the key of the first block of a file; those of the others follow. No two files ever get the same ones. */
  register(): number {
    return 2 ** 32 * ++this.#files
  }

  get(key: number): Window | undefined {
    const known = this.#blocks.get(key)
    if (known !== undefined && this.#blocks.size > this.#limit / 2) {
      this.#blocks.delete(key)
      this.#blocks.set(key, known)
    }
    return known
  }

  set(key: number, block: Window): void {
    this.#blocks.set(key, block)
    if (this.#blocks.size > this.#limit) this.#blocks.delete(this.#blocks.keys().next().value!)
  }
}

/**
 * Looks keys up in one key file. Fences and filter are in memory, 4 bytes for each block of 4 KiB and 10 bits for each entry; blocks are read when
 * they are wanted and their checksum is looked at before they are believed.
 */
export class KeyFile {
  readonly path: string
  readonly head: KeyFileHead
  readonly #handles: ReadHandles
  readonly #cache: BlockCache
  readonly #firstKey: number

  private constructor(path: string, head: KeyFileHead, handles: ReadHandles, cache: BlockCache) {
    this.path = path
    this.head = head
    this.#handles = handles
    this.#cache = cache
    this.#firstKey = cache.register()
  }

  /** Opens a file. Returns undefined when it is missing, cannot be read or is not right: it carries no authority (D6). */
  static open(path: string, storeId: Buffer, handles: ReadHandles, cache: BlockCache): KeyFile | undefined {
    try {
      const handle = handles.get(path)
      const size = handle.size()
      const first = Buffer.alloc(Math.min(size, FIXED_BYTES))
      readFullySync(handle, first, 0, first.length, 0)
      const headBytes = keyFileHeadBytes(first)
      if (headBytes === undefined || headBytes > size) return undefined
      const bytes = Buffer.allocUnsafeSlow(headBytes)
      if (readFullySync(handle, bytes, 0, headBytes, 0) < headBytes) return undefined
      const head = decodeKeyFileHead(bytes, size, storeId)
      return head && new KeyFile(path, head, handles, cache)
    } catch {
      return undefined
    }
  }

  /** False: no entry of the file has this hash. */
  mayHave(high: number, low: number): boolean {
    return filterHas(this.head.filter, high, low)
  }

  /** Number of the first entry that is not before this hash and position. Throws WrongKeyFile. */
  lowerBound(high: number, low: number, position: number): number {
    const { fences, entries } = this.head
    // The first block that may hold it: the one before the first whose fence is not below.
    let from = 0
    let to = fences.length
    while (from < to) {
      const middle = (from + to) >>> 1
      if (fences[middle]! < high) from = middle + 1
      else to = middle
    }
    let block = Math.max(0, from - 1)
    let end = block
    while (end < fences.length && fences[end]! <= high) end++
    // Of those, the last that starts before it: a key of many entries goes over many blocks.
    let last = end
    while (block + 1 < last) {
      const middle = (block + last) >>> 1
      if (this.#isBefore(middle * KEY_BLOCK_ENTRIES, high, low, position)) block = middle
      else last = middle
    }
    let first = block * KEY_BLOCK_ENTRIES
    let behind = Math.min(first + KEY_BLOCK_ENTRIES, entries)
    while (first < behind) {
      const middle = (first + behind) >>> 1
      if (this.#isBefore(middle, high, low, position)) first = middle + 1
      else behind = middle
    }
    return first
  }

  /** The place that an entry names if it has this hash. Throws WrongKeyFile. */
  placeAt(entry: number, high: number, low: number): KeyPlace | undefined {
    if (entry < 0 || entry >= this.head.entries) return undefined
    const { view } = this.#blockOf(entry)
    const at = placeIn(entry)
    if (view.getUint32(at, true) !== high || view.getUint32(at + 4, true) !== low) return undefined
    return { position: readU64(view, at + 8), byte: view.getUint32(at + 16, true) }
  }

  /** Calls back with entries from one on, up to the end of its block; returns the number behind the last. Throws WrongKeyFile. */
  eachOfBlock(from: number, visit: (high: number, low: number, position: number, byte: number) => void): number {
    const end = Math.min((Math.floor(from / KEY_BLOCK_ENTRIES) + 1) * KEY_BLOCK_ENTRIES, this.head.entries)
    if (from >= end) return end
    const { view } = this.#read(Math.floor(from / KEY_BLOCK_ENTRIES))
    for (let entry = from; entry < end; entry++) {
      const at = placeIn(entry)
      visit(
        view.getUint32(at, true),
        view.getUint32(at + 4, true),
        readU64(view, at + 8),
        view.getUint32(at + 16, true),
      )
    }
    return end
  }

  #isBefore(entry: number, high: number, low: number, position: number): boolean {
    const { view } = this.#blockOf(entry)
    const at = placeIn(entry)
    const ownHigh = view.getUint32(at, true)
    if (ownHigh !== high) return ownHigh < high
    const ownLow = view.getUint32(at + 4, true)
    return ownLow === low ? readU64(view, at + 8) < position : ownLow < low
  }

  #blockOf(entry: number): Window {
    const number = Math.floor(entry / KEY_BLOCK_ENTRIES)
    const key = this.#firstKey + number
    const known = this.#cache.get(key)
    if (known !== undefined) return known
    const block = this.#read(number)
    this.#cache.set(key, block)
    return block
  }

  #read(number: number): Window {
    const { blocksAt, seed, entries } = this.head
    const block = windowOf(Buffer.allocUnsafeSlow(KEY_BLOCK_BYTES))
    let got: number
    try {
      const at = blocksAt + number * KEY_BLOCK_BYTES
      got = readFullySync(this.#handles.get(this.path), block.bytes, 0, KEY_BLOCK_BYTES, at)
    } catch (error) {
      throw new WrongKeyFile(this, 'a block of a key file cannot be read', { cause: error })
    }
    const expected = Math.min(KEY_BLOCK_ENTRIES, entries - number * KEY_BLOCK_ENTRIES)
    if (got < KEY_BLOCK_BYTES || !isBlock(block, number, expected, seed)) {
      throw new WrongKeyFile(this, 'a block of a key file is damaged')
    }
    return block
  }
}

function placeIn(entry: number): number {
  return KEY_BLOCK_HEAD_BYTES + (entry % KEY_BLOCK_ENTRIES) * KEY_ENTRY_BYTES
}
