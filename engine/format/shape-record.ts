/**
 * Shape definitions and seals: the two frames of a segment that are not events.
 *
 * Shape: the keys of the objects written with this id. Defined in a file before its first use there, so that every file
 * can be read without any other; may be repeated; never changes.
 *
 * | Offset | Size | Type  | Field     | Meaning                                         |
 * | ------ | ---- | ----- | --------- | ----------------------------------------------- |
 * | 0      | 8    |       | length, crc | frame                                         |
 * | 8      | 1    | u8    | kind      | 3                                               |
 * | 9      | 1    | u8    | –         | 0                                               |
 * | 10     | 2    | u16   | id        | 1 … 65,535, never reused in a store             |
 * | 12     | 2    | u16   | keys      | number of keys                                  |
 * | 14     | …    |       | keys      | each u16 bytes, then UTF-8                      |
 * | −4     | 4    | u32   | length    | frame                                           |
 *
 * Seal: the last frame of a stream segment that is full. The stream goes on in a segment with the next base.
 *
 * | Offset | Size | Type  | Field     | Meaning                                         |
 * | ------ | ---- | ----- | --------- | ----------------------------------------------- |
 * | 0      | 8    |       | length, crc | frame                                         |
 * | 8      | 1    | u8    | kind      | 4                                               |
 * | 9      | 7    | bytes | –         | 0                                               |
 * | 16     | 8    | u64   | next base | offset of the first event of the next segment   |
 * | 24     | 4    | u32   | length    | frame: 28                                       |
 */
import { isUtf8 } from 'node:buffer'
import { MAX_SHAPE_KEYS } from '../limits.js'
import {
  FRAME_SEAL,
  FRAME_SHAPE,
  FRAME_TRAILER_BYTES,
  frameAround,
  readU64,
  sealFrame,
  windowOf,
  writeU64,
  type Window,
} from './frame.js'
import { refuseKeys, type ShapeDefinition } from './shapes.js'

const KEYS_AT = 14
export const SEAL_BYTES = 28

/** Encodes a shape definition as a whole frame, checksum included. */
export function encodeShape(shape: ShapeDefinition): Buffer {
  const keys = shape.keys.map((key) => Buffer.from(key, 'utf8'))
  const length = KEYS_AT + keys.reduce((sum, key) => sum + 2 + key.length, 0) + FRAME_TRAILER_BYTES
  const window = windowOf(Buffer.alloc(length))
  frameAround(window.view, 0, length, FRAME_SHAPE)
  window.view.setUint16(10, shape.id, true)
  window.view.setUint16(12, keys.length, true)
  let at = KEYS_AT
  for (const key of keys) {
    window.view.setUint16(at, key.length, true)
    key.copy(window.bytes, at + 2)
    at += 2 + key.length
  }
  sealFrame(window, 0, length)
  return window.bytes
}

/** Reads a shape frame whose checksum is right. Returns undefined when its contents are impossible. */
export function decodeShape({ bytes, view }: Window, start: number, length: number): ShapeDefinition | undefined {
  if (length < KEYS_AT + FRAME_TRAILER_BYTES || bytes[start + 8] !== FRAME_SHAPE) return undefined
  const id = view.getUint16(start + 10, true)
  const count = view.getUint16(start + 12, true)
  const end = start + length - FRAME_TRAILER_BYTES
  if (id === 0 || count === 0 || count > MAX_SHAPE_KEYS) return undefined
  const keys: string[] = []
  let at = start + KEYS_AT
  for (let i = 0; i < count; i++) {
    if (at + 2 > end) return undefined
    const bytesOfKey = view.getUint16(at, true)
    if (at + 2 + bytesOfKey > end) return undefined
    // Decoded leniently, two lists of keys could be taken for one.
    if (!isUtf8(bytes.subarray(at + 2, at + 2 + bytesOfKey))) return undefined
    keys.push(bytes.toString('utf8', at + 2, at + 2 + bytesOfKey))
    at += 2 + bytesOfKey
  }
  return at === end && refuseKeys(keys) === undefined ? { id, keys } : undefined
}

/** Encodes a seal as a whole frame, checksum included. */
export function encodeSeal(nextBase: number): Buffer {
  const window = windowOf(Buffer.alloc(SEAL_BYTES))
  frameAround(window.view, 0, SEAL_BYTES, FRAME_SEAL)
  writeU64(window.view, 16, nextBase)
  sealFrame(window, 0, SEAL_BYTES)
  return window.bytes
}

/** Reads a seal whose checksum is right: the next base, or undefined when it is none. */
export function decodeSeal({ bytes, view }: Window, start: number, length: number): number | undefined {
  if (length !== SEAL_BYTES || bytes[start + 8] !== FRAME_SEAL) return undefined
  const next = readU64(view, start + 16)
  return Number.isNaN(next) ? undefined : next
}
