import { MAX_DEPTH } from '../limits.js'
import { setOwn, ShapeTable, type ValueSource } from './shapes.js'
import { StringReader } from './value-strings.js'
import {
  EXT_BIGINT,
  EXT_MAP,
  EXT_SET,
  EXT_TIMESTAMP,
  EXT_UNDEFINED,
  MAX_DATE_MS,
  SHAPED,
  ValueFormatError,
} from './value-format.js'

/**
 * Decodes values as `docs/values.md` defines it. Bytes are never trusted: a length is compared with what is left before
 * anything is allocated, so memory stays within a small multiple of the input, and nesting is bounded.
 */
export class ValueDecoder implements ValueSource {
  readonly #shapes: ShapeTable
  readonly #strings = new StringReader()
  #bytes: Buffer = Buffer.alloc(0)
  #view: DataView = new DataView(new ArrayBuffer(0))
  #at = 0
  #end = 0

  constructor(shapes: ShapeTable) {
    this.#shapes = shapes
  }

  /**
   * Returns the value that `bytes` holds from `start` up to `end`. It shares no memory with `bytes`,
   * but the decoder refers to `bytes` until it decodes from another buffer.
   *
   * @param ahead end of the values to be decoded next by `decodeNext`; default: there are none
   * @throws ValueFormatError if the range is not exactly one encoded value
   */
  decode(bytes: Buffer, start: number, end: number, ahead = end): unknown {
    if (bytes !== this.#bytes) this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#bytes = bytes
    this.#at = start
    this.#strings.begin(bytes, this.#view, Math.min(ahead, bytes.length))
    return this.decodeNext(end)
  }

  /**
   * Returns the value that stands behind the one decoded last, up to `end`, at most what was `ahead` then. Nothing may have changed the bytes.
   *
   * @throws ValueFormatError if the range is not exactly one encoded value
   */
  decodeNext(end: number): unknown {
    this.#end = Math.min(end, this.#bytes.length)
    const value = this.read(0)
    if (this.#at !== end) this.#fail('value is followed by other bytes')
    return value
  }

  /** Reads the next value. For the readers of shapes; everybody else calls `decode`. */
  read(depth: number): unknown {
    const at = this.#at
    if (at >= this.#end) this.#fail('value is cut short')
    const token = this.#bytes[at]!
    this.#at = at + 1
    if (token < 0x80) return token
    if (token >= 0xe0) return token - 0x100
    if (token < 0x90) return this.#readObject(token & 0x0f, depth)
    if (token < 0xa0) return this.#readArray(token & 0x0f, depth)
    if (token < 0xc0) return this.#readString(token & 0x1f)
    switch (token) {
      case 0xc0:
        return null
      case SHAPED:
        return this.#readShaped(depth)
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xc4:
        return this.#readBinary(this.#u8())
      case 0xc5:
        return this.#readBinary(this.#u16())
      case 0xc6:
        return this.#readBinary(this.#u32())
      case 0xc7:
        return this.#readExtension(this.#u8(), token, depth)
      case 0xc8:
        return this.#readExtension(this.#u16(), token, depth)
      case 0xc9:
        return this.#readExtension(this.#u32(), token, depth)
      case 0xca:
        return this.#view.getFloat32(this.#take(4))
      case 0xcb:
        return this.#view.getFloat64(this.#take(8))
      case 0xcc:
        return this.#u8()
      case 0xcd:
        return this.#u16()
      case 0xce:
        return this.#u32()
      case 0xcf:
        return this.#view.getBigUint64(this.#take(8))
      case 0xd0:
        return this.#view.getInt8(this.#take(1))
      case 0xd1:
        return this.#view.getInt16(this.#take(2))
      case 0xd2:
        return this.#view.getInt32(this.#take(4))
      case 0xd3:
        return this.#view.getBigInt64(this.#take(8))
      case 0xd9:
        return this.#readString(this.#u8())
      case 0xda:
        return this.#readString(this.#u16())
      case 0xdb:
        return this.#readString(this.#u32())
      case 0xdc:
        return this.#readArray(this.#u16(), depth)
      case 0xdd:
        return this.#readArray(this.#u32(), depth)
      case 0xde:
        return this.#readObject(this.#u16(), depth)
      case 0xdf:
        return this.#readObject(this.#u32(), depth)
      default:
        // d4 to d8: extensions of 1, 2, 4, 8 and 16 bytes.
        return this.#readExtension(1 << (token - 0xd4), token, depth)
    }
  }

  #readString(byteCount: number): string {
    const at = this.#take(byteCount)
    return this.#strings.read(at, byteCount) ?? this.#fail('string is not UTF-8')
  }

  #readKey(): string {
    const token = this.#u8()
    let byteCount = 0
    if (token >= 0xa0 && token < 0xc0) byteCount = token & 0x1f
    else if (token === 0xd9) byteCount = this.#u8()
    else if (token === 0xda) byteCount = this.#u16()
    else if (token === 0xdb) byteCount = this.#u32()
    else this.#fail('key of an object is not a string')
    const at = this.#take(byteCount)
    return this.#strings.readKey(at, byteCount) ?? this.#fail('string is not UTF-8')
  }

  #readArray(count: number, depth: number): unknown[] {
    this.#enter(count, 1, depth)
    const inner = depth + 1
    // Exact for the shortest: the first push sets aside 17 places. Never as claimed: nested claims would add up.
    if (count === 1) return [this.read(inner)]
    if (count === 2) return [this.read(inner), this.read(inner)]
    if (count === 3) return [this.read(inner), this.read(inner), this.read(inner)]
    const result: unknown[] = []
    for (let index = 0; index < count; index++) result.push(this.read(inner))
    return result
  }

  #readObject(count: number, depth: number): Record<string, unknown> {
    this.#enter(count, 2, depth)
    const inner = depth + 1
    const result: Record<string, unknown> = {}
    let sparse = false
    for (let index = 0; index < count; index++) {
      const key = this.#readKey()
      sparse = setOwn(result, key, this.read(inner), sparse)
    }
    if (count > 1 && Object.keys(result).length !== count) this.#fail('object has a key twice')
    return result
  }

  #readShaped(depth: number): object {
    const token = this.#u8()
    let id = token
    if (token === 0xcc) id = this.#u8()
    else if (token === 0xcd) id = this.#u16()
    const shape = token < 0x80 || token === 0xcc || token === 0xcd ? this.#shapes.get(id) : undefined
    if (shape === undefined) return this.#fail('shape is not known')
    this.#enter(shape.keys.length, 1, depth)
    return shape.reader(this, depth + 1)
  }

  #readBinary(byteCount: number): Uint8Array {
    const at = this.#take(byteCount)
    const result = new Uint8Array(byteCount)
    if (byteCount > 0) result.set(this.#bytes.subarray(at, at + byteCount))
    return result
  }

  #readExtension(byteCount: number, token: number, depth: number): unknown {
    const type = this.#u8()
    const end = this.#at + byteCount
    if (end > this.#end) this.#fail('extension is longer than what is left')
    const value = this.#readExtensionBody(type, byteCount, token, depth)
    if (this.#at !== end) this.#fail('extension has a wrong length')
    return value
  }

  #readExtensionBody(type: number, byteCount: number, token: number, depth: number): unknown {
    switch (type) {
      case EXT_UNDEFINED:
        if (token !== 0xd4 || this.#u8() !== 0) this.#fail('extension 0 is not undefined')
        return undefined
      case EXT_BIGINT:
        return this.#readBigint(byteCount)
      case EXT_MAP:
        return this.#readMap(depth)
      case EXT_SET:
        return this.#readSet(depth)
      case EXT_TIMESTAMP:
        return this.#readTimestamp(byteCount)
      default:
        return this.#fail('extension type is not known')
    }
  }

  #readMap(depth: number): Map<unknown, unknown> {
    const token = this.#u8()
    let count = token & 0x0f
    if (token === 0xde) count = this.#u16()
    else if (token === 0xdf) count = this.#u32()
    else if (token < 0x80 || token > 0x8f) this.#fail('body of a Map is not a map')
    this.#enter(count, 2, depth)
    const result = new Map<unknown, unknown>()
    for (let index = 0; index < count; index++) {
      const key = this.read(depth + 1)
      result.set(key, this.read(depth + 1))
    }
    if (result.size !== count) this.#fail('Map has a key twice')
    return result
  }

  #readSet(depth: number): Set<unknown> {
    const token = this.#u8()
    let count = token & 0x0f
    if (token === 0xdc) count = this.#u16()
    else if (token === 0xdd) count = this.#u32()
    else if (token < 0x90 || token > 0x9f) this.#fail('body of a Set is not an array')
    this.#enter(count, 1, depth)
    const result = new Set<unknown>()
    for (let index = 0; index < count; index++) result.add(this.read(depth + 1))
    if (result.size !== count) this.#fail('Set has a value twice')
    return result
  }

  #readTimestamp(byteCount: number): Date {
    let seconds = 0
    let nanoseconds = 0
    if (byteCount === 4) {
      seconds = this.#u32()
    } else if (byteCount === 8) {
      const high = this.#u32()
      nanoseconds = high >>> 2
      seconds = (high & 3) * 2 ** 32 + this.#u32()
    } else if (byteCount === 12) {
      nanoseconds = this.#u32()
      seconds = Number(this.#view.getBigInt64(this.#take(8)))
    } else {
      this.#fail('timestamp has a wrong length')
    }
    const time = seconds * 1000 + nanoseconds / 1_000_000
    // Far from the epoch a sum that is not whole would be rounded to one that is.
    if (nanoseconds > 999_999_999 || nanoseconds % 1_000_000 !== 0 || !(Math.abs(time) <= MAX_DATE_MS)) {
      this.#fail('timestamp is not a Date')
    }
    return new Date(time)
  }

  #readBigint(byteCount: number): bigint {
    if (byteCount < 2) this.#fail('bigint has a wrong length')
    const sign = this.#u8()
    const at = this.#take(byteCount - 1)
    if (sign > 1 || this.#bytes[at] === 0) this.#fail('bigint is not in its only form')
    // No event is longer than MAX_COMMIT_BYTES, 2^26; a BigInt may have 2^27 bytes.
    const magnitude = BigInt(`0x${this.#bytes.toString('hex', at, this.#at)}`)
    return sign === 1 ? -magnitude : magnitude
  }

  /** Checks a container of `count` elements, of `least` bytes each, before anything is allocated for it. */
  #enter(count: number, least: number, depth: number): void {
    if (depth >= MAX_DEPTH) this.#fail('value is nested too deeply')
    if (count * least > this.#end - this.#at) this.#fail('count is larger than what is left')
  }

  /** Moves over `byteCount` bytes and returns where they start. */
  #take(byteCount: number): number {
    const at = this.#at
    if (byteCount > this.#end - at) this.#fail('value is cut short')
    this.#at = at + byteCount
    return at
  }

  #u8(): number {
    return this.#bytes[this.#take(1)]!
  }

  #u16(): number {
    return this.#view.getUint16(this.#take(2))
  }

  #u32(): number {
    return this.#view.getUint32(this.#take(4))
  }

  #fail(message: string): never {
    throw new ValueFormatError(message, this.#at)
  }
}

/** Stands in where nobody asks for values: nothing is decoded, and nothing of it is found wrong. */
export class NoValues extends ValueDecoder {
  constructor() {
    super(new ShapeTable())
  }

  override decode(): undefined {
    return undefined
  }

  override decodeNext(): undefined {
    return undefined
  }
}
