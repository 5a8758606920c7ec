import t from 'tap'
import { type Checkpoint, decodeCheckpoint } from '../../../engine/format/checkpoint.js'
import { streamFileName, streamKey } from '../../../engine/format/names.js'
import { Rebuild, type RebuildOptions, type RebuiltFiles } from '../../../engine/recovery/rebuild-derived.js'
import { contextOf, verify } from '../../../engine/recovery/verify.js'
import { forgedStore, logSegment } from '../../support/forge.js'
import { imageOf, restore, STORE } from './verify-support.js'

const CHECKPOINT = `${STORE}/checkpoint`
const STORE_OPTIONS = { directory: STORE, epoch: 7, check: () => undefined, progress: () => undefined }

async function rebuilt(files: ReadonlyMap<string, Buffer>, options: Partial<RebuildOptions> = {}) {
  const environment = restore(files)
  const context = contextOf(environment, STORE, {})
  const made: RebuiltFiles = await new Rebuild(context, { ...STORE_OPTIONS, before: undefined, ...options }).run()
  const after = imageOf(environment.files)
  const read = decodeCheckpoint(after.get(CHECKPOINT)!, context.storeId) as { checkpoint: Checkpoint }
  return { made, files: after, checkpoint: read.checkpoint, environment }
}

t.test('without a checkpoint to believe nothing counts as settled: stream tables stand for all of it', async (t) => {
  const { files, logs } = forgedStore([[[['a', { tags: ['x'] }]], [['b']]], [[['a']]]])
  files.set(`${STORE}/streams/notes.txt`, Buffer.from('x'))
  const { made, files: after, checkpoint, environment } = await rebuilt(files)
  t.same(made, { logIndexes: 2, streamIndexes: 0, streamTables: 2, keyFiles: 2, removed: 0 })
  t.match(checkpoint, { epoch: 7, settledPosition: 0, keyedFrom: 0, redo: { position: 3 } })
  t.same(
    logs.map((path) => after.has(path.replace(/log$/, 'tab'))),
    [true, true],
  )
  t.same(after.get(`${STORE}/streams/notes.txt`), Buffer.from('x'), 'what is none of the store stays')
  t.equal((await verify(environment, STORE, {})).ok, true)

  const settled = await rebuilt(files, { before: { settledPosition: 3, keyedFrom: 0 } })
  t.match(settled.made, { streamTables: 0 })
  t.equal(settled.checkpoint.settledPosition, 3)
})

t.test('a log segment that holds nothing has no key file', async (t) => {
  const { files, logs, checkpoint } = forgedStore([[[['a', { tags: ['x'] }]]]])
  const link = { previousBase: 0, previousEpoch: 1, previousEnd: checkpoint.redo.byte }
  const empty = logSegment([], { base: 1, epoch: 2, sequence: 1, durable: 1, ...link })
  files.set(logs[0]!.replace('0-0000000001', '1-0000000002'), empty)
  const { files: after } = await rebuilt(files)
  t.same(
    [...after.keys()].filter((path) => path.endsWith('.key')),
    [logs[0]!.replace(/log$/, 'key')],
  )
})

t.test('a large stream segment that does not say whose it is has no index', async (t) => {
  const { files, segment } = forgedStore([[[['a', { data: 'x'.repeat(100_000) }]]]])
  const index = `${STORE}/streams/${streamFileName(streamKey('a').path, 0, '.idx')}`
  t.ok((await rebuilt(files)).files.has(index))
  const headless = Buffer.from(files.get(segment('a'))!)
  headless[60]! ^= 1
  files.set(segment('a'), headless).set(index, Buffer.alloc(200, 1))
  const { made, files: after } = await rebuilt(files)
  t.match(made, { streamIndexes: 0, removed: 1 })
  t.notOk(after.has(index))
})
