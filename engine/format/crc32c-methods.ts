import type { NativeCrc32c } from './crc32c-native.js'
import { extendByUint32, tableCrc32c } from './crc32c-tables.js'
import type { WasmCrc32c } from './crc32c-wasm.js'

/** Ranges below this many bytes are done in place by tables: any other way first needs a view or a copy. Measured. */
const SHORT = 160

/**
 * When WebAssembly does frames in bulk: together at least `run` bytes, which pays for the copy, and none above `frame`,
 * where a native call for each is faster. Measured.
 */
const BULK = { run: 320, frame: Infinity }
const BULK_BESIDE_NATIVE = { run: 1024, frame: 400 }

/** A frame is a length and a checksum, u32 each, and at least eight bytes more. */
const FRAME_MIN = 16

/** What `checkFrames` found. */
export interface CheckedFrames {
  /** Where the first frame starts that is not right: the end of the range when all are. */
  readonly end: number
  /** CRC-32C of the checksum fields of the right frames, in order. */
  readonly digest: number
  /** Number of right frames. */
  readonly frames: number
}

/**
 * CRC-32C with whatever the machine has, each range done the way that was measured to be fastest for its size
 * (docs/decisions/crc-32c.md). All results are the same on every machine.
 */
export class Crc32cMethods {
  readonly #native: NativeCrc32c | undefined
  readonly #wasm: WasmCrc32c | undefined
  readonly #bulk: { readonly run: number; readonly frame: number }

  constructor(native: NativeCrc32c | undefined, wasm: WasmCrc32c | undefined) {
    this.#native = native
    this.#wasm = wasm
    this.#bulk = native ? BULK_BESIDE_NATIVE : BULK
  }

  /** What does the long ranges. */
  get name(): 'native' | 'wasm' | 'tables' {
    return this.#native ? 'native' : this.#wasm ? 'wasm' : 'tables'
  }

  /** See `crc32c`. */
  crc(bytes: Uint8Array, start: number, end: number, previous: number): number {
    requireRange(bytes, start, end)
    return this.#crc(bytes, start, end, previous)
  }

  /** See `sealFrames`. */
  seal(bytes: Uint8Array, start: number, end: number): number {
    requireRange(bytes, start, end)
    const wasm = this.#wasm
    let digest = 0
    for (let at = start; at < end;) {
      const bulkEnd = this.#bulkEnd(bytes, at, end)
      if (wasm && bulkEnd - at >= this.#bulk.run) {
        wasm.seal(bytes, at, bulkEnd, digest)
        digest = wasm.digest
        at = bulkEnd
        continue
      }
      do {
        const length = frameLength(bytes, at, end)
        if (length === 0) throw new RangeError(`Cannot seal the frame at byte ${at}: its length does not fit the range`)
        const crc = this.#crc(bytes, at + 8, at + length, 0)
        writeUint32(bytes, at + 4, crc)
        digest = extendByUint32(digest, crc)
        at += length
      } while (at < bulkEnd)
    }
    return digest
  }

  /** See `checkFrames`. */
  check(bytes: Uint8Array, start: number, end: number): CheckedFrames {
    requireRange(bytes, start, end)
    const wasm = this.#wasm
    let at = start
    let digest = 0
    let frames = 0
    while (at < end) {
      const bulkEnd = this.#bulkEnd(bytes, at, end)
      if (wasm && bulkEnd - at >= this.#bulk.run) {
        at = wasm.check(bytes, at, bulkEnd, digest)
        digest = wasm.digest
        frames += wasm.frames
        if (at < bulkEnd) return { end: at, digest, frames }
        continue
      }
      do {
        const length = frameLength(bytes, at, end)
        if (length === 0) return { end: at, digest, frames }
        const crc = this.#crc(bytes, at + 8, at + length, 0)
        if (crc !== readUint32(bytes, at + 4)) return { end: at, digest, frames }
        digest = extendByUint32(digest, crc)
        frames++
        at += length
      } while (at < bulkEnd)
    }
    return { end: at, digest, frames }
  }

  #crc(bytes: Uint8Array, start: number, end: number, previous: number): number {
    if (end - start < SHORT) return tableCrc32c(bytes, start, end, previous)
    if (this.#native) return this.#native(new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start), previous)
    if (this.#wasm) return this.#wasm.crc(bytes, start, end, previous)
    return tableCrc32c(bytes, start, end, previous)
  }

  /** Returns the end of the frames from `at` on that may be done in bulk: sound lengths, none long, all fit at once. */
  #bulkEnd(bytes: Uint8Array, at: number, end: number): number {
    if (!this.#wasm) return at
    const last = Math.min(end, at + this.#wasm.capacity)
    for (let next = at; ;) {
      const length = frameLength(bytes, next, last)
      if (length === 0 || length > this.#bulk.frame) return next
      next += length
    }
  }
}

/** Returns the length of the frame at a byte, or 0 when there is no frame whose length fits. */
function frameLength(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < FRAME_MIN) return 0
  const length = readUint32(bytes, at)
  return length >= FRAME_MIN && length <= end - at ? length : 0
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}

/** Throws RangeError when a range is not within `bytes`. */
export function requireRange(bytes: Uint8Array, start: number, end: number): void {
  if (start >= 0 && start <= end && end <= bytes.length) return
  throw new RangeError(`Cannot compute a CRC-32C: bytes ${start} to ${end} are not within ${bytes.length}`)
}
