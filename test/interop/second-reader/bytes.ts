import { Damage, must } from './damage.js'

// One row for each byte: the reflected polynomial 0x1EDC6F41, a bit at a time.
const rows = new Int32Array(256)
for (let byte = 0; byte < 256; byte++) {
  let row = byte
  for (let bit = 0; bit < 8; bit++) row = row & 1 ? (row >>> 1) ^ 0x82f63b78 : row >>> 1
  rows[byte] = row
}

/** CRC-32C of the ranges joined. */
export function crc32c(...ranges: readonly Uint8Array[]): number {
  let crc = -1
  for (const range of ranges) {
    for (let at = 0; at < range.length; at++) crc = (crc >>> 8) ^ rows[(crc ^ range[at]!) & 255]!
  }
  return (crc ^ -1) >>> 0
}

/** Decodes UTF-8 strictly: no overlong forms, no surrogates, nothing above U+10FFFF. A byte order mark is a character. */
export function utf8(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at]!
    if (first < 0x80) {
      text += String.fromCharCode(first)
      at++
      continue
    }
    const more =
      first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : 0
    must(more > 0 && at + more < bytes.length, 'not UTF-8')
    let code = first & (0x3f >> more)
    for (let i = 1; i <= more; i++) {
      const next = bytes[at + i]!
      must((next & 0xc0) === 0x80, 'not UTF-8')
      code = code * 64 + (next & 0x3f)
    }
    const least = more === 1 ? 0x80 : more === 2 ? 0x800 : 0x10000
    must(code >= least && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff), 'not UTF-8')
    text += String.fromCodePoint(code)
    at += more + 1
  }
  return text
}

/** Reads fields from a range of bytes, one behind the other, and never beyond its end. */
export class Fields {
  readonly bytes: Uint8Array
  readonly #view: DataView
  at: number

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.at = at
  }

  get left(): number {
    return this.bytes.length - this.at
  }

  #take(bytes: number): number {
    if (bytes > this.left) throw new Damage(`${bytes} bytes are wanted and ${this.left} are left`)
    this.at += bytes
    return this.at - bytes
  }

  u8(): number {
    return this.bytes[this.#take(1)]!
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true)
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true)
  }

  /** A whole number below 2^53. */
  u64(): number {
    const value = this.#view.getBigUint64(this.#take(8), true)
    must(value < 2n ** 53n, 'a whole number of 2^53 or more')
    return Number(value)
  }

  f64(): number {
    return this.#view.getFloat64(this.#take(8), true)
  }

  range(bytes: number): Uint8Array {
    const start = this.#take(bytes)
    return this.bytes.subarray(start, start + bytes)
  }

  text(bytes: number): string {
    return utf8(this.range(bytes))
  }

  end(): void {
    must(this.left === 0, `${this.left} bytes are left`)
  }
}

export function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false
  return true
}

export function allZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== 0) return false
  return true
}

export function hex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0')
  return text
}
