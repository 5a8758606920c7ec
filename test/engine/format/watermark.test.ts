import t from 'tap'
import { crc32c } from '../../../engine/format/crc32c.js'
import { windowOf } from '../../../engine/format/frame.js'
import {
  emptyWatermarks,
  encodeWatermark,
  faultOfWatermark,
  newestWatermark,
  type Watermark,
  WATERMARK_BYTES,
  WATERMARK_PLACES,
  WATERMARK_RECORD_BYTES,
  watermarkAt,
  watermarkSeed,
} from '../../../engine/format/watermark.js'

/** Where the checksum of a record stands. */
const CRC_AT = 60

const STORE = Buffer.from('0123456789abcdef')
const OTHER = Buffer.from('another store id')

const markOf = (writer: number, sequence = 7): Watermark => ({
  writer,
  place: { sequence, position: 2 ** 40 + sequence, base: 5, epoch: writer, byte: 1000 },
})

/** A file in which these writers have said how far they are. */
function fileOf(...marks: Watermark[]): Buffer {
  const bytes = emptyWatermarks(STORE)
  const seed = watermarkSeed(bytes)
  for (const mark of marks) {
    const record = windowOf(Buffer.alloc(WATERMARK_RECORD_BYTES))
    encodeWatermark(record, seed, mark)
    record.bytes.copy(bytes, watermarkAt(mark.writer))
  }
  return bytes
}

t.test('[F4] a file that nobody has written to says nothing, and nothing is wrong with it', async (t) => {
  const bytes = emptyWatermarks(STORE)
  t.equal(bytes.length, WATERMARK_BYTES)
  t.equal(newestWatermark(bytes, STORE), undefined)
  t.equal(faultOfWatermark(bytes, STORE), undefined)
})

t.test('[F4] the newest writer counts, wherever its record stands', async (t) => {
  t.same(newestWatermark(fileOf(markOf(3)), STORE), markOf(3))
  t.same(newestWatermark(fileOf(markOf(3), markOf(4), markOf(2)), STORE), markOf(4))
  t.same(newestWatermark(fileOf(markOf(15), markOf(16)), STORE), markOf(16), 'the place of 16 is before that of 15')
  t.equal(watermarkAt(3), watermarkAt(3 + WATERMARK_PLACES))
  t.same(newestWatermark(fileOf(markOf(3, 1), markOf(3, 2)), STORE), markOf(3, 2), 'a writer overwrites its own')
})

t.test('[F4] [fault 39] no bit of a record can be changed and the record be believed', async (t) => {
  const sound = fileOf(markOf(8), markOf(9))
  for (let bit = 0; bit < 8 * WATERMARK_RECORD_BYTES; bit++) {
    const bytes = Buffer.from(sound)
    bytes[watermarkAt(9) + (bit >> 3)]! ^= 1 << (bit & 7)
    t.same(newestWatermark(bytes, STORE), markOf(8), `bit ${bit}`)
    t.equal(faultOfWatermark(bytes, STORE), watermarkAt(9))
  }
})

t.test('[fault 46] a watermark of another store, or of another header, is none', async (t) => {
  const bytes = fileOf(markOf(8))
  t.equal(newestWatermark(bytes, OTHER), undefined)
  t.equal(faultOfWatermark(bytes, OTHER), 0)
  const moved = emptyWatermarks(OTHER)
  bytes.copy(moved, watermarkAt(8), watermarkAt(8), watermarkAt(8) + WATERMARK_RECORD_BYTES)
  t.equal(newestWatermark(moved, OTHER), undefined, 'its checksum begins with that of the header')
})

t.test('[fault 40] a file that was cut says what it still holds, and is told to be wrong', async (t) => {
  const sound = fileOf(markOf(1), markOf(2))
  for (let length = 0; length < sound.length; length++) {
    const cut = sound.subarray(0, length)
    const writer = newestWatermark(cut, STORE)?.writer
    t.ok(writer === undefined || writer === 1 || writer === 2)
    if (length >= watermarkAt(2) + WATERMARK_RECORD_BYTES) t.equal(writer, 2)
    t.equal(faultOfWatermark(cut, STORE), 0)
  }
})

t.test('[fault 50] a record under a right checksum that no writer has made says nothing', async (t) => {
  const sound = fileOf(markOf(8))
  t.same(newestWatermark(sound, STORE), markOf(8))
  const crafted = (at: number, value: bigint): Watermark | undefined => {
    const bytes = Buffer.from(sound)
    const record = bytes.subarray(watermarkAt(8), watermarkAt(8) + WATERMARK_RECORD_BYTES)
    record.writeBigUInt64LE(value, at)
    record.writeUInt32LE(crc32c(record, 0, CRC_AT, watermarkSeed(bytes)), CRC_AT)
    return newestWatermark(bytes, STORE)
  }
  t.equal(crafted(0, 0n), undefined, 'a writer without an epoch')
  for (let at = 0; at < 48; at += 8) t.equal(crafted(at, 2n ** 60n), undefined, `a number beyond all numbers at ${at}`)
  t.same(crafted(8, 9n), { writer: 8, place: { ...markOf(8).place, sequence: 9 } }, 'another number is believed')
})
