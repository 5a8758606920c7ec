import t from 'tap'
import { KEY_BLOCK_BYTES } from '../../../engine/format/key-file.js'
import { WrongKeyFile } from '../../../engine/keys/key-file-reader.js'
import { KeyFileWriter } from '../../../engine/keys/key-file-writer.js'
import { STORE_ID } from '../../support/forge.js'
import type { Entry } from './key-support.js'
import { FOLDER, KeyedLog, never, ofCommit, ofType, shapeOf, taggedWith } from '../../support/keyed-log.js'

/** Segments of two events each. */
const pairs = (count: number): KeyedLog =>
  new KeyedLog(Array.from({ length: count }, (_, n) => [{ tags: [`n:${n}`, 'all'] }, { type: 'U', commitId: `c${n}` }]))

/** A clock by which every look at it is the end of a slice. */
function endlessSlices(): () => number {
  let now = 0
  return () => ++now * 1000
}

/** Says stop after so many questions. */
function after(questions: number): () => boolean {
  let asked = 0
  return () => ++asked > questions
}

const byHash = (a: Entry, b: Entry): number => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]

const name = (n: number, tier = ''): string => `${String(2 * n).padStart(16, '0')}-0000000001.key${tier}`

t.test('[C2] the key file of a segment answers as its records do', async (t) => {
  const log = pairs(2)
  const index = log.index()
  const builder = log.builder(index)
  const [source] = index.missing()
  const built = await builder.build(source!, never)
  t.equal(builder.built, 1)
  t.same(log.keyFiles(), [name(0)])
  t.match(built, { from: 0, end: 2, tier: 0, file: { head: { entries: 5, end: 2 } } })
  index.made(source!, built!)
  log.files.setFaults({ only: ({ path }) => path === log.segments[0]!.path, failAt: 1, sticky: true })
  t.same([taggedWith(index, 'n:0'), taggedWith(index, 'all'), ofCommit(index, 'c0')], [[0], [0, 2], [1]])
  t.same(ofType(index, 'T'), [0, 2])
  t.equal(log.files.failures, 0, 'without a look into the segment')
})

t.test('a segment without any key has a key file all the same, for its types', async (t) => {
  const log = new KeyedLog([[{ type: 'A' }, { type: 'B' }, { type: 'A' }]])
  const index = log.index()
  await log.make(index)
  t.same([ofType(index, 'A'), ofType(index, 'B'), ofType(index, 'C')], [[2], [1], []])
})

t.test('a file that was there is replaced, also where it is open', async (t) => {
  const log = pairs(1)
  const path = `${FOLDER}/${name(0)}`
  log.write(path, Buffer.from('of somebody else'))
  log.handles.get(path)
  const index = log.index()
  const built = await log.builder(index).build(index.missing()[0]!, never)
  t.match(built, { file: { head: { entries: 5 } } })
})

t.test('one that is told to stop leaves nothing behind, wherever it is', async (t) => {
  const log = new KeyedLog([
    Array.from({ length: 40 }, (_, n) => ({ tags: Array.from({ length: 100 }, (_, i) => `${n} ${i}`) })),
  ])
  const index = log.index()
  const [source] = index.missing()
  const builder = log.builder(index, { elapsed: endlessSlices() })
  let asked = 0
  t.ok(await builder.build(source!, () => (asked++, false)))
  t.ok(asked > 3, `it asks ${asked} times`)
  log.environment.files.remove(`${FOLDER}/${name(0)}`)
  for (let questions = 0; questions < asked; questions++) {
    t.equal(await builder.build(source!, after(questions)), undefined)
    t.same(log.keyFiles(), [], `after ${questions} questions`)
  }
  t.equal(builder.built, 1)
})

t.test('others have their turn when a slice is over, and not before', async (t) => {
  const log = pairs(1)
  const index = log.index()
  const [source] = index.missing()
  const turns = async (elapsed: () => number): Promise<number> => {
    let asked = 0
    await log.builder(index, { elapsed }).build(source!, () => (asked++, false))
    return asked
  }
  t.equal(await turns(() => -1), 0)
  t.ok((await turns(endlessSlices())) > 0)
})

t.test('[U3] from a damaged segment no key file is made', async (t) => {
  const log = pairs(1)
  const { path } = log.segments[0]!
  const bytes = log.contents(path)
  bytes[bytes.length - 10]! ^= 1
  log.write(path, bytes)
  const index = log.index()
  const builder = log.builder(index)
  await t.rejects(builder.build(index.missing()[0]!, never), { code: 'ERR_CORRUPT', file: path })
  t.same(log.keyFiles(), [])
  t.equal(builder.built, 0)
})

t.test('[fault 21] [fault 24] [fault 34] what the disk refuses rejects, and leaves nothing behind', async (t) => {
  const many = Array.from({ length: 250 }, (_, i) => `tag ${i}`)
  for (const [kind, code] of [
    ['open', 'EMFILE'],
    ['write', 'ENOSPC'],
    ['sync', 'EIO'],
    ['rename', 'EXDEV'],
  ] as const) {
    // More than the writer holds in memory, so that it writes while entries come.
    const log = new KeyedLog([Array.from({ length: 80 }, () => ({ tags: many }))])
    const index = log.index()
    const [source] = index.missing()
    const fails = { only: (op: { kind: string; path: string }) => op.kind === kind && op.path.endsWith('.new'), code }
    log.files.setFaults({ ...fails, failAt: 1 })
    await t.rejects(log.builder(index).build(source!, never), { code })
    t.same(log.keyFiles(), [], kind)
    t.same(log.files.openFiles.filter((open) => open.includes('.key')), []) // prettier-ignore
    log.files.setFaults()
    t.ok(await log.builder(index).build(source!, never), 'the next attempt makes it')
  }
})

t.test('[C2] eight files of one tier that follow each other become one of the next', async (t) => {
  const log = pairs(18)
  const index = log.index()
  await log.make(index, index.missing().slice(0, 7))
  const builder = log.builder(index)
  await builder.mergeAll(never)
  t.equal(log.keyFiles().length, 7, 'seven stay')
  await log.make(index)
  const before = [taggedWith(index, 'all'), ofType(index, 'U'), ofType(index, 'T')]
  t.match(before, [{ length: 18 }, { length: 18 }, { length: 18 }])
  await builder.mergeAll(never)
  t.equal(builder.merged, 2)
  t.same(shapeOf(index), [
    'segment tier 1 0-16',
    'segment tier 1 16-32',
    'segment tier 0 32-34',
    'segment tier 0 34-36',
    'memory 36-Infinity',
  ])
  t.same(log.keyFiles(), [name(0, '1'), name(8, '1'), name(16), name(17)], 'those that went into it are gone')
  t.same([taggedWith(index, 'all'), ofType(index, 'U'), ofType(index, 'T')], before)
  for (const n of [0, 7, 8, 17]) t.same([taggedWith(index, `n:${n}`), ofCommit(index, `c${n}`)], [[2 * n], [2 * n + 1]])
  t.equal(log.files.openFiles.filter((path) => log.keyFiles().every((file) => !path.includes(file)) && path.includes('.key')).length, 0) // prettier-ignore
})

t.test('entries of a merged file stand by rising hash, and those of one hash by rising position', async (t) => {
  const log = pairs(9)
  const all: Entry[] = []
  for (const [n, { base, epoch, path }] of log.segments.entries()) {
    // Each hash is in every second file: halves that are the same in two files, and hashes that are.
    const own = [3, 4, 0xffffffff].flatMap((high) => [1 + (n % 2), 9 - n, 0xfffffff0].map((low): Entry => [high, low, base + (low % 2), n])).sort(byHash) // prettier-ignore
    const subject = { segments: [{ base, epoch }], lastBytes: log.endOf({ path }), end: base + 2 }
    const writer = new KeyFileWriter(log.files, path.replace('.log', '.key'), STORE_ID, subject, own.length, 1e6, never)
    for (const entry of own) writer.add(...entry)
    await writer.finish()
    if (n < 8) all.push(...own)
  }
  const index = log.index()
  await log.builder(index).mergeAll(never)
  const seen: Entry[] = []
  index.withFiles()[0]!.file!.eachOfBlock(0, (...entry) => seen.push(entry))
  t.same(seen, all.sort(byHash))
})

t.test('merged files are merged again', async (t) => {
  const log = pairs(65)
  const index = log.index()
  await log.make(index)
  const builder = log.builder(index)
  await builder.mergeAll(never)
  t.equal(builder.merged, 9)
  t.same(shapeOf(index), ['segment tier 2 0-128', 'segment tier 0 128-130', 'memory 130-Infinity'])
  t.equal(taggedWith(index, 'all').length, 65)
  t.same(log.keyFiles(), [name(0, '2'), name(64)])
})

t.test('files that do not follow each other, or whose last segment may be gone on in, are not merged', async (t) => {
  const gap = pairs(10)
  const index = gap.index()
  await gap.make(
    index,
    index.missing().filter((_, n) => n !== 4),
  )
  await gap.builder(index).mergeAll(never)
  t.equal(gap.keyFiles().length, 9)

  const open = pairs(8)
  const whole = open.index()
  await open.make(whole)
  await open.builder(whole).mergeAll(never)
  t.equal(open.keyFiles().length, 8, 'its entries are not complete')
})

t.test('a merging that is told to stop leaves the files as they were, and goes on later', async (t) => {
  const log = new KeyedLog(
    Array.from({ length: 9 }, (_, n) => [{ tags: Array.from({ length: 200 }, (_, i) => `${n} ${i}`) }]),
  )
  const index = log.index()
  await log.make(index)
  const before = log.keyFiles()
  const builder = log.builder(index, { elapsed: endlessSlices() })
  for (const questions of [0, 1]) {
    await builder.mergeAll(after(questions))
    t.same(log.keyFiles(), before)
  }
  t.equal(builder.merged, 0)
  await builder.mergeAll(never)
  t.equal(builder.merged, 1)
  t.same(taggedWith(index, '5 7'), [5])
})

t.test('[fault 49] a file that turns out wrong while it is merged is named, and nothing is replaced', async (t) => {
  const log = pairs(9)
  const index = log.index()
  await log.make(index)
  const path = `${FOLDER}/${name(3)}`
  const bytes = log.contents(path)
  bytes[bytes.length - KEY_BLOCK_BYTES + 20]! ^= 1
  log.write(path, bytes)
  const before = log.keyFiles()
  const error = await log.builder(index).mergeAll(never).catch((error: unknown) => error) // prettier-ignore
  t.ok(error instanceof WrongKeyFile)
  t.match(error, { file: { path } })
  t.same(log.keyFiles(), before)
  index.distrust(error as WrongKeyFile)
  await log.make(index)
  await log.builder(index).mergeAll(never)
  t.same(log.keyFiles(), [name(0, '1'), name(8)])
})

t.test(
  '[fault 21] [fault 24] [fault 34] a merged file that cannot be written leaves those it was made from',
  async (t) => {
    for (const [kind, code] of [
      ['write', 'ENOSPC'],
      ['sync', 'EIO'],
      ['rename', 'EXDEV'],
    ] as const) {
      const log = pairs(9)
      const index = log.index()
      await log.make(index)
      const before = log.keyFiles()
      log.files.setFaults({ only: (op) => op.kind === kind && op.path.includes('.key1'), failAt: 1, code })
      await t.rejects(log.builder(index).mergeAll(never), { code })
      t.same(log.keyFiles(), before, kind)
      t.same(taggedWith(index, 'all'), [0, 2, 4, 6, 8, 10, 12, 14, 16])
    }
  },
)

t.test('a merged file that cannot be opened is not used, and its parts stay', async (t) => {
  const log = pairs(9)
  const index = log.index()
  await log.make(index)
  log.files.setFaults({ only: (op) => op.kind === 'open' && op.path.endsWith('.key1'), failAt: 1, code: 'EMFILE' })
  const builder = log.builder(index)
  await builder.mergeAll(never)
  t.equal(builder.merged, 0)
  t.equal(log.keyFiles().length, 10)
  t.equal(index.withFiles().length, 9)
})

t.test('[fault 34] what counts no more is removed, and one that cannot be is left', async (t) => {
  const log = pairs(9)
  const index = log.index()
  await log.make(index)
  log.files.setFaults({ only: ({ kind }) => kind === 'remove', failAt: 1, code: 'EBUSY' })
  const builder = log.builder(index)
  await builder.mergeAll(never)
  t.equal(builder.merged, 1)
  log.write(`${FOLDER}/${name(4, '1')}.new`, Buffer.alloc(10))
  t.same(log.keyFiles(), [name(0), name(0, '1'), `${name(4, '1')}.new`, name(8)])
  log.files.setFaults({ only: ({ kind }) => kind === 'remove', failAt: 1, code: 'EBUSY' })
  builder.removeLeftovers()
  t.equal(log.keyFiles().length, 3, 'the others are')
  log.files.setFaults()
  builder.removeLeftovers()
  t.same(log.keyFiles(), [name(0, '1'), name(8)])
  t.equal(log.environment.files.list(FOLDER).length, 11, 'no segment is')
})

t.test('[fault 71] [F4] nothing is removed by a builder whose store has another writer', async (t) => {
  const log = new KeyedLog([[{ tags: ['a'] }], [{ tags: ['b'] }]])
  const index = log.index()
  await log.make(index)
  log.write(`${FOLDER}/0000000000000009-0000000001.key`, Buffer.from('left over'))
  const there = log.keyFiles()
  log.fence = () => {
    throw new Error('lost')
  }
  log.builder(index).removeLeftovers()
  t.same(log.keyFiles(), there)
  log.fence = () => undefined
  log.builder(index).removeLeftovers()
  t.equal(log.keyFiles().length, there.length - 1)
})
