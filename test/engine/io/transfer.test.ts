import t from 'tap'
import { MemoryFileSystem } from '../../../engine/io/memory-file-system.js'
import * as transfer from '../../../engine/io/transfer.js'
import { FaultyFileSystem, type Faults } from '../../support/faulty-file-system.js'

const TEXT = 'the quick brown fox'

function setUp(faults: Faults = {}) {
  const memory = new MemoryFileSystem()
  memory.makeDirectories('/store')
  const writer = memory.open('/store/file', 'create')
  writer.writeSync(Buffer.from(TEXT), 0, TEXT.length, 0)
  writer.close()
  return { memory, files: new FaultyFileSystem(memory, faults) }
}

t.test('[fault 28] short reads give the same answer', async (t) => {
  for (const shortenTo of [1, 3, 1000]) {
    const { files } = setUp({ shortenTo })
    const handle = files.open('/store/file', 'read')
    const target = Buffer.alloc(30, '-')
    t.equal(transfer.readFullySync(handle, target, 2, 9, 4), 9)
    t.equal(target.toString('utf8', 0, 13), '--quick bro--')
    t.equal(transfer.readFullySync(handle, target, 0, 30, 0), TEXT.length, 'ends at the end of the file')
    target.fill('-')
    t.equal(await readFully(handle, target, 2, 9, 4), 9)
    t.equal(target.toString('utf8', 0, 13), '--quick bro--')
    t.equal(await readFully(handle, target, 0, 30, 0), TEXT.length)
    t.equal(transfer.readFileSync(files, '/store/file', 100)?.toString(), TEXT)
    handle.close()
  }
})

t.test('[fault 27] a read error after some bytes is reported', async (t) => {
  const { files } = setUp({ shortenTo: 4, failAt: 3, only: ({ kind }) => kind === 'read' })
  const handle = files.open('/store/file', 'read')
  t.throws(() => transfer.readFullySync(handle, Buffer.alloc(19), 0, 19, 0), { code: 'EIO' })
  files.setFaults({ shortenTo: 4, failAt: 3, only: ({ kind }) => kind === 'read' })
  await t.rejects(readFully(handle, Buffer.alloc(19), 0, 19, 0), { code: 'EIO' })
})

t.test('[fault 21] short writes are continued, and the error behind one is found', async (t) => {
  const { files } = setUp({ shortenTo: 4 })
  const handle = files.open('/store/new', 'create')
  const source = Buffer.from(`..${TEXT}`)
  transfer.writeFullySync(handle, source, 2, TEXT.length, 0)
  await writeFully(handle, source, 2, TEXT.length, TEXT.length)
  t.equal(transfer.readFileSync(files, '/store/new', 100)?.toString(), TEXT + TEXT)
  transfer.writeFullySync(handle, source, 0, 0, 0)
  await writeFully(handle, source, 0, 0, 0)

  const full: Faults = { shortenTo: 4, failAt: 2, code: 'ENOSPC', sticky: true, only: ({ kind }) => kind === 'write' }
  files.setFaults(full)
  t.throws(() => transfer.writeFullySync(handle, source, 0, 10, 0), { code: 'ENOSPC' })
  files.setFaults(full)
  await t.rejects(writeFully(handle, source, 0, 10, 0), { code: 'ENOSPC' })
})

t.test('[fault 21] a write that takes nothing does not go on for ever', async (t) => {
  const { files } = setUp({ shortenTo: 0 })
  const handle = files.open('/store/file', 'write')
  t.throws(() => transfer.writeFullySync(handle, Buffer.alloc(4), 0, 4, 0), { code: 'ENOSPC' })
  await t.rejects(writeFully(handle, Buffer.alloc(4), 0, 4, 0), { code: 'ENOSPC' })
})

t.test('readFileSync', async (t) => {
  const { files } = setUp()
  t.equal(transfer.readFileSync(files, '/store/none', 100), undefined)
  t.equal(transfer.readFileSync(files, '/store/file', TEXT.length)?.toString(), TEXT)
  t.throws(() => transfer.readFileSync(files, '/store/file', TEXT.length - 1), { code: 'EFBIG', path: '/store/file' })
  t.throws(() => transfer.readFileSync(files, '/store', 100), { code: 'EISDIR' })
  t.equal(files.openHandles, 0)
})

t.test('replaceFile replaces, and takes a left-over out of the way', async (t) => {
  const { files, memory } = setUp()
  memory.open('/store/file.tmp', 'create').close()
  files.record()
  await replaceFile(files, 'one')
  t.equal(transfer.readFileSync(memory, '/store/file', 100)?.toString(), 'one')
  await replaceFile(files, '')
  t.equal(transfer.readFileSync(memory, '/store/file', 100)?.toString(), '')
  t.same(memory.list('/store'), ['file'])
  t.equal(memory.openHandles, 0)
  const kinds = files.trace?.map(({ kind }) => kind).join(' ')
  t.match(kinds, /^stat remove open write sync close rename syncDirectory/, 'in the order that makes it safe')
})

t.test('[fault 22] [fault 34] replaceFile fails at any operation with the old contents or the new', async (t) => {
  for (let failAt = 1; ; failAt++) {
    const { files, memory } = setUp({ failAt })
    memory.open('/store/file.tmp', 'create').close()
    const error = await replaceFile(files, 'new').catch((error: unknown) => error)
    t.equal(memory.openHandles, 0, `operation ${failAt}: no handle is left open`)
    if (files.failures === 0) {
      t.equal(failAt, 9, 'every operation had its turn')
      break
    }
    t.match(error, { code: 'EIO' }, `operation ${failAt}`)
    const text = transfer.readFileSync(memory, '/store/file', 100)?.toString()
    t.equal(text, failAt === 8 ? 'new' : TEXT)
    files.setFaults()
    await replaceFile(files, 'next')
    t.equal(transfer.readFileSync(memory, '/store/file', 100)?.toString(), 'next', 'and can be repeated')
  }
})

t.test('[fault 1] replaceFile killed at any operation leaves the old contents or the new', async (t) => {
  for (let freezeAfter = 0; freezeAfter < 8; freezeAfter++) {
    const { files, memory } = setUp({ freezeAfter })
    memory.open('/store/file.tmp', 'create').close()
    void replaceFile(files, 'new').catch(() => {})
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
    t.equal(files.frozen, true)
    const text = transfer.readFileSync(memory, '/store/file', 100)?.toString()
    t.equal(text, freezeAfter < 7 ? TEXT : 'new', `after ${freezeAfter} operations`)
    await replaceFile(new FaultyFileSystem(memory), 'next')
    t.equal(transfer.readFileSync(memory, '/store/file', 100)?.toString(), 'next')
  }
})

type Handle = Parameters<typeof transfer.readFullySync>[0]

function readFully(handle: Handle, target: Buffer, offset: number, length: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    transfer.readFully(handle, target, offset, length, position, (error, bytes) =>
      error ? reject(error) : resolve(bytes),
    )
  })
}

function writeFully(handle: Handle, source: Buffer, offset: number, length: number, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    transfer.writeFully(handle, source, offset, length, position, (error) => (error ? reject(error) : resolve()))
  })
}

function replaceFile(files: FaultyFileSystem, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    transfer.replaceFile(files, '/store', 'file', Buffer.from(text), (error) => (error ? reject(error) : resolve()))
  })
}
