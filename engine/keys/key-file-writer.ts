import {
  addToFilter,
  blocksOf,
  encodeKeyFileHead,
  filterBytesOf,
  headBytesOf,
  KEY_BLOCK_BYTES,
  KEY_BLOCK_ENTRIES,
  KEY_BLOCK_HEAD_BYTES,
  KEY_ENTRY_BYTES,
  type KeyedSegment,
  keyFileHeader,
  sealBlock,
} from '../format/key-file.js'
import { windowOf, writeU64 } from '../format/frame.js'
import type { FileHandle, FileSystem } from '../io/file-system.js'
import { completion, writeFullySync } from '../io/transfer.js'

const BLOCKS_AT_ONCE = 64
const SUFFIX_WHILE_WRITTEN = '.new'

/** What a key file is of. */
export interface KeyFileSubject {
  readonly segments: readonly KeyedSegment[]
  readonly lastBytes: number
  readonly end: number
}

/**
 * Writes a key file from entries that come by rising hash and position. Its number is known before, so blocks go to their places and
 * memory is bounded by 256 KiB, the filter and the fences. The file gets its name when it is whole and synced.
 */
export class KeyFileWriter {
  readonly #files: FileSystem
  readonly #path: string
  readonly #subject: KeyFileSubject
  readonly #entries: number
  readonly #header: Buffer
  readonly #seed: number
  readonly #fences: Uint32Array
  readonly #filter: Uint8Array
  readonly #fence: () => void
  readonly #handle: FileHandle
  readonly #window = windowOf(Buffer.alloc(BLOCKS_AT_ONCE * KEY_BLOCK_BYTES))
  /** Entries and whole blocks so far, and blocks in memory. */
  #added = 0
  #blocks = 0
  #held = 0
  #inBlock = 0

  /**
   * `entries`: how many will come; `filterBytes`: a larger filter is left out. `fence` throws when this writer may change nothing more: called
   * before a file is removed or gets its name, for a successor makes files of the same names.
   */
  constructor(
    files: FileSystem,
    path: string,
    storeId: Buffer,
    subject: KeyFileSubject,
    entries: number,
    filterBytes: number,
    fence: () => void,
  ) {
    const { header, seed } = keyFileHeader(storeId, subject.segments, subject.lastBytes)
    this.#files = files
    this.#fence = fence
    this.#path = path
    this.#subject = subject
    this.#entries = entries
    this.#header = header
    this.#seed = seed
    this.#fences = new Uint32Array(blocksOf(entries))
    this.#filter = new Uint8Array(filterBytesOf(entries, filterBytes))
    const temporary = path + SUFFIX_WHILE_WRITTEN
    fence()
    if (files.stat(temporary) !== undefined) files.remove(temporary) // of a writer that was killed
    this.#handle = files.open(temporary, 'create')
  }

  add(high: number, low: number, position: number, byte: number): void {
    const { view } = this.#window
    const block = this.#held * KEY_BLOCK_BYTES
    if (this.#inBlock === 0) this.#fences[this.#blocks] = high
    const at = block + KEY_BLOCK_HEAD_BYTES + this.#inBlock * KEY_ENTRY_BYTES
    view.setUint32(at, high, true)
    view.setUint32(at + 4, low, true)
    writeU64(view, at + 8, position)
    view.setUint32(at + 16, byte, true)
    if (this.#filter.length > 0) addToFilter(this.#filter, high, low)
    this.#added++
    if (++this.#inBlock === KEY_BLOCK_ENTRIES) this.#endBlock()
  }

  /** Ends the file and gives it its name. Rejects with what the system reports; then nothing is left. */
  async finish(): Promise<void> {
    try {
      if (this.#inBlock > 0) this.#endBlock()
      this.#write()
      if (this.#added !== this.#entries) throw new RangeError('a key file has other entries than was said')
      const { segments, end } = this.#subject
      const head = encodeKeyFileHead(this.#header, {
        ...{ segments, end, entries: this.#entries },
        ...{ fences: this.#fences, filter: this.#filter, seed: this.#seed },
      })
      writeFullySync(this.#handle, head, 0, head.length, 0)
      await completion((done) => this.#handle.sync(done))
      this.#handle.close()
      this.#fence()
      this.#files.rename(this.#path + SUFFIX_WHILE_WRITTEN, this.#path)
    } catch (error) {
      this.discard()
      throw error
    }
  }

  /** Gives up: removes what was written. */
  discard(): void {
    this.#handle.close()
    try {
      this.#fence()
      this.#files.remove(this.#path + SUFFIX_WHILE_WRITTEN)
    } catch {
      // The next writer of this file removes it.
    }
  }

  #endBlock(): void {
    sealBlock(this.#window, this.#held * KEY_BLOCK_BYTES, this.#blocks, this.#inBlock, this.#seed)
    this.#blocks++
    this.#inBlock = 0
    if (++this.#held === BLOCKS_AT_ONCE) this.#write()
  }

  #write(): void {
    if (this.#held === 0) return
    const head = headBytesOf(this.#subject.segments.length, this.#fences.length, this.#filter.length)
    const at = head + (this.#blocks - this.#held) * KEY_BLOCK_BYTES
    writeFullySync(this.#handle, this.#window.bytes, 0, this.#held * KEY_BLOCK_BYTES, at)
    this.#window.bytes.fill(0)
    this.#held = 0
  }
}
