import { crc32c } from '../../engine/format/crc32c.js'
import { checkFrame, FRAME_GROUP, FRAME_KIND, windowOf } from '../../engine/format/frame.js'
import { GROUP_BYTES } from '../../engine/format/group.js'

/** A frame of a log segment or stream segment: where it is, and of what kind. */
export interface Piece {
  readonly start: number
  readonly end: number
  readonly kind: number
}

/** Bytes of the header of a file. */
export function headerBytes(bytes: Buffer): number {
  return bytes.readUInt32LE(12)
}

/** The frames of a log segment or stream segment that is sound; the groups of a log segment are frames of their own. */
export function framesOf(bytes: Buffer): Piece[] {
  const window = windowOf(bytes)
  const pieces: Piece[] = []
  for (let at = headerBytes(bytes); at < bytes.length;) {
    const length = checkFrame(window, at, bytes.length, bytes.length)
    if (typeof length !== 'number') break // zeros that were written ahead
    pieces.push({ start: at, end: at + length, kind: bytes[at + FRAME_KIND]! })
    at += length
  }
  return pieces
}

/** The groups of a log segment, each with its body. */
export function groupsOf(bytes: Buffer): Piece[] {
  return framesOf(bytes)
    .filter(({ kind }) => kind === FRAME_GROUP)
    .map(({ start, kind }) => ({ start, end: start + GROUP_BYTES + bytes.readUInt32LE(start + 72), kind }))
}

/** Gives all frames and groups of a changed file right checksums and digests, and its header too. Lengths must be right. */
export function withRightChecksums(changed: Buffer): Buffer {
  const bytes = Buffer.from(changed)
  const length = headerBytes(bytes)
  bytes.writeUInt32LE(crc32c(bytes, 20, length, crc32c(bytes, 0, 16)), 16)
  let group = -1
  let digest = 0
  const finish = (): void => {
    if (group < 0) return
    bytes.writeUInt32LE(digest, group + 76)
    seal(bytes, group)
  }
  for (let at = length; at + 16 <= bytes.length;) {
    const frame = bytes.readUInt32LE(at)
    if (frame < 16 || at + frame > bytes.length) break
    if (bytes[at + FRAME_KIND] === FRAME_GROUP) {
      finish()
      group = at
      digest = 0
    } else {
      seal(bytes, at)
      digest = crc32c(bytes, at + 4, at + 8, digest)
    }
    at += frame
  }
  finish()
  return bytes
}

function seal(bytes: Buffer, at: number): void {
  const end = at + bytes.readUInt32LE(at)
  bytes.writeUInt32LE(crc32c(bytes, at + 8, end), at + 4)
}

/** The file without a piece. */
export function without(bytes: Buffer, { start, end }: Piece): Buffer {
  return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)])
}

/** The file with a piece of it, or of another file, put in. */
export function withInserted(bytes: Buffer, at: number, piece: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)])
}

/** The file with two of its pieces in each other's place; what is between them moves. */
export function swapped(bytes: Buffer, a: Piece, b: Piece): Buffer {
  return Buffer.concat([
    bytes.subarray(0, a.start),
    bytes.subarray(b.start, b.end),
    bytes.subarray(a.end, b.start),
    bytes.subarray(a.start, a.end),
    bytes.subarray(b.end),
  ])
}

/** The file with a block of bytes written over what was there. Its size stays. */
export function overwritten(bytes: Buffer, at: number, block: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  block.copy(copy, at, 0, Math.min(block.length, bytes.length - at))
  return copy
}
