import t from 'tap'
import { LogHeads } from '../../../engine/commit-log/log-heads.js'
import { KeyHasher, KEY_COMMIT_ID, KEY_TAG, KEY_TYPE } from '../../../engine/format/key-hash.js'
import { KeylessSource, MemorySource, type KeySource, SegmentSource } from '../../../engine/keys/key-source.js'
import { ReadHandles } from '../../../engine/segment/read-handles.js'
import { TestMachine } from '../store/test-machine.js'
import { keyDisk, written } from './key-support.js'

const positions = (source: KeySource, hash: KeyHasher, from: number, end: number): number[] => {
  const range = source.range(hash.high, hash.low, from, end)
  return Array.from({ length: range.count }, (_, i) => range.at(i).position)
}

/** A log segment of ten commits of two events each, and what reads it. */
async function segment(mostTables = 8) {
  const machine = new TestMachine()
  const store = await machine.open({ durability: 'os' })
  for (let n = 0; n < 10; n++) {
    const events = [
      { type: n < 5 ? 'Early' : 'Late', data: n, tags: [`n:${n}`, 'all'] },
      { type: 'Usual', data: n },
    ]
    await store.append('s', events, { commitId: `c${n}` })
  }
  await store.close()
  const [path] = machine.find('.log')
  const hasher = new KeyHasher(machine.contents('/store/annals').subarray(20, 36))
  const hashOf = (kind: 1 | 2 | 3, text: string): KeyHasher => {
    hasher.hashText(kind, text)
    return hasher
  }
  const { files } = machine
  const endOf = (): number => machine.contents(path!).length
  const handles = new ReadHandles(files, 4)
  const storeId = machine.contents('/store/annals').subarray(20, 36)
  const reading = {
    handles,
    heads: new LogHeads(handles, storeId),
    hasher: new KeyHasher(storeId),
    endOf,
    tables: new Map(),
    mostTables,
  }
  const sourceOf = (end: number): SegmentSource =>
    new SegmentSource(reading, [{ base: 0, epoch: 1, path: path! }], end, 0, undefined)
  return { files, hashOf, sourceOf, reading }
}

t.test('a segment without a key file is asked by reading it, once', async (t) => {
  const { files, hashOf, sourceOf } = await segment()
  const source = sourceOf(20)
  t.same(positions(source, hashOf(KEY_COMMIT_ID, 'c3'), 0, 20), [6])
  files.record()
  t.same(positions(source, hashOf(KEY_TAG, 'n:9'), 0, 20), [18])
  t.same(positions(source, hashOf(KEY_TAG, 'all'), 0, 20), [0, 2, 4, 6, 8, 10, 12, 14, 16, 18])
  t.same(positions(source, hashOf(KEY_TAG, 'all'), 5, 10), [6, 8])
  t.same(positions(source, hashOf(KEY_TYPE, 'Early'), 0, 20), [8], 'the last of its type')
  t.same(positions(source, hashOf(KEY_TYPE, 'Usual'), 0, 20), [19])
  t.same(positions(source, hashOf(KEY_TAG, 'c3'), 0, 20), [], 'a commit id is no tag')
  t.same(
    files.trace!.filter(({ kind }) => kind === 'read'),
    [],
  )
})

t.test('beyond so many tables segments are read for each question', async (t) => {
  const { files, hashOf, sourceOf, reading } = await segment(1)
  const [first, second] = [sourceOf(20), sourceOf(20)]
  for (const source of [first, second]) t.same(positions(source, hashOf(KEY_TAG, 'n:1'), 0, 20), [2])
  t.equal(reading.tables.size, 1)
  files.record()
  t.same(positions(first, hashOf(KEY_TAG, 'n:1'), 0, 20), [2])
  t.same(
    files.trace!.filter(({ kind }) => kind === 'read'),
    [],
  )
  t.same(positions(second, hashOf(KEY_TAG, 'n:1'), 0, 20), [2])
  t.ok(files.trace!.some(({ kind }) => kind === 'read'))
})

t.test('a segment that was gone on in answers for what is before its end, types too', async (t) => {
  const { hashOf, sourceOf } = await segment()
  const source = sourceOf(12)
  t.same(positions(source, hashOf(KEY_TYPE, 'Late'), 0, 12), [10])
  t.same(positions(source, hashOf(KEY_TYPE, 'Usual'), 0, 12), [11])
  t.same(positions(source, hashOf(KEY_COMMIT_ID, 'c6'), 0, 20), [])
})

t.test('a key file answers within positions, and is blamed when its entries are not in order', async (t) => {
  const files = keyDisk()
  const list = Array.from({ length: 10 }, (_, i) => [5, 5, 10 * i, i] as const)
  const source = (file: Awaited<ReturnType<typeof written>>): SegmentSource =>
    new SegmentSource(undefined!, [{ base: 0, epoch: 1, path: '' }], 100, 0, file)
  const range = source(await written(files, list)).range(5, 5, 20, 50)
  t.same([range.count, range.at(0), range.at(2)], [3, { position: 20, byte: 2 }, { position: 40, byte: 4 }])
  t.equal(source(await written(keyDisk(), list)).range(5, 5, 91, 200).count, 0)
  t.equal(source(await written(keyDisk(), list)).range(6, 5, 0, 200).count, 0)
  const mixed = [...list.slice(0, 4), [7, 5, 35, 0] as const, ...list.slice(4)]
  const wrong = source(await written(keyDisk(), mixed)).range(5, 5, 0, 100)
  t.throws(() => Array.from({ length: wrong.count }, (_, i) => wrong.at(i)), { message: /not in order/ })
})

t.test('what has no keys answers nothing, memory what was added', (t) => {
  const range = new KeylessSource(0, 10).range()
  t.equal(range.count, 0)
  t.throws(() => range.at(0), RangeError)
  const memory = new MemorySource(4)
  memory.table.add(1, 2, 5, -1)
  memory.table.add(1, 2, 9, -1)
  const found = memory.range(1, 2, 4, Infinity)
  t.same([found.count, found.at(0).position, found.at(1).position], [2, 5, 9], 'by rising position')
  t.end()
})

t.test('[C2] [fault 47] a segment that lacks events of its stretch is not asked for keys', async (t) => {
  const { hashOf, sourceOf } = await segment()
  t.same(positions(sourceOf(20), hashOf(KEY_COMMIT_ID, 'c3'), 0, 20), [6])
  const missing = { code: 'ERR_CORRUPT', reason: 'position 20 is missing' }
  t.throws(() => positions(sourceOf(22), hashOf(KEY_COMMIT_ID, 'c3'), 0, 22), missing, 'at its end')
})

t.test('[C2] [fault 46] [fault 51] a segment of another place or another store is not asked for keys', async (t) => {
  const { files, hashOf, reading, sourceOf } = await segment()
  const { path } = sourceOf(20).segments[0]!
  const shifted = new SegmentSource(reading, [{ base: 2, epoch: 1, path }], 20, 0, undefined)
  t.throws(() => positions(shifted, hashOf(KEY_TAG, 'all'), 2, 20), {
    code: 'ERR_CORRUPT',
    reason: 'position 2 is missing',
  })
  const foreign = { ...reading, heads: new LogHeads(new ReadHandles(files, 1), Buffer.alloc(16, 7)) }
  const other = new SegmentSource(foreign, [{ base: 0, epoch: 1, path }], 20, 0, undefined)
  t.throws(() => positions(other, hashOf(KEY_TAG, 'all'), 0, 20), {
    code: 'ERR_CORRUPT',
    reason: 'the segment belongs to another store',
  })
})
