import t from 'tap'
import { streamKey } from '../../../engine/format/names.js'
import { windowOf } from '../../../engine/format/frame.js'
import { encodeSeal, encodeShape } from '../../../engine/format/shape-record.js'
import { MAX_COMMIT_BYTES } from '../../../engine/limits.js'
import { checkSegmentHeader, scanFile, scanFrames, type SegmentContents } from '../../../engine/streams/segment-scan.js'
import { resealed } from '../../support/forge.js'
import { SeededRandom } from '../../support/random.js'
import { numbered, TestMachine } from '../store/test-machine.js'

const KEY = streamKey('a')
const OTHER = streamKey('b')

/** The segment of a stream `a` with four events, and what it takes to read it. */
async function segment(): Promise<{ bytes: Buffer; path: string; storeId: Buffer; start: number }> {
  const machine = new TestMachine()
  const store = await machine.open({ durability: 'os' })
  await store.append('a', numbered(4))
  await store.flush()
  await store.close()
  const path = machine.find('.seg')[0]!
  const bytes = machine.contents(path)
  const storeId = Buffer.from(bytes.subarray(20, 36))
  return { bytes, path, storeId, start: bytes.readUInt32LE(12) }
}

const scan = (bytes: Buffer, from: number, version = 0, key = KEY): SegmentContents =>
  scanFrames(windowOf(bytes), 0, from, version, key, MAX_COMMIT_BYTES)

t.test('[fault 51] records of a right checksum that no stream segment has', async (t) => {
  const { bytes, start } = await segment()
  const first = bytes.subarray(start, start + bytes.readUInt32LE(start))
  const shape = encodeShape({ id: 1, keys: ['x'] })
  const cases: readonly (readonly [Buffer, string])[] = [
    [resealed(shape, (record) => record.writeUInt16LE(0, 12)), 'a shape definition is malformed'],
    [resealed(shape, (record) => (record[8] = 1)), 'a record of a kind that does not belong here'],
    [resealed(first, (record) => record.writeUInt16LE(9999, 12)), 'an event is malformed'],
    [encodeSeal(3), 'the seal names another offset'],
  ]
  for (const [record, reason] of cases) {
    const found = scan(Buffer.concat([first, record]), 0)
    t.match(found, { version: 1, nextBase: undefined, fault: reason }, reason)
  }
})

t.test('[F2] events are visited in order, with where they are', async (t) => {
  const { bytes, start } = await segment()
  const seen: number[][] = []
  const sink = (offset: number, byte: number): unknown => seen.push([offset, byte])
  const found = scanFrames(windowOf(bytes.subarray(start)), start, 0, 0, KEY, MAX_COMMIT_BYTES, sink)
  t.match(found, { version: 4, bytes: bytes.length, nextBase: undefined, fault: undefined })
  t.same(
    seen.map(([offset]) => offset),
    [0, 1, 2, 3],
  )
  t.equal(seen[0]![1], start)
  for (const [i, [, byte]] of seen.entries()) {
    t.equal(byte! + bytes.readUInt32LE(byte), seen[i + 1]?.[1] ?? bytes.length)
  }
})

t.test('[F2] a segment cut short counts up to its last whole event, whatever the byte', async (t) => {
  const { bytes, start } = await segment()
  for (let size = start; size < bytes.length; size++) {
    const found = scan(bytes.subarray(0, size), start)
    t.ok(found.version < 4 && found.bytes <= size)
    t.equal(found.fault === undefined, found.bytes === size, `cut to ${size}`)
  }
})

t.test('[F2] no changed byte is taken for an event', async (t) => {
  const { bytes, start } = await segment()
  for (let at = start; at < bytes.length; at++) {
    const changed = Buffer.from(bytes)
    changed[at]! ^= 1
    const found = scan(changed, start)
    t.ok(found.fault !== undefined && found.bytes <= at, `byte ${at}`)
  }
})

t.test('[F2] events of another stream or at another offset are none of this segment', async (t) => {
  const { bytes, start } = await segment()
  t.match(scan(bytes, start, 0, OTHER), { version: 0, bytes: start, fault: /another stream/ })
  t.match(scan(bytes, start, 7), { version: 7, bytes: start, fault: /offset 0 instead of 7/ })
})

t.test('[F2] a seal ends a segment and names what follows', async (t) => {
  const { bytes, start } = await segment()
  const sealed = Buffer.concat([bytes, encodeSeal(4)])
  t.match(scan(sealed, start), { version: 4, bytes: sealed.length, nextBase: 4, fault: undefined })
  t.match(scan(Buffer.concat([bytes, encodeSeal(5)]), start), { bytes: bytes.length, fault: /names another offset/ })
  t.match(scan(Buffer.concat([sealed, encodeSeal(4)]), start), { bytes: sealed.length, fault: /follows the seal/ })
})

t.test('[fault 52] a header is refused that is not the one of this segment', async (t) => {
  const { bytes, path, storeId, start } = await segment()
  t.same(checkSegmentHeader(bytes, path, KEY, 0, storeId), { start, previousBase: 0 })
  const refused = (reason: RegExp, change: () => unknown): void => {
    t.throws(change, { code: 'ERR_CORRUPT', message: reason, file: path })
  }
  refused(/another store/, () => checkSegmentHeader(bytes, path, KEY, 0, Buffer.alloc(16)))
  refused(/another stream/, () => checkSegmentHeader(bytes, path, OTHER, 0, storeId))
  refused(/starts at offset 0, its name says 4/, () => checkSegmentHeader(bytes, path, KEY, 4, storeId))
  refused(/empty/, () => checkSegmentHeader(Buffer.alloc(200), path, KEY, 0, storeId))
  refused(/no stream segment/, () => checkSegmentHeader(Buffer.alloc(200, 'x'), path, KEY, 0, storeId))
  refused(/ends inside its header/, () => checkSegmentHeader(bytes.subarray(0, start - 1), path, KEY, 0, storeId))
  const newer = Buffer.from(bytes)
  newer.writeUInt16LE(2, 8)
  t.throws(() => checkSegmentHeader(newer, path, KEY, 0, storeId), { code: 'ERR_FORMAT', message: /version 2/ })
})

t.test('[R8] a file is scanned in pieces, whatever the length of its records and wherever a piece ends', async (t) => {
  const random = new SeededRandom(11)
  const machine = new TestMachine()
  const store = await machine.open({ durability: 'os' })
  for (let n = 0; n < 60; n++) {
    const length = n === 20 ? 3_000_000 : random.below(8) === 0 ? random.below(700_000) : random.below(5000)
    await store.append('a', [{ type: 'T', data: new Uint8Array(length) }])
  }
  await store.flush()
  await store.close()
  const path = machine.find('.seg')[0]!
  const bytes = machine.contents(path)
  const start = bytes.readUInt32LE(12)
  t.ok(bytes.length > 5_000_000)
  const { files } = machine.environment
  let largest = 0
  const scanned = (end = bytes.length): { found: SegmentContents; seen: number[][] } => {
    const handle = files.open(path, 'read')
    const read = handle.readSync.bind(handle)
    handle.readSync = (target, offset, length, position) => {
      largest = Math.max(largest, length)
      return read(target, offset, length, position)
    }
    const seen: number[][] = []
    const from = { byte: start, number: 0 }
    const found = scanFile(handle, from, end, KEY, MAX_COMMIT_BYTES, (...event) => seen.push([event[0], event[1]]))
    handle.close()
    return { found, seen }
  }
  const whole: number[][] = []
  const expected = scanFrames(windowOf(bytes), 0, start, 0, KEY, MAX_COMMIT_BYTES, (...event) =>
    whole.push([event[0], event[1]]),
  )
  t.same(scanned(), { found: expected, seen: whole })
  t.ok(largest < 3_100_000, `${largest} bytes at a time: the longest record`)
  const [, last] = whole.at(-1)!
  t.match(scanned(last! + 30).found, { version: 59, bytes: last, fault: /./ }, 'a record that is cut off')
  t.match(scanned(bytes.length + 100).found, { version: 60, bytes: bytes.length, fault: undefined }, 'a file that ends')
  for (const [, byte] of [whole[3]!, whole[21]!, whole[40]!]) {
    const damaged = Buffer.from(bytes)
    damaged[byte! + 40]! ^= 1
    machine.write(path, damaged)
    const parts = scanFrames(windowOf(damaged), 0, start, 0, KEY, MAX_COMMIT_BYTES)
    t.same(scanned().found, parts)
    t.equal(parts.bytes, byte)
  }
})
