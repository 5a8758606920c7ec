import { checkFrames } from '../format/crc32c.js'
import { eventFits, eventPosition, FLAG_FIRST, FLAG_LAST, eventFlags } from '../format/event-record.js'
import {
  checkFrame,
  FRAME_EVENT,
  FRAME_GROUP,
  FRAME_KIND,
  FRAME_SHAPE,
  isZero,
  windowOf,
  type Window,
} from '../format/frame.js'
import { decodeGroup, type Group, GROUP_BYTES, GROUP_MARK, GROUP_MARK_AT } from '../format/group.js'
import type { FileHandle } from '../io/file-system.js'
import { readFullySync } from '../io/transfer.js'

/** What a scan says of a group whose records are those of the group, and yet their marks are not those of whole commits. */
export const COMMITS_NOT_WHOLE = 'the commits of the group are not whole'
/** The same, where their positions do not follow each other. */
export const OUT_OF_PLACE = 'a record of the group is out of place'

const WINDOW_BYTES = 1024 * 1024

/** What a group must say to follow the one before. */
export interface ExpectedGroup {
  readonly sequence: number
  readonly position: number
  /** Epochs never decrease. */
  readonly epoch: number
}

/** Where a scan stopped and what stands there. */
export interface ScanStop {
  readonly byte: number
  readonly found: 'nothing' | 'zeros' | 'invalid'
  readonly reason: string
  /** What the next group would have to say. */
  readonly next: ExpectedGroup
  /** Sequence below which the groups read were durable, as the last of them says. */
  readonly durable: number
}

/** Called for each valid group, its frames whole in `window` from `start` on. */
export type GroupVisitor = (group: Group, window: Window, start: number, end: number) => void

/**
 * Reads groups from a log segment in order, each checked whole: identity, sequence, position, every frame, the digest.
 * Used where nothing may be taken on trust: recovery and verify.
 */
export class GroupScanner {
  readonly #handle: FileHandle
  readonly #storeId: Buffer
  readonly #maxGroupBytes: number
  readonly #size: number
  #window: Window = windowOf(Buffer.alloc(0))
  #base = 0

  /** `size`: bytes of the file that may be looked at. Default: all there are now. */
  constructor(handle: FileHandle, storeId: Buffer, maxGroupBytes: number, size = handle.size()) {
    this.#handle = handle
    this.#storeId = storeId
    this.#maxGroupBytes = maxGroupBytes
    this.#size = size
  }

  /** Visits valid groups from `byte` up to `end`, and says where and why it stopped. */
  scan(byte: number, end: number, expected: ExpectedGroup, visit: GroupVisitor): ScanStop {
    const limit = Math.min(end, this.#size)
    let next = expected
    let durable = expected.sequence
    for (let at = byte; ;) {
      if (at >= limit) return { byte: at, found: 'nothing', reason: 'the file ends', next, durable }
      const read = this.#group(at, limit, next)
      if (typeof read === 'string') {
        const found = read === 'zeros' ? 'zeros' : 'invalid'
        return { byte: at, found, reason: read, next, durable }
      }
      const start = at - this.#base + GROUP_BYTES
      visit(read, this.#window, start, start + read.bodyBytes)
      at += GROUP_BYTES + read.bodyBytes
      durable = read.durable
      next = { sequence: read.sequence + 1, position: read.firstPosition + read.events, epoch: read.epoch }
    }
  }

  /**
   * Finds valid groups behind a stop, and what they say about it: the evidence that tells a torn tail from damage. One that
   * stands at the stop itself and is later than what should be there is evidence too.
   */
  behind(stop: ScanStop): {
    readonly behind: 'none' | 'silent' | 'durable'
    readonly nextGroup: { readonly byte: number; readonly group: Group } | undefined
  } {
    let first: { readonly byte: number; readonly group: Group } | undefined
    for (let from = stop.byte; from < this.#size;) {
      const wanted = Math.min(WINDOW_BYTES, this.#size - from)
      const length = this.#load(from, wanted)
      // A look at a group may load another window.
      const { bytes } = this.#window
      const base = this.#base
      for (
        let mark = bytes.indexOf(GROUP_MARK, from - base);
        mark >= 0 && mark < from - base + length;
        mark = bytes.indexOf(GROUP_MARK, mark + 1)
      ) {
        const byte = base + mark - GROUP_MARK_AT
        const least = byte === stop.byte ? stop.next.sequence + 1 : stop.next.sequence
        const group = byte >= stop.byte ? this.#laterGroup(byte, stop.next.epoch, least) : undefined
        if (group === undefined) continue
        first ??= { byte, group }
        if (group.durable > stop.next.sequence) return { behind: 'durable', nextGroup: first }
      }
      if (length < wanted || from + length >= this.#size) break
      from += length - GROUP_BYTES
    }
    return { behind: first === undefined ? 'none' : 'silent', nextGroup: first }
  }

  #laterGroup(byte: number, epoch: number, sequence: number): Group | undefined {
    if (this.#load(byte, GROUP_BYTES) < GROUP_BYTES) return undefined
    const at = byte - this.#base
    const length = checkFrame(this.#window, at, at + GROUP_BYTES, GROUP_BYTES)
    if (typeof length !== 'number') return undefined
    const group = decodeGroup(this.#window, at, length, this.#storeId)
    if (group === undefined || group.byte !== byte || group.epoch < epoch) return undefined
    return group.sequence >= sequence ? group : undefined
  }

  /** Reads and checks the group at a byte; a text says what is wrong. */
  #group(byte: number, limit: number, expected: ExpectedGroup): Group | string {
    // Fewer than asked for where the file is shorter than it was.
    const headBytes = this.#load(byte, Math.min(GROUP_BYTES, limit - byte))
    let at = byte - this.#base
    const length = checkFrame(this.#window, at, at + headBytes, GROUP_BYTES)
    if (length === 'zeros') return isZero(this.#window.bytes, at, at + headBytes) ? 'zeros' : 'no group starts here'
    if (typeof length !== 'number') return `no group starts here (${length})`
    const group = decodeGroup(this.#window, at, length, this.#storeId)
    if (group === undefined) return 'what starts here is no group of this store'
    if (group.byte !== byte) return 'the group belongs to another place'
    if (group.sequence !== expected.sequence) {
      return `the group has sequence ${group.sequence} instead of ${expected.sequence}`
    }
    if (group.firstPosition !== expected.position) {
      return `the group starts at position ${group.firstPosition} instead of ${expected.position}`
    }
    if (!(group.epoch >= expected.epoch) || !(group.durable <= group.sequence)) {
      return 'the group contradicts the one before'
    }
    const bytes = GROUP_BYTES + group.bodyBytes
    if (group.bodyBytes > this.#maxGroupBytes || bytes > limit - byte || this.#load(byte, bytes) < bytes) {
      return 'the group goes on beyond the end of the file'
    }
    at = byte - this.#base + GROUP_BYTES
    return checkBody(this.#window, at, at + group.bodyBytes, group) ?? group
  }

  /** Makes bytes of the file available in the window; returns how many. */
  #load(byte: number, length: number): number {
    const loaded = this.#base + this.#window.bytes.length
    if (byte >= this.#base && byte + length <= loaded) return length
    const wanted = Math.min(Math.max(length, WINDOW_BYTES), this.#size - byte)
    const bytes = Buffer.allocUnsafeSlow(wanted)
    const got = readFullySync(this.#handle, bytes, 0, wanted, byte)
    this.#window = windowOf(got === wanted ? bytes : bytes.subarray(0, got))
    this.#base = byte
    return Math.min(length, got)
  }
}

/** Checks the frames of a group. Returns what is wrong. */
export function checkBody(window: Window, start: number, end: number, group: Group): string | undefined {
  const checked = checkFrames(window.bytes, start, end)
  if (checked.end !== end) return 'a record of the group is not right'
  if (checked.frames !== group.frames || checked.digest !== group.digest) {
    return 'the records are not those of the group'
  }
  let position = group.firstPosition
  let inCommit = false
  for (let at = start; at < end;) {
    const length = window.view.getUint32(at, true)
    if (window.view.getUint32(at + length - 4, true) !== length) return 'the two lengths of a record differ'
    const kind = window.bytes[at + FRAME_KIND]!
    if (kind === FRAME_EVENT) {
      if (!eventFits(window, at, length) || eventPosition(window, at) !== position) {
        return OUT_OF_PLACE
      }
      const flags = eventFlags(window, at)
      if (inCommit === ((flags & FLAG_FIRST) !== 0)) return COMMITS_NOT_WHOLE
      inCommit = (flags & FLAG_LAST) === 0
      position++
    } else if (kind === FRAME_GROUP) return 'a group starts inside the group'
    else if (kind !== FRAME_SHAPE) return 'a record of the group is neither an event nor a shape'
    at += length
  }
  if (inCommit || position !== group.firstPosition + group.events) return COMMITS_NOT_WHOLE
  return undefined
}
