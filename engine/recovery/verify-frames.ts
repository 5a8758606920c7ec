import { checkFrames } from '../format/crc32c.js'
import {
  checkFrame,
  type FrameFault,
  FRAME_GROUP,
  FRAME_KIND,
  FRAME_SEAL,
  FRAME_TRAILER_BYTES,
  isZero,
  MIN_FRAME_BYTES,
  type Window,
  windowOf,
} from '../format/frame.js'
import type { FileHandle } from '../io/file-system.js'
import { readFullySync } from '../io/transfer.js'

/** No frame of any store is longer, whatever its limits were: the hard bound of a commit. */
export const MAX_FRAME_BYTES = 2 ** 26
const WINDOW_BYTES = 1024 * 1024
/** Most files are small: memory for them comes from a pool. */
const SMALL_BYTES = 4096

/** Tells whether a sound frame that was found behind damage can be what should stand there, and is no copy inside of a payload. */
export type Accept = (window: Window, at: number, length: number) => boolean

/**
 * Walks the frames of a stretch of a file, from the first to the last, and goes on behind those that are not right: where the two
 * lengths of a bad record agree it ends there, elsewhere at the next sound record.
 */
export class FrameWalk {
  readonly #handle: FileHandle
  readonly #end: number
  readonly #accept: Accept
  #next: number
  #base = 0
  /** Byte of the file up to which the frames of the window are known to be right. */
  #checkedEnd = 0
  /** After `next` has returned 'frame': it starts at `at` of `window` and at `byte` of the file. */
  window: Window = windowOf(Buffer.alloc(0))
  at = 0
  length = 0
  byte = 0
  /** After `next` has returned 'fault': where what is not right ends, and what is wrong at its start. */
  faultEnd = 0
  fault: FrameFault = 'crc'

  constructor(handle: FileHandle, from: number, end: number, accept: Accept) {
    this.#handle = handle
    this.#next = from
    this.#end = end
    this.#accept = accept
  }

  next(): 'frame' | 'fault' | 'end' {
    this.byte = this.#next
    if (this.byte >= this.#end) return 'end'
    const found = this.#check(this.byte)
    if (typeof found === 'number') {
      this.length = found
      this.at = this.byte - this.#base
      this.#next = this.byte + found
      return 'frame'
    }
    this.fault = found
    this.#next = this.#behind(this.byte)
    this.faultEnd = this.#next
    return 'fault'
  }

  /** Length of the frame at a byte, or what is wrong there. The frame is then in the window. */
  #check(byte: number): number | FrameFault {
    const available = Math.min(MIN_FRAME_BYTES, this.#end - byte)
    if (this.#load(byte, available) < MIN_FRAME_BYTES) {
      const at = byte - this.#base
      return isZero(this.window.bytes, at, at + available) ? 'zeros' : 'short'
    }
    const at = byte - this.#base
    const length = this.window.view.getUint32(at, true)
    if (length < MIN_FRAME_BYTES || length > MAX_FRAME_BYTES) {
      return length === 0 && this.window.view.getUint32(at + 4, true) === 0 ? 'zeros' : 'length'
    }
    if (length > this.#end - byte) return 'short'
    if (this.#trailer(byte, length) !== length) return 'trailer'
    if (byte + length <= this.#checkedEnd) {
      const kind = this.window.bytes[at + FRAME_KIND]!
      return kind >= FRAME_GROUP && kind <= FRAME_SEAL ? length : 'kind'
    }
    this.#load(byte, length)
    const start = byte - this.#base
    return checkFrame(this.window, start, Math.min(start + length, this.window.bytes.length), MAX_FRAME_BYTES)
  }

  #trailer(byte: number, length: number): number {
    const at = byte + length - FRAME_TRAILER_BYTES - this.#base
    if (at + FRAME_TRAILER_BYTES <= this.window.bytes.length) return this.window.view.getUint32(at, true)
    const bytes = Buffer.alloc(FRAME_TRAILER_BYTES)
    readFullySync(this.#handle, bytes, 0, bytes.length, byte + length - FRAME_TRAILER_BYTES)
    return bytes.readUInt32LE(0)
  }

  /** Where the next record starts behind one that is not right. */
  #behind(byte: number): number {
    if (this.#load(byte, MIN_FRAME_BYTES) === MIN_FRAME_BYTES) {
      const length = this.window.view.getUint32(byte - this.#base, true)
      const fits = length >= MIN_FRAME_BYTES && length <= Math.min(MAX_FRAME_BYTES, this.#end - byte)
      if (fits && this.#trailer(byte, length) === length) return byte + length
    }
    for (let at = byte + 1; at < this.#end; at++) {
      const length = this.#check(at)
      if (typeof length === 'number' && this.#accept(this.window, at - this.#base, length)) return at
    }
    return this.#end
  }

  /** Makes bytes of the file available in the window; returns how many. */
  #load(byte: number, length: number): number {
    const loaded = this.#base + this.window.bytes.length
    if (byte >= this.#base && byte + length <= loaded) return length
    const wanted = Math.min(Math.max(length, WINDOW_BYTES), this.#end - byte)
    const bytes = wanted <= SMALL_BYTES ? Buffer.allocUnsafe(wanted) : Buffer.allocUnsafeSlow(wanted)
    const got = readFullySync(this.#handle, bytes, 0, wanted, byte)
    this.window = windowOf(got === wanted ? bytes : bytes.subarray(0, got))
    this.#base = byte
    this.#checkedEnd = byte + checkFrames(this.window.bytes, 0, got).end
    return Math.min(length, got)
  }
}
