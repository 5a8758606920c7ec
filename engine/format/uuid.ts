/** UUIDs as 16 bytes on disk and as canonical lower-case text outside (RFC 9562). */
import type { Sliced } from './value-strings.js'

/** Character codes of the two hexadecimal digits of each byte, and values of digits, built once: pure tables. */
const DIGITS = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0))
const VALUES = new Int8Array(128).fill(-1)
for (const [value, code] of DIGITS.entries()) VALUES[code] = value
const DASH = 0x2d
/** Where each of the 16 bytes stands in the 36 characters. */
const PLACES = Uint8Array.of(0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34)

/** Length of a UUID in text. */
export const UUID_CHARACTERS = 36

/**
 * Turns UUIDs into text. Writes the characters into a buffer of its own and makes the string in one native call, which
 * is several times faster than joining strings.
 */
export class UuidFormatter {
  readonly #text = Buffer.alloc(UUID_CHARACTERS, DASH) as Sliced

  format(bytes: Uint8Array, start: number): string {
    const text = this.#text
    for (let i = 0; i < 16; i++) {
      const byte = bytes[start + i]!
      const place = PLACES[i]!
      text[place] = DIGITS[byte >> 4]!
      text[place + 1] = DIGITS[byte & 15]!
    }
    return text.latin1Slice(0, UUID_CHARACTERS)
  }
}

/** The 16 bytes of a UUID in canonical lower-case form; undefined for other text. */
export function uuidBytes(text: string): Buffer | undefined {
  const bytes = Buffer.alloc(16)
  return parseUuid(text, bytes, 0) ? bytes : undefined
}

/** Writes the 16 bytes of a UUID in canonical lower-case form. Returns false, writing nothing of use, for other text. */
export function parseUuid(text: string, target: Uint8Array, start: number): boolean {
  if (text.length !== UUID_CHARACTERS) return false
  if (
    text.charCodeAt(8) !== DASH ||
    text.charCodeAt(13) !== DASH ||
    text.charCodeAt(18) !== DASH ||
    text.charCodeAt(23) !== DASH
  ) {
    return false
  }
  for (let i = 0; i < 16; i++) {
    const place = PLACES[i]!
    const high = VALUES[text.charCodeAt(place)] ?? -1
    const low = VALUES[text.charCodeAt(place + 1)] ?? -1
    if (high < 0 || low < 0) return false
    target[start + i] = (high << 4) | low
  }
  return true
}

/** Makes random UUIDs (version 4), taking randomness in blocks: one call for 256 of them. */
export class UuidSource {
  readonly #pool = new Uint8Array(4096)
  readonly #random: (target: Uint8Array) => void
  #next = 4096

  constructor(random: (target: Uint8Array) => void) {
    this.#random = random
  }

  /** Writes 16 bytes. */
  write(target: Uint8Array, start: number): void {
    if (this.#next === this.#pool.length) {
      this.#random(this.#pool)
      this.#next = 0
    }
    const pool = this.#pool
    for (let i = 0, from = this.#next; i < 16; i++) target[start + i] = pool[from + i]!
    this.#next += 16
    target[start + 6] = (target[start + 6]! & 0x0f) | 0x40
    target[start + 8] = (target[start + 8]! & 0x3f) | 0x80
  }
}
