import t from 'tap'
import { MemoryFileSystem } from '../../../engine/io/memory-file-system.js'
import { FaultyFileSystem, type Faults } from '../../support/faulty-file-system.js'

function setUp(faults?: Faults) {
  const memory = new MemoryFileSystem()
  memory.makeDirectory('/a')
  return { memory, files: new FaultyFileSystem(memory, faults) }
}

t.test('FaultyFileSystem counts and records', async (t) => {
  const { files } = setUp()
  files.record()
  const handle = files.open('/a/file', 'create')
  handle.writeSync(Buffer.alloc(10), 0, 10, 0)
  handle.readSync(Buffer.alloc(10), 0, 4, 8)
  await new Promise<void>((resolve) => handle.sync(() => resolve()))
  handle.close()
  handle.close()
  files.rename('/a/file', '/a/other')
  t.match(files, { operations: 6, bytesRead: 2, bytesWritten: 10, openHandles: 0, failures: 0 })
  t.same(files.counts, { open: 1, write: 1, read: 1, sync: 1, close: 1, rename: 1 })
  t.match(files.trace?.[2], { index: 3, kind: 'read', path: '/a/file', length: 4, position: 8 })
  t.match(files.trace?.[5], { kind: 'rename', path: '/a/file', to: '/a/other' })
})

t.test('FaultyFileSystem fails once, or from then on', async (t) => {
  const { files, memory } = setUp({ failAt: 2, code: 'ENOSPC', only: ({ kind }) => kind === 'makeDirectory' })
  files.stat('/a')
  files.makeDirectory('/a/1')
  t.throws(() => files.makeDirectory('/a/2'), { code: 'ENOSPC', path: '/a/2' })
  files.makeDirectory('/a/3')
  files.setFaults({ failAt: 2, sticky: true, only: ({ kind }) => kind === 'makeDirectory' })
  files.makeDirectory('/a/4')
  t.throws(() => files.makeDirectory('/a/5'), { code: 'EIO' })
  t.throws(() => files.makeDirectory('/a/6'), { code: 'EIO' })
  files.setFaults()
  files.makeDirectory('/a/7')
  t.same(memory.list('/a'), ['1', '3', '4', '7'])
  t.equal(files.failures, 3)
})

t.test('FaultyFileSystem fails and delays callbacks', async (t) => {
  const { files } = setUp({ delay: 20, failAt: 2, only: ({ kind }) => kind === 'sync' })
  const handle = files.open('/a/file', 'create')
  const start = performance.now()
  const sync = () => new Promise((resolve) => handle.sync(resolve))
  t.equal(await sync(), null)
  t.ok(performance.now() - start > 15)
  t.match(await sync(), { code: 'EIO' })
  t.equal(await sync(), null)
})

t.test('FaultyFileSystem closes the inner handle even when close fails', async (t) => {
  const { files, memory } = setUp({ failAt: 1, only: ({ kind }) => kind === 'close' })
  const handle = files.open('/a/file', 'create')
  t.throws(() => handle.close(), { code: 'EIO' })
  t.equal(memory.openHandles, 0)
})

t.test('FaultyFileSystem freezes: nothing gets through, no callback comes', async (t) => {
  const { files, memory } = setUp({ freezeAfter: 3 })
  const handle = files.open('/a/file', 'create')
  handle.writeSync(Buffer.from('abc'), 0, 3, 0)
  let called = 0
  handle.sync(() => called++)
  t.throws(() => handle.writeSync(Buffer.from('abc'), 0, 3, 3), { code: 'EFROZEN' })
  handle.write(Buffer.from('abc'), 0, 3, 3, () => called++)
  handle.sync(() => called++)
  t.throws(() => files.remove('/a/file'), { code: 'EFROZEN' })
  handle.close()
  await new Promise((resolve) => setTimeout(resolve, 10))
  t.equal(called, 0, 'not even of the sync that was under way')
  t.equal(memory.stat('/a/file')?.size, 3)
  t.equal(files.operations, 3)
  t.equal(memory.openHandles, 1)
  files.release()
  t.equal(memory.openHandles, 0)
})
