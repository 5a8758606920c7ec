import fc from 'fast-check'
import { Packr } from 'msgpackr'
import t from 'tap'
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from '../../../engine/format/checkpoint.js'
import { crc32c } from '../../../engine/format/crc32c.js'
import { encodeHeader, HEADER_FIXED_BYTES } from '../../../engine/format/file-header.js'

const storeId = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')
const number = fc.maxSafeNat()
const checkpoint: fc.Arbitrary<Checkpoint> = fc.record(
  {
    epoch: number,
    clean: fc.boolean(),
    redo: fc.record(
      { base: number, epoch: number, byte: number, sequence: number, position: number },
      { noNullPrototype: true },
    ),
    settledPosition: number,
    lastTimestamp: fc.integer({ min: -8.64e15, max: 8.64e15 }),
    shapes: fc.uniqueArray(
      fc.record(
        { id: fc.integer({ min: 1, max: 65_535 }), keys: fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 5 }) },
        { noNullPrototype: true },
      ),
      { maxLength: 5, selector: ({ id }) => id },
    ),
  },
  { noNullPrototype: true },
)
const sample: Checkpoint = {
  ...{ epoch: 3, clean: true, settledPosition: 5, lastTimestamp: 1_700_000_000_000 },
  redo: { base: 4, epoch: 2, byte: 96, sequence: 9, position: 7 },
  shapes: [{ id: 1, keys: ['a', '__proto__'] }],
}

/** A file with this body and a right checksum. */
function forged(body: unknown): Buffer {
  const packed = new Packr({ useRecords: false }).pack(body)
  const head = Buffer.alloc(8)
  head.writeUInt32LE(packed.length, 0)
  head.writeUInt32LE(crc32c(packed, 0, packed.length), 4)
  const epoch = (body as { epoch?: unknown } | null)?.epoch
  return Buffer.concat([
    encodeHeader({ kind: 'C', storeId, epoch: Number.isSafeInteger(epoch) ? Math.max(0, epoch as number) : 0 }),
    head,
    packed,
  ])
}

t.test('decodeCheckpoint gives back what encodeCheckpoint was given', (t) => {
  fc.assert(
    fc.property(checkpoint, (checkpoint) => {
      t.same(decodeCheckpoint(encodeCheckpoint(storeId, checkpoint), storeId), { kind: 'checkpoint', checkpoint })
    }),
    { numRuns: 50 },
  )
  t.end()
})

t.test('[F2] length and checksum of the body follow the header', (t) => {
  const bytes = encodeCheckpoint(storeId, sample)
  t.equal(bytes.readUInt32LE(HEADER_FIXED_BYTES), bytes.length - HEADER_FIXED_BYTES - 8)
  t.equal(bytes.readUInt32LE(HEADER_FIXED_BYTES + 4), crc32c(bytes, HEADER_FIXED_BYTES + 8, bytes.length))
  t.end()
})

t.test(
  '[fault 48] a checkpoint that is empty, cut, flipped or of another store is unusable, a newer one says so',
  (t) => {
    const bytes = encodeCheckpoint(storeId, sample)
    for (let length = 0; length < bytes.length; length++) {
      t.equal(decodeCheckpoint(bytes.subarray(0, length), storeId).kind, 'unusable')
    }
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      if (decodeCheckpoint(flipped, storeId).kind === 'checkpoint') t.fail(`bit ${bit} went unnoticed`)
    }
    t.match(decodeCheckpoint(bytes, Buffer.alloc(16, 1)), { kind: 'unusable', reason: /another store/ })
    t.match(decodeCheckpoint(Buffer.alloc(300), storeId), { kind: 'unusable' })
    t.match(decodeCheckpoint(Buffer.concat([bytes, bytes]), storeId), { kind: 'unusable' })
    const newer = Buffer.from(bytes)
    newer.writeUInt16LE(2, 8)
    t.match(decodeCheckpoint(newer, storeId), { kind: 'version', readVersion: 2 })
    t.end()
  },
)

t.test('[fault 59] a body with a right checksum and wrong fields is unusable', (t) => {
  t.equal(decodeCheckpoint(forged(sample), storeId).kind, 'checkpoint')
  const wrong: unknown[] = [
    null,
    7,
    [],
    {},
    { ...sample, epoch: -1 },
    { ...sample, epoch: 2 ** 60 },
    { ...sample, clean: 1 },
    { ...sample, redo: null },
    { ...sample, redo: { ...sample.redo, byte: 1.5 } },
    { ...sample, settledPosition: 'x' },
    { ...sample, lastTimestamp: NaN },
    { ...sample, shapes: {} },
    { ...sample, shapes: [null] },
    { ...sample, shapes: [{ id: 'x', keys: [] }] },
    { ...sample, shapes: [{ id: 1, keys: [2] }] },
  ]
  for (const body of wrong) t.equal(decodeCheckpoint(forged(body), storeId).kind, 'unusable', JSON.stringify(body))
  t.end()
})

t.test('[fault 48] bodies with a shape that no table can hold are unusable', (t) => {
  const shapes = [
    [{ id: 0, keys: ['a'] }],
    [{ id: 70_000, keys: ['a'] }],
    [{ id: 1, keys: ['a', 'a'] }],
    [
      { id: 1, keys: ['a'] },
      { id: 1, keys: ['b'] },
    ],
  ]
  for (const list of shapes) t.equal(decodeCheckpoint(forged({ ...sample, shapes: list }), storeId).kind, 'unusable')
  t.end()
})
