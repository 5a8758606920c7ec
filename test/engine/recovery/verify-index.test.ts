import t from 'tap'
import { encodeHeader } from '../../../engine/format/file-header.js'
import { encodeEntries, INDEX_ENTRY_BYTES, IndexBuilder } from '../../../engine/format/sparse-index.js'
import { IndexCheck } from '../../../engine/recovery/verify-index.js'

const ID = Buffer.from('0123456789abcdef')
const HEADER = encodeHeader({ kind: 'P', storeId: ID, base: 10, epoch: 1 })
const INTERVAL = 100

/** 50 events of 30 bytes each. */
function eachEvent(add: (number: number, byte: number, timestamp: number, length: number) => void): void {
  for (let i = 0; i < 50; i++) add(10 + i, 96 + 30 * i, 1000 + (i % 7), 30)
}

function index(interval: number, finished: boolean): Buffer {
  const builder = new IndexBuilder(interval)
  eachEvent((...event) => builder.add(...event))
  if (finished) builder.finish()
  return Buffer.concat([HEADER, encodeEntries(builder.entries, 0, HEADER.readUInt32LE(16))])
}

function verdict(bytes: Buffer, sealed: boolean | undefined, interval = INTERVAL): string | undefined {
  const check = new IndexCheck(bytes, HEADER, interval)
  eachEvent((...event) => check.add(...event))
  return check.verdict(sealed)
}

t.test('[F3] the index that the records give is right, with an entry for the last stretch where it is sealed', (t) => {
  const wrong = 'the index is not what the segment gives'
  t.equal(verdict(index(INTERVAL, true), true), undefined)
  t.equal(verdict(index(INTERVAL, false), false), undefined)
  t.equal(verdict(index(INTERVAL, false), true), wrong)
  t.equal(verdict(index(INTERVAL, true), false), wrong)
  for (const finished of [true, false]) t.equal(verdict(index(INTERVAL, finished), undefined), undefined)
  t.end()
})

t.test('[F3] an index made with another interval is right; one without entries must have this one', (t) => {
  for (const interval of [1, 30, 31, 250, 700, 100_000]) {
    t.equal(verdict(index(interval, true), true), undefined, `${interval}`)
  }
  for (const interval of [250, 700]) t.equal(verdict(index(interval, false), false), undefined, `${interval}`)
  t.match(verdict(HEADER, undefined), /not what/, 'no entry at all')
  t.equal(verdict(HEADER, false, 100_000), undefined)
  t.end()
})

t.test('[F3] [fault 49] a damaged index says how', (t) => {
  const bytes = index(INTERVAL, true)
  const flipped = (at: number): Buffer => {
    const copy = Buffer.from(bytes)
    copy[at]! ^= 1
    return copy
  }
  t.equal(verdict(flipped(HEADER.length + 9), true), 'an entry of the index is damaged')
  t.equal(verdict(bytes.subarray(0, -1), true), 'an entry of the index is damaged')
  t.match(verdict(bytes.subarray(0, -INDEX_ENTRY_BYTES), true), /not what/, 'the last entry is gone')
  t.equal(verdict(flipped(17), true), 'the header of the index is damaged')
  t.equal(verdict(Buffer.alloc(0), true), 'the header of the index is damaged')
  const other = encodeHeader({ kind: 'P', storeId: ID, base: 11, epoch: 1 })
  t.equal(verdict(Buffer.concat([other, bytes.subarray(HEADER.length)]), true), 'the index belongs to another segment')
  t.end()
})
