import fc from 'fast-check'
import t from 'tap'
import { crc32c } from '../../../engine/format/crc32c.js'
import { windowOf } from '../../../engine/format/frame.js'
import { streamKey } from '../../../engine/format/names.js'
import { StreamTable, StreamTableBuilder } from '../../../engine/format/stream-table.js'

const parse = (bytes: Buffer) => StreamTable.parse(windowOf(bytes), 0, bytes.length)

/** Streams in a log segment: a name, the offset of the first event, and a byte for each event. */
const content = fc.uniqueArray(
  fc.record({
    name: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
    first: fc.nat().map((n) => n * 2 ** 20),
    bytes: fc.array(fc.nat(), { minLength: 1, maxLength: 6 }),
  }),
  { selector: ({ name }) => name, maxLength: 20 },
)

function build(streams: readonly { name: string; first: number; bytes: readonly number[] }[]): StreamTableBuilder {
  const builder = new StreamTableBuilder()
  // Interleaved, as in a log.
  for (let i = 0; i < 6; i++) {
    for (const { name, first, bytes } of streams) {
      if (i < bytes.length) builder.add(name, streamKey(name).hash, first + i, bytes[i]!)
    }
  }
  return builder
}

t.test('what was collected is found again, in memory and in the encoded table', (t) => {
  fc.assert(
    fc.property(content, fc.string({ minLength: 13, maxLength: 13 }), (streams, unknown) => {
      const builder = build(streams)
      const table = parse(builder.encode())
      t.equal(builder.size, streams.length)
      for (const found of [builder, table!]) {
        t.same([...found.names()].sort(), streams.map(({ name }) => name).sort())
        for (const { name, first, bytes } of streams) {
          t.same(found.lookup(streamKey(name)), { firstOffset: first, bytes })
        }
        t.equal(found.lookup(streamKey(unknown)), undefined)
      }
    }),
    { numRuns: 30 },
  )
  t.end()
})

t.test('in a large table every stream is found, also where hashes lie unevenly', (t) => {
  const all = Array.from({ length: 5000 }, (_, n) => ({ name: `s-${n}`, first: n, bytes: [n] }))
  const hashOf = ({ name }: { name: string }): number => streamKey(name).hash
  // Each part is dense in one place: a search that expects them spread begins far from it.
  const low = (one: { name: string }): boolean => hashOf(one) < 2 ** 28
  const high = (one: { name: string }): boolean => hashOf(one) > 2 ** 32 - 2 ** 28
  for (const [what, streams] of [
    ['all', all],
    ['low', all.filter(low)],
    ['high', all.filter(high)],
    ['at both ends', all.filter((one) => low(one) || high(one))],
  ] as const) {
    t.ok(streams.length > 200)
    const table = parse(build(streams).encode())!
    const found = all.filter((one) => table.lookup(streamKey(one.name)) !== undefined)
    t.same(found, streams, what)
    t.ok(
      streams.every(({ name, first }) => table.lookup(streamKey(name))!.firstOffset === first),
      what,
    )
  }
  t.end()
})

t.test('[F2] every field of a stream table stands where the table says', (t) => {
  const builder = new StreamTableBuilder()
  builder.add('aé', streamKey('aé').hash, 2 ** 33, 100)
  builder.add('aé', streamKey('aé').hash, 2 ** 33 + 1, 300)
  const bytes = builder.encode()
  t.same(
    [0, 4, 8].map((at) => bytes.readUInt32LE(at)),
    [1, 2, 3],
  )
  t.equal(bytes.readUInt32LE(12), crc32c(bytes, 16, bytes.length, crc32c(bytes, 0, 12)))
  t.same(
    [16, 20, 24, 28].map((at) => bytes.readUInt32LE(at)),
    [streamKey('aé').hash, 0, 0, 2],
  )
  t.equal(bytes.readBigUInt64LE(32), 2n ** 33n)
  t.equal(bytes.readUInt32LE(40), 100)
  t.equal(bytes.readUInt32LE(44), 300)
  t.equal(bytes.toString('utf8', 48), 'aé')
  t.end()
})

t.test('entries are ordered by hash, so that a lookup is a binary search', (t) => {
  const names = Array.from({ length: 100 }, (_, i) => `stream-${i}`)
  const bytes = build(names.map((name) => ({ name, first: 0, bytes: [1] }))).encode()
  const hashes = names.map((_, i) => bytes.readUInt32LE(16 + 24 * i))
  t.same(
    hashes,
    [...hashes].sort((a, b) => a - b),
  )
  t.end()
})

t.test('[fault 66] two names with one hash are told apart', (t) => {
  const builder = new StreamTableBuilder()
  const { hash } = streamKey('one')
  builder.add('other', hash, 0, 7)
  builder.add('one', hash, 5, 9)
  const table = parse(builder.encode())!
  t.same(table.lookup(streamKey('one')), { firstOffset: 5, bytes: [9] })
  t.same(builder.lookup(streamKey('one')), { firstOffset: 5, bytes: [9] })
  t.end()
})

t.test('a stream ends before a gap that damage has left', (t) => {
  const builder = new StreamTableBuilder()
  for (const [offset, byte] of [
    [3, 10],
    [4, 20],
    [6, 30],
    [7, 40],
  ] as const) {
    builder.add('a', 1, offset, byte)
  }
  t.same(builder.lookup(streamKey('a')), { firstOffset: 3, bytes: [10, 20] })
  t.end()
})

t.test('[U3] [fault 49] a table that is cut, flipped or claims too much is not taken', (t) => {
  const bytes = build([
    { name: 'a', first: 0, bytes: [1, 2] },
    { name: 'bc', first: 9, bytes: [3] },
  ]).encode()
  t.ok(parse(bytes))
  for (let length = 0; length < bytes.length; length++) t.equal(parse(bytes.subarray(0, length)), undefined)
  t.equal(parse(Buffer.concat([bytes, Buffer.alloc(1)])), undefined)
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    if (parse(flipped) !== undefined) t.fail(`bit ${bit} went unnoticed`)
  }
  t.equal(parse(Buffer.alloc(0)), undefined)
  t.end()
})
