import fc from 'fast-check'
import t from 'tap'
import { crc32c } from '../../../engine/format/crc32c.js'
import {
  encodeHeader,
  type FileHeader,
  type FileKind,
  HEADER_FIXED_BYTES,
  parseHeader,
} from '../../../engine/format/file-header.js'
import { windowOf } from '../../../engine/format/frame.js'

const storeId = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')
const parse = (bytes: Buffer, kind: FileKind = 'L', end = bytes.length) => parseHeader(windowOf(bytes), end, kind)

/** As whoever forges a file would: the checksum is made right again. */
function reseal(bytes: Buffer): Buffer {
  bytes.writeUInt32LE(crc32c(bytes, 20, bytes.readUInt32LE(12), crc32c(bytes, 0, 16)), 16)
  return bytes
}

t.test('[F2] every field of the header stands where the table says', (t) => {
  const bytes = encodeHeader({
    kind: 'L',
    storeId,
    epoch: 0x0101,
    base: 0x0202,
    previousBase: 0x0303,
    previousEpoch: 0x0404,
    previousEnd: 0x0505,
    sequence: 0x0606,
    durable: 2 ** 40,
    shapes: true,
    name: Buffer.from('né'),
  })
  t.equal(bytes.length, HEADER_FIXED_BYTES + 3)
  t.equal(bytes.toString('latin1', 0, 8), 'ANNALSL\n')
  t.equal(bytes.readUInt16LE(8), 1)
  t.equal(bytes.readUInt16LE(10), 1)
  t.equal(bytes.readUInt32LE(12), bytes.length)
  t.equal(bytes.readUInt32LE(16), crc32c(bytes, 20, bytes.length, crc32c(bytes, 0, 16)))
  t.same(bytes.subarray(20, 36), storeId)
  t.same(
    [36, 44, 52, 60, 68, 76, 84].map((at) => bytes.readBigUInt64LE(at)),
    [0x0101n, 0x0202n, 0x0303n, 0x0404n, 0x0505n, 0x0606n, 2n ** 40n],
  )
  t.equal(bytes.readUInt16LE(92), 1)
  t.equal(bytes.readUInt16LE(94), 3)
  t.equal(bytes.toString('utf8', 96), 'né')
  t.end()
})

t.test('parseHeader gives back what encodeHeader was given', (t) => {
  const number = fc.maxSafeNat()
  const header: fc.Arbitrary<FileHeader> = fc.record({
    kind: fc.constantFrom<FileKind>('H', 'L', 'P', 'T', 'S', 'I', 'C'),
    storeId: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((id) => Buffer.from(id)),
    epoch: number,
    base: number,
    previousBase: number,
    previousEpoch: number,
    previousEnd: number,
    sequence: number,
    durable: number,
    shapes: fc.boolean(),
    name: fc.uint8Array({ maxLength: 1000 }).map((name) => Buffer.from(name)),
  })
  fc.assert(
    fc.property(header, fc.nat(50), (header, behind) => {
      const encoded = encodeHeader(header)
      const verdict = parse(Buffer.concat([encoded, Buffer.alloc(behind, 1)]), header.kind)
      t.same(verdict, { kind: 'header', header, length: encoded.length })
    }),
  )
  t.same(parse(encodeHeader({ kind: 'H', storeId }), 'H'), {
    kind: 'header',
    length: HEADER_FIXED_BYTES,
    header: {
      ...{ kind: 'H', storeId, epoch: 0, base: 0, previousBase: 0, previousEpoch: 0, previousEnd: 0, sequence: 0 },
      ...{ durable: 0, shapes: false, name: Buffer.alloc(0) },
    },
  })
  t.end()
})

t.test('[fault 52] the magic is judged before the version, and the version before the checksum', (t) => {
  const bytes = encodeHeader({ kind: 'L', storeId })
  t.match(parse(bytes, 'S'), { kind: 'foreign' }, 'another kind of file')
  const newer = Buffer.from(bytes)
  newer.writeUInt16LE(7, 8)
  newer.writeUInt16LE(9, 10)
  t.same(parse(newer), { kind: 'version', readVersion: 7, writeVersion: 9 }, 'its checksum is wrong, too')
  const later = Buffer.from(bytes)
  later.writeUInt16LE(2, 10)
  t.match(parse(later), { kind: 'damaged', reason: /checksum/ })
  t.match(parse(reseal(later)), { kind: 'header' }, 'a later writer, whose file this reader may read')
  newer.write('X', 0)
  t.match(parse(newer), { kind: 'foreign' })
  t.end()
})

t.test('[fault 40] a header cut anywhere is damaged, and no bytes or zeros are empty', (t) => {
  const bytes = encodeHeader({ kind: 'S', storeId, name: Buffer.from('orders') })
  t.same(parse(bytes, 'S', 0), { kind: 'empty' })
  for (let end = 1; end < bytes.length; end++) {
    t.match(parse(bytes, 'S', end), { kind: 'damaged', reason: /ends inside/ })
  }
  for (const size of [8, 96, 4096]) t.same(parse(Buffer.alloc(size)), { kind: 'empty' })
  t.match(parse(Buffer.alloc(5)), { kind: /^(?:empty|damaged)$/ })
  t.end()
})

t.test('[U3] [fault 39] a flipped bit anywhere in the header is noticed', (t) => {
  const bytes = encodeHeader({ kind: 'S', storeId, name: Buffer.from('orders') })
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    const { kind } = parse(flipped, 'S')
    // The write version says nothing about how to read, but its bytes are checked like all others.
    if (kind === 'header') t.fail(`bit ${bit} went unnoticed`)
  }
  t.end()
})

t.test('[fault 50] hostile header and name lengths are refused', (t) => {
  for (const length of [0, 95, 4096 + 97, 2 ** 32 - 1]) {
    const bytes = encodeHeader({ kind: 'L', storeId })
    bytes.writeUInt32LE(length, 12)
    t.match(parse(bytes), { kind: 'damaged', reason: /impossible/ })
  }
  const name = encodeHeader({ kind: 'L', storeId, name: Buffer.from('abc') })
  name.writeUInt16LE(2, 94)
  t.match(parse(reseal(name)), { kind: 'damaged', reason: /name length/ })
  t.end()
})
