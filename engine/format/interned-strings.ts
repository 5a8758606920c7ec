import type { Sliced } from './value-strings.js'

/**
 * Strings that recur in every record: event types, stream names. Making a string from bytes costs a native call and an
 * allocation; comparing the bytes with the string seen last at this place costs neither. Bounded and direct-mapped:
 * a collision only means that a string is made again.
 */
export class InternedStrings {
  readonly #slots: (string | undefined)[]

  /** `slots` is a power of two. */
  constructor(slots = 512) {
    this.#slots = new Array<string | undefined>(slots).fill(undefined)
  }

  /** Returns the UTF-8 text of a range. */
  get(bytes: Buffer, start: number, end: number): string {
    const length = end - start
    if (length > 64) return bytes.toString('utf8', start, end)
    let hash = length
    let all = 0
    for (let i = start; i < end; i++) {
      hash = (Math.imul(hash, 31) + bytes[i]!) | 0
      all |= bytes[i]!
    }
    const slot = (hash ^ (hash >>> 15)) & (this.#slots.length - 1)
    const known = this.#slots[slot]
    if (known !== undefined && equals(known, bytes, start, length)) return known
    const text = all < 0x80 ? (bytes as Sliced).latin1Slice(start, end) : bytes.toString('utf8', start, end)
    this.#slots[slot] = text
    return text
  }
}

/** True only for ASCII text: anything else has another length in UTF-8 or a byte above 0x7f, and is made anew. */
function equals(text: string, bytes: Uint8Array, start: number, length: number): boolean {
  if (text.length !== length) return false
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i)
    if (code !== bytes[start + i] || code > 0x7f) return false
  }
  return true
}
