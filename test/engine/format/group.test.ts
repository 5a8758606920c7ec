import fc from 'fast-check'
import t from 'tap'
import { checkFrame, windowOf } from '../../../engine/format/frame.js'
import {
  decodeGroup,
  encodeGroup,
  type Group,
  GROUP_BYTES,
  GROUP_MARK,
  GROUP_MARK_AT,
} from '../../../engine/format/group.js'

const storeId = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')

function encoded(group: Group, before = 0): Buffer {
  const window = windowOf(Buffer.alloc(before + GROUP_BYTES, 0xee))
  encodeGroup(window, before, storeId, group)
  return window.bytes
}

const number = fc.maxSafeNat()
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const group: fc.Arbitrary<Group> = fc.record({
  ...{ epoch: number, sequence: number, byte: number, firstPosition: number, durable: number },
  ...{ frames: u32, events: u32, bodyBytes: u32, digest: u32 },
})

t.test('[F2] every field of a group stands where the table says', (t) => {
  const bytes = encoded({
    ...{ epoch: 1, sequence: 2, byte: 3, firstPosition: 4, durable: 5, frames: 6, events: 7, bodyBytes: 8, digest: 9 },
  })
  t.equal(bytes.length, 84)
  t.equal(bytes.readUInt32LE(0), 84)
  t.equal(bytes[8], 1)
  t.equal(bytes[9], 0)
  t.equal(bytes.readUInt16LE(10), 0)
  t.equal(bytes.toString('latin1', 12, 16), 'GRP\n')
  t.equal(bytes.indexOf(GROUP_MARK), GROUP_MARK_AT)
  t.same(bytes.subarray(16, 24), storeId.subarray(0, 8))
  t.same(
    [24, 32, 40, 48, 56].map((at) => bytes.readBigUInt64LE(at)),
    [1n, 2n, 3n, 4n, 5n],
  )
  t.same(
    [64, 68, 72, 76, 80].map((at) => bytes.readUInt32LE(at)),
    [6, 7, 8, 9, 84],
  )
  t.end()
})

t.test('decodeGroup gives back what encodeGroup was given', (t) => {
  fc.assert(
    fc.property(group, fc.nat(30), (group, before) => {
      const window = windowOf(encoded(group, before))
      t.equal(checkFrame(window, before, before + GROUP_BYTES, GROUP_BYTES), GROUP_BYTES)
      t.same(decodeGroup(window, before, GROUP_BYTES, storeId), group)
    }),
    { numRuns: 50 },
  )
  t.end()
})

t.test('[fault 6] [fault 46] groups of another store, other kinds and other lengths are none', (t) => {
  const group = {
    epoch: 1,
    sequence: 2,
    byte: 3,
    firstPosition: 4,
    durable: 2,
    frames: 1,
    events: 1,
    bodyBytes: 9,
    digest: 9,
  }
  const window = windowOf(encoded(group))
  t.equal(decodeGroup(window, 0, GROUP_BYTES, Buffer.alloc(16, 1)), undefined)
  t.equal(decodeGroup(window, 0, GROUP_BYTES - 4, storeId), undefined)
  for (const at of [8, GROUP_MARK_AT, GROUP_MARK_AT + 3, 16, 23]) {
    const other = windowOf(encoded(group))
    other.bytes[at]! ^= 2
    t.equal(decodeGroup(other, 0, GROUP_BYTES, storeId), undefined, `byte ${at}`)
  }
  t.end()
})
