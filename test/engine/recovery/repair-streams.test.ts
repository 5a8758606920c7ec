import t, { type Test } from 'tap'
import { encodeCheckpoint } from '../../../engine/format/checkpoint.js'
import { streamFileName, streamKey } from '../../../engine/format/names.js'
import { encodeSeal, encodeShape } from '../../../engine/format/shape-record.js'
import { repair, type RepairReport } from '../../../engine/recovery/repair.js'
import { type ForgedStore, forgedStore, logSegment, STORE_ID, streamSegment } from '../../support/forge.js'
import { imageOf, restore, STORE } from './verify-support.js'

/** Its escaped name does not fit into a file name: there it ends in a hash. */
const LONG = 'Ä'.repeat(100)
const SHAPES = [
  { id: 1, keys: ['x'] },
  { id: 2, keys: ['y'] },
]
const DEFINITIONS = SHAPES.map(encodeShape)

function segmentAt(base: number, stream = 'a'): string {
  return `${STORE}/streams/${streamFileName(streamKey(stream).path, base, '.seg')}`
}

interface Repaired {
  readonly report: RepairReport
  readonly files: Map<string, Buffer>
}

async function repaired(files: ReadonlyMap<string, Buffer>): Promise<Repaired> {
  const environment = restore(files)
  const report = await repair(environment, STORE)
  return { report, files: imageOf(environment.files) }
}

function becomes(t: Test, { report, files }: Repaired, path: string, contents: Buffer, what = path): void {
  t.match(report, { ok: true, failures: [] }, what)
  t.same(files.get(path), contents, what)
}

t.test('[U3] a segment is written again with the definitions of the shapes that its events use', async (t) => {
  const { files, records } = forgedStore(
    [[[['a', { data: { x: 1 } }], ['a', { data: { y: 2 } }], ['a', { data: { x: 3 } }], ['b']]]],
    { shapes: SHAPES },
  )
  const [a0, a1, a2] = records as [Buffer, Buffer, Buffer]
  const whole = streamSegment('a', [DEFINITIONS[0]!, a0, DEFINITIONS[1]!, a1, a2])
  files.set(segmentAt(0), streamSegment('a', [DEFINITIONS[0]!, a0, Buffer.alloc(99, 7), a2]))
  becomes(t, await repaired(files), segmentAt(0), whole)
})

t.test('[U3] every damaged segment of a stream is written again, each sealed as it was', async (t) => {
  const { files, records } = forgedStore([[[['a'], ['a'], ['a'], ['a'], ['a']]]])
  const [a0, a1, a2, a3, a4] = records as [Buffer, Buffer, Buffer, Buffer, Buffer]
  const right = new Map([
    [segmentAt(0), streamSegment('a', [a0, a1, encodeSeal(2)], { shapes: false })],
    [segmentAt(2), streamSegment('a', [a2, a3, encodeSeal(4)], { base: 2, shapes: false })],
    [segmentAt(4), streamSegment('a', [a4, encodeSeal(5)], { base: 4, previousBase: 2, shapes: false })],
  ])
  for (const [path, bytes] of right) {
    files.set(path, bytes)
    const damaged = Buffer.from(bytes)
    damaged[120]! ^= 1
    right.set(path, bytes)
    files.set(path, damaged)
  }
  const done = await repaired(files)
  for (const [path, bytes] of right) becomes(t, done, path, bytes, path)
})

t.test('[U3] events that a stream lacks before those the log stands for are written to its segments', async (t) => {
  const store = (): ForgedStore => {
    const made = forgedStore([[[['a'], ['a'], ['a']]], [[['a'], ['b']]]])
    made.files.set(`${STORE}/checkpoint`, encodeCheckpoint(STORE_ID, { ...made.checkpoint, settledPosition: 3 }))
    return made
  }
  const { files, records } = store()
  const [a0, a1, a2, a3] = records as [Buffer, Buffer, Buffer, Buffer]
  files.set(segmentAt(0), streamSegment('a', [a0]))
  becomes(t, await repaired(files), segmentAt(0), streamSegment('a', [a0, a1, a2, a3], { shapes: true }))

  const sealed = store().files
  sealed.set(segmentAt(0), streamSegment('a', [a0, encodeSeal(1)]))
  const { report, files: after } = await repaired(sealed)
  t.match(report, { ok: true, failures: [] })
  t.same(after.get(segmentAt(0)), sealed.get(segmentAt(0)), 'a sealed one stays as it is')
  t.same(after.get(segmentAt(1)), streamSegment('a', [a1, a2, a3], { base: 1 }), 'the next is made')
})

t.test('what cannot be healed is told, and stays as it was', async (t) => {
  const shapes = { shapes: SHAPES }
  const plan = [[[['a', { data: { x: 1 } }], ['b']]]] as const
  const path = forgedStore([[[[LONG]]]]).segment(LONG)
  const nobody = forgedStore([[[['b']]]])
  nobody.files.set(path, Buffer.alloc(300, 1))
  t.match((await repaired(nobody.files)).report, {
    ok: false,
    failures: [{ file: path, byte: 0, reason: /whose segment it is cannot be told/ }],
  })

  const undefinedShape = forgedStore(plan, shapes)
  const [record, other] = undefinedShape.records as [Buffer, Buffer]
  undefinedShape.files.set(undefinedShape.logs[0]!, logSegment([[record, other]]))
  undefinedShape.files.set(segmentAt(0), streamSegment('a', [record]))
  undefinedShape.files.delete(`${STORE}/checkpoint`)
  const lost = await repaired(undefinedShape.files)
  t.match(lost.report.failures, [{ file: segmentAt(0), reason: 'the definition of shape 1 is lost', stream: 'a' }])
  t.same(lost.files.get(segmentAt(0)), undefinedShape.files.get(segmentAt(0)))
})

t.test('a segment in which nothing ever counted is set aside', async (t) => {
  const { files, records } = forgedStore([[[['a'], ['b']]]])
  files.set(segmentAt(0), streamSegment('a', [records[0]!, encodeSeal(1)]))
  const empty = streamSegment('a', [], { base: 1, storeId: Buffer.alloc(16, 3) })
  files.set(segmentAt(1), empty)
  const { report, files: after } = await repaired(files)
  t.match(report, { ok: true, failures: [] })
  const action = report.actions.find(({ file }) => file === segmentAt(1))
  t.match(action, { action: 'set aside: it holds no event' })
  t.notOk(after.has(segmentAt(1)))
  t.same(after.get(action!.aside!), empty)
})
