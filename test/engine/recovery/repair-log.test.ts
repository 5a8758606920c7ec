import t from 'tap'
import { FRAME_EVENT } from '../../../engine/format/frame.js'
import { encodeShape } from '../../../engine/format/shape-record.js'
import { repair, type RepairReport } from '../../../engine/recovery/repair.js'
import { FLAG_FIRST, FLAG_LAST } from '../../../engine/format/event-record.js'
import { framesOf } from '../../support/crafted-files.js'
import { Forge, type ForgedStore, forgedStore, logSegment, streamSegment } from '../../support/forge.js'
import { imageOf, restore, STORE } from './verify-support.js'

const SHAPES = [
  { id: 1, keys: ['x'] },
  { id: 2, keys: ['y'] },
]

async function repaired(
  files: ReadonlyMap<string, Buffer>,
): Promise<{ report: RepairReport; files: Map<string, Buffer> }> {
  const environment = restore(files)
  const report = await repair(environment, STORE)
  return { report, files: imageOf(environment.files) }
}

function flip(files: Map<string, Buffer>, path: string, ...places: readonly number[]): void {
  const bytes = Buffer.from(files.get(path)!)
  for (const at of places) bytes[at < 0 ? bytes.length + at : at]! ^= 1
  files.set(path, bytes)
}

const shaped = (): ForgedStore =>
  forgedStore(
    [[[['a', { data: { x: 1 } }]], [['a', { data: { y: 2 } }], ['b']], [['a', { data: { x: 3 } }]]], [[['b']]]],
    {
      shapes: SHAPES,
    },
  )

t.test(
  '[U3] groups come back byte by byte, whether their shapes stand before them in the file or with them',
  async (t) => {
    const { files, logs } = shaped()
    const path = logs[0]!
    const whole = files.get(path)!
    for (const [what, at] of [
      ['the group that defines', 96 + 84 + 40],
      ['a group that uses what was defined', whole.length - 20],
    ] as const) {
      const broken = new Map(files)
      flip(broken, path, at)
      const { report, files: after } = await repaired(broken)
      t.match(report, { ok: true, failures: [] }, what)
      t.same(after.get(path), whole, what)
    }
  },
)

t.test(
  '[U3] definitions are found in stream segments too, also in damaged ones and beside files that are none',
  async (t) => {
    const { files, logs, segment } = shaped()
    const path = logs[0]!
    const whole = files.get(path)!
    files.delete(path)
    const folder = segment('a').slice(0, segment('a').lastIndexOf('/'))
    files.set(`${STORE}/streams/notes.txt`, Buffer.from('x')).set(`${folder}/notes.txt`, Buffer.from('x'))
    const headless = Buffer.from(files.get(segment('b'))!)
    headless.fill(0xff, 8, 40) // its length is none that a header can have
    files.set(segment('b'), headless)
    const { report, files: after } = await repaired(files)
    t.match(report, { ok: true, failures: [] })
    const made = after.get(path)!
    t.equal(made.length, whole.length)
    const eventsOf = (bytes: Buffer): Buffer[] =>
      framesOf(bytes).flatMap(({ start, end, kind }) => (kind === FRAME_EVENT ? [bytes.subarray(start, end)] : []))
    t.same(eventsOf(made), eventsOf(whole), 'how they were divided among groups is not known any more')
  },
)

t.test('the last segment that a checkpoint names is made again, with a header', async (t) => {
  const { files, logs } = shaped()
  const last = logs.at(-1)!
  const whole = files.get(last)!
  files.delete(last)
  const { report, files: after } = await repaired(files)
  t.match(report, { ok: true, failures: [] })
  t.match(
    report.actions.find(({ file }) => file === last),
    { aside: undefined, action: /^healed its header, positions 4/ },
  )
  const flags = { base: 4, sequence: 3, durable: 3, previousBase: 0, previousEpoch: 1, shapes: false }
  const header = logSegment([], { ...flags, previousEnd: files.get(logs[0]!)!.length })
  t.same(after.get(last), Buffer.concat([header, whole.subarray(96)]))
})

t.test('[M1] what is left of a commit is none: the stretch stays as it is, and is told', async (t) => {
  const forge = new Forge()
  const event = (position: number, marks: number): Buffer =>
    forge.event({ stream: 'a', offset: position, position, marks })
  const records = [event(0, 3), event(1, FLAG_FIRST), event(2, FLAG_LAST), event(3, 3)]
  const { files, logs, segment } = forgedStore([[[['a']]]])
  const bytes = logSegment([[records[0]!], records.slice(1, 3), [records[3]!]])
  const half = forge.event({ stream: 'a', offset: 2, position: 2, marks: 0 })
  files.set(logs[0]!, bytes).delete(`${STORE}/checkpoint`)
  files.set(segment('a'), streamSegment('a', [records[0]!, records[1]!, half, records[3]!]))
  const at = logSegment([[records[0]!]]).length
  flip(files, logs[0]!, at + 84 + records[1]!.length + 70)
  const { report } = await repaired(files)
  t.equal(report.ok, false)
  t.match(report.failures[0], {
    file: logs[0],
    byte: at,
    reason: /from position 1 to 2 do not fill the place they had/,
  })
})

t.test('[U3] shapes of a writer that went on in a segment are defined there once more', async (t) => {
  const forge = new Forge(SHAPES[0]!)
  const [definition] = SHAPES.map(encodeShape)
  const records = [0, 1, 2].map((n) => forge.event({ stream: 'a', offset: n, position: n }, { data: { x: n } }))
  const { files, logs, segment } = forgedStore([[[['a']]]])
  const [r0, r1, r2] = records as [Buffer, Buffer, Buffer]
  const whole = logSegment([[definition!, r0], [definition!, r1], [r2]])
  files.set(logs[0]!, whole).delete(`${STORE}/checkpoint`)
  files.set(segment('a'), streamSegment('a', [definition!, r0, r1, r2]))
  flip(files, logs[0]!, whole.length - 84 - r2.length - 20)
  const { report, files: after } = await repaired(files)
  t.match(report, { ok: true, failures: [] })
  t.same(after.get(logs[0]!), whole)
})
