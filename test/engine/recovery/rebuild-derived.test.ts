import t from 'tap'
import { type Checkpoint, decodeCheckpoint } from '../../../engine/format/checkpoint.js'
import { streamFileName, streamKey } from '../../../engine/format/names.js'
import { Rebuild, type RebuildOptions, type RebuiltFiles } from '../../../engine/recovery/rebuild-derived.js'
import { contextOf, verify } from '../../../engine/recovery/verify.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'
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

t.test('[F4] before each file that is replaced or removed it is asked whether the store is still ours', async (t) => {
  const { files, logs } = forgedStore([[[['a', { tags: ['x'] }]]], [[['a', { data: 'x'.repeat(100_000) }]]]])
  files.set(logs[0]!.replace(/log$/, 'tab'), Buffer.from('settled since')) // removed, of no use
  files.set(logs[0]!.replace(/log$/, 'key1'), Buffer.from('rubbish')) // removed, made again
  files.set(`${STORE}/log/0000000000000009-0000000009.idx`, Buffer.from('of no segment'))
  files.set(`${STORE}/watermark`, Buffer.from('rubbish'))
  /** What is done to files that have a name, with the questions between; ends when `answers` are used up. */
  const done = async (answers: number): Promise<{ changes: string[]; asked: boolean; error: unknown }> => {
    const environment = restore(files)
    const disk = new FaultyFileSystem(environment.files)
    const changes: string[] = []
    let wasAsked = false
    let asked = true
    disk.setFaults({
      only: ({ kind, path }) => {
        // That takes time. A key file says of which segments it is, and is looked at before it is believed.
        if (kind === 'sync' && !path.includes('.key')) wasAsked = false
        if (kind !== 'rename' && (kind !== 'remove' || path.endsWith('.new') || path.endsWith('.tmp'))) return false
        if (!wasAsked) asked = false
        wasAsked = false
        changes.push(path)
        return false
      },
    })
    const check = (): void => {
      if (answers-- <= 0) throw new Error('not ours')
      wasAsked = true
    }
    const context = contextOf({ ...environment, files: disk }, STORE, {})
    const before = { settledPosition: 2, keyedFrom: 0 }
    const error = await new Rebuild(context, { ...STORE_OPTIONS, before, check })
      .run()
      .catch((thrown: unknown) => thrown)
    return { changes, asked, error }
  }
  const whole = await done(Infinity)
  t.ok(whole.asked, 'before each change')
  t.ok(whole.changes.filter((path) => !path.endsWith('.new') && !path.endsWith('.tmp')).length >= 4, 'some are removed')
  for (let answers = 0, last = ''; last !== whole.changes.join(); answers++) {
    const { changes, error } = await done(answers)
    last = changes.join()
    if (last !== whole.changes.join()) t.match(error, { message: 'not ours' })
    t.same(changes, whole.changes.slice(0, changes.length), `${answers} answers: nothing after it was refused`)
    t.ok(changes.length <= answers)
  }
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
