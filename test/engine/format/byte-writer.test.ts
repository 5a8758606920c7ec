import t from 'tap'
import { ByteWriter } from '../../../engine/format/byte-writer.js'

const never = () => {
  throw new Error('overflow is not expected')
}

t.test('ByteWriter writes big-endian numbers, text and bytes one after another', async (t) => {
  const writer = new ByteWriter(Buffer.alloc(64), never)
  writer.u8(0xff)
  writer.u16(0x0102)
  writer.u32(0x03040506)
  writer.u64(0x0708090a0b0c0d0en)
  writer.f64(1.5)
  writer.utf8('é', 2)
  writer.raw(new Uint8Array([1, 2]))
  t.equal(writer.bytes.toString('hex', 0, writer.length), 'ff0102030405060708090a0b0c0d0e3ff8000000000000c3a90102')
})

t.test('ByteWriter moves the unfinished unit, and only that, to the next buffer', async (t) => {
  const asked: number[] = []
  const first = Buffer.alloc(8)
  const second = Buffer.alloc(16)
  const writer = new ByteWriter(first, (least) => {
    asked.push(least)
    return second
  })
  for (const byte of [1, 2, 3, 4, 5, 6]) writer.u8(byte)
  writer.mark = 4
  writer.u32(0x0708090a)
  t.same(asked, [6], 'two bytes of the unit and four to come')
  t.equal(writer.mark, 0)
  t.equal(writer.length, 6)
  t.equal(writer.capacity, 16)
  t.equal(second.toString('hex', 0, 6), '05060708090a')
  t.equal(first.toString('hex'), '0102030405060000', 'what was finished is untouched')
})

t.test('ByteWriter grows for whatever comes next', async (t) => {
  const writes: readonly (readonly [string, (writer: ByteWriter) => void])[] = [
    ['ff', (writer) => writer.u8(0xff)],
    ['0102', (writer) => writer.u16(0x0102)],
    ['03040506', (writer) => writer.u32(0x03040506)],
    ['0708090a0b0c0d0e', (writer) => writer.u64(0x0708090a0b0c0d0en)],
    ['3ff8000000000000', (writer) => writer.f64(1.5)],
    ['c3a9', (writer) => writer.utf8('é', 2)],
    ['0102', (writer) => writer.raw(new Uint8Array([1, 2]))],
  ]
  for (const [hex, write] of writes) {
    const asked: number[] = []
    const writer = new ByteWriter(Buffer.alloc(0), (least) => {
      asked.push(least)
      return Buffer.alloc(least)
    })
    write(writer)
    t.same(asked, [hex.length / 2])
    t.equal(writer.bytes.toString('hex', 0, writer.length), hex)
  }
})

t.test('ByteWriter stays as it was when overflow throws, and remembers what was thrown', async (t) => {
  const failure = new Error('no more')
  const writer = new ByteWriter(Buffer.alloc(2), () => {
    throw failure
  })
  writer.u16(0x0102)
  t.throws(() => writer.u8(3), failure)
  t.equal(writer.failure, failure)
  t.equal(writer.length, 2)
  t.equal(writer.bytes.toString('hex'), '0102')
})

t.test('ByteWriter refuses a next buffer that is too small', async (t) => {
  const writer = new ByteWriter(Buffer.alloc(2), () => Buffer.alloc(2))
  t.throws(() => writer.u32(1), RangeError)
  t.equal(writer.length, 0)
})

t.test('ByteWriter.reset goes on in another buffer at the given place', async (t) => {
  const writer = new ByteWriter(Buffer.alloc(2), never)
  const next = Buffer.alloc(8)
  writer.reset(next, 4)
  writer.u8(7)
  t.equal(writer.mark, 4)
  t.equal(next.toString('hex'), '0000000007000000')
})

t.test('ByteWriter writes at the right place of a buffer that is part of a larger one', async (t) => {
  const whole = Buffer.alloc(16)
  const writer = new ByteWriter(whole.subarray(4, 12), never)
  writer.u32(0x01020304)
  t.equal(whole.toString('hex'), '00000000010203040000000000000000')
})
