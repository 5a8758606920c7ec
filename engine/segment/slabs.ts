import { windowOf, type Window } from '../format/frame.js'

/** Addresses are `slab id · SPAN + byte`: one number for a place in memory. */
const SPAN = 2 ** 27
/** Slabs of the usual size kept for reuse, so that appending allocates nothing in the long run. */
const KEPT_FREE = 8

/** A piece of memory that mirrors what groups write to the log. */
export interface Slab {
  readonly id: number
  readonly window: Window
  /** Bytes in use. */
  used: number
  /** Groups in it that are not committed yet: until then nobody may take it back. */
  groups: number
}

/**
 * The in-memory tail of the store: the encoded bytes of all events that are not in their stream segments yet. Groups
 * are put together here, written to the log from here, read from here while hot, and copied to stream segments from here.
 */
export class Slabs {
  readonly #size: number
  readonly #slabs = new Map<number, Slab>()
  readonly #free: Buffer[] = []
  #nextId = 1
  #bytes = 0

  /** `size` in bytes of a usual slab: the largest usual group. */
  constructor(size: number) {
    this.#size = size
  }

  /** Bytes of memory held. */
  get bytes(): number {
    return this.#bytes
  }

  /** Returns a slab with room for a new group of `bytes`: `current` or a new one. Groups never span slabs. */
  withRoom(current: Slab | undefined, bytes: number): Slab {
    if (current !== undefined && current.window.bytes.length - current.used >= bytes) {
      current.groups++
      return current
    }
    if (bytes >= SPAN) throw new RangeError('a group is larger than a slab can be')
    const buffer =
      bytes <= this.#size ? (this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#size)) : Buffer.allocUnsafeSlow(bytes)
    const slab: Slab = { id: this.#nextId++, window: windowOf(buffer), used: 0, groups: 1 }
    this.#slabs.set(slab.id, slab)
    this.#bytes += buffer.length
    return slab
  }

  /** Returns the slabs that nothing more comes to: all their events are committed. Once those are flushed, `release` them. */
  complete(current: Slab | undefined): Slab[] {
    return [...this.#slabs.values()].filter((slab) => slab !== current && slab.groups === 0)
  }

  /** Gives slabs back. What they hold must be in stream segments. */
  release(slabs: readonly Slab[]): void {
    for (const slab of slabs) {
      this.#slabs.delete(slab.id)
      this.#bytes -= slab.window.bytes.length
      if (slab.window.bytes.length === this.#size && this.#free.length < KEPT_FREE) this.#free.push(slab.window.bytes)
    }
  }

  /** Takes in bytes that were read from the log: they are flushed to stream segments like fresh ones. */
  adopt(bytes: Buffer): Slab {
    const slab: Slab = { id: this.#nextId++, window: windowOf(bytes), used: bytes.length, groups: 0 }
    this.#slabs.set(slab.id, slab)
    this.#bytes += bytes.length
    return slab
  }

  window(address: number): Window {
    return this.#slabs.get(Math.floor(address / SPAN))!.window
  }
}

export function addressOf(slab: Slab, byte: number): number {
  return slab.id * SPAN + byte
}

export function byteOf(address: number): number {
  return address % SPAN
}
