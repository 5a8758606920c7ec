/**
 * CRC-32C (Castagnoli; RFC 3720 section 12.1), the checksum of every byte annals stores.
 *
 * A *frame* is what the bulk calls walk: u32 `length` of the whole frame, u32 `crc` over its bytes [8, length), both
 * little endian, and at least eight bytes more.
 */
import { type CheckedFrames, Crc32cMethods, requireRange } from './crc32c-methods.js'
import { loadNative } from './crc32c-native.js'
import { CHECK, tableCrc32c } from './crc32c-tables.js'
import { WasmCrc32c } from './crc32c-wasm.js'

export type { CheckedFrames } from './crc32c-methods.js'

/** Finding out what the machine has takes milliseconds: opening a store, which checks a few hundred bytes, does without. */
const WORTH_FINDING = 4096

/** Made at first use, because most processes that load annals to read its types or errors never need it. */
let methods: Crc32cMethods | undefined

/**
 * Returns the CRC-32C of bytes [start, end), unsigned. Throws RangeError when the range is not within `bytes`.
 *
 * @param previous Result for the bytes before these, to compute one checksum over several ranges. Default 0: none.
 */
export function crc32c(bytes: Uint8Array, start: number, end: number, previous = 0): number {
  if (methods === undefined && end - start < WORTH_FINDING) {
    requireRange(bytes, start, end)
    return tableCrc32c(bytes, start, end, previous)
  }
  return (methods ??= findMethods()).crc(bytes, start, end, previous)
}

/**
 * Computes and stores the checksum of every frame in [start, end), and returns the digest: the CRC-32C of those
 * checksum fields in order. Throws RangeError when the lengths of the frames do not fill the range exactly; frames
 * before the one that does not fit are then sealed.
 */
export function sealFrames(bytes: Uint8Array, start: number, end: number): number {
  return (methods ??= findMethods()).seal(bytes, start, end)
}

/**
 * Walks the frames from `start` as long as length and checksum are right. Any bytes will do: it never throws because of
 * what they are, and never reads outside [start, end).
 */
export function checkFrames(bytes: Uint8Array, start: number, end: number): CheckedFrames {
  return (methods ??= findMethods()).check(bytes, start, end)
}

/** Tells what computes long checksums on this machine. */
export function crc32cMethod(): 'native' | 'wasm' | 'tables' {
  return (methods ??= findMethods()).name
}

function findMethods(): Crc32cMethods {
  return new Crc32cMethods(loadNative(import.meta.url), loadWasm())
}

function loadWasm(): WasmCrc32c | undefined {
  try {
    const wasm = new WasmCrc32c()
    // Its memory is little endian; on a big endian machine the tables arrive there the wrong way round.
    // Not reached by tests: undefined is returned on big endian machines only, os.endianness() tells.
    return wasm.crc(CHECK.input, 0, CHECK.input.length, 0) === CHECK.crc ? wasm : undefined
  } catch {
    // No WebAssembly here (--jitless), or none allowed, or no address space for its memory.
    return undefined
  }
}
