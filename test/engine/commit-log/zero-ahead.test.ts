import t from 'tap'
import { ZeroAhead } from '../../../engine/commit-log/zero-ahead.js'
import { MemoryFileSystem } from '../../../engine/io/memory-file-system.js'
import { FaultyFileSystem, type Faults } from '../../support/faulty-file-system.js'

function setUp(faults: Faults = {}) {
  const files = new FaultyFileSystem(new MemoryFileSystem(), faults).record()
  const handle = files.open('/log', 'create')
  const zeros = new ZeroAhead(handle, (done) => handle.sync(done), 100)
  const stopped = (): Promise<void> => new Promise((resolve) => zeros.stop(resolve))
  return { files, handle, zeros, stopped }
}

t.test('zeros are written ahead and synced, and only when few are left', async (t) => {
  const { files, handle, zeros } = setUp()
  zeros.prepare(100, 200)
  await new Promise<void>((resolve) => zeros.clear(Infinity, resolve))
  t.equal(handle.size(), 200 + 64 * 1024)
  t.equal(files.counts.sync, 1)
  zeros.prepare(100, 300)
  await new Promise<void>((resolve) => zeros.clear(Infinity, resolve))
  t.equal(handle.size(), 200 + 64 * 1024 + 128 * 1024, 'twice as many')
  zeros.prepare(100, 400)
  t.equal(files.counts.write, 2, 'enough are there')
})

t.test(
  'for large writes there are none, since those would be written twice; for small ones behind them there are',
  (t) => {
    const { files, handle, zeros } = setUp()
    zeros.prepare(64 * 1024, 100_000)
    t.equal(files.counts.write, undefined, 'none')
    zeros.prepare(64 * 1024 - 1, 200_000)
    t.equal(files.counts.write, 1)
    zeros.stop(() => {
      t.equal(handle.size(), 200_000 + 64 * 1024)
      t.end()
    })
  },
)

t.test('a write waits for zeros that could land on it, and for no others', async (t) => {
  const { zeros } = setUp()
  zeros.prepare(100, 200)
  let went = ''
  zeros.clear(200, () => (went += 'before '))
  t.equal(went, 'before ', 'at once')
  await new Promise<void>((resolve) =>
    zeros.clear(201, () => {
      went += 'behind'
      resolve()
    }),
  )
  t.equal(went, 'before behind')
})

t.test(
  '[fault 21] a write of zeros that fails is no failure, just the end of it; a sync that fails is one',
  async (t) => {
    const full = setUp({ failAt: 1, code: 'ENOSPC', only: ({ kind }) => kind === 'write' })
    full.zeros.prepare(100, 200)
    await full.stopped()
    t.equal(full.zeros.failure, undefined)
    full.zeros.prepare(100, 300)
    t.equal(full.files.counts.write, 1, 'no more')

    const broken = setUp({ failAt: 1, only: ({ kind }) => kind === 'sync' })
    broken.zeros.prepare(100, 200)
    await broken.stopped()
    t.match(broken.zeros.failure, { code: 'EIO' })
  },
)
