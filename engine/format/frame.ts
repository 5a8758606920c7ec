/**
 * The frame: what every record in a log segment or a stream segment is wrapped in. All integers are little-endian.
 *
 * | Offset | Size | Type | Field  | Meaning                                                        |
 * | ------ | ---- | ---- | ------ | -------------------------------------------------------------- |
 * | 0      | 4    | u32  | length | bytes of the whole frame, from this field to the last one       |
 * | 4      | 4    | u32  | crc    | CRC-32C of bytes 8 … length − 1                                 |
 * | 8      | 1    | u8   | kind   | 1 group, 2 event, 3 shape, 4 seal                               |
 * | 9      | …    |      | body   | depends on the kind                                             |
 * | −4     | 4    | u32  | length | the same again, so that a file can be read from its end         |
 *
 * A length of zero is never valid, so zero-filled space never parses.
 */
import { crc32c } from './crc32c.js'

export const FRAME_GROUP = 1
export const FRAME_EVENT = 2
export const FRAME_SHAPE = 3
export const FRAME_SEAL = 4
export type FrameKind = typeof FRAME_GROUP | typeof FRAME_EVENT | typeof FRAME_SHAPE | typeof FRAME_SEAL

export const FRAME_CRC = 4
export const FRAME_CHECKED = 8
export const FRAME_KIND = 8
export const FRAME_TRAILER_BYTES = 4
/** No frame is shorter. */
export const MIN_FRAME_BYTES = 16

/**
 * Bytes in memory with a view over them: both are needed at every step, and making a DataView costs more than a read.
 * `file` byte 0 of the window is byte `base` of the file it came from.
 */
export interface Window {
  readonly bytes: Buffer
  readonly view: DataView
}

export function windowOf(bytes: Buffer): Window {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) }
}

/** Why bytes are not a frame. `zeros`: nothing was written here. `short`: the frame goes on beyond `end`. */
export type FrameFault = 'zeros' | 'short' | 'length' | 'crc' | 'trailer' | 'kind'

/**
 * Checks the frame at `start`, whole: length, trailer, checksum and kind. Returns its length, or why it is none.
 * `end` is the end of the readable bytes; `maxBytes` bounds a length that points beyond it.
 */
export function checkFrame(window: Window, start: number, end: number, maxBytes: number): number | FrameFault {
  if (end - start < MIN_FRAME_BYTES) return isZero(window.bytes, start, end) ? 'zeros' : 'short'
  const length = window.view.getUint32(start, true)
  if (length === 0) return window.view.getUint32(start + FRAME_CRC, true) === 0 ? 'zeros' : 'length'
  if (length < MIN_FRAME_BYTES || length > maxBytes) return 'length'
  if (length > end - start) return 'short'
  if (window.view.getUint32(start + length - FRAME_TRAILER_BYTES, true) !== length) return 'trailer'
  if (crc32c(window.bytes, start + FRAME_CHECKED, start + length) !== window.view.getUint32(start + FRAME_CRC, true)) {
    return 'crc'
  }
  const kind = window.bytes[start + FRAME_KIND]!
  return kind >= FRAME_GROUP && kind <= FRAME_SEAL ? length : 'kind'
}

/** Writes length, kind and trailer around a body that the caller fills; the checksum comes with `sealFrame`. */
export function frameAround(view: DataView, start: number, length: number, kind: FrameKind): void {
  view.setUint32(start, length, true)
  view.setUint8(start + FRAME_KIND, kind)
  view.setUint32(start + length - FRAME_TRAILER_BYTES, length, true)
}

/** Computes and stores the checksum of a finished frame. */
export function sealFrame(window: Window, start: number, length: number): void {
  window.view.setUint32(start + FRAME_CRC, crc32c(window.bytes, start + FRAME_CHECKED, start + length), true)
}

/** Tells whether a range holds nothing but zeros. */
export function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] !== 0) return false
  return true
}

const HIGH = 2 ** 32

/** Reads an unsigned 64-bit integer; beyond 2^53 − 1 it returns NaN, which fails every comparison. */
export function readU64(view: DataView, at: number): number {
  const high = view.getUint32(at + 4, true)
  return high > 0x1f_ffff ? NaN : view.getUint32(at, true) + high * HIGH
}

/** Writes a safe integer as an unsigned 64-bit integer. */
export function writeU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % HIGH, true)
  view.setUint32(at + 4, Math.floor(value / HIGH), true)
}
