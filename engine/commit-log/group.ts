import type { Window } from '../format/frame.js'
import type { Durability } from '../types/durability.js'
import { addressOf, type Slab } from '../segment/slabs.js'

/** Who waits for a group: an append that is acknowledged with it, or a refusal that rests on what the group writes. */
export interface Waiter {
  /** Called when the group is committed. Must not throw. */
  commit(): void
  /** Called when it is not. */
  fail(error: Error): void
}

/** Commits of many callers that become one write. `Owner` is what the log does not need to know: the stream. */
export class PendingGroup<Owner> {
  readonly slab: Slab
  /** Where the group frame starts in the slab. */
  readonly start: number
  readonly sequence: number
  readonly firstPosition: number
  /** This group begins a new log segment. */
  readonly opensSegment: boolean
  end: number
  frames = 0
  commits = 0
  /** Bytes of its commits, without what the log adds. */
  payload = 0
  /** The strongest of its commits. */
  durable = false
  /** Event by event: the stream, and the address of the frame. */
  readonly owners: Owner[] = []
  readonly addresses: number[] = []
  readonly waiters: Waiter[] = []

  constructor(slab: Slab, groupBytes: number, sequence: number, firstPosition: number, opensSegment: boolean) {
    this.slab = slab
    this.start = slab.used
    this.end = slab.used + groupBytes
    slab.used = this.end
    this.sequence = sequence
    this.firstPosition = firstPosition
    this.opensSegment = opensSegment
  }

  get bytes(): number {
    return this.end - this.start
  }

  /** Where the next commit goes. */
  get at(): number {
    return this.end
  }

  get window(): Window {
    return this.slab.window
  }

  /** Takes in finished frames that were encoded at its end already. */
  take(length: number, frames: number): number {
    const at = this.end
    this.end = at + length
    this.slab.used = this.end
    this.frames += frames
    return at
  }

  /** Copies finished frames in. The caller has made sure that they fit. */
  add(source: Uint8Array, start: number, end: number, frames: number): number {
    this.slab.window.bytes.set(source.subarray(start, end), this.end)
    return this.take(end - start, frames)
  }

  addEvent(owner: Owner, byte: number): void {
    this.owners.push(owner)
    this.addresses.push(addressOf(this.slab, byte))
  }

  need(durability: Durability): void {
    if (durability === 'fsync') this.durable = true
  }
}
