/**
 * The 64-bit hash by which commit ids, tags and types are looked up. Two lanes of 32 bits, each `h = (h ^ byte) · prime` modulo
 * 2³² over the kind and the bytes of the key, then mixed as in MurmurHash3 and into each other. The lanes start from the first
 * eight bytes of the store id: who does not know it cannot choose keys that collide. Collisions cost a look at the
 * record and nothing else.
 */

/** What a key is. */
export const KEY_COMMIT_ID = 1
export const KEY_TAG = 2
export const KEY_TYPE = 3
export type KeyKind = typeof KEY_COMMIT_ID | typeof KEY_TAG | typeof KEY_TYPE

const PRIME_HIGH = 0x9e3779b1
const PRIME_LOW = 0x5f356495

/** Hashes keys of one store. The result stands in `high` and `low` until the next call: an object for each would cost more than the hash. */
export class KeyHasher {
  /** The two halves, unsigned. */
  high = 0
  low = 0
  readonly #seedHigh: number
  readonly #seedLow: number
  readonly #text = Buffer.allocUnsafe(1024)

  constructor(storeId: Buffer) {
    this.#seedHigh = storeId.readUInt32LE(0)
    this.#seedLow = storeId.readUInt32LE(4)
  }

  hash(kind: KeyKind, bytes: Uint8Array, start: number, end: number): void {
    let high = Math.imul(this.#seedHigh ^ kind, PRIME_HIGH)
    let low = Math.imul(this.#seedLow ^ kind, PRIME_LOW)
    for (let i = start; i < end; i++) {
      const byte = bytes[i]!
      high = Math.imul(high ^ byte, PRIME_HIGH)
      low = Math.imul(low ^ byte, PRIME_LOW)
    }
    high = mixed(high ^ (end - start))
    low = mixed(low ^ high)
    this.high = mixed(high + low) >>> 0
    this.low = low >>> 0
  }

  /** Hashes a key of at most 1,000 bytes of UTF-8. */
  hashText(kind: KeyKind, text: string): void {
    this.hash(kind, this.#text, 0, this.#text.write(text, 0, 'utf8'))
  }
}

function mixed(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
