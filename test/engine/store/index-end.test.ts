/** The index of the segment that is written to: of a long one, the first use of a stream reads the end only. */
import t, { type Test } from 'tap'
import type { FileEventStore, OpenOptions } from '../../../engine/index.js'
import {
  decodeEntries,
  encodeEntries,
  INDEX_ENTRY_BYTES,
  type IndexEntry,
} from '../../../engine/format/sparse-index.js'
import { windowOf } from '../../../engine/format/frame.js'
import { verify } from '../../../engine/recovery/verify.js'
import { countUp, datas, TestMachine } from './test-machine.js'

const options: OpenOptions = { durability: 'os', limits: { indexIntervalBytes: 256, readWindowBytes: 4096 } }
/** Of some 100 bytes each, three in a stretch: about 1,300 entries. */
const EVENTS = 4000
/** More than a page of an index, and much less than all of it. */
const END_BYTES = 8192
const START = 1_000_000

async function filled(): Promise<{ machine: TestMachine; path: string; right: Buffer }> {
  const machine = new TestMachine()
  const store = await machine.open(options)
  await append(store, 0, EVENTS)
  await store.checkpoint()
  await store.close()
  const path = machine.find('.idx', '/store/streams')[0]!
  const right = machine.contents(path)
  t.ok(right.length > 4 * END_BYTES)
  return { machine, path, right }
}

async function append(store: FileEventStore, from: number, to: number): Promise<void> {
  await store.append(
    's',
    countUp(to - from, from).map((n) => ({ type: 'T', data: n, timestamp: START + n })),
  )
}

/** Bytes read meanwhile of files whose name ends so. */
async function bytesRead(machine: TestMachine, suffix: string, work: () => Promise<unknown>): Promise<number> {
  machine.files.record()
  await work()
  const reads = machine.files.trace!.filter(({ kind, path }) => kind === 'read' && path.endsWith(suffix))
  return reads.reduce((sum, { length }) => sum + length!, 0)
}

const at = (store: FileEventStore, fromOffset: number): Promise<unknown[]> =>
  datas(store.readStream('s', { fromOffset, limit: 2 }))

async function assertAnswers(t: Test, store: FileEventStore): Promise<void> {
  for (let from = 3; from < EVENTS - 2; from += 311) {
    t.same(await at(store, from), [from, from + 1])
    const backward = datas(store.readStream('s', { fromOffset: from, limit: 2, direction: 'backward' }))
    t.same(await backward, [from, from - 1])
    const times = { fromTime: START + from, toTime: START + from + 2 }
    t.same(await datas(store.readStream('s', times)), [from, from + 1, from + 2])
  }
}

t.test('[R3] the version, an append, and reads near the end take only the end of the index', async (t) => {
  const { machine, right, path } = await filled()
  const store = await machine.open(options)
  const read = await bytesRead(machine, path, async () => {
    t.equal((await store.streamInfo('s')).version, EVENTS)
    t.same(await at(store, EVENTS - 2), [EVENTS - 2, EVENTS - 1])
    t.same(await datas(store.readStream('s', { direction: 'backward', limit: 1 })), [EVENTS - 1])
    const times = { fromOffset: EVENTS - 60, fromTime: START + EVENTS - 20 }
    t.equal((await datas(store.readStream('s', times))).length, 20)
    await append(store, EVENTS, EVENTS + 100)
    await store.flush()
    t.same(await at(store, EVENTS + 90), [EVENTS + 90, EVENTS + 91])
  })
  t.ok(read > 0 && read < END_BYTES, `${read} bytes`)
  const once = await bytesRead(machine, path, () => assertAnswers(t, store))
  t.ok(once >= right.length - END_BYTES && once <= machine.contents(path).length, `${once} bytes`)
  t.equal(await bytesRead(machine, path, () => assertAnswers(t, store)), 0, 'from then on in memory')
  await store.close()
  const written = machine.contents(path)
  t.same(written.subarray(0, right.length), right, 'it goes on behind what was there')
  t.ok(written.length > right.length)
  const { findings } = await verify(machine.environment, '/store', options)
  t.same(findings, [])
})

const MIDDLE = INDEX_ENTRY_BYTES * 600

const DAMAGE: Record<string, (right: Buffer, header: number) => Buffer> = {
  'with a flipped bit in the middle': (right, header) => {
    const bytes = Buffer.from(right)
    bytes[header + MIDDLE + 3]! ^= 1
    return bytes
  },
  'with a page of zeros': (right, header) => Buffer.from(right).fill(0, header + MIDDLE, header + MIDDLE + 4096),
  'with noise but for its end': (right, header) => {
    const bytes = Buffer.from(right)
    for (let i = header; i < right.length - END_BYTES; i++) bytes[i] = (i * 2654435761) >>> 13
    return bytes
  },
  // All checksums are right.
  'of which an entry is missing': (right, header) =>
    Buffer.concat([right.subarray(0, header + MIDDLE), right.subarray(header + MIDDLE + INDEX_ENTRY_BYTES)]),
  'whose last entry names another event': (right, header) => {
    const entries = decodeEntries(windowOf(right), header, right.length, right.readUInt32LE(16))!
    const last = entries.at(-1)!
    const wrong = encodeEntries([{ ...last, number: last.number + 1 }], 0, right.readUInt32LE(16))
    return Buffer.concat([right.subarray(0, -INDEX_ENTRY_BYTES), wrong])
  },
  'with a page of earlier contents': (right, header) => {
    const entries = decodeEntries(windowOf(right), header, right.length, right.readUInt32LE(16))!
    const [from, to] = [500, 620]
    // It shows only where they begin.
    const earlier = entries
      .slice(from, to)
      .map((entry, i): IndexEntry => ({ ...entry, byte: entry.byte + (i === 0 ? 7 : 0), minTime: 0, maxTime: 0 }))
    const bytes = Buffer.from(right)
    encodeEntries(earlier, 0, right.readUInt32LE(16)).copy(bytes, header + from * INDEX_ENTRY_BYTES)
    return bytes
  },
}

for (const [what, damage] of Object.entries(DAMAGE)) {
  t.test(
    `[F3] [fault 15] [fault 49] a long index ${what}: the answers are the same, and it is made again`,
    async (t) => {
      const { machine, path, right } = await filled()
      machine.write(path, damage(right, right.readUInt32LE(12)))
      const store = await machine.open(options)
      await assertAnswers(t, store)
      const again = await bytesRead(machine, '.seg', async () => {
        for (const from of [100, 1800, 3900]) t.same(await at(store, from), [from, from + 1])
      })
      t.ok(again < 6 * 1024, `made once, and not for each read: ${again} bytes`)
      await append(store, EVENTS, EVENTS + 100)
      await store.flush()
      await assertAnswers(t, store)
      await store.close()
      t.same(machine.contents(path).subarray(0, right.length), right)
    },
  )
}

t.test('[R12] [fault 15] a read of a time that begins behind the damage of an index misses no event', async (t) => {
  const { machine, path, right } = await filled()
  machine.write(path, DAMAGE['with a page of earlier contents']!(right, right.readUInt32LE(12)))
  for (const direction of ['forward', 'backward'] as const) {
    const store = await machine.open(options)
    const offset = 4 * 560
    const times = { fromTime: START + offset - 3, toTime: START + offset + 3 }
    const forward = direction === 'forward'
    const read = await datas(store.readStream('s', { ...times, direction, fromOffset: forward ? offset : offset + 3 }))
    t.same(read, forward ? countUp(4, offset) : countUp(7, offset - 3).reverse())
    await store.close()
  }
})

t.test('[F3] an index that is cut or taken away while the store is open is made again', async (t) => {
  for (const spoil of [
    (machine: TestMachine, path: string) => machine.remove(path),
    (machine: TestMachine, path: string, right: Buffer) => machine.write(path, right.subarray(0, right.length / 2)),
  ]) {
    const { machine, path, right } = await filled()
    const store = await machine.open(options)
    await store.streamInfo('s')
    spoil(machine, path, right)
    await assertAnswers(t, store)
    await append(store, EVENTS, EVENTS + 100)
    await store.flush()
    await assertAnswers(t, store)
    await store.close()
    t.same(machine.contents(path).subarray(0, right.length), right)
  }
})

t.test('[fault 39] beside damage of the segment, a wrong index tells of what lies before', async (t) => {
  const { machine, path, right } = await filled()
  machine.write(path, DAMAGE['with a page of zeros']!(right, right.readUInt32LE(12)))
  const segment = machine.find('.seg')[0]!
  const bytes = machine.contents(segment)
  bytes[Math.floor(bytes.length * 0.7)]! ^= 1
  machine.write(segment, bytes)
  const store = await machine.open(options)
  for (const from of [10, 1700, 1900, EVENTS - 10]) t.same(await at(store, from), [from, from + 1])
  await t.rejects(datas(store.readStream('s')), { code: 'ERR_CORRUPT' })
  await store.append('s', [{ type: 'T', data: EVENTS, timestamp: START + EVENTS }])
  await store.flush()
  t.same(await at(store, EVENTS - 1), [EVENTS - 1, EVENTS])
  await store.close()
})
