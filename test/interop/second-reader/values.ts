import { utf8 } from './bytes.js'
import { Damage, must } from './damage.js'

/** Shapes that are defined where a value stands: id to keys. */
export type Shapes = ReadonlyMap<number, readonly string[]>

const deepest = 128

/** Decodes one value, which must fill `bytes`. `used` gets the ids of its shapes in order of first use. */
export function decodeValue(bytes: Uint8Array, shapes: Shapes, used: Set<number>): unknown {
  const decoder = new ValueDecoder(bytes, shapes, used)
  const value = decoder.value(0)
  must(decoder.left === 0, 'bytes behind the value')
  return value
}

/** MessagePack with the four extensions and `c1` for objects of a shape. Everything is big-endian here. */
class ValueDecoder {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #shapes: Shapes
  readonly #used: Set<number>
  #at = 0

  constructor(bytes: Uint8Array, shapes: Shapes, used: Set<number>) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#shapes = shapes
    this.#used = used
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  value(depth: number): unknown {
    const token = this.#uint(1)
    if (token < 0x80) return token
    if (token >= 0xe0) return token - 256
    if (token < 0x90) return this.#object(token & 15, depth)
    if (token < 0xa0) return this.#array(token & 15, depth)
    if (token < 0xc0) return this.#string(token & 31)
    switch (token) {
      case 0xc0:
        return null
      case 0xc1:
        return this.#shaped(depth)
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xc4:
        return new Uint8Array(this.#range(this.#uint(1)))
      case 0xc5:
        return new Uint8Array(this.#range(this.#uint(2)))
      case 0xc6:
        return new Uint8Array(this.#range(this.#uint(4)))
      case 0xc7:
        return this.#extension(this.#uint(1), depth)
      case 0xc8:
        return this.#extension(this.#uint(2), depth)
      case 0xc9:
        return this.#extension(this.#uint(4), depth)
      case 0xca:
        return this.#view.getFloat32(this.#take(4))
      case 0xcb:
        return this.#view.getFloat64(this.#take(8))
      case 0xcc:
        return this.#uint(1)
      case 0xcd:
        return this.#uint(2)
      case 0xce:
        return this.#uint(4)
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
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(1 << (token - 0xd4), depth, token)
      case 0xd9:
        return this.#string(this.#uint(1))
      case 0xda:
        return this.#string(this.#uint(2))
      case 0xdb:
        return this.#string(this.#uint(4))
      case 0xdc:
        return this.#array(this.#uint(2), depth)
      case 0xdd:
        return this.#array(this.#uint(4), depth)
      case 0xde:
        return this.#object(this.#uint(2), depth)
      default:
        return this.#object(this.#uint(4), depth)
    }
  }

  #take(bytes: number): number {
    if (bytes > this.left) throw new Damage('a value goes beyond its end')
    this.#at += bytes
    return this.#at - bytes
  }

  #uint(bytes: 1 | 2 | 4): number {
    const at = this.#take(bytes)
    return bytes === 1 ? this.#bytes[at]! : bytes === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at)
  }

  #range(bytes: number): Uint8Array {
    const at = this.#take(bytes)
    return this.#bytes.subarray(at, at + bytes)
  }

  #string(bytes: number): string {
    return utf8(this.#range(bytes))
  }

  #open(elements: number, depth: number): void {
    must(depth < deepest, 'containers nested too deep')
    must(elements <= this.left, 'more elements than bytes are left')
  }

  #array(elements: number, depth: number): unknown[] {
    this.#open(elements, depth)
    const array: unknown[] = []
    for (let i = 0; i < elements; i++) array.push(this.value(depth + 1))
    return array
  }

  #object(fields: number, depth: number): object {
    this.#open(fields, depth)
    const object = {}
    for (let i = 0; i < fields; i++) {
      const key = this.value(depth + 1)
      must(typeof key === 'string', 'a key of an object that is no string')
      must(!Object.hasOwn(object, key), 'a key twice')
      put(object, key, this.value(depth + 1))
    }
    return object
  }

  #shaped(depth: number): object {
    const token = this.#uint(1)
    must(token < 0x80 || token === 0xcc || token === 0xcd, 'the id of a shape is no unsigned integer')
    const id = token < 0x80 ? token : this.#uint(token === 0xcc ? 1 : 2)
    const keys = this.#shapes.get(id)
    must(keys !== undefined, `shape ${id} is not defined`)
    this.#used.add(id)
    this.#open(keys.length, depth)
    const object = {}
    for (const key of keys) put(object, key, this.value(depth + 1))
    return object
  }

  #extension(bytes: number, depth: number, token?: number): unknown {
    const type = this.#view.getInt8(this.#take(1))
    must(bytes <= this.left, 'an extension goes beyond its end')
    const end = this.#at + bytes
    switch (type) {
      case 0:
        must(token === 0xd4 && this.#uint(1) === 0, 'undefined is d4 00 00')
        return undefined
      case 1:
        return this.#bigint(bytes)
      case 2:
      case 3: {
        const value = type === 2 ? this.#map(depth, end) : this.#set(depth, end)
        must(this.#at === end, 'a Map or Set that does not fill its extension')
        return value
      }
      case -1:
        return this.#date(bytes)
      default:
        throw new Damage(`unknown extension type ${type}`)
    }
  }

  #bigint(bytes: number): bigint {
    must(bytes >= 2, 'an integer without a magnitude')
    const sign = this.#uint(1)
    must(sign <= 1, 'an integer with a sign that is neither 0 nor 1')
    const magnitude = this.#range(bytes - 1)
    must(magnitude[0] !== 0, 'a magnitude that begins with 0')
    let digits = '0x'
    for (const byte of magnitude) digits += byte.toString(16).padStart(2, '0')
    return sign === 1 ? -BigInt(digits) : BigInt(digits)
  }

  #elements(end: number, short: number, long: number): number {
    must(this.#at < end, 'an empty extension')
    const token = this.#uint(1)
    if (token >= short && token < short + 16) return token & 15
    must(token === long || token === long + 1, 'an extension that holds something else')
    return this.#uint(token === long ? 2 : 4)
  }

  #map(depth: number, end: number): Map<unknown, unknown> {
    const entries = this.#elements(end, 0x80, 0xde)
    this.#open(entries, depth)
    const map = new Map<unknown, unknown>()
    for (let i = 0; i < entries; i++) {
      const key = this.value(depth + 1)
      must(!map.has(key), 'a key twice')
      map.set(key, this.value(depth + 1))
    }
    return map
  }

  #set(depth: number, end: number): Set<unknown> {
    const elements = this.#elements(end, 0x90, 0xdc)
    this.#open(elements, depth)
    const set = new Set<unknown>()
    for (let i = 0; i < elements; i++) {
      const element = this.value(depth + 1)
      must(!set.has(element), 'an element twice')
      set.add(element)
    }
    return set
  }

  #date(bytes: number): Date {
    let seconds: number
    let nanoseconds = 0
    if (bytes === 4) {
      seconds = this.#uint(4)
    } else if (bytes === 8) {
      const both = this.#view.getBigUint64(this.#take(8))
      nanoseconds = Number(both >> 34n)
      seconds = Number(both & ((1n << 34n) - 1n))
    } else {
      must(bytes === 12, 'a timestamp of another length')
      nanoseconds = this.#uint(4)
      seconds = Number(this.#view.getBigInt64(this.#take(8)))
    }
    must(nanoseconds <= 999_999_999 && nanoseconds % 1_000_000 === 0, 'nanoseconds')
    must(Math.abs(seconds) <= 8.64e12, 'a timestamp out of range')
    const milliseconds = seconds * 1000 + nanoseconds / 1_000_000
    must(Math.abs(milliseconds) <= 8.64e15, 'a timestamp out of range')
    return new Date(milliseconds)
  }
}

/** Makes an own property whatever the key is: `__proto__` is a key like any other. */
function put(object: object, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
}
