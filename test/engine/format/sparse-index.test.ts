import fc from 'fast-check'
import t from 'tap'
import { crc32c } from '../../../engine/format/crc32c.js'
import { windowOf } from '../../../engine/format/frame.js'
import {
  bytesBelow,
  decodeEntries,
  encodeEntries,
  findEntry,
  INDEX_ENTRY_BYTES,
  IndexBuilder,
  type IndexEntry,
  StoredEntries,
} from '../../../engine/format/sparse-index.js'

const HEADER_CRC = 0xdeadbeef

/** Events as they follow each other in a segment: dense numbers, rising bytes, any times. */
const events = fc
  .array(fc.tuple(fc.integer({ min: 20, max: 200 }), fc.integer({ min: -1000, max: 1000 })), { maxLength: 60 })
  .map((sizes) => {
    let byte = 96
    return sizes.map(([size, time], number) => {
      const event = { number, byte, time, size }
      byte += size
      return event
    })
  })

function built(
  interval: number,
  all: readonly { number: number; byte: number; time: number; size: number }[],
): readonly IndexEntry[] {
  const builder = new IndexBuilder(interval)
  for (const { number, byte, time, size } of all) builder.add(number, byte, time, size)
  builder.finish()
  return builder.entries
}

t.test('[F3] an entry stands for the first event and then for each that starts an interval later', (t) => {
  fc.assert(
    fc.property(events, fc.integer({ min: 1, max: 500 }), (all, interval) => {
      const entries = built(interval, all)
      const expected: number[] = []
      for (const { byte } of all) if (expected.length === 0 || byte - expected.at(-1)! >= interval) expected.push(byte)
      t.same(
        entries.map(({ byte }) => byte),
        expected,
      )
      for (const [i, entry] of entries.entries()) {
        const stretch = all.filter(({ byte }) => byte >= entry.byte && byte < (entries[i + 1]?.byte ?? Infinity))
        const times = stretch.map(({ time }) => time)
        t.same(entry, {
          number: stretch[0]!.number,
          byte: stretch[0]!.byte,
          end: entries[i + 1]?.byte ?? all.at(-1)!.byte + all.at(-1)!.size,
          minTime: Math.min(...times),
          maxTime: Math.max(...times),
        })
      }
    }),
    { numRuns: 30 },
  )
  t.end()
})

t.test('[F3] an index that is taken up again comes out identical', (t) => {
  fc.assert(
    fc.property(events, fc.integer({ min: 1, max: 500 }), fc.nat(59), (all, interval, cut) => {
      const first = new IndexBuilder(interval)
      for (const { number, byte, time, size } of all.slice(0, cut)) first.add(number, byte, time, size)
      // The last finished entry is made again from its events: more of them may have come.
      const kept = first.entries.slice(0, -1)
      const from = first.entries.at(-1)?.byte ?? 0
      const resumed = IndexBuilder.resume(interval, kept)
      for (const { number, byte, time, size } of all) if (byte >= from) resumed.add(number, byte, time, size)
      resumed.finish()
      t.same(resumed.entries, built(interval, all))
    }),
    { numRuns: 50 },
  )
  t.end()
})

t.test('[F2] every field of an entry stands where the table says', (t) => {
  const bytes = encodeEntries(
    [{ number: 2 ** 40, minTime: -1.5, maxTime: 7, byte: 0x01020304, end: 0x05060708 }],
    0,
    HEADER_CRC,
  )
  t.equal(bytes.length, INDEX_ENTRY_BYTES)
  t.equal(bytes.readBigUInt64LE(0), 2n ** 40n)
  t.equal(bytes.readDoubleLE(8), -1.5)
  t.equal(bytes.readDoubleLE(16), 7)
  t.equal(bytes.readUInt32LE(24), 0x01020304)
  t.equal(bytes.readUInt32LE(28), 0x05060708)
  const checked = Buffer.concat([Buffer.from('efbeadde', 'hex'), bytes.subarray(0, 32)])
  t.equal(bytes.readUInt32LE(32), crc32c(checked, 0, 36))
  t.end()
})

t.test('[F3] entries are read back, and in pieces as they were written', (t) => {
  fc.assert(
    fc.property(events, fc.nat(20), (all, from) => {
      const entries = built(100, all)
      const start = Math.min(from, entries.length)
      const bytes = Buffer.concat([
        encodeEntries(entries.slice(0, start), 0, HEADER_CRC),
        encodeEntries(entries, start, HEADER_CRC),
      ])
      t.same(decodeEntries(windowOf(bytes), 0, bytes.length, HEADER_CRC), entries)
    }),
    { numRuns: 50 },
  )
  t.end()
})

t.test('[F3] [fault 49] cut, flipped, foreign and unordered entries are noticed', (t) => {
  const entries = built(
    50,
    Array.from({ length: 10 }, (_, number) => ({ number, byte: 96 + 60 * number, time: number, size: 60 })),
  )
  const bytes = encodeEntries(entries, 0, HEADER_CRC)
  const decode = (changed: Buffer, crc = HEADER_CRC) => decodeEntries(windowOf(changed), 0, changed.length, crc)
  t.same(decode(bytes), entries)
  for (let length = 1; length < bytes.length; length++) {
    if (length % INDEX_ENTRY_BYTES !== 0) t.equal(decode(bytes.subarray(0, length)), undefined)
  }
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    if (decode(flipped) !== undefined) t.fail(`bit ${bit} went unnoticed`)
  }
  t.equal(decode(bytes, HEADER_CRC + 1), undefined, 'under the header of another file')
  t.equal(decode(Buffer.alloc(72)), undefined, 'zeros')
  t.equal(decode(encodeEntries(entries.toReversed(), 0, HEADER_CRC)), undefined, 'going back')
  t.equal(decode(encodeEntries([entries[0]!, entries[0]!], 0, HEADER_CRC)), undefined, 'repeated')
  t.equal(decode(encodeEntries(entries.toSpliced(3, 1), 0, HEADER_CRC)), undefined, 'one is missing')
  const empty = { ...entries[0]!, end: entries[0]!.byte }
  t.equal(decode(encodeEntries([empty], 0, HEADER_CRC)), undefined, 'of no bytes')
  t.end()
})

t.test('findEntry returns the last entry at or below a number', (t) => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(100)), fc.nat(101), (numbers, wanted) => {
      const entries = entriesOf(numbers)
      return findEntry(entries, wanted) === entries.filter(({ number }) => number <= wanted).at(-1)
    }),
  )
  t.end()
})

t.test('findEntry finds its way in long indexes, however unevenly the numbers lie', (t) => {
  for (const power of [0.2, 1, 7]) {
    const entries = entriesOf(Array.from({ length: 500 }, (_, i) => 3 + i + Math.floor(10_000 * (i / 500) ** power)))
    let last = -1
    for (let wanted = 0; wanted <= entries.at(-1)!.number + 2; wanted++) {
      if (entries[last + 1]?.number === wanted) last++
      if (findEntry(entries, wanted) !== entries[last]) t.fail(`${wanted} of power ${power}`)
    }
    t.equal(last, 499)
  }
  t.end()
})

t.test('bytesBelow tells how far the bytes of some numbers go, where the index goes that far', (t) => {
  const entries = entriesOf([3, 10, 20, 30]).map((entry) => ({ ...entry, byte: 100 * entry.number }))
  t.equal(bytesBelow(entries, 0, 4), 700)
  t.equal(bytesBelow(entries, 0, 10), 700)
  t.equal(bytesBelow(entries, 0, 11), 1700)
  t.equal(bytesBelow(entries, 1, 30), 2000)
  t.equal(bytesBelow(entries, 1, 31), undefined, 'nobody knows where the last entry ends')
  t.equal(bytesBelow(entries, -1, 4), undefined)
  t.equal(bytesBelow([], -1, 4), undefined)
  t.end()
})

function entriesOf(
  numbers: readonly number[],
): { number: number; byte: number; end: number; minTime: number; maxTime: number }[] {
  return [...numbers].sort((a, b) => a - b).map((number) => ({ number, byte: number, end: 0, minTime: 0, maxTime: 0 }))
}

t.test('[F3] entries of a file are checked when they are used, and no others', (t) => {
  const entries = Array.from({ length: 200 }, (_, i) => ({
    number: i * 3,
    byte: 96 + i * 50,
    end: 146 + i * 50,
    minTime: -i,
    maxTime: i / 7,
  }))
  const right = encodeEntries(entries, 0, HEADER_CRC)
  const stored = (bytes: Buffer): StoredEntries =>
    new StoredEntries(windowOf(bytes), 0, bytes.length / INDEX_ENTRY_BYTES, HEADER_CRC)
  const whole = stored(right)
  whole.check()
  t.equal(whole.length, 200)
  t.same(
    entries.map((_, i) => whole.at(i)),
    entries,
  )
  t.same([whole.at(-1), whole.at(200)], [undefined, undefined])
  for (let number = -1; number < 610; number++) t.same(findEntry(stored(right), number), findEntry(entries, number))
  for (let at = 100 * INDEX_ENTRY_BYTES; at < 101 * INDEX_ENTRY_BYTES; at++) {
    const bytes = Buffer.from(right)
    bytes[at]! ^= 0x10
    const read = stored(bytes)
    t.throws(() => read.at(100), { name: 'WrongIndexError' })
    t.throws(() => read.check(), { name: 'WrongIndexError' })
    t.throws(() => read.at(100), { name: 'WrongIndexError' }, 'and it stays wrong')
    t.same(read.at(99), entries[99])
    t.same(findEntry(stored(bytes), 30), entries[10], 'found without it')
  }
  const missing = Buffer.concat([right.subarray(0, 100 * INDEX_ENTRY_BYTES), right.subarray(101 * INDEX_ENTRY_BYTES)])
  t.throws(() => stored(missing).at(100), { name: 'WrongIndexError' })
  t.throws(() => stored(missing).check(), { name: 'WrongIndexError' })
  t.throws(() => new StoredEntries(windowOf(right), 0, 200, HEADER_CRC - 1).at(0), { name: 'WrongIndexError' })
  t.end()
})
