import t from 'tap'
import { WrongKeyFile } from '../../../engine/keys/key-file-reader.js'
import type { SegmentSource } from '../../../engine/keys/key-source.js'
import { FOLDER, KeyedLog, never, ofCommit, ofType, shapeOf, taggedWith } from '../../support/keyed-log.js'

/** Segments of two events each: the first tagged, the second of a commit with an id. */
const pairs = (count: number): KeyedLog =>
  new KeyedLog(Array.from({ length: count }, (_, n) => [{ tags: [`n:${n}`, 'all'] }, { type: 'U', commitId: `c${n}` }]))

const withFile = (index: ReturnType<KeyedLog['index']>, i: number): SegmentSource => index.withFiles()[i]!

t.test('[C2] nothing is read before somebody asks', (t) => {
  const log = pairs(3)
  log.files.record()
  const index = log.index()
  log.append(index, { tags: ['new'] }, 6)
  t.ok(index.isKeyed(6))
  t.same(log.files.trace, [])
  t.same(taggedWith(index, 'new'), [6])
  t.not(log.files.trace!.length, 0)
  t.end()
})

t.test('[C2] segments without a key file, and what is in memory, answer in the order of the log', (t) => {
  const log = pairs(3)
  const index = log.index()
  log.append(index, { tags: ['all'], commitId: 'c9' }, 6)
  t.same(shapeOf(index), ['segment log 0-2', 'segment log 2-4', 'segment log 4-6', 'memory 6-Infinity'])
  t.same(taggedWith(index, 'all'), [0, 2, 4, 6])
  t.same(ofCommit(index, 'c1'), [3])
  t.same(ofCommit(index, 'c9'), [6])
  t.same(ofType(index, 'U'), [1, 3, 5], 'of each segment the last')
  t.same(taggedWith(index, 'none'), [])
  t.end()
})

t.test('what is from before the first key is not looked through', (t) => {
  const log = pairs(4)
  t.same(shapeOf(log.index({ keyedFrom: 5 })), [
    'keyless 0-4',
    'segment log 4-6',
    'segment log 6-8',
    'memory 8-Infinity',
  ])
  t.same(shapeOf(log.index({ keyedFrom: 4 })).slice(0, 2), ['keyless 0-4', 'segment log 4-6'])
  const none = log.index({ keyedFrom: undefined })
  t.same(shapeOf(none), ['keyless 0-8', 'memory 8-Infinity'], 'stretches without keys are one')
  t.equal(none.keyedFrom, undefined)
  t.notOk(none.isKeyed(100))
  log.append(none, { tags: ['a'] }, 8)
  t.equal(none.keyedFrom, 8, 'the first key')
  t.same([none.isKeyed(8), none.isKeyed(9)], [false, true])
  log.append(none, { tags: ['b'] }, 9)
  t.equal(none.keyedFrom, 8)
  t.end()
})

t.test('[C2] [fault 47] of a log whose first segments are gone, nobody is told that they had no key', (t) => {
  const log = pairs(3)
  log.directory.remove(log.directory.segments[0]!)
  t.same(shapeOf(log.index()), ['keyless 0-2', 'segment log 2-4', 'segment log 4-6', 'memory 6-Infinity'])
  t.throws(() => ofCommit(log.index(), 'c'), { code: 'ERR_CORRUPT', reason: 'the first log segment is missing' })
  t.same(ofCommit(log.index({ keyedFrom: 2 }), 'none'), [], 'they are known to have had none')
  t.same(ofCommit(log.index({ keyedFrom: undefined }), 'none'), [])
  t.throws(() => ofCommit(log.index({ keyedFrom: 1 }), 'none'), { code: 'ERR_CORRUPT' })
  log.directory.clear()
  t.same(shapeOf(log.index()), ['keyless 0-6', 'memory 6-Infinity'])
  t.same(shapeOf(log.index({ position: 0 })), ['memory 0-Infinity'], 'a new store')
  t.end()
})

t.test('a segment that is sealed takes over from memory', async (t) => {
  for (const asked of [true, false]) {
    const log = pairs(3)
    const index = log.index({ position: 2 })
    for (let position = 2; position < 6; position++) log.append(index, { tags: [`m:${position}`] }, position)
    if (asked) t.same(shapeOf(index), ['segment log 0-2', 'memory 2-Infinity'])
    const second = index.sourceOf([log.segments[1]!], 4, 0)
    index.seal(log.segments[1]!, 4, await log.builder(index).build(second, never))
    index.seal(log.segments[2]!, 6, undefined)
    const third = asked ? 'keyless 4-6' : 'segment log 4-6' // found again, and read
    t.same(shapeOf(index), ['segment log 0-2', 'segment tier 0 2-4', third, 'memory 6-Infinity'])
    t.same(ofCommit(index, 'c1'), [3])
  }
})

t.test('of a segment that is gone on in, the sealed whole takes the place of its beginning', async (t) => {
  const log = pairs(2)
  const index = log.index({ position: 3 })
  t.same(shapeOf(index), ['segment log 0-2', 'segment log 2-3', 'memory 3-Infinity'])
  t.same(ofCommit(index, 'c1'), [], 'was not there when it was opened')
  index.seal(log.segments[1]!, 4, index.sourceOf([log.segments[1]!], 4, 0))
  t.same(shapeOf(index), ['segment log 0-2', 'segment log 2-4', 'memory 4-Infinity'])
  t.same(ofCommit(index, 'c1'), [3])

  // The end of a merged file, and of a stretch without keys, may be gone on in too.
  const more = pairs(9)
  const merged = more.index({ position: 18 })
  await more.make(merged)
  await more.builder(merged).mergeAll(never)
  t.match(shapeOf(merged), ['segment tier 1 0-16', 'segment tier 0 16-18'])
  merged.seal(more.segments[7]!, 16, undefined)
  t.same(shapeOf(merged).slice(0, 2), ['segment log 0-2', 'segment log 2-4'], 'those before it one by one')
  t.same(shapeOf(merged).slice(-2), ['keyless 14-16', 'memory 18-Infinity'])
  const keyless = log.index({ keyedFrom: undefined })
  t.same(shapeOf(keyless), ['keyless 0-4', 'memory 4-Infinity'])
  keyless.seal(log.segments[1]!, 5, keyless.sourceOf([log.segments[1]!], 5, 0))
  t.same(shapeOf(keyless), ['keyless 0-2', 'segment log 2-5', 'memory 5-Infinity'])
})

t.test('memory is kept in tables, and those that key files have taken over are forgotten', (t) => {
  const log = new KeyedLog([[{}]])
  const index = log.index({ position: 1 })
  const tags = Array.from({ length: 250 }, (_, i) => `t${i}`)
  let position = 1
  for (; index.sources().length < 4; position++) log.append(index, { tags }, position)
  const [, first, second] = index.sources()
  t.same(first!.end, second!.from)
  t.ok(first!.end > 65_536 / 250 && first!.end < 65_536 / 250 + 3, `a table for ${first!.end - 1} events of 250 keys`)
  t.same(taggedWith(index, 't7').length, position - 1, 'none is lost between tables')
  index.seal(log.segments[0]!, first!.end - 1, undefined)
  t.equal(index.sources().filter((source) => source.constructor.name === 'MemorySource').length, 3, 'one event is left')
  index.seal(log.segments[0]!, first!.end, undefined)
  t.same(
    index
      .sources()
      .filter((source) => source.constructor.name === 'MemorySource')
      .map(({ from }) => from),
    [second!.from, second!.end],
  )
  t.end()
})

t.test('[C2] key files that are there are used, those of the highest tier first', async (t) => {
  const log = pairs(10)
  const first = log.index()
  await log.make(first)
  await log.builder(first).mergeAll(never)
  t.same(shapeOf(first), ['segment tier 1 0-16', 'segment tier 0 16-18', 'segment tier 0 18-20', 'memory 20-Infinity'])
  // A file of the first segment alone, left by a writer that was killed before it removed it.
  const single = first.sourceOf([log.segments[0]!], 2, 0)
  await log.builder(first).build(single, never)
  const index = log.index()
  log.files.record()
  t.same(shapeOf(index), shapeOf(first))
  t.same(
    log.files.trace!.filter(({ kind, path }) => kind === 'read' && path.endsWith('.log')),
    [],
  )
  t.same(index.missing(), [])
  t.same(taggedWith(index, 'all'), [0, 2, 4, 6, 8, 10, 12, 14, 16, 18])
  t.same(
    index.leftovers().map((path) => path.slice(FOLDER.length + 1)),
    ['0000000000000000-0000000001.key'],
  )
})

t.test('[C2] [fault 49] key files of other segments than these are not used', async (t) => {
  const log = pairs(3)
  await log.make(log.index())
  const asBuilt = ['segment tier 0 0-2', 'segment tier 0 2-4', 'segment tier 0 4-6', 'memory 6-Infinity']
  t.same(shapeOf(log.index()), asBuilt)
  const [first, second, third] = log.segments
  t.same(shapeOf(log.index({ storeId: Buffer.alloc(16) }))[0], 'segment log 0-2', 'of another store')
  log.counting.set(third!.path, log.endOf(third!) - 1)
  t.same(shapeOf(log.index())[2], 'segment log 4-6', 'of a segment with other bytes')
  log.counting.clear()
  t.same(shapeOf(log.index({ position: 5 }))[2], 'segment log 4-5', 'with another end')
  const key = ({ path }: { path: string }): string => path.replace('.log', '.key')
  const bytes = log.contents(key(second!))
  log.write(key(second!), log.contents(key(first!)))
  log.handles.close()
  t.same(shapeOf(log.index())[1], 'segment log 2-4', 'of another segment')
  log.write(key(second!).replace('-0000000001', '-0000000002'), bytes)
  log.write(`${FOLDER}/0000000000000001-0000000001.key`, bytes)
  t.same(shapeOf(log.index())[1], 'segment log 2-4', 'of a segment of another writer, or of none')
  t.same(log.index().leftovers().length, 3)
  log.write(`${FOLDER}/0000000000000004-0000000001.key.new`, bytes)
  t.same(log.index().leftovers().length, 4, 'nor is one that a writer has not finished')
  const other = log.index()
  const from3 = other.sourceOf([first!, { ...second!, base: 3 }], 4, 1)
  await log.builder(other).build(from3, never)
  t.same(shapeOf(log.index())[0], 'segment tier 0 0-2', 'of a segment that began elsewhere')
})

t.test(
  '[C2] [fault 49] a key file that turns out wrong is put aside, and its segments are read until they have new ones',
  async (t) => {
    const log = pairs(9)
    let wanted = 0
    const index = log.index({ wanted: () => wanted++ })
    await log.make(index)
    await log.builder(index).mergeAll(never)
    const merged = withFile(index, 0)
    index.distrust(new WrongKeyFile(merged.file!, 'x'))
    t.equal(wanted, 1)
    t.equal(index.missing().length, 8)
    t.same(shapeOf(index).slice(-3), ['segment log 14-16', 'segment tier 0 16-18', 'memory 18-Infinity'])
    t.same(taggedWith(index, 'n:3'), [6])
    index.distrust(new WrongKeyFile(merged.file!, 'x'))
    t.equal(wanted, 1, 'who still read in it tells nothing new')
    await log.make(index)
    t.same(index.missing(), [])
    const quiet = log.index()
    quiet.distrust(new WrongKeyFile(withFile(quiet, 0).file!, 'x')) // nobody makes files for a reader
    t.equal(quiet.missing().length, 8)
  },
)

t.test('sources are replaced only where they still stand', async (t) => {
  const log = pairs(4)
  const index = log.index()
  const [first, second] = index.missing()
  const both = index.sourceOf(log.segments.slice(0, 2), 4, 1)
  index.replace([second!, first!], both)
  index.replace([first!, index.missing()[2]!], both)
  t.equal(index.missing().length, 4, 'not in this order, and not with others between')
  index.replace([first!, second!], both)
  t.same(shapeOf(index), ['segment log 0-4', 'segment log 4-6', 'segment log 6-8', 'memory 8-Infinity'])
  index.replace([first!, second!], both)
  t.equal(index.missing().length, 3, 'they stand there no more')
  const unasked = log.index()
  unasked.replace([first!], both)
  unasked.made(first!, both)
  t.same(shapeOf(unasked)[0], 'segment log 0-2', 'an index that has read nothing finds what there is')
})

t.test('[C2] a decision by types alone asks for key files of what is from before the first key', async (t) => {
  const log = pairs(3)
  let wanted = 0
  const index = log.index({ keyedFrom: undefined, wanted: () => wanted++ })
  t.same(index.missing(), [])
  t.notOk(index.isCatchingUp)
  index.wantAll()
  index.wantAll()
  t.equal(wanted, 1)
  t.ok(index.isCatchingUp)
  t.ok(index.isKeyed(0))
  const missing = index.missing()
  t.same(
    missing.map(({ from, end }) => [from, end]),
    [
      [0, 2],
      [2, 4],
      [4, 6],
    ],
  )
  t.same(shapeOf(index), ['keyless 0-6', 'memory 6-Infinity'], 'until they have them, they are known to have no keys')
  await log.make(index, [missing[1]!])
  t.same(shapeOf(index), ['keyless 0-2', 'segment tier 0 2-4', 'keyless 4-6', 'memory 6-Infinity'])
  t.equal(index.keyedFrom, undefined)
  await log.make(index)
  t.same(shapeOf(index).slice(0, 3), ['segment tier 0 0-2', 'segment tier 0 2-4', 'segment tier 0 4-6'])
  t.equal(index.keyedFrom, 0, 'all of the log has keys now')
  t.notOk(index.isCatchingUp)
  t.same(ofType(index, 'U'), [1, 3, 5])

  const stray = index.sourceOf([log.segments[1]!], 4, 0)
  index.made(stray, (await log.builder(index).build(stray, never))!)
  t.same(shapeOf(index).length, 4, 'one that stands there already is not put in again')
})

t.test('an index in which every segment has keys asks for none', (t) => {
  const log = pairs(2)
  let wanted = 0
  const whole = log.index({ wanted: () => wanted++ })
  whole.wantAll()
  t.notOk(whole.isCatchingUp)
  const empty = log.index({ keyedFrom: undefined, position: 0, wanted: () => wanted++ })
  empty.wantAll()
  t.equal(empty.keyedFrom, 0, 'a store without events has none to catch up')
  t.equal(wanted, 0)
  log.index({ keyedFrom: undefined }).wantAll() // with nobody to tell
  t.end()
})

t.test('only the last segment may be gone on in', (t) => {
  const log = pairs(3)
  const index = log.index()
  t.same(
    log.segments.map((segment) => index.isOpen(segment)),
    [false, false, true],
  )
  log.directory.clear()
  t.notOk(log.index().isOpen(log.segments[2]!))
  t.end()
})

t.test('what another process has made is found after files are forgotten', async (t) => {
  const log = pairs(2)
  const index = log.index()
  t.same(taggedWith(index, 'n:1'), [2])
  await log.make(log.index())
  t.same(shapeOf(index)[0], 'segment log 0-2')
  index.forgetFiles()
  t.same(shapeOf(index), ['segment tier 0 0-2', 'segment tier 0 2-4', 'memory 4-Infinity'])
  t.same(taggedWith(index, 'n:1'), [2])
})

t.test('[U3] damage of the log is told to who looks for a key in it', (t) => {
  const log = pairs(2)
  const bytes = log.contents(log.segments[1]!.path)
  bytes[bytes.length - 10]! ^= 1
  log.write(log.segments[1]!.path, bytes)
  const index = log.index()
  t.throws(() => taggedWith(index, 'n:0'), { code: 'ERR_CORRUPT', file: log.segments[1]!.path })
  t.end()
})
