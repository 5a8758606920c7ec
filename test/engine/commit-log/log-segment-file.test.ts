import t from 'tap'
import { LogSegmentFile } from '../../../engine/commit-log/log-segment-file.js'
import { HEADER_FIXED_BYTES, parseHeader } from '../../../engine/format/file-header.js'
import { windowOf } from '../../../engine/format/frame.js'
import { IndexBuilder } from '../../../engine/format/sparse-index.js'
import type { Done, FileSystem } from '../../../engine/io/file-system.js'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'

const ID = Buffer.from('0123456789abcdef')
const LINK = { previousBase: 3, previousEpoch: 1, previousEnd: 500, sequence: 9, durable: 8 }
const OPTIONS = { storeId: ID, indexIntervalBytes: 1024, shapes: true, zeroLimit: Infinity }

const promised = (call: (done: Done) => void): Promise<void> =>
  new Promise((resolve, reject) => call((error) => (error === null ? resolve() : reject(error))))

function setUp(): { files: FileSystem; segment: LogSegmentFile; contents: () => Buffer } {
  const { files } = memoryEnvironment()
  files.makeDirectories('/log')
  const segment = LogSegmentFile.create(files, '/log', 20, 2, LINK, OPTIONS)
  const contents = (): Buffer => {
    const handle = files.open(segment.path, 'read')
    const bytes = Buffer.alloc(handle.size())
    handle.readSync(bytes, 0, bytes.length, 0)
    handle.close()
    return bytes
  }
  return { files, segment, contents }
}

const write = (segment: LogSegmentFile, text: string, durable: boolean): Promise<void> =>
  promised((done) => segment.write(Buffer.from(`..${text}`), 2, text.length, durable, done))

t.test('[F5] a new segment begins with a header that says what it hangs on', (t) => {
  const { files, segment, contents } = setUp()
  const verdict = parseHeader(windowOf(contents()), contents().length, 'L')
  t.match(verdict, { kind: 'header', header: { storeId: ID, base: 20, epoch: 2, shapes: true, ...LINK } })
  t.match(segment, { end: HEADER_FIXED_BYTES, tableStart: HEADER_FIXED_BYTES, unsynced: true, nameDurable: false })
  t.throws(() => LogSegmentFile.create(files, '/log', 20, 2, LINK, OPTIONS), { code: 'EEXIST' }, 'it replaces none')
  t.end()
})

t.test('[F5] groups follow each other, whether durable or not; zeros ahead are cut off', async (t) => {
  const { segment, contents } = setUp()
  await write(segment, 'one', false)
  t.ok(segment.unsynced)
  await write(segment, 'two', true)
  t.notOk(segment.unsynced, 'a durable write makes durable what is before it')
  await write(segment, 'three', true)
  await write(segment, 'four', false)
  t.ok(segment.unsynced)
  await promised((done) => segment.sync(done))
  t.notOk(segment.unsynced)
  t.equal(segment.end, HEADER_FIXED_BYTES + 15)
  await new Promise<void>((resolve) => segment.settle(resolve))
  t.ok(contents().length > segment.end, 'zeros were written ahead')
  t.ok(
    contents()
      .subarray(segment.end)
      .every((byte) => byte === 0),
  )
  segment.truncate()
  t.equal(contents().toString('latin1', HEADER_FIXED_BYTES), 'onetwothreefour')
  segment.close()
})

t.test('[F5] a write that fails does not count', async (t) => {
  const { segment } = setUp()
  segment.close()
  await t.rejects(write(segment, 'lost', false))
  t.equal(segment.end, HEADER_FIXED_BYTES)
})

t.test('[F5] a segment that was closed is gone on with at its end', async (t) => {
  const { files, segment, contents } = setUp()
  await write(segment, 'one', false)
  segment.close()
  const end = segment.end
  const index = new IndexBuilder(1024)
  const resumed = LogSegmentFile.resume(files, segment.path, 20, 2, 10, end, index)
  t.match(resumed, { end, tableStart: end, sequence: 10, unsynced: false, nameDurable: true })
  await write(resumed, 'two', false)
  t.equal(contents().toString('latin1', HEADER_FIXED_BYTES), 'onetwo')
  resumed.close()
})

t.test('[F6] a write on the main thread is at the end at once, and waits for the next sync', async (t) => {
  const { segment, contents } = setUp()
  t.ok(segment.isIdle)
  await write(segment, 'one', true)
  segment.writeSync(Buffer.from('..two'), 2, 3)
  t.equal(segment.end, HEADER_FIXED_BYTES + 6)
  t.equal(contents().toString('latin1', HEADER_FIXED_BYTES, segment.end), 'onetwo')
  t.ok(segment.unsynced)
  const synced = promised((done) => segment.sync(done))
  t.notOk(segment.isIdle, 'the disk is busy')
  segment.writeSync(Buffer.from('three'), 0, 5)
  await synced
  t.ok(segment.isIdle)
  t.ok(segment.unsynced, 'what came after the sync had begun is not in it')
  await promised((done) => segment.sync(done))
  t.notOk(segment.unsynced)
})

t.test('[F6] [fault 24] a segment is not idle while zeros are on their way, nor after they have failed', async (t) => {
  const files = new FaultyFileSystem(memoryEnvironment().files)
  files.makeDirectories('/log')
  const segment = LogSegmentFile.create(files, '/log', 20, 2, LINK, OPTIONS)
  await write(segment, 'one', true) // syncs what is unsynced
  t.ok(segment.isIdle)
  files.setFaults({ only: ({ kind }) => kind === 'sync', failAt: 1, code: 'EIO' })
  const written = write(segment, 'two', true)
  t.notOk(segment.isIdle)
  await written.catch(() => undefined)
  await new Promise<void>((resolve) => segment.settle(resolve))
  t.notOk(segment.isIdle)
})

t.test('[fault 21] a segment whose header cannot be written leaves no file open', (t) => {
  const files = new FaultyFileSystem(memoryEnvironment().files)
  files.makeDirectories('/log')
  files.setFaults({ only: ({ kind }) => kind === 'write', failAt: 1, code: 'ENOSPC' })
  t.throws(() => LogSegmentFile.create(files, '/log', 20, 2, LINK, OPTIONS), { code: 'ENOSPC' })
  t.equal(files.openHandles, 0)
  t.end()
})
