import { CorruptionError } from '../errors.js'
import { eventFits, eventPosition } from '../format/event-record.js'
import { HEADER_FIXED_BYTES } from '../format/file-header.js'
import { checkFrame, FRAME_EVENT, FRAME_KIND, MIN_FRAME_BYTES, windowOf, type Window } from '../format/frame.js'
import { findEntry } from '../format/sparse-index.js'
import { readFullySync } from '../io/transfer.js'
import { MAX_COMMIT_BYTES } from '../limits.js'
import { type KeyFile, WrongKeyFile } from '../keys/key-file-reader.js'
import type { KeyPlace } from '../keys/key-table.js'
import type { LogReading } from './log-source.js'

const FEW_BYTES = 4096
const MANY_BYTES = 64 * 1024
const EMPTY: Window = windowOf(Buffer.alloc(0))

/** A record that is not committed yet: where it stands in memory. */
export type PendingRecord = (position: number) => { readonly window: Window; readonly at: number } | undefined

/**
 * Reads single event records of the log by position, at once: each costs a read of some KiB, or none where it is near the one
 * before. The record stands in `window` from `at` on, `length` bytes long, until the next call.
 */
export class RecordReader {
  window: Window = EMPTY
  at = 0
  length = 0
  /** File and byte of the record, for errors. */
  path = ''
  byte = 0
  readonly #reading: LogReading
  readonly #pending: PendingRecord
  readonly #committed: () => number
  /** What was read last: bytes of `#path` from `#base` on. */
  #read: Window = EMPTY
  #path = ''
  #base = 0
  /** Position of the record that was read last, from a file. */
  #last = -2

  constructor(reading: LogReading, committed: () => number, pending: PendingRecord) {
    this.#reading = reading
    this.#committed = committed
    this.#pending = pending
  }

  /**
   * Reads the event at a position. `byte`: where an index says that it starts, −1 where none does. Returns false when it does not start
   * there. Throws CorruptionError when the log does not have it.
   */
  read(position: number, byte: number): boolean {
    if (position >= this.#committed()) return this.#fromMemory(position)
    const { directory } = this.#reading
    const segment = directory.segments[directory.indexOf(position)]
    if (segment === undefined) {
      throw new CorruptionError('the first log segment is missing', { file: directory.path, byte: 0 })
    }
    this.#reading.heads.check(segment)
    const active = this.#reading.active()
    const { handles, indexes, lastEnd } = this.#reading
    const end = active?.path === segment.path ? active.end : (lastEnd(segment.path) ?? handles.get(segment.path).size())
    if (byte >= 0) return this.#frameAt(segment.path, byte, end) && this.#isAt(position)
    const entries = active?.path === segment.path ? active.entries : indexes.entries(segment, end)
    const follows = this.#path === segment.path && this.#last === position - 1
    const from = follows ? this.byte + this.length : (findEntry(entries, position)?.byte ?? HEADER_FIXED_BYTES)
    if (this.#walk(segment.path, from, end, position)) return true
    if (this.#walk(segment.path, HEADER_FIXED_BYTES, end, position)) return true // the index led astray
    throw new CorruptionError(`position ${position} is missing`, { file: segment.path, byte: from })
  }

  /**
   * Reads the event that an index names. Returns false when it was not committed and will not be. Throws WrongKeyFile when a key file
   * names a place where it is not, CorruptionError when the log itself had it there before: whoever looks for a key must not be told
   * that there is none.
   */
  readPlace({ position, byte }: KeyPlace, file: KeyFile | undefined): boolean {
    if (this.read(position, byte)) return true
    if (file !== undefined) throw new WrongKeyFile(file, 'no event is where a key file says')
    if (position >= this.#committed()) return false
    const { directory } = this.#reading
    const { path } = directory.segments[directory.indexOf(position)]!
    throw new CorruptionError(`position ${position} is missing`, { file: path, byte })
  }

  /** Forgets what was read if it is much: a large event must not stay in memory for ever. */
  trim(): void {
    if (this.#read.bytes.length > MANY_BYTES) this.clear()
  }

  /** Forgets what was read: memory is for those who use it. */
  clear(): void {
    this.#read = EMPTY
    this.window = EMPTY
    this.#path = ''
    this.#last = -2
  }

  #fromMemory(position: number): boolean {
    this.#last = -2
    const found = this.#pending(position)
    if (found === undefined) return false
    this.window = found.window
    this.at = found.at
    this.length = found.window.view.getUint32(found.at, true)
    this.path = 'memory'
    this.byte = 0
    return true
  }

  #walk(path: string, from: number, end: number, position: number): boolean {
    for (let byte = from; byte < end; byte += this.length) {
      if (!this.#frameAt(path, byte, end)) return false
      if (this.#isAt(position)) return true
    }
    return false
  }

  #isAt(position: number): boolean {
    const { window, at, length } = this
    const is =
      window.bytes[at + FRAME_KIND] === FRAME_EVENT &&
      eventFits(window, at, length) &&
      eventPosition(window, at) === position
    this.#last = is ? position : -2
    return is
  }

  /** Shows the frame that starts at a byte. Returns false when none does. */
  #frameAt(path: string, byte: number, end: number): boolean {
    if (byte < HEADER_FIXED_BYTES || byte + MIN_FRAME_BYTES > end) return false
    let at = this.#load(path, byte, end, MIN_FRAME_BYTES)
    const length = this.#read.view.getUint32(at, true)
    if (length < MIN_FRAME_BYTES || length > MAX_COMMIT_BYTES || byte + length > end) return false
    at = this.#load(path, byte, end, length)
    if (typeof checkFrame(this.#read, at, at + length, length) !== 'number') return false
    this.window = this.#read
    this.at = at
    this.length = length
    this.path = path
    this.byte = byte
    return true
  }

  /** Makes bytes of a file available; returns where they stand in `#read`. */
  #load(path: string, byte: number, end: number, length: number): number {
    const behind = this.#base + this.#read.bytes.length
    const same = this.#path === path && byte >= this.#base
    if (same && byte + length <= behind) return byte - this.#base
    const near = same && byte < behind + MANY_BYTES
    const wanted = Math.max(length, Math.min(near ? MANY_BYTES : FEW_BYTES, end - byte))
    const bytes = Buffer.allocUnsafe(wanted)
    const got = readFullySync(this.#reading.handles.get(path), bytes, 0, wanted, byte)
    if (got < length) throw new CorruptionError('the file ends inside a record', { file: path, byte })
    this.#read = windowOf(got === wanted ? bytes : bytes.subarray(0, got))
    this.#path = path
    this.#base = byte
    return 0
  }
}
