import type { ByteWriter } from './byte-writer.js'
import { isWellFormed } from './shapes.js'
import { EXT_BIGINT, EXT_TIMESTAMP, EXT_UNDEFINED } from './value-format.js'

/** Writers of single MessagePack tokens. The layout of each is in `docs/values.md`. */

/** Strings below this many UTF-16 units are copied by a loop; a native call costs more than that. */
const SHORT_STRING = 64

/** Writes an integer of up to 32 bits as its shortest token, any other number as float 64. */
export function writeNumber(writer: ByteWriter, value: number): void {
  if (writer.length + 9 > writer.capacity) writer.grow(9)
  const at = writer.length
  const bytes = writer.bytes
  // -0 is an integer to both operators.
  if ((value | 0) === value && (value !== 0 || 1 / value > 0)) {
    if (value >= 0) {
      if (value < 0x80) {
        bytes[at] = value
        writer.length = at + 1
      } else if (value < 0x100) {
        bytes[at] = 0xcc
        bytes[at + 1] = value
        writer.length = at + 2
      } else if (value < 0x10000) {
        bytes[at] = 0xcd
        bytes[at + 1] = value >>> 8
        bytes[at + 2] = value
        writer.length = at + 3
      } else {
        bytes[at] = 0xce
        writer.view.setUint32(at + 1, value)
        writer.length = at + 5
      }
    } else if (value >= -0x20) {
      bytes[at] = value
      writer.length = at + 1
    } else if (value >= -0x80) {
      bytes[at] = 0xd0
      bytes[at + 1] = value
      writer.length = at + 2
    } else if (value >= -0x8000) {
      bytes[at] = 0xd1
      bytes[at + 1] = value >> 8
      bytes[at + 2] = value
      writer.length = at + 3
    } else {
      bytes[at] = 0xd2
      writer.view.setInt32(at + 1, value)
      writer.length = at + 5
    }
  } else if (value >>> 0 === value && value !== 0) {
    bytes[at] = 0xce
    writer.view.setUint32(at + 1, value)
    writer.length = at + 5
  } else {
    bytes[at] = 0xcb
    // The one NaN has many bit patterns; always the same one is written.
    if (value === value) writer.view.setFloat64(at + 1, value)
    else writer.view.setBigUint64(at + 1, 0x7ff8000000000000n)
    writer.length = at + 9
  }
}

/** Writes a string. Returns false, with nothing that counts written, if it has a lone surrogate and so no UTF-8. */
export function writeString(writer: ByteWriter, value: string): boolean {
  const units = value.length
  if (units >= SHORT_STRING) return writeLongString(writer, value)
  if (writer.length + 3 * units + 2 > writer.capacity) writer.grow(3 * units + 2)
  const bytes = writer.bytes
  let at = writer.length
  if (units < 32) {
    bytes[at++] = 0xa0 | units
  } else {
    bytes[at++] = 0xd9
    bytes[at++] = units
  }
  for (let index = 0; index < units; index++) {
    const unit = value.charCodeAt(index)
    if (unit > 0x7f) return writeShortUnicode(writer, value, at, index)
    bytes[at++] = unit
  }
  writer.length = at
  return true
}

/** Goes on with a short string whose unit at `index` is the first beyond ASCII; there is room for three bytes a unit. */
function writeShortUnicode(writer: ByteWriter, value: string, at: number, index: number): boolean {
  const bytes = writer.bytes
  const start = at - index
  const units = value.length
  while (index < units) {
    const unit = value.charCodeAt(index++)
    if (unit < 0x80) {
      bytes[at++] = unit
    } else if (unit < 0x800) {
      bytes[at++] = 0xc0 | (unit >> 6)
      bytes[at++] = 0x80 | (unit & 0x3f)
    } else if (unit < 0xd800 || unit > 0xdfff) {
      bytes[at++] = 0xe0 | (unit >> 12)
      bytes[at++] = 0x80 | ((unit >> 6) & 0x3f)
      bytes[at++] = 0x80 | (unit & 0x3f)
    } else {
      const low = index < units ? value.charCodeAt(index++) : 0
      if (unit > 0xdbff || low < 0xdc00 || low > 0xdfff) return false
      const point = (unit - 0xd800) * 0x400 + (low - 0xdc00) + 0x10000
      bytes[at++] = 0xf0 | (point >> 18)
      bytes[at++] = 0x80 | ((point >> 12) & 0x3f)
      bytes[at++] = 0x80 | ((point >> 6) & 0x3f)
      bytes[at++] = 0x80 | (point & 0x3f)
    }
  }
  const byteCount = at - start
  if (start - writer.length === 2) {
    bytes[start - 1] = byteCount
  } else if (byteCount < 32) {
    bytes[start - 1] = 0xa0 | byteCount
  } else {
    // The header was that of a string of up to 31 bytes.
    bytes.copyWithin(start + 1, start, at++)
    bytes[start - 1] = 0xd9
    bytes[start] = byteCount
  }
  writer.length = at
  return true
}

function writeLongString(writer: ByteWriter, value: string): boolean {
  const byteCount = Buffer.byteLength(value)
  if (byteCount !== value.length && !isWellFormed(value)) return false
  writer.ensure(byteCount + 5)
  if (byteCount < 0x100) writeLength8(writer, 0xd9, byteCount)
  else writeLength(writer, 0xda, byteCount)
  writer.utf8(value, byteCount)
  return true
}

/** Writes the header of an array of `count` elements. */
export function writeArrayHeader(writer: ByteWriter, count: number): void {
  if (count < 16) writer.u8(0x90 | count)
  else writeLength(writer, 0xdc, count)
}

/** Writes the header of a map of `count` pairs. */
export function writeMapHeader(writer: ByteWriter, count: number): void {
  if (count < 16) writer.u8(0x80 | count)
  else writeLength(writer, 0xde, count)
}

/** Writes bytes. */
export function writeBinary(writer: ByteWriter, value: Uint8Array): void {
  const byteCount = value.length
  writer.ensure(byteCount + 5)
  if (byteCount < 0x100) writeLength8(writer, 0xc4, byteCount)
  else writeLength(writer, 0xc5, byteCount)
  writer.raw(value)
}

export function writeUndefined(writer: ByteWriter): void {
  if (writer.length + 3 > writer.capacity) writer.grow(3)
  const at = writer.length
  writer.bytes[at] = 0xd4
  writer.bytes[at + 1] = EXT_UNDEFINED
  writer.bytes[at + 2] = 0
  writer.length = at + 3
}

/** Writes a time value, which must be valid, as the shortest of the three standard timestamps. */
export function writeTimestamp(writer: ByteWriter, time: number): void {
  const seconds = Math.floor(time / 1000)
  const nanoseconds = (time - seconds * 1000) * 1_000_000
  writer.ensure(15)
  if (nanoseconds === 0 && seconds >= 0 && seconds <= 0xffffffff) {
    writer.u8(0xd6)
    writer.u8(EXT_TIMESTAMP)
    writer.u32(seconds)
  } else if (seconds >= 0 && seconds < 2 ** 34) {
    writer.u8(0xd7)
    writer.u8(EXT_TIMESTAMP)
    writer.u32(nanoseconds * 4 + Math.floor(seconds / 2 ** 32))
    writer.u32(seconds >>> 0)
  } else {
    writer.u8(0xc7)
    writer.u8(12)
    writer.u8(EXT_TIMESTAMP)
    writer.u32(nanoseconds)
    writer.u64(BigInt.asUintN(64, BigInt(seconds)))
  }
}

/** Writes a bigint as a 64-bit integer token (which always means a bigint), beyond that as an extension. */
export function writeBigint(writer: ByteWriter, value: bigint): void {
  if (value >= 0n && BigInt.asUintN(64, value) === value) {
    writer.u8(0xcf)
    writer.u64(value)
  } else if (value < 0n && BigInt.asIntN(64, value) === value) {
    writer.u8(0xd3)
    writer.u64(BigInt.asUintN(64, value))
  } else {
    const digits = (value < 0n ? -value : value).toString(16)
    const magnitude = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex')
    if (magnitude.length + 1 < 0x100) writeLength8(writer, 0xc7, magnitude.length + 1)
    else writeLength(writer, 0xc8, magnitude.length + 1)
    writer.u8(EXT_BIGINT)
    writer.u8(value < 0n ? 1 : 0)
    writer.raw(magnitude)
  }
}

function writeLength8(writer: ByteWriter, token: number, length: number): void {
  writer.u8(token)
  writer.u8(length)
}

/** Writes `token` and a 16-bit length, or the next token, which is the same with 32 bits. */
function writeLength(writer: ByteWriter, token: number, length: number): void {
  if (length < 0x10000) {
    writer.u8(token)
    writer.u16(length)
  } else {
    writer.u8(token + 1)
    writer.u32(length)
  }
}
