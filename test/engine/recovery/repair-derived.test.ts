import { basename } from 'node:path'
import t from 'tap'
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from '../../../engine/format/checkpoint.js'
import { FLAG_ASSIGNED } from '../../../engine/format/event-record.js'
import { encodeHeader } from '../../../engine/format/file-header.js'
import { windowOf } from '../../../engine/format/frame.js'
import { streamFileName, streamKey } from '../../../engine/format/names.js'
import { encodeSeal } from '../../../engine/format/shape-record.js'
import { decodeEntries } from '../../../engine/format/sparse-index.js'
import type { Finding } from '../../../engine/recovery/findings.js'
import { repair, type RepairReport } from '../../../engine/recovery/repair.js'
import { repairDerived } from '../../../engine/recovery/repair-derived.js'
import { Replacer } from '../../../engine/recovery/repair-files.js'
import { Repairs } from '../../../engine/recovery/repair-plan.js'
import { contextOf } from '../../../engine/recovery/verify.js'
import { Forge, forgedStore, logSegment, resealed, STORE_ID, streamSegment } from '../../support/forge.js'
import { imageOf, restore, STORE } from './verify-support.js'

const CHECKPOINT = `${STORE}/checkpoint`
/** Its escaped name does not fit into a file name: there it ends in a hash. */
const LONG = 'Ä'.repeat(100)

interface Repaired {
  readonly report: RepairReport
  readonly files: Map<string, Buffer>
  /** What was done to a file. */
  readonly action: (path: string) => string | undefined
}

async function repaired(files: ReadonlyMap<string, Buffer>): Promise<Repaired> {
  const environment = restore(files)
  const report = await repair(environment, STORE)
  const action = (path: string): string | undefined => report.actions.find(({ file }) => file === path)?.action
  return { report, files: imageOf(environment.files), action }
}

function segmentAt(base: number, stream: string, suffix: '.seg' | '.idx' = '.seg'): string {
  return `${STORE}/streams/${streamFileName(streamKey(stream).path, base, suffix)}`
}

t.test(
  '[F3] the index of a large stream segment is made again, with an entry for its last stretch once it is sealed',
  async (t) => {
    const data = 'x'.repeat(150_000)
    const large = [
      [
        ['a', { data }],
        ['a', { data }],
        ['a', { data }],
        ['a', { data }],
      ],
    ] as const
    const { files, records } = forgedStore([large])
    const index = segmentAt(0, 'a', '.idx')
    const entriesOf = (bytes: Buffer, contents: Buffer): readonly (readonly [number, number])[] => {
      const header = encodeHeader({ kind: 'I', storeId: STORE_ID, name: Buffer.from('a') })
      t.same(bytes.subarray(0, header.length), header)
      const entries = decodeEntries(windowOf(bytes), header.length, bytes.length, header.readUInt32LE(16))!
      for (const { number, byte } of entries) {
        t.equal(contents.readUInt32LE(byte + 24), number, 'an entry names its event')
      }
      return entries.map(({ number, end }) => [number, end])
    }
    const open = await repaired(files)
    t.equal(open.action(index), 'made again from its segment')
    const starts = entriesOf(open.files.get(index)!, files.get(segmentAt(0, 'a'))!)
    t.ok(starts.length >= 2)

    const sealed = streamSegment('a', [...records, encodeSeal(4)])
    const closed = await repaired(new Map(files).set(segmentAt(0, 'a'), sealed))
    t.equal(closed.action(index), 'made again from its segment')
    const all = entriesOf(closed.files.get(index)!, sealed)
    t.ok(all.length >= starts.length)
    t.equal(all.at(-1)![1], sealed.length - 28, 'up to the seal')
    for (const { report } of [open, closed]) t.match(report, { ok: true, after: { findings: [] } })
  },
)

t.test('indexes of no segment are set aside, whether their stream can be told or not', async (t) => {
  const { files } = forgedStore([[[['a']]]])
  for (const stream of ['gone', LONG]) files.set(segmentAt(0, stream, '.idx'), Buffer.alloc(10))
  const { report, action, files: after } = await repaired(files)
  t.match(report, { ok: true, after: { findings: [] } })
  for (const stream of ['gone', LONG]) {
    t.equal(action(segmentAt(0, stream, '.idx')), 'set aside: it is made again when it is needed')
    t.notOk(after.has(segmentAt(0, stream, '.idx')))
  }
})

t.test('key files and the watermark are set aside; the file that names the store is written again', async (t) => {
  const { files, logs } = forgedStore([[[['a']]]])
  const key = logs[0]!.replace(/log$/, 'key')
  const before = files.get(`${STORE}/annals`)
  files.set(key, Buffer.alloc(200, 1)).set(`${STORE}/watermark`, Buffer.alloc(200, 1)).delete(`${STORE}/annals`)
  const { report, action, files: after } = await repaired(files)
  t.match(report, { ok: true, after: { findings: [] } })
  t.equal(action(key), 'set aside: it is made again when it is needed')
  t.equal(action(`${STORE}/watermark`), 'set aside: the next writer makes it again')
  t.equal(action(`${STORE}/annals`), 'written again from the log')
  t.same(after.get(`${STORE}/annals`), before)
  t.notOk(after.has(key))
})

t.test('what needs nothing is left alone: names of writers, and segments that the log stands for', async (t) => {
  const { files, checkpoint } = forgedStore([[[['a']]]])
  files.set(CHECKPOINT, encodeCheckpoint(STORE_ID, { ...checkpoint, settledPosition: 0 }))
  files.set(`${STORE}/epoch/0000000001`, Buffer.alloc(100, 1))
  files.set(segmentAt(0, 'a'), Buffer.alloc(100, 1))
  const { report, action, files: after } = await repaired(files)
  t.match(report.before, { ok: true })
  for (const path of [`${STORE}/epoch/0000000001`, segmentAt(0, 'a')]) {
    t.ok(report.before.findings.some(({ file, severity }) => file === path && severity === 'derived'))
    t.equal(action(path), undefined)
    t.same(after.get(path), files.get(path))
  }
})

t.test(
  '[fault 48] the checkpoint is made again from the log: its last segment, and what was defined before',
  async (t) => {
    const made = async (files: ReadonlyMap<string, Buffer>): Promise<Checkpoint> => {
      const { report, action, files: after } = await repaired(files)
      t.match(report, { ok: true })
      t.equal(action(CHECKPOINT), 'made again from the log')
      const read = decodeCheckpoint(after.get(CHECKPOINT)!, STORE_ID)
      return (read as { checkpoint: Checkpoint }).checkpoint
    }
    const shapes = [{ id: 1, keys: ['x'] }]
    const plan = [[[['a']], [['a', { data: { x: 1 } }]]], [[['b']]]] as const
    const two = forgedStore(plan, { shapes })
    two.files.delete(CHECKPOINT)
    t.match(await made(two.files), {
      clean: false,
      redo: { base: 2, epoch: 1, byte: 96, sequence: 2, position: 2 },
      settledPosition: 0,
      lastTimestamp: 0,
      keyedFrom: null,
      shapes,
    })

    const forge = new Forge()
    const assigned = (offset: number, timestamp: number): Buffer =>
      resealed(forge.event({ stream: 'a', offset, position: offset }, { timestamp }), (record) => {
        record[9]! |= FLAG_ASSIGNED
      })
    const records = [
      assigned(0, 5000),
      assigned(1, 4000),
      forge.event({ stream: 'a', offset: 2, position: 2, commitId: 'once' }),
      forge.event({ stream: 'a', offset: 3, position: 3 }, { tags: ['t'], timestamp: 9000 }),
    ]
    const keyed = forgedStore([[[['a']]]])
    keyed.files.set(keyed.logs[0]!, logSegment([records]))
    keyed.files.set(keyed.segment('a'), streamSegment('a', records))
    keyed.files.set(CHECKPOINT, Buffer.alloc(120, 1))
    t.match(await made(keyed.files), { lastTimestamp: 5000, keyedFrom: 2, redo: { position: 0, byte: 96 }, shapes: [] })
  },
)

t.test('files of the log whose segment is gone by now are set aside', async (t) => {
  const { files } = forgedStore([[[['a']]]])
  const environment = restore(files)
  const gone = ['idx', 'tab'].map((suffix) => `${STORE}/log/0000000000000007-0000000001.${suffix}`)
  const findings = gone.map((file): Finding => ({ invariant: 'I11', severity: 'derived', file, byte: 0, message: 'm' }))
  for (const file of gone) {
    const handle = environment.files.open(file, 'create')
    handle.close()
  }
  const repairs = new Repairs(new Replacer(environment, STORE, false), () => undefined)
  await repairDerived(contextOf(environment, STORE, {}), repairs, 1, findings)
  t.same(
    repairs.actions.map(({ file, action }) => [file, action]),
    gone.map((file) => [file, 'set aside: it has no segment']),
  )
  const left = [...imageOf(environment.files).keys()].filter((path) => gone.includes(path))
  t.same(
    left.map((path) => basename(path)),
    [],
  )
})
