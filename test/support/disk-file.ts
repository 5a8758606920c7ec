import { createHash } from 'node:crypto'
import type { SeededRandom } from './random.js'

export const SECTOR_BYTES = 512
export const PAGE_BYTES = 4096
const NOTHING = Buffer.alloc(0)

/** A change to the contents of a file, and the step that made it. */
export type FileChange =
  | {
      readonly step: number
      readonly kind: 'write'
      readonly at: number
      readonly bytes: Buffer
      readonly through: boolean
    }
  | { readonly step: number; readonly kind: 'truncate'; readonly size: number }

/** Contents of a file. Copies share their bytes until one of them is written to. Room beyond `size` is always zero. */
export class Bytes {
  #bytes: Buffer
  #shared: boolean
  #digest: string | undefined
  size: number

  constructor(bytes: Buffer = NOTHING, size = bytes.length, shared = true) {
    this.#bytes = bytes
    this.size = size
    this.#shared = shared
  }

  get contents(): Buffer {
    return this.#bytes.subarray(0, this.size)
  }

  /** Tells contents apart: the same for the same bytes. */
  get digest(): string {
    return (this.#digest ??= createHash('sha1').update(this.contents).digest('base64'))
  }

  copy(): Bytes {
    this.#shared = true
    const copy = new Bytes(this.#bytes, this.size)
    copy.#digest = this.#digest
    return copy
  }

  read(target: Uint8Array, offset: number, length: number, position: number): number {
    const bytes = Math.min(length, Math.max(0, this.size - position))
    if (bytes > 0) this.#bytes.copy(target, offset, position, position + bytes)
    return bytes
  }

  write(at: number, bytes: Uint8Array): void {
    this.#own(at + bytes.length)
    this.#bytes.set(bytes, at)
    this.size = Math.max(this.size, at + bytes.length)
  }

  grow(size: number): void {
    if (size <= this.size) return
    this.#own(size)
    this.size = size
  }

  truncate(size: number): void {
    this.#own(size)
    if (size < this.size) this.#bytes.fill(0, size, this.size)
    this.size = size
  }

  apply(change: FileChange): void {
    if (change.kind === 'write') this.write(change.at, change.bytes)
    else this.truncate(change.size)
  }

  /** Makes the bytes its own, with room for `size` of them. */
  #own(size: number): void {
    this.#digest = undefined
    if (!this.#shared && size <= this.#bytes.length) return
    const room = size <= this.#bytes.length ? this.#bytes.length : Math.max(size, this.#bytes.length * 2, 256)
    const own = Buffer.alloc(room)
    this.#bytes.copy(own, 0, 0, this.size)
    this.#bytes = own
    this.#shared = false
  }
}

/** A file: what is on the disk for certain, what a read sees, and what is on its way from one to the other. */
export class FileNode {
  /** What is on the disk for certain. */
  durable = new Bytes()
  /** What a read sees. */
  seen = new Bytes()
  pending: FileChange[] = []
  /** Pages that a failed sync has left clean though they never reached the disk. */
  readonly lost = new Set<number>()
  /** Set while writes are under way: what the file was before the first of them, and what has been done to it since. */
  underWay: { readonly before: Bytes; readonly changes: FileChange[]; readonly open: Set<number> } | undefined
  modificationTime = 0

  copy(steps: number): FileNode {
    const copy = new FileNode()
    copy.durable = this.durable.copy()
    copy.seen = this.seen.copy()
    copy.pending = this.pending.map((change) => ({ ...change, step: change.step - steps }))
    for (const page of this.lost) copy.lost.add(page)
    copy.modificationTime = this.modificationTime
    return copy
  }

  change(change: FileChange, underWay: boolean): void {
    if (underWay) {
      this.underWay ??= { before: this.seen.copy(), changes: [], open: new Set() }
      this.underWay.open.add(change.step)
    }
    this.underWay?.changes.push(change)
    this.seen.apply(change)
  }

  /** A write is no longer under way. */
  done(step: number): void {
    this.underWay?.open.delete(step)
    if (this.underWay?.open.size === 0) this.underWay = undefined
  }

  /** A kill stops the writes under way anywhere: each leaves nothing, a part or all of its bytes. */
  interrupt(random: SeededRandom): void {
    if (this.underWay === undefined) return
    const { before, changes, open } = this.underWay
    const seen = before.copy()
    for (const change of changes) {
      if (change.kind !== 'write' || !open.has(change.step)) {
        seen.apply(change)
        continue
      }
      const length = random.chance(0.15)
        ? 0
        : random.chance(0.2)
          ? change.bytes.length
          : random.below(change.bytes.length)
      const bytes = change.bytes.subarray(0, length)
      if (length > 0) seen.write(change.at, bytes)
      this.pending = this.pending.flatMap((other): FileChange[] =>
        other.step !== change.step || other.kind !== 'write' ? [other] : length > 0 ? [{ ...other, bytes }] : [],
      )
    }
    this.seen = seen
    this.underWay = undefined
  }
}

/** A write without the bytes from `start` to `end`. */
export function without(
  write: Extract<FileChange, { kind: 'write' }>,
  start: number,
  end: number,
): Extract<FileChange, { kind: 'write' }>[] {
  const { at, bytes } = write
  const parts: Extract<FileChange, { kind: 'write' }>[] = []
  if (at < start) parts.push({ ...write, bytes: bytes.subarray(0, Math.min(bytes.length, start - at)) })
  if (at + bytes.length > end) {
    const from = Math.max(at, end)
    parts.push({ ...write, at: from, bytes: bytes.subarray(from - at) })
  }
  return parts
}

/** A copy of a file whose writes under way were stopped at any byte. */
export function interrupted(file: FileNode, steps: number, random: SeededRandom): FileNode {
  const whole = file.copy(0)
  const { before, changes, open } = file.underWay!
  whole.underWay = { before, changes, open: new Set(open) }
  whole.interrupt(random)
  return whole.copy(steps)
}

export interface Survival {
  /** Metadata before this step survives, in `ordered`. */
  readonly cut: number
  readonly sectorBytes: number
  /** What stands in blocks that a file got and that were never written. Default: zeros. */
  readonly stale: Buffer | undefined
}

/**
 * Applies to the durable bytes of a file what survives of the changes since. A sector is what it was at some moment: the
 * first of its writes that is missing takes the later ones with it.
 */
export function survive(
  bytes: Bytes,
  file: FileNode,
  mode: 'strict' | 'ordered',
  { cut, sectorBytes, stale }: Survival,
  random: SeededRandom,
): void {
  const keep = random.pick([0, 0.1, 0.5, 0.9, 1])
  const frozen = new Set<number>()
  for (const change of file.pending) {
    const metadata = mode === 'ordered' ? change.step < cut : random.chance(keep)
    if (change.kind === 'truncate') {
      if (metadata) bytes.truncate(change.size)
      continue
    }
    const end = change.at + change.bytes.length
    if (metadata) grow(bytes, end, stale) // its size without its bytes
    for (let at = change.at; at < end;) {
      const sector = Math.floor(at / sectorBytes)
      const next = Math.min(end, (sector + 1) * sectorBytes)
      if (!random.chance(keep)) frozen.add(sector)
      const stop = mode === 'strict' ? next : Math.min(next, bytes.size)
      if (stop > at && !frozen.has(sector)) {
        grow(bytes, at, stale)
        bytes.write(at, change.bytes.subarray(at - change.at, stop - change.at))
      }
      at = next
    }
  }
}

/** Makes a file longer. What it had not written is zeros, or what its new blocks held before. */
function grow(bytes: Bytes, size: number, stale: Buffer | undefined): void {
  const from = bytes.size
  bytes.grow(size)
  for (let at = from; stale !== undefined && at < size;) {
    const start = at % stale.length
    const length = Math.min(stale.length - start, size - at)
    bytes.write(at, stale.subarray(start, start + length))
    at += length
  }
}
