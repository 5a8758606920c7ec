import { createHash } from 'node:crypto'
import t from 'tap'
import type { OpenOptions } from '../../../engine/index.js'
import { countUp, datas, numbered, sized, TestMachine } from './test-machine.js'

const tiny: OpenOptions = {
  limits: {
    streamSegmentBytes: 600,
    logSegmentBytes: 2000,
    groupBytes: 4096,
    dirtyBytes: 2000,
    deferredBytes: 4000,
    cachedStreams: 16,
  },
}
const digest = (machine: TestMachine, path: string): string =>
  createHash('sha256').update(machine.contents(path)).digest('hex')

t.test('[F1] stream segments carry the base offset in their names, roll at a size, and are sealed', async (t) => {
  const machine = new TestMachine()
  const store = await machine.open(tiny)
  for (const i of countUp(40)) await store.append('orders', numbered(1, i))
  await store.flush()
  const segments = machine.find('.seg')
  t.ok(segments.length > 4)
  const bases = segments.map((path) => Number(/orders@(\d{16})\.seg$/.exec(path)![1]))
  t.equal(bases[0], 0)
  for (const [i, path] of segments.entries()) {
    const bytes = machine.contents(path)
    const start = bytes.readUInt32LE(12)
    t.equal(bytes.toString('latin1', 0, 8), 'ANNALSS\n')
    t.equal(Number(bytes.readBigUInt64LE(44)), bases[i], 'base in the header')
    t.equal(Number(bytes.readBigUInt64LE(52)), bases[i - 1] ?? 0, 'base of the one before')
    t.equal(bytes.toString('utf8', 96, start), 'orders')
    const kinds: number[] = []
    for (let at = start; at < bytes.length; at += bytes.readUInt32LE(at)) kinds.push(bytes[at + 8]!)
    const next = bases[i + 1]
    if (next === undefined) t.notOk(kinds.includes(4), 'the last one is open')
    else {
      t.equal(kinds.at(-1), 4, 'sealed')
      t.equal(Number(bytes.readBigUInt64LE(bytes.length - 12)), next)
      t.equal(kinds.filter((kind) => kind === 2).length, next - bases[i]!)
      t.ok(bytes.length >= 600 && bytes.length < 600 + 200)
    }
  }
  t.same(await datas(store.readStream('orders')), countUp(40))
  await store.close()
})

t.test(
  '[fault 46] a full segment of the same stream in another store, or one without its header, is named and never served',
  async (t) => {
    const make = async (): Promise<TestMachine> => {
      const machine = new TestMachine()
      const store = await machine.open(tiny)
      for (const i of countUp(40)) await store.append('orders', numbered(1, i))
      await store.checkpoint()
      await store.close()
      return machine
    }
    const [machine, other] = [await make(), await make()]
    const [first, middle] = machine.find('.seg') as [string, string]
    const theirs = other.find('.seg').map((path) => other.contents(path))
    const right = [machine.contents(first), machine.contents(middle)] as const
    const cases: readonly (readonly [string, Buffer, Buffer])[] = [
      [first, right[0], theirs[0]!],
      [middle, right[1], theirs[1]!],
      [middle, right[1], right[0]],
      [middle, right[1], right[1].subarray(0, 20)],
      [middle, right[1], Buffer.alloc(0)],
    ]
    for (const [path, before, now] of cases) {
      machine.write(path, now)
      const store = await machine.open(tiny)
      const base = Number(path.slice(-20, -4))
      const reads = [
        store.readStream('orders'),
        store.readStream('orders', { direction: 'backward' }),
        store.readStream('orders', { fromOffset: base + 1, limit: 1 }),
        store.readStream('orders', { fromTime: 0 }),
      ]
      for (const read of reads) {
        const seen: number[] = []
        const all = async (): Promise<void> => {
          for await (const { offset } of read) seen.push(offset)
        }
        await t.rejects(all(), { code: 'ERR_CORRUPT', file: path, stream: 'orders' }, `${now.length} bytes in ${path}`)
        t.notOk(seen.includes(base), 'nothing of it is served')
      }
      await store.close()
      machine.write(path, before)
    }
    const store = await machine.open(tiny)
    t.same(await datas(store.readStream('orders')), countUp(40))
    await store.close()
  },
)

t.test('[F1] log segments roll at a size; each says where it starts and what it hangs on', async (t) => {
  const machine = new TestMachine()
  const store = await machine.open(tiny)
  for (const i of countUp(60)) await store.append(`s${i % 7}`, numbered(1, i))
  await store.checkpoint()
  const logs = machine.find('.log')
  t.ok(logs.length > 3)
  let expected = 0
  for (const [i, path] of logs.entries()) {
    const bytes = machine.contents(path)
    const base = Number(bytes.readBigUInt64LE(44))
    t.equal(path, `/store/log/${String(base).padStart(16, '0')}-0000000001.log`)
    t.equal(base, expected)
    if (i > 0) {
      const before = machine.contents(logs[i - 1]!)
      t.equal(Number(bytes.readBigUInt64LE(68)), before.length, 'how much of the one before counts')
    }
    for (let at = 96; at < bytes.length && bytes.readUInt32LE(at) !== 0; at += bytes.readUInt32LE(at)) {
      if (bytes[at + 8] === 2) t.equal(Number(bytes.readBigUInt64LE(at + 16)), expected++)
    }
  }
  t.equal(expected, 60)
  await store.close()
})

t.test('[F1] an event larger than a segment has one of its own', async (t) => {
  const machine = new TestMachine()
  const store = await machine.open(tiny)
  for (const bytes of [10, 5000, 10, 100_000, 10]) await store.append('a', [sized(bytes)])
  await store.flush()
  const lengths = (await datas(store.readStream('a'))).map((data) => (data as string).length)
  t.same(lengths, [10, 5000, 10, 100_000, 10])
  t.same(
    (await datas(store.readStream('a', { direction: 'backward' }))).map((data) => (data as string).length),
    lengths.toReversed(),
  )
  await store.close()
})

t.test('[K1] sealed segments are byte-identical after 10,000 further operations', async (t) => {
  const machine = new TestMachine()
  const options: OpenOptions = { ...tiny, durability: 'os' }
  let store = await machine.open(options)
  for (const i of countUp(100)) await store.append(`s${i % 5}`, numbered(1, i))
  await store.flush()
  const isSealed = (path: string): boolean => {
    const bytes = machine.contents(path)
    return bytes[bytes.length - 20] === 4 && bytes.readUInt32LE(bytes.length - 4) === 28
  }
  const sealed = new Map(
    machine
      .find('.seg')
      .filter(isSealed)
      .map((path) => [path, digest(machine, path)]),
  )
  const logs = new Map(
    machine
      .find('.log')
      .slice(0, -2)
      .map((path) => [path, digest(machine, path)]),
  )
  t.ok(sealed.size >= 5, `${sealed.size} sealed stream segments`)
  t.ok(logs.size >= 2, `${logs.size} full log segments`)
  for (let i = 0; i < 10_000;) {
    await Promise.all(countUp(100).map((n) => store.append(`s${(i + n) % 40}`, numbered(1, i + n))))
    i += 100
    if (i % 1000 === 0) await datas(store.readStream(`s${i % 5}`))
    if (i % 2500 === 0) {
      await store.close()
      store = await machine.open(options)
    }
  }
  for (const [path, before] of [...sealed, ...logs]) t.equal(digest(machine, path), before, path)
  await store.close()
})

t.test('[N1] [fault 30] 1,000 streams through a cache of 16 and 4 open files', async (t) => {
  const machine = new TestMachine()
  const options: OpenOptions = { limits: { cachedStreams: 16, openFiles: 4, dirtyBytes: 10_000 } }
  let store = await machine.open(options)
  for (const round of countUp(3)) {
    await Promise.all(countUp(1000).map((n) => store.append(`s${n}`, numbered(1, round))))
    await store.flush()
    for (const n of countUp(50)) await store.streamInfo(`other${n}`)
    t.ok(store.stats().cachedStreams < 200, `${store.stats().cachedStreams} streams in memory`)
    t.ok(store.stats().openFiles <= 4)
  }
  const check = async (): Promise<void> => {
    for (const n of countUp(1000)) {
      const data = await datas(store.readStream(`s${n}`))
      if (data.join() !== '0,1,2') t.same(data, [0, 1, 2], `s${n}`)
    }
  }
  await check()
  t.ok(store.stats().cachedStreams <= 40, `${store.stats().cachedStreams} streams in memory`)
  t.ok(machine.files.openHandles <= 10, `${machine.files.openHandles} files open`)
  await store.close()
  t.equal(machine.files.openHandles, 0, 'all closed')
  store = await machine.open(options)
  await check()
  await store.close()
})

t.test('[M5] [K2] one commit over far more streams than the cache holds', async (t) => {
  const machine = new TestMachine()
  const options: OpenOptions = { limits: { cachedStreams: 16, dirtyBytes: 10_000 } }
  const store = await machine.open(options)
  for (const round of countUp(5)) {
    const results = await store.appendMany(countUp(200).map((n) => ({ stream: `s${n}`, events: numbered(1, round) })))
    t.ok(results.every(({ firstOffset }) => firstOffset === round))
    await store.flush()
    for (const n of countUp(40)) await store.streamInfo(`other${n}`)
  }
  for (const n of countUp(200)) {
    const data = await datas(store.readStream(`s${n}`))
    if (data.join() !== '0,1,2,3,4') t.same(data, countUp(5), `s${n}`)
  }
  await store.close()
})

t.test('[N1] opening 2,000 streams of 10 events touches none of them', async (t) => {
  const machine = new TestMachine()
  let store = await machine.open({ durability: 'os' })
  for (const i of countUp(10)) await Promise.all(countUp(2000).map((n) => store.append(`account-${n}`, numbered(1, i))))
  await store.checkpoint()
  await store.close()
  store = await machine.open()
  t.match(store.recovery, { clean: true, events: 0, bytes: 0 })
  t.ok(machine.files.operations < 100, `${machine.files.operations} calls to open`)
  t.equal(store.stats().cachedStreams, 0)
  t.equal(store.stats().events, 20_000)
  for (let n = 3; n < 2000; n += 97) t.same(await datas(store.readStream(`account-${n}`)), countUp(10))
  t.ok(store.stats().cachedStreams < 25)
  await store.close()
})

t.test('a crash between two checkpoints costs reading only what came after the last', async (t) => {
  const machine = new TestMachine()
  let store = await machine.open({ limits: { logSegmentBytes: 20_000 } })
  for (let i = 0; i < 5000; i += 50) {
    await Promise.all(countUp(50).map((n) => store.append(`s${(i + n) % 100}`, numbered(1, i + n))))
  }
  await store.checkpoint()
  t.ok(store.stats().writeBehind.checkpoints > 0)
  machine.kill()
  store = await machine.open()
  t.equal(store.recovery.clean, false)
  t.ok(store.recovery.events < 1000, `${store.recovery.events} of 5,000 events read`)
  t.same(await datas(store.readAll()), countUp(5000))
  t.same(
    await datas(store.readStream('s7')),
    countUp(50).map((i) => 100 * i + 7),
  )
  await store.close()
})

t.test('stats() tells what happened', async (t) => {
  const machine = new TestMachine()
  const store = await machine.open()
  const zero = store.stats()
  t.match(zero, {
    events: 0,
    cachedStreams: 0,
    appends: { commits: 0, groups: 0, commitsPerGroup: { mean: 0, largest: 0 }, bytes: 0, pendingBytes: 0 },
    sync: { count: 0, p50: 0, p99: 0, max: 0 },
    openFiles: 0,
  })
  for (const i of countUp(10)) await store.append(`s${i % 2}`, numbered(3))
  const { appends, sync, writeBehind, events, cachedStreams, streams } = store.stats()
  t.ok(streams.loads >= 1 && streams.hits >= 1, `${streams.loads} loads, ${streams.hits} hits`)
  t.ok(writeBehind.unsettledEvents >= 0 && writeBehind.unsettledEvents <= events)
  t.match({ events, cachedStreams }, { events: 30, cachedStreams: 2 })
  t.match(appends, { commits: 10, groups: 10, commitsPerGroup: { mean: 1, largest: 1 }, pendingBytes: 0 })
  t.ok(appends.bytes > 30 * 64)
  t.equal(sync.count, 10)
  t.ok(sync.p50 <= sync.p99 && sync.p99 <= sync.max)
  t.ok(writeBehind.dirtyBytes > 0)
  await store.flush()
  t.match(store.stats().writeBehind, { runs: 1, streamsFlushed: 2 })
  await datas(store.readStream('s0'))
  t.ok(store.stats().openFiles >= 1)
  await store.close()
})
