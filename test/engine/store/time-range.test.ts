import t, { type Test } from 'tap'
import type { EventReader, FileEventStore, NewEvent, OpenOptions, StoredEvent } from '../../../engine/index.js'
import { encodeEntries, IndexBuilder, type IndexEntry } from '../../../engine/format/sparse-index.js'
import { countUp, TestMachine } from './test-machine.js'

const INTERVAL = 1024
const EVENTS = 6000
const options: OpenOptions = {
  durability: 'os',
  limits: {
    indexIntervalBytes: INTERVAL,
    streamSegmentBytes: 150_000,
    logSegmentBytes: 100_000,
    readWindowBytes: 8192,
  },
}

/** Rising, as the store assigns them; or supplied by callers, with stragglers from the past and clocks that go ahead. */
const TIMES: Record<string, (n: number) => number> = {
  rising: (n) => n * 10,
  'out of order': (n) => (n % 701 === 350 ? 20_000 : n % 997 === 500 ? 70_000 : n * 10 + ((n * 7919) % 400) - 200),
}

async function filled(timeOf: (n: number) => number): Promise<TestMachine> {
  const machine = new TestMachine()
  const store = await machine.open(options)
  for (let i = 0; i < EVENTS; i += 50) {
    const events = countUp(50, i).map((n): NewEvent => ({ type: 'T', timestamp: timeOf(n), data: 'x'.repeat(60) }))
    await store.appendMany([
      { stream: 'account-1', events },
      { stream: 'order-1', events: events.slice(0, 10) },
    ])
    if (i % 500 === 0) await store.flush()
  }
  await store.close()
  return machine
}

/** The stretches of each file, as the rule of the index cuts them. */
function stretches(machine: TestMachine, paths: readonly string[]): Map<string, readonly IndexEntry[]> {
  const found = new Map<string, readonly IndexEntry[]>()
  for (const path of paths) {
    const bytes = machine.contents(path)
    const builder = new IndexBuilder(INTERVAL)
    for (let at = bytes.readUInt32LE(12); at < bytes.length; at += bytes.readUInt32LE(at)) {
      if (bytes[at + 8] === 2) builder.add(at, at, bytes.readDoubleLE(at + 32), bytes.readUInt32LE(at))
    }
    builder.finish()
    found.set(path, builder.entries)
  }
  return found
}

/** Asserts that a read opens and reads what it needs, and no more than the end of the last file, which has no index entry yet. */
async function assertReads(
  t: Test,
  machine: TestMachine,
  files: Map<string, readonly IndexEntry[]>,
  read: () => EventReader,
  times: { from: number; to: number },
  expected: number,
): Promise<void> {
  const count = async (): Promise<number> => {
    let found = 0
    for await (const event of read()) {
      if (event.timestamp < times.from || event.timestamp > times.to) t.match(event, times)
      found++
    }
    return found
  }
  await count() // indexes are read once
  const trace = machine.files.record().trace!
  t.equal(await count(), expected, JSON.stringify(times))
  const last = [...files.keys()].at(-1)!
  let allowed = 0
  const needed = new Set([last])
  for (const [path, entries] of files) {
    for (const [i, { minTime, maxTime, byte, end }] of entries.entries()) {
      if (minTime <= times.to && maxTime >= times.from) needed.add(path)
      else if (path !== last || i < entries.length - 2) continue
      allowed += end - byte
    }
  }
  let asked = 0
  for (const { kind, path, length } of trace) {
    if (!files.has(path)) continue
    if (kind === 'open' || kind === 'read') t.ok(needed.has(path), `${kind} of ${path}, which has nothing of the time`)
    if (kind === 'read') asked += length!
  }
  // A record that a window cuts is read again with the next one.
  t.ok(asked <= allowed * 1.05, `${asked} bytes were read, the stretches have ${allowed}`)
}

const RANGES = [
  { from: 30_000, to: 30_100 },
  { from: 20_000, to: 20_000 },
  { from: 0, to: 500 },
  { from: 59_500, to: 59_600 },
  { from: 70_000, to: 80_000 },
  { from: -1000, to: -500 },
  { from: 90_000, to: 99_000 },
]

for (const [name, timeOf] of Object.entries(TIMES)) {
  t.test(`[R12] [U2] a time range reads only the stretches it needs, timestamps ${name}`, async (t) => {
    const machine = await filled(timeOf)
    const store = await machine.open(options)
    const logs = stretches(machine, machine.find('.log'))
    const segments = stretches(
      machine,
      machine.find('.seg').filter((path) => path.includes('account')),
    )
    t.ok(logs.size > 6 && segments.size > 3)
    const all: StoredEvent[] = []
    for await (const event of store.readAll()) all.push(event)
    for (const { from, to } of RANGES) {
      const ofTime = all.filter(({ timestamp }) => timestamp >= from && timestamp <= to)
      const times = { fromTime: from, toTime: to }
      const of = (stream: string): number => ofTime.filter((event) => event.stream === stream).length
      const range = { from, to }
      await assertReads(t, machine, logs, () => store.readAll(times), range, ofTime.length)
      await assertReads(t, machine, logs, () => store.readCategory('order', times), range, of('order-1'))
      const stream = (direction: 'forward' | 'backward') => () => store.readStream('account-1', { ...times, direction })
      await assertReads(t, machine, segments, stream('forward'), range, of('account-1'))
      await assertReads(t, machine, segments, stream('backward'), range, of('account-1'))
    }
    await store.close()
  })
}

const found = async (store: FileEventStore): Promise<Record<string, number[]>> => {
  const positions = async (reader: EventReader): Promise<number[]> => {
    const all: number[] = []
    for await (const { position } of reader) all.push(position)
    return all
  }
  const times = { fromTime: 20_000, toTime: 20_400 }
  return {
    all: await positions(store.readAll(times)),
    forward: await positions(store.readStream('account-1', times)),
    backward: await positions(store.readStream('account-1', { ...times, direction: 'backward' })),
  }
}

const DAMAGE: Record<string, (bytes: Buffer) => Buffer | undefined> = {
  deleted: () => undefined,
  emptied: () => Buffer.alloc(0),
  'cut between entries': (bytes) => bytes.subarray(0, -36 * 3),
  'cut in an entry': (bytes) => bytes.subarray(0, -5),
  'with a flipped bit': (bytes) => {
    bytes[bytes.length >> 1]! ^= 4
    return bytes
  },
  'with entries of an earlier shape': (bytes) => bytes.subarray(0, bytes.readUInt32LE(12) + 32 * 9),
  'whose entries name other places': (bytes) => {
    const header = bytes.subarray(0, bytes.readUInt32LE(12))
    const entries = countUp(60).map((i) => ({
      number: i * 7 + 1,
      byte: header.length + i * 1031,
      end: header.length + (i + 1) * 1031,
      minTime: 0,
      maxTime: i % 3 === 0 ? 100_000 : 1,
    }))
    // A chain of stretches up to the end, so that nothing but what they name shows them wrong.
    entries.unshift({ number: 0, byte: 1, end: header.length, minTime: 0, maxTime: 100_000 })
    return Buffer.concat([header, encodeEntries(entries, 0, header.readUInt32LE(16))])
  },
}

for (const [name, damage] of Object.entries(DAMAGE)) {
  t.test(`[R12] [F3] [fault 49] a time range finds everything with indexes ${name}`, async (t) => {
    const machine = await filled(TIMES['out of order']!)
    let store = await machine.open(options)
    const right = await found(store)
    t.ok(right['all']!.length > 40)
    t.same(right['backward']!.toReversed(), right['forward'])
    await store.close()
    for (const path of machine.find('.idx')) {
      const changed = damage(machine.contents(path))
      if (changed === undefined) machine.remove(path)
      else machine.write(path, Buffer.from(changed))
    }
    store = await machine.open(options)
    t.same(await found(store), right)
    await store.close()
  })
}

t.test('[R12] a time range skips whole log segments without having the others wait', async (t) => {
  const machine = new TestMachine()
  const store = await machine.open({ durability: 'os', limits: { logSegmentBytes: 512, groupBytes: 4096 } })
  for (const n of countUp(400)) await store.append('a', [{ type: 'T', timestamp: n, data: 'x'.repeat(600) }])
  let turns = 0
  let reading = true
  const count = (): void => {
    turns++
    if (reading) setImmediate(count)
  }
  setImmediate(count)
  for await (const event of store.readAll({ fromTime: 390 })) if (event.position === 390) break
  reading = false
  t.ok(turns >= 10, `${turns} turns while 390 segments were passed over`)
  const before = machine.files.counts.open!
  for await (const event of store.readAll({ fromTime: 390 })) if (event.position === 390) break
  t.ok(machine.files.counts.open! - before <= 2, 'what their indexes said is remembered')
  await store.close()
})
