import t from 'tap'
import type { LogSegmentFile } from '../../../engine/commit-log/log-segment-file.js'
import { LogTail } from '../../../engine/commit-log/log-tail.js'
import { HEADER_FIXED_BYTES, parseHeader } from '../../../engine/format/file-header.js'
import { windowOf } from '../../../engine/format/frame.js'
import type { Done } from '../../../engine/io/file-system.js'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'

const OPTIONS = {
  storeId: Buffer.from('0123456789abcdef'),
  indexIntervalBytes: 1024,
  shapes: false,
  zeroLimit: Infinity,
}
const NOTHING = { previousBase: 0, previousEpoch: 0, previousEnd: 0 }

const promised = (call: (done: Done) => void): Promise<void> =>
  new Promise((resolve, reject) => call((error) => (error === null ? resolve() : reject(error))))

function setUp(): { tail: LogTail; events: string[]; fail: { next: boolean }; link: (of: LogSegmentFile) => unknown } {
  const environment = memoryEnvironment()
  const { files } = environment
  files.makeDirectories('/log')
  const events: string[] = []
  const fail = { next: false }
  const syncDirectory = files.syncDirectory.bind(files)
  files.syncDirectory = (path, done) => {
    if (fail.next) {
      fail.next = false
      return done(new Error('no'))
    }
    events.push('folder synced')
    syncDirectory(path, done)
  }
  const tail = new LogTail(
    environment,
    '/log',
    OPTIONS,
    { epoch: 3, sequence: 5, resume: undefined, previous: NOTHING },
    {
      created: ({ base }) => events.push(`created ${base}`),
      rolled: (full, next) => events.push(`rolled ${full.base} to ${next.base}`),
    },
  )
  const link = (of: LogSegmentFile): unknown => {
    const handle = files.open(of.path, 'read')
    const bytes = Buffer.alloc(HEADER_FIXED_BYTES)
    handle.readSync(bytes, 0, bytes.length, 0)
    handle.close()
    const verdict = parseHeader(windowOf(bytes), bytes.length, 'L')
    return verdict.kind === 'header' ? verdict.header : verdict
  }
  return { tail, events, fail, link }
}

t.test('[F5] a segment is told what it hangs on: the last group before, and how far the log is durable', async (t) => {
  const { tail, events, link } = setUp()
  const first = tail.roll(0, 5)
  t.match(link(first), { base: 0, epoch: 3, sequence: 5, durable: 5, ...NOTHING })
  await promised((done) => first.write(Buffer.from('group'), 0, 5, false, done))
  tail.advance(first, 5, false)
  t.ok(tail.unsynced)
  const second = tail.roll(10, 6)
  t.match(link(second), {
    base: 10,
    sequence: 6,
    durable: 5,
    previousBase: 0,
    previousEpoch: 3,
    previousEnd: first.end,
  })
  t.same(events, ['created 0', 'created 10', 'rolled 0 to 10'])
  t.equal(tail.current(), second)
})

t.test('[F5] before a durable write counts, older segments and the names of all are durable', async (t) => {
  const { tail, events } = setUp()
  const first = tail.roll(0, 5)
  const second = tail.roll(10, 6)
  t.ok(first.unsynced)
  await promised((done) => tail.secure(second, done))
  t.notOk(first.unsynced)
  t.ok(second.nameDurable)
  await promised((done) => tail.secure(second, done))
  t.same(events.filter((event) => event === 'folder synced').length, 1, 'once')
})

t.test('[F5] a name whose sync failed is not durable', async (t) => {
  const { tail, fail } = setUp()
  const segment = tail.roll(0, 5)
  fail.next = true
  await t.rejects(
    promised((done) => tail.secure(segment, done)),
    { message: 'no' },
  )
  t.notOk(segment.nameDurable)
  fail.next = true
  await t.rejects(
    promised((done) => tail.sync(9, done)),
    { message: 'no' },
  )
  t.equal(tail.durable, 5)
})

t.test('[F5] a sync makes durable what was committed without one, and no more', async (t) => {
  const { tail } = setUp()
  await promised((done) => tail.sync(5, done)) // nothing was written
  const segment = tail.roll(0, 5)
  tail.advance(segment, 5, false)
  tail.advance(segment, 6, false)
  t.match(tail, { durable: 5, unsynced: true })
  await promised((done) => tail.sync(6, done))
  t.match(tail, { durable: 6, unsynced: true })
  tail.advance(segment, 7, true)
  t.match(tail, { durable: 8, unsynced: false })
})

t.test('[fault 24] nothing durable is written behind a segment whose sync failed', async (t) => {
  const { tail, events } = setUp()
  const first = tail.roll(0, 5)
  const second = tail.roll(10, 6)
  first.sync = (done) => done(new Error('no'))
  await t.rejects(
    promised((done) => tail.secure(second, done)),
    { message: 'no' },
  )
  t.notOk(second.nameDurable)
  t.notOk(events.includes('folder synced'))
})

t.test('[F5] a segment that is begun at once is durable, or it is told', async (t) => {
  const { tail, fail } = setUp()
  await promised((done) => tail.start(0, 5, done))
  t.match(tail.segment, { base: 0, nameDurable: true, unsynced: false })
  fail.next = true
  await t.rejects(
    promised((done) => tail.start(10, 6, done)),
    { message: 'no' },
  )
  t.match(tail.segment, { base: 10, nameDurable: false, unsynced: true })
})
