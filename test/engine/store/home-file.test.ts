import t, { type Test } from 'tap'
import { CHECKPOINT_FILE } from '../../../engine/format/checkpoint.js'
import { encodeHeader } from '../../../engine/format/file-header.js'
import type { FileSystem } from '../../../engine/io/file-system.js'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { repair } from '../../../engine/recovery/repair.js'
import { openReadOnly } from '../../../engine/store/open-store.js'
import { readHome, refuseLinks, writeHome } from '../../../engine/store/home-file.js'
import { datas, numbered, TestMachine } from './test-machine.js'

const HOME = '/store/annals'
const CHECKPOINT = `/store/${CHECKPOINT_FILE}`
const ID = Buffer.from('0123456789abcdef')
const OTHER = Buffer.from('fedcba9876543210')

/** A machine with a closed store of five events in two streams. */
async function filled(): Promise<TestMachine> {
  const machine = new TestMachine()
  const store = await machine.open({ durability: 'os' })
  await store.append('a', numbered(3))
  await store.append('b', numbered(2))
  await store.flush()
  await store.close()
  return machine
}

/** All files but the epochs, which each opening adds. */
function snapshot(machine: TestMachine): Record<string, string> {
  const paths = machine.find('').filter((path) => !path.startsWith('/store/epoch/'))
  return Object.fromEntries(paths.map((path) => [path, machine.contents(path).toString('hex')]))
}

async function assertHealed(t: Test, machine: TestMachine, home: Buffer): Promise<void> {
  const store = await machine.open({ create: false })
  t.same(machine.contents(HOME), home, 'the home file is as it was')
  t.equal((await datas(store.readAll())).length, 5)
  t.equal((await datas(store.readStream('a'))).length, 3)
  t.equal((await store.append('a', numbered(1))).version, 4)
  await store.close()
}

const damages: Record<string, (home: Buffer) => Buffer | undefined> = {
  missing: () => undefined,
  empty: () => Buffer.alloc(0),
  'cut short': (home) => home.subarray(0, 40),
  'of a few bytes': (home) => home.subarray(0, 5),
  zeros: (home) => Buffer.alloc(home.length),
  'with a wrong checksum': (home) => flipped(home, 16),
  'with another id': (home) => flipped(home, 25),
  'with an impossible length': (home) => flipped(home, 14),
  'of another program': () => Buffer.from('{"name":"annals","version":"1.0.0"}'),
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at]! ^= 0x10
  return copy
}

function damage(machine: TestMachine, path: string, how: (bytes: Buffer) => Buffer | undefined): void {
  const bytes = how(machine.contents(path))
  if (bytes === undefined) machine.remove(path)
  else machine.write(path, bytes)
}

for (const [what, how] of Object.entries(damages)) {
  t.test(`[fault 48] a home file that is ${what} is made again from the log`, async (t) => {
    for (const withCheckpoint of [true, false]) {
      const machine = await filled()
      const home = machine.contents(HOME)
      damage(machine, HOME, how)
      if (!withCheckpoint) machine.remove(CHECKPOINT)
      await assertHealed(t, machine, home)
      await (await machine.open({ create: false })).close() // and stays
    }
  })

  t.test(`[fault 48] without a sound log, a home file that is ${what} is never a new store`, async (t) => {
    const machine = await filled()
    damage(machine, HOME, how)
    for (const path of machine.find('.log')) damage(machine, path, (bytes) => flipped(bytes, 21))
    const before = snapshot(machine)
    const code = what === 'of another program' ? 'ERR_NOT_A_STORE' : 'ERR_CORRUPT'
    for (const create of [true, false]) await t.rejects(machine.open({ create }), { name: 'AnnalsError', code })
    t.same(snapshot(machine), before)
  })
}

t.test('[fault 48] with the home file of another store, a store is neither empty nor begun anew', async (t) => {
  const machine = await filled()
  const home = machine.contents(HOME)
  machine.write(HOME, encodeHeader({ kind: 'H', storeId: OTHER }))
  const before = snapshot(machine)
  const error = { name: 'AnnalsError', code: 'ERR_CORRUPT', message: /belongs to another store than its log/ }
  for (const create of [true, false]) await t.rejects(machine.open({ create }), error)
  await t.rejects(openReadOnly(machine.environment, '/store', { readOnly: true }), error)
  t.same(snapshot(machine), before)
  machine.remove(HOME)
  await assertHealed(t, machine, home)
})

t.test('the files of a store are compared with its id once, and again with another one', async (t) => {
  const machine = await filled()
  const looks = (own?: Buffer): number => {
    machine.files.record()
    readHome(machine.files, '/store', own)
    return machine.files.trace!.filter(({ kind, path }) => kind === 'open' && path.endsWith('.log')).length
  }
  const { storeId } = readHome(machine.files, '/store') as { storeId: Buffer }
  t.equal(looks(storeId), 0)
  t.ok(looks() > 0)
  t.ok(looks(OTHER) > 0)
  machine.write(HOME, encodeHeader({ kind: 'H', storeId: OTHER }))
  t.throws(() => readHome(machine.environment.files, '/store', storeId), { code: 'ERR_CORRUPT' })
})

t.test(
  '[fault 46] [fault 5] one log segment of another store, or blocks of one, say nothing against the home file',
  async (t) => {
    const machine = await filled()
    const own = machine.contents(HOME)
    const [first] = machine.find('.log') as [string]
    machine.write(first, encodeHeader({ kind: 'L', storeId: OTHER }))
    const id = own.subarray(20, 36)
    const home = { kind: 'store', storeId: id }
    t.same(readHome(machine.environment.files, '/store'), home, 'the checkpoint says so')
    machine.remove(CHECKPOINT)
    t.same(readHome(machine.environment.files, '/store'), home, 'an epoch says so')
    const epochs = machine.find('', '/store/epoch').map((path) => [path, machine.contents(path)] as const)
    for (const [path] of epochs) machine.write(path, Buffer.alloc(1000))
    t.throws(() => readHome(machine.environment.files, '/store'), { code: 'ERR_CORRUPT' }, 'nobody says so')
    for (const [path] of epochs) machine.remove(path)
    machine.environment.files.removeDirectory('/store/epoch')
    t.throws(() => readHome(machine.environment.files, '/store'), { code: 'ERR_CORRUPT' })
    machine.write('/store/log/0000000000000007-0000000001.log', encodeHeader({ kind: 'L', storeId: id }))
    t.same(readHome(machine.environment.files, '/store'), home, 'another segment says so')
  },
)

t.test('[fault 48] where home file and log are gone, what is left is not hidden by a new store', async (t) => {
  for (const left of ['streams and checkpoint', 'streams', 'checkpoint']) {
    const machine = await filled()
    machine.remove(HOME)
    for (const path of machine.find('', '/store/log')) machine.remove(path)
    if (left === 'streams') machine.remove(CHECKPOINT)
    if (left === 'checkpoint') for (const path of machine.find('', '/store/streams')) machine.remove(path)
    const before = snapshot(machine)
    await t.rejects(machine.open(), { name: 'AnnalsError', code: 'ERR_CORRUPT', message: /log are missing/ }, left)
    t.same(snapshot(machine), before)
  }
})

t.test('[fault 47] a store whose stream segments are all gone is not one of empty streams', async (t) => {
  for (const withFolder of [true, false]) {
    const machine = await filled()
    const { files } = machine.environment
    for (const path of machine.find('', '/store/streams')) machine.remove(path)
    for (const shard of files.list('/store/streams')) files.removeDirectory(`/store/streams/${shard}`)
    if (!withFolder) files.removeDirectory('/store/streams')
    const before = snapshot(machine)
    const error = { code: 'ERR_CORRUPT', file: '/store/streams', reason: 'the stream segments are missing' }
    await t.rejects(machine.open(), error)
    await t.rejects(openReadOnly(machine.environment, '/store', { readOnly: true }), error)
    t.same(snapshot(machine), before)
    await repair(machine.environment, '/store', {})
    const store = await machine.open()
    t.equal((await datas(store.readStream('a'))).length, 3, 'repair has taken them from the log')
    t.equal((await datas(store.readStream('b'))).length, 2)
    t.equal((await store.append('a', numbered(1))).version, 4)
    await store.close()
    await (await openReadOnly(machine.environment, '/store', { readOnly: true })).close()
  }
})

t.test('[bad input] [fault 53] a foreign file in the place of the checkpoint is not replaced', async (t) => {
  const machine = new TestMachine()
  machine.environment.files.makeDirectories('/store')
  machine.write(CHECKPOINT, Buffer.from('weights of a model'))
  await t.rejects(machine.open(), { code: 'ERR_NOT_A_STORE', message: /"checkpoint" is not one of annals/ })
  t.equal(machine.contents(CHECKPOINT).toString(), 'weights of a model')
})

t.test('[fault 52] where the home file is gone, a log of a newer version is not a damaged one', async (t) => {
  const machine = await filled()
  machine.remove(HOME)
  damage(machine, machine.find('.log')[0]!, (bytes) => {
    bytes.writeUInt16LE(2, 8)
    bytes.writeUInt16LE(3, 10)
    return bytes
  })
  const before = snapshot(machine)
  await t.rejects(machine.open(), { code: 'ERR_FORMAT', message: /version 2 \(written by version 3\)/ })
  t.same(snapshot(machine), before)
})

function folder(): FileSystem {
  const { files } = memoryEnvironment()
  files.makeDirectories('/store')
  return files
}

function put(files: FileSystem, path: string, bytes: Uint8Array): void {
  const handle = files.open(path, 'create')
  handle.writeSync(bytes, 0, bytes.length, 0)
  handle.close()
}

t.test('[fault 48] an empty folder, and one whose making was cut short, is a new store', async (t) => {
  const files = folder()
  t.same(readHome(files, '/store'), { kind: 'new' })
  for (const name of ['log', 'streams', 'streams/00', 'epoch']) files.makeDirectories(`/store/${name}`)
  put(files, '/store/annals.tmp', Buffer.from('ANN'))
  put(files, '/store/annals', Buffer.alloc(0))
  t.same(readHome(files, '/store'), { kind: 'new' })
  put(files, '/store/log/0000000000000000-0000000001.log', Buffer.alloc(0))
  t.same(readHome(files, '/store'), { kind: 'new' })
})

t.test('[fault 48] what is written is what is read', async (t) => {
  const files = folder()
  await writeHome(files, '/store', ID)
  t.same(readHome(files, '/store'), { kind: 'store', storeId: ID })
  t.same(files.list('/store').sort(), ['annals', 'log', 'streams'])
  await writeHome(files, '/store', OTHER)
  t.same(readHome(files, '/store'), { kind: 'store', storeId: OTHER })
  t.same(files.list('/store').sort(), ['annals', 'log', 'streams'], 'nothing is left of writing it')
})

t.test('[fault 48] the oldest log segment with a sound header says whose a store is', async (t) => {
  const files = folder()
  files.makeDirectories('/store/log')
  const header = (storeId: Buffer): Buffer => encodeHeader({ kind: 'L', storeId })
  put(files, '/store/log/0000000000000000-0000000001.log', header(OTHER).subarray(0, 50))
  put(files, '/store/log/0000000000000000-0000000001.idx', encodeHeader({ kind: 'P', storeId: OTHER }))
  put(files, '/store/log/backup.log', header(OTHER))
  put(files, '/store/log/0000000000000007-0000000001.log', header(ID))
  put(files, '/store/log/0000000000000009-0000000001.log', header(OTHER))
  t.same(readHome(files, '/store'), { kind: 'lost', storeId: ID })
})

t.test('[fault 86] only folders may stand where folders belong', (t) => {
  const files = folder()
  refuseLinks(files, '/store')
  files.makeDirectories('/store/log')
  refuseLinks(files, '/store')
  put(files, '/store/streams', Buffer.from('x'))
  t.throws(() => refuseLinks(files, '/store'), { code: 'ERR_IO', message: /"\/store\/streams".*must be a folder/ })
  t.end()
})
