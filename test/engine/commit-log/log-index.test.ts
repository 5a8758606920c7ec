import t from 'tap'
import { LogDirectory, type LogSegment } from '../../../engine/commit-log/log-directory.js'
import {
  encodeLogIndex,
  LogIndexes,
  readLogIndex,
  resumeLogIndex,
  writeDerived,
} from '../../../engine/commit-log/log-index.js'
import type { IndexEntry } from '../../../engine/format/sparse-index.js'
import { defaultLimits } from '../../../engine/limits.js'
import { ReadHandles } from '../../../engine/segment/read-handles.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'
import { numbered, TestMachine } from '../store/test-machine.js'

const limits = { ...defaultLimits, indexIntervalBytes: 256 }

/** A closed log segment of 100 events, with its index. */
async function log() {
  const machine = new TestMachine()
  const store = await machine.open({ limits: { indexIntervalBytes: limits.indexIntervalBytes } })
  for (let i = 0; i < 50; i++) await store.append('a', numbered(2, i))
  await store.close()
  const files = new FaultyFileSystem(machine.environment.files)
  const { directory } = LogDirectory.read(files, '/store/log')
  const [segment] = directory.segments as [LogSegment]
  const storeId = Buffer.from(machine.contents(segment.path).subarray(20, 36))
  const handles = new ReadHandles(files, 8)
  const path = directory.beside(segment, '.idx')
  const end = machine.contents(segment.path).length
  const read = (): IndexEntry[] | undefined => readLogIndex(files, path, segment, storeId, 10 ** 6)
  const indexes = (): LogIndexes => new LogIndexes(files, directory, handles, storeId, limits)
  const resume = () => resumeLogIndex(files, directory, handles, segment, storeId, limits, end)
  return { machine, files, directory, segment, storeId, handles, path, end, read, indexes, resume }
}

t.test('[F3] the index of a log segment comes back as it was written', async (t) => {
  const { read, machine, path, segment, storeId } = await log()
  const entries = read()!
  t.ok(entries.length > 20)
  const contents = machine.contents(path)
  t.same(encodeLogIndex(storeId, segment, entries), contents)
  const bytes = machine.contents(segment.path)
  for (const { number, byte } of entries) t.equal(Number(bytes.readBigUInt64LE(byte + 16)), number)
})

t.test('[F3] [fault 15] [fault 49] an index that is wrong in any way is as good as none, and made again', async (t) => {
  const { read, machine, path, segment, storeId, files, indexes, end } = await log()
  const right = machine.contents(path)
  const entries = read()!
  const flipped = (at: number): Buffer => {
    const copy = Buffer.from(right)
    copy[at]! ^= 1
    return copy
  }
  const wrong: (Buffer | undefined)[] = [
    undefined,
    Buffer.alloc(0),
    right.subarray(0, 50),
    right.subarray(0, -3),
    flipped(100),
    flipped(20),
    encodeLogIndex(Buffer.alloc(16, 9), segment, entries),
    encodeLogIndex(storeId, { ...segment, base: 7 }, entries),
    encodeLogIndex(storeId, { ...segment, epoch: 7 }, entries),
  ]
  for (const contents of wrong) {
    if (contents === undefined) machine.remove(path)
    else machine.write(path, contents)
    t.equal(read(), undefined)
    const made = indexes().entries(segment, end)
    t.same(made.slice(0, entries.length), entries)
    t.ok(
      made.length <= entries.length + 1,
      'and one for the last stretch, which a segment that may be gone on in has not',
    )
  }
  machine.write(path, right)
  t.equal(readLogIndex(files, path, segment, storeId, 100), undefined, 'nor is one read that is too large')
  files.setFaults({ failAt: 1, sticky: true, only: (operation) => operation.path === path })
  t.equal(read(), undefined, 'one that the system does not read')
  files.setFaults()
  t.same(read(), entries)
})

t.test('[F3] indexes are read once, and the least known are forgotten', async (t) => {
  const { indexes, files, segment, end } = await log()
  const one = indexes()
  const entries = one.entries(segment, end)
  files.record()
  t.equal(one.entries(segment, end), entries)
  t.equal(files.trace!.length, 0)
})

t.test(
  '[F3] an index is taken up where it ends, whatever is left of it, and grows as if it had never been left',
  async (t) => {
    const { resume, machine, path, segment, storeId, read, end } = await log()
    const right = read()!
    for (const left of [right, right.slice(0, 10), right.slice(0, 1), [], undefined]) {
      if (left === undefined) machine.remove(path)
      else machine.write(path, encodeLogIndex(storeId, segment, left))
      const builder = resume()
      t.same(builder.entries, right, `${left?.length ?? 'no'} entries`)
    }
    // As if it had been written before the end of the segment was cut: its last entry goes up to there.
    const last = { ...right.at(-1)!, end }
    const beyond = { number: 10 ** 6, byte: end, end: end + 1, minTime: 0, maxTime: 0 }
    machine.write(path, encodeLogIndex(storeId, segment, [...right.slice(0, -1), last, beyond]))
    t.same(resume().entries, right, 'entries behind the end do not count')
  },
)

t.test('[fault 39] an index of damaged records ends before them', async (t) => {
  const { machine, segment, path, resume, read } = await log()
  const right = read()!
  machine.remove(path)
  const bytes = machine.contents(segment.path)
  bytes[right[10]!.byte + 30]! ^= 1
  machine.write(segment.path, bytes)
  const builder = resume()
  builder.finish()
  t.ok(builder.entries.length <= 10)
  t.same(
    builder.entries.slice(0, -1).map(({ byte }) => byte),
    right.slice(0, builder.entries.length - 1).map(({ byte }) => byte),
  )
})

t.test('[F3] derived files are written in place, over whatever was there', async (t) => {
  const { files, machine } = await log()
  writeDerived(files, '/store/log/x', Buffer.from('a long one'))
  writeDerived(files, '/store/log/x', Buffer.from('short'))
  t.equal(machine.contents('/store/log/x').toString(), 'short')
  const before = files.openHandles
  files.setFaults({ failAt: 1, code: 'ENOSPC', only: ({ kind }) => kind === 'write' })
  t.throws(() => writeDerived(files, '/store/log/x', Buffer.from('other')), { code: 'ENOSPC' })
  t.equal(files.openHandles, before, 'nothing is left open')
})

t.test('[fault 40] of a segment that is not there, or shorter than it was, nothing is known', async (t) => {
  const { machine, segment, path, indexes, end, read } = await log()
  const right = read()!
  machine.remove(path)
  t.same(
    indexes()
      .entries(segment, end + 100)
      .slice(0, right.length),
    right,
    'up to where it ends',
  )
  const missing = { ...segment, path: `${segment.path}.gone` }
  t.equal(indexes().sizeOf(segment), end)
  t.equal(indexes().sizeOf(missing), 0)
  t.same(indexes().entries({ ...missing, base: 7 }, end), [])
  t.notOk(indexes().excludes({ ...missing, base: 7 }, end, { from: 0, to: 1 }), 'no stretch is passed over')
})
