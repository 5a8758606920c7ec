import t from 'tap'
import { encodeHeader, HEADER_FIXED_BYTES } from '../../../engine/format/file-header.js'
import { encodeEntries, type IndexEntry } from '../../../engine/format/sparse-index.js'
import { crc32c } from '../../../engine/format/crc32c.js'
import { StreamTableBuilder } from '../../../engine/format/stream-table.js'
import { STORE_ID } from '../../support/forge.js'
import { inspected, problemsOf } from './inspect-support.js'

const INDEX = '0000000000000000-0000000001.idx'
const TABLE = '0000000000000000-0000000001.tab'
const START = HEADER_FIXED_BYTES
const ENTRY_BYTES = 36

t.test('[U3] entries of an index follow each other and name places that can be', (t) => {
  const header = encodeHeader({ kind: 'P', storeId: STORE_ID, epoch: 1 })
  const entry = (number: number, byte: number, end: number): IndexEntry => ({
    number,
    byte,
    end,
    minTime: 1,
    maxTime: 2,
  })
  const found = (...entries: readonly IndexEntry[]): string[] =>
    problemsOf(INDEX, Buffer.concat([header, encodeEntries(entries, 0, header.readUInt32LE(16))]))
  const second = START + ENTRY_BYTES
  t.same(found(entry(0, 96, 500), entry(7, 500, 900)), [])
  t.same(found(entry(0, 96, 96)), [`I11 ${START} an entry names an impossible place`])
  const gap = [`I11 ${second} an entry does not begin where the one before ends`]
  t.same(found(entry(0, 96, 500), entry(7, 501, 900)), gap)
  t.same(found(entry(3, 96, 500), entry(3, 500, 900)), gap)
  const cut = Buffer.concat([header, encodeEntries([entry(0, 96, 500)], 0, header.readUInt32LE(16))]).subarray(0, -5)
  t.same(problemsOf(INDEX, cut), [`I11 ${START} the file ends inside an entry`])
  t.end()
})

t.test('[U3] a stream table says what of it is not right', (t) => {
  const header = encodeHeader({ kind: 'T', storeId: STORE_ID, epoch: 1, previousEnd: 5000 })
  const builder = new StreamTableBuilder()
  for (let i = 0; i < 12; i++) builder.add('a', undefined, i, 96 + 50 * i)
  builder.add('b', undefined, 4, 900)
  const right = builder.encode()
  const found = (table: Buffer): string[] => problemsOf(TABLE, Buffer.concat([header, table]))
  t.same(found(right), [])
  const { records } = inspected(TABLE, Buffer.concat([header, right]))
  t.match(records, [
    { stream: 'a', offset: 0, detail: /^12 from offset 0, at bytes 96, 146, .*, …$/ },
    { stream: 'b', offset: 4, detail: '1 from offset 4, at bytes 900' },
  ])

  t.same(found(right.subarray(0, 10)), [`I12 ${START} the file ends inside the table`])
  const size = right.length
  t.same(found(right.subarray(0, -1)), [`I12 ${START} the table says ${size} bytes, and there are ${size - 1}`])
  const flipped = Buffer.from(right)
  flipped[size - 1]! ^= 1
  t.same(found(flipped), [`I12 ${START} the checksum of the table is wrong`])
  t.end()
})

t.test('[U3] checkpoints and watermarks that do not count say why', (t) => {
  const header = encodeHeader({ kind: 'C', storeId: STORE_ID, epoch: 1 })
  t.same(problemsOf('checkpoint', header), [`I12 ${START} the checkpoint cannot be used: its length is wrong`])
  const body = Buffer.from([0x80])
  const head = Buffer.alloc(8)
  head.writeUInt32LE(1, 0)
  head.writeUInt32LE(crc32c(body, 0, 1), 4)
  t.same(problemsOf('checkpoint', Buffer.concat([header, head, body])), [
    `I12 ${START} the checkpoint cannot be used: a field is missing`,
  ])
  const watermark = encodeHeader({ kind: 'W', storeId: STORE_ID })
  const told = problemsOf(
    'watermark',
    Buffer.concat([watermark, Buffer.alloc(64), Buffer.alloc(64, 1), Buffer.alloc(9, 1)]),
  )
  t.match(told, [
    /^I12 96 the file has 233 bytes instead of \d+/,
    /^I12 160 a place of the watermark/,
    /^I12 224 a place/,
  ])
  t.end()
})
