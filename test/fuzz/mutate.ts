import { crc32c } from '../interop/second-reader/bytes.js'
import type { SeededRandom } from '../support/random.js'

const INTERESTING = [
  0, 1, 2, 0x7f, 0x80, 0xc0, 0xc1, 0xc9, 0xd4, 0xff, 0xffff, 0x8000, 0x7fffffff, 0x80000000, 0xffffffff,
]
const LARGE = [2n ** 53n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]

/** Changes bytes in one to four places, as disks, bugs and attackers would. */
export function mutate(bytes: Buffer, random: SeededRandom, others: readonly Buffer[]): Buffer {
  let changed: Buffer = Buffer.from(bytes)
  for (let n = 1 + (random.chance(0.5) ? 0 : random.below(4)); n > 0; n--) changed = mutateOnce(changed, random, others)
  return changed
}

function mutateOnce(bytes: Buffer, random: SeededRandom, others: readonly Buffer[]): Buffer {
  if (bytes.length === 0) return Buffer.from([random.below(256)])
  const at = random.below(bytes.length)
  const length = Math.min(bytes.length - at, 1 + random.below(random.chance(0.8) ? 8 : 64))
  switch (random.below(11)) {
    case 0:
    case 1:
      bytes[at]! ^= 1 << random.below(8)
      return bytes
    case 2:
      bytes[at] = random.below(256)
      return bytes
    case 3:
      bytes[at] = random.pick(INTERESTING) & 255
      return bytes
    case 4:
      return writeNumber(bytes, at, random)
    case 5:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)])
    case 6:
      return Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)])
    case 7:
      return bytes.subarray(0, at)
    case 8: {
      const inserted = Buffer.alloc(length)
      if (random.chance(0.7)) random.fill(inserted)
      return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at)])
    }
    case 9: {
      const other = random.pick(others)
      const from = random.below(other.length + 1)
      return Buffer.concat([bytes.subarray(0, at), other.subarray(from)])
    }
    default:
      bytes.copy(bytes, random.below(bytes.length), at, at + length)
      return bytes
  }
}

function writeNumber(bytes: Buffer, at: number, random: SeededRandom): Buffer {
  const value = random.pick(INTERESTING)
  const left = bytes.length - at
  if (left >= 8 && random.chance(0.3)) bytes.writeBigUInt64LE(random.pick(LARGE), at)
  else if (left >= 4 && random.chance(0.5)) {
    if (random.chance(0.7)) bytes.writeUInt32LE(value, at)
    else bytes.writeUInt32BE(value, at)
  } else if (left >= 2) bytes.writeUInt16LE(value & 0xffff, at)
  else bytes[at] = value & 255
  return bytes
}

/** Makes lengths and checksum of a frame right, so that what is in it is looked at. */
export function frame(bytes: Buffer, kind?: number): Buffer {
  if (bytes.length < 16) return bytes
  bytes.writeUInt32LE(bytes.length, 0)
  bytes.writeUInt32LE(bytes.length, bytes.length - 4)
  if (kind !== undefined) bytes[8] = kind
  bytes.writeUInt32LE(crc32c(bytes.subarray(8)), 4)
  return bytes
}

/** Makes the checksum of a header right. */
export function header(bytes: Buffer): Buffer {
  if (bytes.length < 96) return bytes
  const length = Math.min(bytes.readUInt32LE(12), bytes.length)
  if (length >= 20) bytes.writeUInt32LE(crc32c(bytes.subarray(0, 16), bytes.subarray(20, length)), 16)
  return bytes
}

/** Bytes of a value, made token by token: mostly sound, in every form there is, also those that no encoder writes. */
export class ValueGrammar {
  readonly #random: SeededRandom
  #out: number[] = []

  constructor(random: SeededRandom) {
    this.#random = random
  }

  value(): Buffer {
    this.#out = []
    this.#write(0)
    return Buffer.from(this.#out)
  }

  #write(depth: number): void {
    const random = this.#random
    const dice = random.below(depth > 5 ? 12 : 22)
    if (dice < 2) this.#out.push(random.pick([0xc0, 0xc2, 0xc3, 0x00, 0x7f, 0xe0, 0xff]))
    else if (dice < 3) this.#bytes([0xd4, random.chance(0.95) ? 0 : random.below(256), random.chance(0.95) ? 0 : 1])
    else if (dice < 5) this.#number()
    else if (dice < 8) this.#string()
    else if (dice < 9) this.#binary()
    else if (dice < 10) this.#date()
    else if (dice < 12) this.#bigint()
    else if (dice < 15) this.#container(depth, 1, 0x90, 0xdc)
    else if (dice < 18) this.#object(depth)
    else if (dice < 20) this.#shaped(depth)
    else this.#extension(depth)
  }

  #bytes(bytes: readonly number[]): void {
    this.#out.push(...bytes)
  }

  #big(value: number, bytes: number): void {
    for (let i = bytes - 1; i >= 0; i--) this.#out.push(Math.floor(value / 256 ** i) % 256)
  }

  #some(bytes: number): void {
    for (let i = 0; i < bytes; i++) this.#out.push(this.#random.below(256))
  }

  #number(): void {
    const token = this.#random.pick([0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3])
    this.#out.push(token)
    this.#some(token === 0xca ? 4 : token === 0xcb ? 8 : 1 << ((token - 0xcc) & 3))
  }

  /** A count or length behind a token, sometimes with a longer header than needed, sometimes a lie. */
  #count(count: number, short: number, shortest: number, long: readonly number[]): void {
    const random = this.#random
    const said = random.chance(0.98) ? count : random.pick([count + 1, 0xff, 0xffff, 0xffffffff])
    if (short > 0 && said < shortest && random.chance(0.8)) return void this.#out.push(short + said)
    const sizes = long.length === 3 ? [1, 2, 4] : [2, 4]
    let i = random.below(long.length)
    while (i < long.length - 1 && said >= 256 ** sizes[i]!) i++
    this.#out.push(long[i]!)
    this.#big(said, sizes[i]!)
  }

  #string(): void {
    const text = this.#random.pick([
      '',
      'a',
      'id',
      'name',
      'x',
      '__proto__',
      '0',
      '1023',
      'é',
      '\u{1f600}',
      'x'.repeat(40),
      '\ufeff',
    ])
    const bytes = this.#random.chance(0.95)
      ? Buffer.from(text)
      : Buffer.from([0xed, 0xa0, 0x80 + this.#random.below(64)])
    this.#count(bytes.length, 0xa0, 32, [0xd9, 0xda, 0xdb])
    this.#bytes([...bytes])
  }

  #binary(): void {
    const bytes = this.#random.below(20)
    this.#count(bytes, 0, 0, [0xc4, 0xc5, 0xc6])
    this.#some(bytes)
  }

  #date(): void {
    const form = this.#random.below(4)
    if (form === 0) {
      this.#bytes([0xd6, 0xff])
      this.#some(4)
    } else if (form === 1) {
      this.#bytes([0xd7, 0xff])
      const nanoseconds = BigInt(
        this.#random.chance(0.8) ? 1_000_000 * this.#random.below(1074) : this.#random.below(2 ** 30),
      )
      this.#bytes([...bytesOf64((nanoseconds << 34n) + BigInt(this.#random.below(2 ** 32)))])
    } else {
      this.#bytes(form === 2 ? [0xc7, 12, 0xff] : [0xc8, 0, 12, 0xff])
      this.#big(this.#random.chance(0.8) ? 1_000_000 * this.#random.below(1000) : this.#random.below(2 ** 32), 4)
      const most = 8_640_000_000_000n
      const seconds = this.#random.pick([
        0n,
        -1n,
        most,
        most + 1n,
        -most,
        -most - 1n,
        BigInt(this.#random.below(2 ** 32)),
      ])
      this.#bytes([...bytesOf64(BigInt.asUintN(64, seconds))])
    }
  }

  #bigint(): void {
    const magnitude = 1 + this.#random.below(12)
    this.#count(1 + magnitude, 0, 0, [0xc7, 0xc8, 0xc9])
    this.#bytes([1, this.#random.chance(0.95) ? this.#random.below(2) : this.#random.below(256)])
    this.#out.push(this.#random.chance(0.95) ? 1 + this.#random.below(255) : 0)
    this.#some(magnitude - 1)
  }

  #container(depth: number, each: number, short: number, long: number): void {
    const count = this.#random.below(this.#random.chance(0.05) ? 20 : 4)
    this.#count(count, short, 16, [long, long + 1])
    for (let i = 0; i < count * each; i++) this.#write(depth + 1)
  }

  #object(depth: number): void {
    const count = this.#random.below(4)
    this.#count(count, 0x80, 16, [0xde, 0xdf])
    const keys = ['a', 'b', 'id', 'name', '__proto__', '0', '7', 'é', '']
    const first = this.#random.below(keys.length)
    for (let i = 0; i < count; i++) {
      if (this.#random.chance(0.03)) this.#write(depth + 1)
      else {
        const key = Buffer.from(keys[(first + i * (this.#random.chance(0.05) ? 0 : 1)) % keys.length]!)
        this.#count(key.length, 0xa0, 32, [0xd9, 0xda, 0xdb])
        this.#bytes([...key])
      }
      this.#write(depth + 1)
    }
  }

  #shaped(depth: number): void {
    const id = this.#random.pick([1, 5, 5, 300, this.#random.chance(0.2) ? 2 : 1])
    this.#out.push(0xc1)
    if (id < 128 && this.#random.chance(0.8)) this.#out.push(id)
    else if (id < 256 && this.#random.chance(0.7)) this.#bytes([0xcc, id])
    else {
      this.#out.push(this.#random.chance(0.95) ? 0xcd : 0xce)
      this.#big(id, this.#out.at(-1) === 0xcd ? 2 : 4)
    }
    const keys = id === 1 ? 2 : id === 5 ? 1 : 3
    for (let i = 0; i < keys; i++) this.#write(depth + 1)
  }

  #extension(depth: number): void {
    const outer = this.#out
    this.#out = []
    const type = this.#random.chance(0.95) ? this.#random.pick([2, 3]) : this.#random.below(256)
    if (type === 2) this.#container(depth, 2, 0x80, 0xde)
    else this.#container(depth, 1, 0x90, 0xdc)
    const body = this.#out
    this.#out = outer
    const fixed = [1, 2, 4, 8, 16].indexOf(body.length)
    if (fixed >= 0 && this.#random.chance(0.3)) this.#out.push(0xd4 + fixed)
    else if (this.#random.chance(0.7)) {
      this.#out.push(0xc9)
      this.#big(this.#random.chance(0.97) ? body.length : this.#random.below(100), 4)
    } else this.#count(body.length, 0, 0, [0xc7, 0xc8, 0xc9])
    this.#out.push(type)
    for (const byte of body) this.#out.push(byte)
  }
}

function bytesOf64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(value)
  return bytes
}
