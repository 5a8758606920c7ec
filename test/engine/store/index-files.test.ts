import t, { type Test } from 'tap'
import type { FileEventStore, OpenOptions } from '../../../engine/index.js'
import { INDEX_ENTRY_BYTES } from '../../../engine/format/sparse-index.js'
import { countUp, datas, numbered, TestMachine } from './test-machine.js'

const INTERVAL = 1024
const options: OpenOptions = {
  durability: 'os',
  limits: { indexIntervalBytes: INTERVAL, streamSegmentBytes: 200_000, logSegmentBytes: 300_000 },
}
const EVENTS = 6000

/** One long stream of events of some 130 bytes: three segments with indexes, and several log segments with theirs. */
async function filled(): Promise<TestMachine> {
  const machine = new TestMachine()
  const store = await machine.open(options)
  for (let i = 0; i < EVENTS; i += 100) {
    await store.append(
      'long',
      countUp(100, i).map((n) => ({ type: 'T', data: { n, text: 'x'.repeat(40) } })),
    )
    if (i % 1000 === 0) await store.flush()
  }
  await store.close()
  return machine
}

const range = async (store: FileEventStore, from: number): Promise<unknown[]> =>
  (await datas(store.readStream('long', { fromOffset: from, limit: 3 }))).map((data) => (data as { n: number }).n)

async function assertAnswers(t: Test, store: FileEventStore): Promise<void> {
  for (let from = 0; from < EVENTS - 3; from += 397) {
    t.same(await range(store, from), countUp(3, from))
    const all = await datas(store.readAll({ fromPosition: from, limit: 2 }))
    t.same(
      all.map((data) => (data as { n: number }).n),
      countUp(2, from),
    )
    const [last] = await datas(store.readStream('long', { direction: 'backward', fromOffset: from, limit: 1 }))
    t.equal((last as { n: number }).n, from)
  }
}

t.test('[F3] long segments of streams and of the log have index files', async (t) => {
  const machine = await filled()
  t.ok(machine.find('.seg').length >= 3)
  t.equal(machine.find('.idx', '/store/streams').length, machine.find('.seg').length)
  t.equal(machine.find('.idx', '/store/log').length, machine.find('.log').length)
  const store = await machine.open(options)
  await assertAnswers(t, store)
  await store.close()
})

t.test('[F3] an index that is missing or wrong is made from its segment once, and not for each read', async (t) => {
  for (const spoil of [
    (machine: TestMachine, path: string) => machine.remove(path),
    (machine: TestMachine, path: string) => machine.write(path, Buffer.from('rubbish')),
  ]) {
    const machine = await filled()
    for (const path of machine.find('.idx', '/store/streams')) spoil(machine, path)
    const store = await machine.open(options)
    for (const from of [11, 700, 901]) t.same(await range(store, from), countUp(3, from))
    for (const from of [11, 700, 901, 555]) {
      machine.files.record()
      t.same(await range(store, from), countUp(3, from))
      const reads = machine.files.trace!.filter(({ kind }) => kind === 'read')
      // Three events are in two stretches of the index at most, each of which ends with the record that fills it.
      t.ok(reads.reduce((sum, { length }) => sum + length!, 0) <= 2 * (INTERVAL + 200), `offset ${from}`)
    }
    await store.close()
  }
})

t.test('[F3] [R3] a read at an offset reads at most one index interval more than it needs', async (t) => {
  const machine = await filled()
  const store = await machine.open(options)
  await store.append('long', numbered(1)) // loads the stream
  // What was not settled before is read and written again in the background, and would be counted with the reads below.
  await store.checkpoint()
  t.equal(store.stats().writeBehind.unsettledEvents, 0)
  const eventBytes = 200
  for (let from = 11; from < EVENTS - 3; from += 613) {
    machine.files.record()
    const before = machine.files.bytesRead
    for await (const event of store.readStream('long', { fromOffset: from, limit: 1 })) t.equal(event.offset, from)
    const reads = machine.files.trace!.filter(({ kind, path }) => kind === 'read' && path.endsWith('.seg'))
    const asked = reads.reduce((sum, { length }) => sum + length!, 0)
    t.ok(asked <= 2 * INTERVAL, `offset ${from}: ${asked} bytes of segments`)
    const index = machine.files.bytesRead - before - asked
    t.ok(index <= (200_000 / INTERVAL) * INDEX_ENTRY_BYTES + 200, `${index} bytes of indexes`)
  }
  for (let from = 11; from < EVENTS - 3; from += 613) {
    await datas(store.readAll({ fromPosition: from, limit: 1 })) // the index is read once
    machine.files.record()
    await datas(store.readAll({ fromPosition: from, limit: 3 }))
    const reads = machine.files.trace!.filter(({ kind }) => kind === 'read')
    const asked = reads.reduce((sum, { length }) => sum + length!, 0)
    t.ok(asked <= 4 * INTERVAL + 3 * eventBytes, `position ${from}: ${asked} bytes`)
  }
  await store.close()
})

t.test('[F3] [R3] a read without limit starts at most one index interval before its first event', async (t) => {
  const machine = await filled()
  const store = await machine.open(options)
  const place = new Map<number, { path: string; byte: number }>()
  for (const path of machine.find('.seg')) {
    const bytes = machine.contents(path)
    for (let at = bytes.readUInt32LE(12); at < bytes.length; at += bytes.readUInt32LE(at)) {
      if (bytes[at + 8] === 2) place.set(Number(bytes.readBigUInt64LE(at + 24)), { path, byte: at })
    }
  }
  t.equal(place.size, EVENTS)
  await store.streamInfo('long')
  for (let from = 7; from < EVENTS; from += 577) {
    machine.files.record()
    for await (const event of store.readStream('long', { fromOffset: from })) {
      t.equal(event.offset, from)
      break
    }
    const { path, byte } = place.get(from)!
    const reads = machine.files.trace!.filter((op) => op.kind === 'read' && op.path === path)
    const heads = reads.filter(({ position }) => position === 0)
    t.ok(
      heads.length <= 1 && heads.every(({ length }) => length! < 200),
      'its header is looked at once, while it is open',
    )
    const first = reads.find(({ position }) => position! > 0)!
    t.ok(byte - first.position! <= INTERVAL + 200, `offset ${from}: starts ${byte - first.position!} bytes before`)
  }
  await store.close()
})

const DAMAGE: Record<string, (machine: TestMachine, path: string) => void> = {
  deleted: (machine, path) => machine.remove(path),
  emptied: (machine, path) => machine.write(path, Buffer.alloc(0)),
  'cut in an entry': (machine, path) => machine.write(path, machine.contents(path).subarray(0, -5)),
  'cut between entries': (machine, path) =>
    machine.write(path, machine.contents(path).subarray(0, -2 * INDEX_ENTRY_BYTES)),
  'a flipped bit': (machine, path) => {
    const bytes = machine.contents(path)
    bytes[bytes.length - 40]! ^= 4
    machine.write(path, bytes)
  },
  zeroed: (machine, path) => machine.write(path, Buffer.alloc(machine.contents(path).length)),
  'of another segment': (machine, path) => {
    const others = machine.find('.idx', path.slice(0, path.lastIndexOf('/'))).filter((other) => other !== path)
    machine.write(path, machine.contents(others.at(-1) ?? path))
  },
}

for (const [what, damage] of Object.entries(DAMAGE)) {
  t.test(`[F3] [fault 15] [fault 49] indexes that are ${what}: the answers are the same`, async (t) => {
    const machine = await filled()
    const before = new Map(machine.find('.idx').map((path) => [path, machine.contents(path)]))
    for (const path of before.keys()) damage(machine, path)
    const store = await machine.open(options)
    await assertAnswers(t, store)
    await store.append('long', [{ type: 'T', data: { n: EVENTS } }])
    await store.flush()
    t.same(await range(store, EVENTS), [EVENTS])
    await assertAnswers(t, store)
    await store.close()
    // What is in use was made again, identically.
    for (const path of [machine.find('.idx', '/store/streams').at(-1)!]) {
      const rebuilt = machine.contents(path)
      t.same(rebuilt.subarray(0, before.get(path)!.length), before.get(path))
    }
  })
}

t.test('[F3] [fault 49] an index whose checksums are right but that is wrong is not trusted', async (t) => {
  const machine = await filled()
  const { encodeEntries } = await import('../../../engine/format/sparse-index.js')
  for (const path of machine.find('.idx')) {
    const bytes = machine.contents(path)
    const header = bytes.subarray(0, bytes.readUInt32LE(12))
    const entries = countUp(50).map((i) => ({
      number: i * 30 + 1,
      byte: header.length + i * 1031,
      end: header.length + (i + 1) * 1031,
      minTime: 0,
      maxTime: 1,
    }))
    machine.write(path, Buffer.concat([header, encodeEntries(entries, 0, header.readUInt32LE(16))]))
  }
  const store = await machine.open(options)
  await assertAnswers(t, store)
  await store.close()
})
