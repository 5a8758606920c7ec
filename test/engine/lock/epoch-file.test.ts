import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import {
  encodeEpochFile,
  MAX_EPOCH_FILE_BYTES,
  parseEpochFile,
  RELEASED,
  RELEASED_AT,
} from '../../../engine/lock/epoch-file.js'
import { crc32c } from '../../../engine/format/crc32c.js'

const holder = { pid: 4_000_000_000, host: 'häuschen', incarnation: 'b:1:2', since: 1_700_000_000_123, epoch: 7 }
const storeId = Uint8Array.from({ length: 16 }, (_, i) => i + 1)

t.test('[F4] encodeEpochFile and parseEpochFile are inverse', async (t) => {
  const bytes = encodeEpochFile(holder, storeId)
  t.strictSame(parseEpochFile(bytes), { kind: 'holder', released: false, storeId, holder })
  const none = { ...holder, host: '', incarnation: '' }
  const read = parseEpochFile(encodeEpochFile(none, storeId))
  t.strictSame(read, { kind: 'holder', released: false, storeId, holder: none })
})

t.test('[F4] the bytes are those of the table above the encoder', async (t) => {
  const bytes = encodeEpochFile(holder, storeId)
  t.equal(bytes.toString('latin1', 0, 8), 'ANNALSE\n')
  t.same([bytes.readUInt16LE(8), bytes.readUInt16LE(10), bytes.readUInt32LE(12)], [1, 1, bytes.length])
  t.equal(
    bytes.readUInt32LE(16),
    crc32c(Buffer.concat([bytes.subarray(0, 16), bytes.subarray(20, 56), bytes.subarray(64)]), 0, bytes.length - 12),
  )
  t.same([...bytes.subarray(20, 36)], [...storeId])
  t.same([bytes.readBigUInt64LE(36), bytes.readBigUInt64LE(44)], [7n, 1_700_000_000_123n])
  t.same([bytes.readUInt32LE(52), bytes[64], bytes[74]], [4_000_000_000, 9, 5])
  const source = readFileSync(fileURLToPath(new URL('../../../../engine/lock/epoch-file.ts', import.meta.url)), 'utf8')
  t.same([RELEASED_AT, RELEASED.toString(), RELEASED.length], [56, 'RELEASED', 8])
  for (const row of [
    '| 36     | 8    | u64   | epoch',
    '| 52     | 4    | u32   | pid',
    '| 56     | 8    | bytes | released           | zeros; `RELEASED` once',
  ]) {
    t.ok(source.includes(row), row)
  }
})

t.test('[fault 39] every flipped bit and every cut is noticed', async (t) => {
  const open = encodeEpochFile(holder, storeId)
  const released = Buffer.from(open)
  released.set(RELEASED, RELEASED_AT)
  let unnoticed = 0
  for (const bytes of [open, released]) {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const copy = Buffer.from(bytes)
      copy[bit >> 3]! ^= 1 << (bit & 7)
      if (parseEpochFile(copy).kind === 'holder') unnoticed++
    }
    for (let length = 0; length < bytes.length; length++) {
      if (parseEpochFile(bytes.subarray(0, length)).kind !== 'unfinished') unnoticed++
    }
    if (parseEpochFile(Buffer.concat([bytes, Buffer.alloc(1)])).kind !== 'damaged') unnoticed++
  }
  if (parseEpochFile(Buffer.alloc(200)).kind !== 'unfinished') unnoticed++
  if (parseEpochFile(Buffer.alloc(200, 1)).kind !== 'damaged') unnoticed++
  if (parseEpochFile(Buffer.from('ANNALSL\n')).kind !== 'damaged') unnoticed++
  t.equal(unnoticed, 0)
})

t.test('[F4] [fault 75] released is what is marked so to the last letter, and a torn mark is harmless', async (t) => {
  const bytes = encodeEpochFile(holder, storeId)
  for (let subset = 0; subset < 256; subset++) {
    const copy = Buffer.from(bytes)
    for (let i = 0; i < 8; i++) if (subset & (1 << i)) copy[RELEASED_AT + i] = RELEASED[i]!
    t.match(parseEpochFile(copy), { kind: 'holder', holder, released: subset === 255 })
  }
})

t.test('[fault 52] a newer version is not called damaged', async (t) => {
  const bytes = encodeEpochFile(holder, storeId)
  bytes.writeUInt16LE(9, 8)
  t.strictSame(parseEpochFile(bytes), { kind: 'version', readVersion: 9 })
  t.strictSame(parseEpochFile(bytes.subarray(0, 40)), { kind: 'version', readVersion: 9 })
})

t.test('[F4] long names are cut between two characters', async (t) => {
  const bytes = encodeEpochFile({ ...holder, host: 'ä'.repeat(300), incarnation: 'x'.repeat(300) }, storeId)
  t.ok(bytes.length <= MAX_EPOCH_FILE_BYTES)
  t.match(parseEpochFile(bytes), { holder: { host: 'ä'.repeat(127), incarnation: 'x'.repeat(255) } })
})
