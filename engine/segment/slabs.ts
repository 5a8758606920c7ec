import { checkFrame, type FrameFault, windowOf, type Window } from '../format/frame.js'
import { readFullySync } from '../io/transfer.js'
import { MAX_COMMIT_BYTES } from '../limits.js'
import { damaged } from './frame-reader.js'
import type { ReadHandles } from './read-handles.js'

/** Addresses are `slab id · SPAN + byte`: one number for a place. Longer than any log segment, whose bytes it may count. */
const SPAN = 2 ** 32
/** Slabs of the usual size kept for reuse, so that appending allocates nothing in the long run. */
const KEPT_FREE = 8
/** Bytes read back at a time: most records, and their neighbours. */
const READ_BYTES = 1024
const NOTHING = windowOf(Buffer.alloc(0))

/** Where bytes of a slab are in the log: byte b ≥ `from`, until the next place begins, is byte b + `shift` of the file. */
interface LogPlace {
  readonly from: number
  readonly path: string
  readonly shift: number
}

/** A piece of the log as groups wrote it: in memory while it is recent, read back from the log afterwards. */
export interface Slab {
  readonly id: number
  /** Empty once the memory was given back. */
  window: Window
  /** Bytes in use. */
  used: number
  /** Groups in it that are not committed yet. */
  groups: number
  /** Committed events in it that are not in their stream segments yet: while there are any, addresses of them are in use. */
  events: number
  /** Position behind its last committed event. */
  endPosition: number
  /** No more groups come to it. */
  full: boolean
  readonly places: LogPlace[]
  /** Bytes that it stands for in `span`. */
  readonly size: number
}

/**
 * The tail of the store: all events that are not in their stream segments yet. Groups are put together here, written to the log
 * from here, and read and copied to stream segments from here. What is recent is in memory; of the rest only the place
 * in the log is known, so that events can wait for a time when writing them pays, at eight bytes of memory each.
 */
export class Slabs {
  readonly #size: number
  readonly #handles: ReadHandles
  /** By id; ids are used again. */
  readonly #slabs: (Slab | undefined)[] = []
  readonly #freeIds: number[] = []
  readonly #free: Buffer[] = []
  /** In memory, oldest first. */
  readonly #inMemory = new Set<Slab>()
  /** Those that stand for bytes of earlier sessions, by path of the log segment. */
  readonly #ofSegments = new Map<string, Slab>()
  #bytes = 0
  #span = 0
  #events = 0
  /** The piece of the log that was read last. */
  #piece = windowOf(Buffer.allocUnsafeSlow(READ_BYTES))
  #piecePath = ''
  #pieceFrom = 0
  #pieceLength = 0
  /** Where the event that was looked up last starts in the window returned, and whether that was read back from the log. */
  at = 0
  readBack = false

  /** `size` in bytes of a usual slab: the largest usual group. */
  constructor(size: number, handles: ReadHandles) {
    this.#size = size
    this.#handles = handles
  }

  /** Bytes of memory held. */
  get bytes(): number {
    return this.#bytes
  }

  /** Bytes of the log that hold events which are not in their stream segments yet, in steps of whole slabs. */
  get span(): number {
    return this.#span
  }

  /** Events that are not in their stream segments yet. */
  get events(): number {
    return this.#events
  }

  /** Returns a slab with room for a new group of `bytes`: `current` or a new one. Groups never span slabs. */
  withRoom(current: Slab | undefined, bytes: number): Slab {
    if (current !== undefined) {
      if (current.window.bytes.length - current.used >= bytes) {
        current.groups++
        return current
      }
      current.full = true
      this.#forgetIfDone(current)
    }
    const buffer =
      bytes <= this.#size ? (this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#size)) : Buffer.allocUnsafeSlow(bytes)
    const slab = this.#add(windowOf(buffer), 1)
    this.#bytes += buffer.length
    this.#span += buffer.length
    this.#inMemory.add(slab)
    return slab
  }

  /** A group that starts at byte `from` of a slab is committed: it is in the file `path`, `shift` bytes further. */
  committed(slab: Slab, from: number, path: string, shift: number, events: number, endPosition: number): void {
    const last = slab.places.at(-1)
    if (last === undefined || last.shift !== shift || last.path !== path) slab.places.push({ from, path, shift })
    slab.groups--
    slab.events += events
    slab.endPosition = endPosition
    this.#events += events
  }

  /** Takes in an event that an earlier session left in the log. It waits for its stream segment like a fresh one. */
  adopt(path: string, byte: number): number {
    let slab = this.#ofSegments.get(path)
    if (slab === undefined) {
      slab = this.#add(NOTHING, 0)
      slab.full = true
      slab.places.push({ from: 0, path, shift: 0 })
      this.#ofSegments.set(path, slab)
    }
    slab.events++
    this.#events++
    return slab.id * SPAN + byte
  }

  /** Events at these addresses are in their stream segments now. */
  release(addresses: readonly number[], count: number): void {
    for (let i = 0; i < count; i++) {
      const slab = this.#slabs[Math.floor(addresses[i]! / SPAN)]!
      slab.events--
      this.#events--
      if (slab.events === 0) this.#forgetIfDone(slab)
    }
  }

  /** Gives memory back, oldest first, until no more than `bytes` are held or the rest is still being written to. */
  shrink(bytes: number): void {
    for (const slab of this.#inMemory) {
      if (this.#bytes <= bytes) return
      if (slab.full && slab.groups === 0) this.#giveBack(slab)
    }
  }

  /** Tells whether the event at an address, and all before it in its slab, are below a position. Looks at no record. */
  isBelow(address: number, position: number): boolean {
    return this.#slabs[Math.floor(address / SPAN)]!.endPosition <= position
  }

  /**
   * Returns a window on the event at an address, which starts at byte `at` of it. Valid until the next call.
   * Throws CorruptionError when the log has been damaged meanwhile; what the system reports.
   */
  find(address: number): Window {
    const slab = this.#slabs[Math.floor(address / SPAN)]!
    const byte = byteOf(address)
    this.readBack = slab.window === NOTHING
    if (this.readBack) return this.#readBack(slab, byte)
    this.at = byte
    return slab.window
  }

  #add(window: Window, groups: number): Slab {
    const id = this.#freeIds.pop() ?? this.#slabs.length
    const slab: Slab = {
      id,
      window,
      used: 0,
      groups,
      events: 0,
      endPosition: 0,
      full: false,
      places: [],
      size: window.bytes.length,
    }
    this.#slabs[id] = slab
    return slab
  }

  #forgetIfDone(slab: Slab): void {
    if (!slab.full || slab.groups > 0 || slab.events > 0) return
    const [place] = slab.places
    if (place !== undefined && this.#ofSegments.get(place.path) === slab) this.#ofSegments.delete(place.path)
    this.#span -= slab.size
    this.#giveBack(slab)
    this.#slabs[slab.id] = undefined
    this.#freeIds.push(slab.id)
  }

  #giveBack(slab: Slab): void {
    if (slab.window === NOTHING) return
    const { bytes } = slab.window
    slab.window = NOTHING
    this.#inMemory.delete(slab)
    this.#bytes -= bytes.length
    if (bytes.length === this.#size && this.#free.length < KEPT_FREE) this.#free.push(bytes)
  }

  #readBack(slab: Slab, byte: number): Window {
    const { places } = slab
    let i = places.length - 1
    while (places[i]!.from > byte) i--
    const { path, shift } = places[i]!
    const from = byte + shift
    this.at = from - this.#pieceFrom
    if (path === this.#piecePath && this.at >= 0 && typeof this.#check(this.at) === 'number') return this.#piece
    this.at = 0
    this.#read(path, from, READ_BYTES)
    if (this.#check(0) === 'short' && this.#pieceLength === READ_BYTES) {
      this.#read(path, from, Math.min(this.#piece.view.getUint32(0, true), MAX_COMMIT_BYTES))
    }
    const fault = this.#check(0)
    if (typeof fault !== 'number') throw damaged(path, from, fault)
    return this.#piece
  }

  #check(at: number): number | FrameFault {
    return checkFrame(this.#piece, at, Math.max(at, this.#pieceLength), MAX_COMMIT_BYTES)
  }

  #read(path: string, from: number, bytes: number): void {
    this.#piecePath = ''
    const length = Math.max(bytes, READ_BYTES)
    if (this.#piece.bytes.length !== length) this.#piece = windowOf(Buffer.allocUnsafeSlow(length))
    this.#pieceLength = readFullySync(this.#handles.get(path), this.#piece.bytes, 0, length, from)
    this.#pieceFrom = from
    this.#piecePath = path
  }
}

/** The place of an event in a slab. */
export function addressOf(slab: Slab, byte: number): number {
  return slab.id * SPAN + byte
}

/** The byte of an address. By multiplication: the remainder of such large numbers is a slow call. */
export function byteOf(address: number): number {
  return address - Math.floor(address / SPAN) * SPAN
}
