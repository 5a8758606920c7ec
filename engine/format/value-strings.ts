import { isUtf8 } from 'node:buffer'

/** Bytes made into one string at a time, of which short strings are then parts. Also the most that a part keeps alive. */
const WINDOW_BYTES = 1024
/** Strings longer than this are made by themselves. */
const MAX_PART_BYTES = 256
/** Keys longer than this are not cached. */
const MAX_CACHED_KEY_BYTES = 32
const KEY_CACHE_SLOTS = 1024

/** What `toString` calls in the end. */
export type Sliced = Buffer & {
  latin1Slice(start: number, end: number): string
  utf8Slice(start: number, end: number): string
}

/**
 * Makes strings from UTF-8. A native call per string is what decoding would spend most of its time on, so a window of up to
 * 1 KiB is made into one string, and ASCII strings in it are cut out; V8 copies those below 13 characters and lets
 * longer ones refer to the window. So a string keeps at most 1 KiB alive, whatever the size of the buffer.
 */
export class StringReader {
  #bytes = Buffer.alloc(0) as Sliced
  #view: DataView = new DataView(new ArrayBuffer(0))
  #end = 0
  #window = ''
  #windowStart = 0
  #windowEnd = 0
  readonly #keys = new Array<string | undefined>(KEY_CACHE_SLOTS).fill(undefined)

  /** Starts values that follow each other in `bytes`, whose view is `view`, and end before `end`. */
  begin(bytes: Buffer, view: DataView, end: number): void {
    this.#bytes = bytes as Sliced
    this.#view = view
    this.#end = end
    this.#windowEnd = 0
  }

  /** The string in `byteCount` bytes from `at`, which the caller has checked to be there; undefined: it is not UTF-8. */
  read(at: number, byteCount: number): string | undefined {
    if (byteCount === 0) return ''
    const end = at + byteCount
    if (byteCount > MAX_PART_BYTES || !this.#isAscii(at, end)) return this.#readUtf8(at, end)
    if (end > this.#windowEnd || at < this.#windowStart) this.#move(at)
    return this.#window.substring(at - this.#windowStart, end - this.#windowStart)
  }

  /** Like `read`; returns the same string again for keys seen lately. */
  readKey(at: number, byteCount: number): string | undefined {
    if (byteCount > MAX_CACHED_KEY_BYTES) return this.read(at, byteCount)
    const bytes = this.#bytes
    const end = at + byteCount
    let hash = byteCount
    for (let index = at; index < end; index++) hash = (Math.imul(hash, 31) + bytes[index]!) | 0
    const slot = (hash ^ (hash >>> 15)) & (KEY_CACHE_SLOTS - 1)
    const known = this.#keys[slot]
    if (known !== undefined && known.length === byteCount) {
      let index = 0
      while (index < byteCount && known.charCodeAt(index) === bytes[at + index]!) index++
      if (index === byteCount) return known
    }
    // A string of its own, not a part of a window, since it stays.
    if (!this.#isAscii(at, end)) return this.#readUtf8(at, end)
    const key = bytes.latin1Slice(at, end)
    this.#keys[slot] = key
    return key
  }

  #move(at: number): void {
    this.#windowStart = at
    this.#windowEnd = Math.min(at + WINDOW_BYTES, this.#end)
    this.#window = this.#bytes.latin1Slice(at, this.#windowEnd)
  }

  #isAscii(at: number, end: number): boolean {
    let index = at
    for (; index + 4 <= end; index += 4) if ((this.#view.getUint32(index) & 0x80808080) !== 0) return false
    for (; index < end; index++) if (this.#bytes[index]! > 0x7f) return false
    return true
  }

  #readUtf8(at: number, end: number): string | undefined {
    const text = this.#bytes.utf8Slice(at, end)
    // Whatever is not UTF-8 is replaced by U+FFFD, so only strings that have one need to be checked.
    if (text.includes('\ufffd') && !isUtf8(this.#bytes.subarray(at, end))) return undefined
    return text
  }
}
