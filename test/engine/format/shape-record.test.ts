import fc from 'fast-check'
import t from 'tap'
import { checkFrame, sealFrame, windowOf } from '../../../engine/format/frame.js'
import { decodeSeal, decodeShape, encodeSeal, encodeShape, SEAL_BYTES } from '../../../engine/format/shape-record.js'
import { MAX_SHAPE_KEYS } from '../../../engine/limits.js'

const decode = (bytes: Buffer) => decodeShape(windowOf(bytes), 0, bytes.length)

t.test('[F2] every field of a shape record stands where the table says', (t) => {
  const bytes = encodeShape({ id: 0x0102, keys: ['a', 'né', ''] })
  t.equal(bytes.toString('hex', 8), '03000201' + '0300' + '010061' + '03006ec3a9' + '0000' + '1c000000')
  t.equal(bytes.readUInt32LE(0), bytes.length)
  t.equal(checkFrame(windowOf(bytes), 0, bytes.length, 100), bytes.length)
  t.end()
})

t.test('decodeShape gives back what encodeShape was given', (t) => {
  const keys = fc.uniqueArray(fc.string({ unit: 'grapheme', maxLength: 20 }), {
    minLength: 1,
    maxLength: MAX_SHAPE_KEYS,
  })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 65_535 }), keys, (id, keys) =>
      t.same(decode(encodeShape({ id, keys })), { id, keys }),
    ),
    { numRuns: 50 },
  )
  t.end()
})

t.test('[fault 50] [fault 59] shapes with impossible contents are refused though their checksum is right', (t) => {
  const forged = (change: (bytes: Buffer) => void): Buffer => {
    const window = windowOf(encodeShape({ id: 5, keys: ['one', 'two'] }))
    change(window.bytes)
    sealFrame(window, 0, window.bytes.length)
    return window.bytes
  }
  t.same(decode(forged(() => {})), { id: 5, keys: ['one', 'two'] })
  t.equal(decode(forged((bytes) => bytes.writeUInt16LE(0, 10))), undefined, 'id 0')
  for (const count of [0, 1, 3, MAX_SHAPE_KEYS + 1, 65_535]) {
    t.equal(decode(forged((bytes) => bytes.writeUInt16LE(count, 12))), undefined, `${count} keys`)
  }
  for (const length of [0, 2, 4, 65_535]) {
    t.equal(decode(forged((bytes) => bytes.writeUInt16LE(length, 14))), undefined, `first key of ${length} bytes`)
  }
  t.equal(decode(forged((bytes) => bytes.write('one', 21))), undefined, 'a key twice')
  t.equal(decode(forged((bytes) => (bytes[8] = 4))), undefined, 'another kind')
  t.end()
})

t.test('[F1] a seal names the base of the next segment', (t) => {
  const bytes = encodeSeal(2 ** 40 + 7)
  t.equal(bytes.length, SEAL_BYTES)
  t.equal(bytes.readUInt32LE(0), 28)
  t.equal(bytes[8], 4)
  t.equal(bytes.readBigUInt64LE(16), 2n ** 40n + 7n)
  t.equal(checkFrame(windowOf(bytes), 0, 28, 28), 28)
  t.equal(decodeSeal(windowOf(bytes), 0, 28), 2 ** 40 + 7)
  t.equal(decodeSeal(windowOf(bytes), 0, 24), undefined)
  bytes.writeBigUInt64LE(2n ** 60n, 16)
  t.equal(decodeSeal(windowOf(bytes), 0, 28), undefined, 'beyond safe integers')
  bytes[8] = 3
  t.equal(decodeSeal(windowOf(bytes), 0, 28), undefined)
  t.end()
})
