import t from 'tap'
import { backup } from '../../../engine/backup/backup.js'
import type { ListedStream } from '../../../engine/index.js'
import { openReadOnly } from '../../../engine/store/open-store.js'
import { collect } from '../../contract/contract-support.js'
import { countUp, numbered, sized, TestMachine } from './test-machine.js'

const names = (infos: readonly ListedStream[]): string[] => infos.map(({ stream }) => stream).sort()

t.test('[N1] [fault 1] streams that a killed writer left in the log only are listed', async (t) => {
  const machine = new TestMachine()
  let store = await machine.open()
  await store.append('settled', numbered(1))
  await store.close()
  store = await machine.open()
  for (const i of countUp(30)) await store.append(`s${i}`, [{ type: 'T', timestamp: i }])
  await store.append('settled', [{ type: 'T', timestamp: 99 }])
  machine.kill()
  t.equal(machine.find('.seg').length, 1)
  store = await machine.open()
  const found = await collect(store.listStreams())
  t.same(names(found), ['settled', ...countUp(30).map((i) => `s${i}`)].sort())
  t.match(
    found.find(({ stream }) => stream === 's7'),
    { version: 1, firstTimestamp: 7, lastTimestamp: 7, bytes: 0, segments: 0 },
  )
  t.match(
    found.find(({ stream }) => stream === 'settled'),
    { version: 2, lastTimestamp: 99, segments: 1 },
  )
  t.equal(store.stats().cachedStreams, 0, 'looked at, not kept')
  t.match(await store.streamInfo('s7'), { version: 1, bytes: 0 })
  await store.flush()
  const file = machine.find('.seg').find((path) => path.includes('/s7@'))!
  t.match(await store.streamInfo('s7'), { version: 1, segments: 1, bytes: machine.contents(file).length })
  t.same(names(await collect(store.listStreams())), names(found))
  await store.close()
})

t.test('[N1] a reader beside the writer tells the size of files that are not settled yet', async (t) => {
  const machine = new TestMachine()
  const store = await machine.open()
  await store.append('a', numbered(3))
  await new Promise((resolve) => setImmediate(resolve)) // the writer tells of a commit in the turn behind it
  const reader = await openReadOnly(machine.environment, '/store', { readOnly: true })
  t.match(await reader.streamInfo('a'), { version: 3, bytes: 0, segments: 0 }, 'in the log only')
  await store.flush()
  const [file] = machine.find('.seg') as [string]
  const known = { version: 3, bytes: machine.contents(file).length, segments: 1 }
  t.match(await reader.streamInfo('a'), known)
  t.match(await collect(reader.listStreams()), [known])
  await reader.close()
  await store.close()
})

t.test('[U3] [fault 39] a damaged stream is listed as such, and the others as ever', async (t) => {
  const machine = new TestMachine()
  let store = await machine.open()
  for (const name of ['a', 'b', 'c']) await store.append(name, numbered(3))
  await store.close()
  const path = machine.find('.seg').find((path) => path.includes('/b@'))!
  const bytes = machine.contents(path)
  bytes[bytes.length - 30]! ^= 1
  machine.write(path, bytes)
  store = await machine.open()
  const found = await collect(store.listStreams())
  t.same(names(found), ['a', 'b', 'c'])
  for (const { stream, damage, version } of found) {
    if (stream === 'b') t.match(damage, { code: 'ERR_CORRUPT', stream: 'b', file: path })
    else t.match({ damage, version }, { damage: undefined, version: 3 })
  }
  await t.rejects(store.streamInfo('b'), { code: 'ERR_CORRUPT', stream: 'b' })
  await store.close()
})

t.test('[N1] a file that does not tell whose it is ends the listing with an error, behind all others', async (t) => {
  const machine = new TestMachine()
  let store = await machine.open()
  const long = 'X'.repeat(200)
  for (const name of ['a', long, 'z']) await store.append(name, numbered(1))
  await store.close()
  const path = machine.find('.seg').find((path) => path.includes('~'))!
  const bytes = machine.contents(path)
  bytes[100]! ^= 1
  machine.write(path, bytes)
  const shard = path.slice(0, path.lastIndexOf('/'))
  machine.write(`${shard}/foreign.txt`, Buffer.from('x'))
  machine.write(`${shard}/elsewhere@0000000000000000.seg`, Buffer.from('x'))
  store = await machine.open()
  const found: string[] = []
  await t.rejects(
    async () => {
      for await (const { stream } of store.listStreams()) found.push(stream)
    },
    { code: 'ERR_CORRUPT', file: path },
  )
  t.same(found.sort(), ['a', 'z'])
  await store.close()
})

t.test(
  '[N1] listing keeps no stream in memory, reads the ends of long streams only, and lets the others have their turn',
  async (t) => {
    const machine = new TestMachine()
    const limits = { indexIntervalBytes: 1024, streamSegmentBytes: 300_000, cachedStreams: 16, openFiles: 8 }
    let store = await machine.open({ durability: 'os', limits })
    for (let i = 0; i < 60; i++) {
      await store.append(
        'long',
        countUp(10).map(() => sized(2000)),
      )
    }
    await store.close() // which settles it
    store = await machine.open({ durability: 'os', limits })
    await store.appendMany(countUp(3000).map((i) => ({ stream: `s${i}`, events: numbered(2) })))
    await store.close()
    const long = machine.find('.seg').filter((path) => path.includes('/long@'))
    t.equal(long.length, 5)
    // Nothing in the background: settling would load streams, too.
    store = await machine.open({ limits }, { after: () => ({ cancel: () => {} }) })
    const trace = machine.files.record().trace!
    let turns = 0
    let listing = true
    const count = (): void => {
      turns++
      if (listing) setImmediate(count)
    }
    setImmediate(count)
    let listed = 0
    for await (const { stream, version, segments } of store.listStreams()) {
      listed++
      if (stream === 'long') t.match({ version, segments }, { version: 600, segments: 5 })
    }
    listing = false
    t.equal(listed, 3001)
    t.ok(turns > 150, `${turns} turns`)
    t.equal(store.stats().cachedStreams, 0)
    t.ok(store.stats().openFiles <= 8)
    const bytes = trace.reduce(
      (sum, { kind, path, length }) => sum + (kind === 'read' && long.includes(path) ? length! : 0),
      0,
    )
    t.ok(bytes < 100_000, `${bytes} of 1,200,000 bytes of the long stream were read`)
    await store.close()
  },
)

for (const settled of [false, true]) {
  const where = settled ? 'in files' : 'in the log'
  t.test(`[N1] under an open store whose folder was moved no stream seems to be empty: events ${where}`, async (t) => {
    const machine = new TestMachine()
    let store = await machine.open()
    for (const i of countUp(5)) await store.append(`s${i}`, numbered(2))
    if (settled) await store.checkpoint()
    await store.close()
    store = await machine.open()
    const reader = await openReadOnly(machine.environment, '/store', { readOnly: true })
    machine.environment.files.rename('/store', '/moved')
    for (const opened of [store, reader]) {
      await t.rejects(collect(opened.readStream('s1')), { code: 'ERR_IO' })
      await t.rejects(opened.streamInfo('s2'), { code: 'ERR_IO' })
      await t.rejects(collect(opened.listStreams()), { code: 'ERR_IO' })
      await t.rejects(collect(opened.subscribe({ stream: 's3' })), { code: 'ERR_IO' })
    }
    await t.rejects(store.append('s4', numbered(1), { expectedVersion: 'noStream' }), { code: 'ERR_IO' })
    await reader.close()
    await store.close().catch(() => undefined)
    machine.environment.files.rename('/moved', '/store')
    store = await machine.open()
    t.equal((await collect(store.listStreams())).length, 5)
    t.match(await store.streamInfo('s4'), { version: 2 })
    await store.close()
  })
}

t.test(
  '[N1] a copy of the log alone, without the folder of streams, has the streams it has, and no others',
  async (t) => {
    const machine = new TestMachine()
    const store = await machine.open()
    await store.append('a', numbered(2))
    await store.close()
    const { environment } = machine
    await backup(environment, '/store', '/backup')
    environment.files.removeDirectory('/backup/streams')
    const copy = await openReadOnly(environment, '/backup', { readOnly: true })
    t.match(await collect(copy.listStreams()), [{ stream: 'a', version: 2 }])
    t.match(await copy.streamInfo('none'), { version: 0 })
    t.same(await collect(copy.readStream('none')), [])
    await copy.close()
  },
)
