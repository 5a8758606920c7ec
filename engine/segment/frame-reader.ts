import { CorruptionError } from '../errors.js'
import { checkFrames } from '../format/crc32c.js'
import { checkFrame, type FrameFault, MIN_FRAME_BYTES, windowOf, type Window } from '../format/frame.js'
import { readFully, readFullySync } from '../io/transfer.js'
import type { ReadHandles } from './read-handles.js'
import { LENT_BYTES } from './read-windows.js'

/** What `FrameReader` reads: whole frames of one file, from a byte on. */
export interface FrameRange {
  readonly path: string
  readonly from: number
  /** Bytes before this count; what lies behind is not read. */
  readonly end: number
  /** No valid frame is longer. */
  readonly maxFrameBytes: number
  /** Size of the first read, and of the others. */
  readonly firstBytes: number
  readonly windowBytes: number
  /**
   * Says which of the bytes that were read first are asked for, so that only these are checked and shown; undefined when it cannot tell.
   * It looks at frames that nobody has checked yet, of which the first starts at byte 0 of the window and `end` bytes were read.
   */
  readonly wanted?: (window: Window, end: number) => WantedFrames | undefined
}

/** Frames `start` … `end` of a window. */
export interface WantedFrames {
  readonly start: number
  readonly end: number
}

/**
 * Reads a range of a segment in windows of whole frames whose checksums are right. The first two windows are read at once, since a
 * short read from the page cache costs less than handing it to another thread; from then on, while one is worked through,
 * the next is read ahead in the background. Memory: two windows, or one frame where that is longer. A short first read borrows
 * its window, until `close` or the next one.
 */
export class FrameReader {
  readonly #handles: ReadHandles
  readonly #range: FrameRange
  /** Frames that were read and checked: `start` … `end` of `window`; byte 0 of it is byte `base` of the file. */
  window: Window = EMPTY
  start = 0
  end = 0
  base: number
  #next: number
  #ahead: { readonly bytes: Buffer; readonly ready: Promise<number>; readonly from: number } | undefined
  #spare: Buffer | undefined
  /** Borrowed, for as long as it is shown or read into. */
  #lent: Window | undefined
  #windows = 0

  constructor(handles: ReadHandles, range: FrameRange) {
    this.#handles = handles
    this.#range = range
    this.base = range.from
    this.#next = range.from
  }

  /** Reads the next window. Returns false at the end of the range. May be asynchronous. Throws CorruptionError or what the system reports. */
  advance(): boolean | Promise<boolean> {
    if (this.#next >= this.#range.end) return false
    const ahead = this.#ahead
    if (ahead !== undefined) {
      this.#ahead = undefined
      return ahead.ready.then((length) => this.#take(windowOf(ahead.bytes), ahead.from, length))
    }
    const from = this.#next
    const size = this.#sizeAt(from)
    const handle = this.#handles.get(this.#range.path)
    const window = size <= LENT_BYTES ? (this.#lent ??= this.#handles.windows.borrow()) : windowOf(this.#buffer(size))
    if (window === this.window) this.#showNothing() // its frames were worked through
    return this.#take(window, from, readFullySync(handle, window.bytes, 0, size, from))
  }

  /** Gives back what it borrowed. What it showed is gone with that; it reads nothing more. */
  close(): void {
    this.#showNothing()
    this.#returnLent()
    this.#next = this.#range.end
  }

  #showNothing(): void {
    this.window = EMPTY
    this.start = 0
    this.end = 0
  }

  #returnLent(): void {
    if (this.#lent !== undefined) this.#handles.windows.giveBack(this.#lent)
    this.#lent = undefined
  }

  #sizeAt(from: number): number {
    const wanted = this.#windows === 0 ? this.#range.firstBytes : this.#range.windowBytes
    return Math.min(wanted, this.#range.end - from)
  }

  #buffer(size: number): Buffer {
    const spare = this.#spare
    if (spare !== undefined && spare.length >= size) {
      this.#spare = undefined
      return spare.length === size ? spare : spare.subarray(0, size)
    }
    return Buffer.allocUnsafe(size)
  }

  #take(window: Window, from: number, length: number): boolean {
    const range = this.#range
    const wanted = this.#windows === 0 ? range.wanted?.(window, length) : undefined
    if (wanted !== undefined) {
      const checked = checkFrames(window.bytes, wanted.start, wanted.end).end
      if (checked > wanted.start) return this.#show(window, from, wanted.start, checked)
      // What led there was not checked: the damage is where the first frame is wrong.
    }
    const checked = checkFrames(window.bytes, 0, length).end
    if (this.window.bytes.length === range.windowBytes && this.window !== this.#lent) this.#spare = this.window.bytes
    if (checked === 0) {
      // Right frames before a wrong one are shown first; the next call meets the wrong one at its start.
      const fault = length === 0 ? 'short' : checkFrame(window, 0, length, range.maxFrameBytes)
      if (fault === 'short') return this.#takeLong(window, from, length)
      throw damaged(range.path, from, typeof fault === 'number' ? 'crc' : fault)
    }
    return this.#show(window, from, 0, checked)
  }

  /** A frame longer than the window: reads just that frame. */
  #takeLong(window: Window, from: number, available: number): boolean {
    const length = available < MIN_FRAME_BYTES ? Infinity : window.view.getUint32(0, true)
    if (length > this.#range.end - from) throw damaged(this.#range.path, from, 'short')
    const bytes = Buffer.allocUnsafeSlow(length)
    const got = readFullySync(this.#handles.get(this.#range.path), bytes, 0, length, from)
    const long = windowOf(bytes)
    const fault = checkFrame(long, 0, got, this.#range.maxFrameBytes)
    if (typeof fault !== 'number') throw damaged(this.#range.path, from, fault)
    return this.#show(long, from, 0, fault)
  }

  #show(window: Window, from: number, start: number, end: number): true {
    if (window !== this.#lent) this.#returnLent()
    this.window = window
    this.base = from
    this.start = start
    this.end = end
    this.#next = from + end
    // Not after the first window: who reads a few events should not pay for more.
    if (++this.#windows >= 2) this.#readAhead()
    return true
  }

  #readAhead(): void {
    const from = this.#next
    if (from >= this.#range.end) return
    const bytes = this.#buffer(this.#sizeAt(from))
    const { handle, release } = this.#handles.pin(this.#range.path)
    const ready = new Promise<number>((resolve, reject) => {
      readFully(handle, bytes, 0, bytes.length, from, (error, length) => {
        release()
        if (error === null) resolve(length)
        else reject(error)
      })
    })
    ready.catch(() => {}) // reported to whoever advances; nobody may
    this.#ahead = { bytes, ready, from }
  }
}

const EMPTY: Window = windowOf(Buffer.alloc(0))

const REASONS: Record<FrameFault, string> = {
  zeros: 'zeros where a record should be',
  short: 'the file ends inside a record',
  length: 'the length of a record is impossible',
  crc: 'the checksum of a record is wrong',
  trailer: 'the two lengths of a record differ',
  kind: 'a record of an unknown kind',
}

/** The error for bytes that should be a frame and are none. */
export function damaged(file: string, byte: number, fault: FrameFault): CorruptionError {
  return new CorruptionError(REASONS[fault], { file, byte })
}

/** What to say about a fault. */
export function reasonOf(fault: FrameFault): string {
  return REASONS[fault]
}
