import t from 'tap'
import {
  addToFilter,
  blocksOf,
  decodeKeyFileHead,
  encodeKeyFileHead,
  filterBytesOf,
  filterHas,
  KEY_BLOCK_BYTES,
  keyFileHeadBytes,
  keyFileHeader,
  type KeyedSegment,
} from '../../../engine/format/key-file.js'

const STORE = Buffer.from('0123456789abcdef')
const SEGMENTS: readonly KeyedSegment[] = [
  { base: 7, epoch: 2 },
  { base: 90, epoch: 3 },
]

/** The part before the blocks, with `segments` behind a header that is that of `SEGMENTS`. */
function headOf(segments = SEGMENTS, entries = 300): Buffer {
  const { header, seed } = keyFileHeader(STORE, SEGMENTS, 5000)
  const filter = Buffer.alloc(filterBytesOf(entries, 1e6))
  addToFilter(filter, 1, 2)
  return encodeKeyFileHead(header, { segments, end: 200, entries, fences: Uint32Array.of(1, 9), filter, seed })
}

const sizeOf = (head: Buffer): number => head.length + 2 * KEY_BLOCK_BYTES

t.test('[F2] the part before the blocks comes back as it was', (t) => {
  const bytes = headOf()
  t.equal(keyFileHeadBytes(bytes), bytes.length)
  const head = decodeKeyFileHead(bytes, sizeOf(bytes), STORE)!
  t.match(head, { segments: SEGMENTS, lastBytes: 5000, end: 200, entries: 300, blocksAt: bytes.length })
  t.same([...head.fences], [1, 9])
  t.ok(filterHas(head.filter, 1, 2))
  t.notOk(filterHas(head.filter, 3, 4))
  t.equal(blocksOf(300), 2)
  t.end()
})

t.test('[fault 49] what does not fit together is no key file, whatever its checksums say', (t) => {
  const bytes = headOf()
  t.equal(keyFileHeadBytes(bytes.subarray(0, 100)), undefined, 'cut before it says how long it is')
  t.equal(decodeKeyFileHead(bytes, sizeOf(bytes) - 1, STORE), undefined, 'another size')
  t.equal(decodeKeyFileHead(bytes, sizeOf(bytes), Buffer.from('another store id')), undefined, 'another store')
  t.equal(decodeKeyFileHead(bytes.subarray(0, -1), sizeOf(bytes), STORE), undefined, 'cut')
  const damaged = Buffer.from(bytes)
  damaged[bytes.length - 1]! ^= 1
  t.equal(decodeKeyFileHead(damaged, sizeOf(bytes), STORE), undefined, 'another filter')
  for (const [segments, what] of [
    [[], 'no segments'],
    [[{ base: 8, epoch: 2 }], 'begins with another segment than its header says'],
    [[{ base: 7, epoch: 3 }], 'begins with a segment of another writer'],
  ] as const) {
    const other = headOf(segments)
    t.equal(decodeKeyFileHead(other, sizeOf(other), STORE), undefined, what)
  }
  const many = headOf(SEGMENTS, 3000)
  t.equal(decodeKeyFileHead(many, sizeOf(many), STORE), undefined, 'more entries than its blocks hold')
  t.end()
})
