import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { type NewEvent, openMemoryStore } from '../../../engine/index.js'
import { defineEvents, event } from '../../../kit/index.js'
import { goldenEvents, readGoldenEvents } from '../../../kit/testing/index.js'
import { collect } from '../../contract/contract-support.js'
import { anyValue } from '../../engine/format/value-support.js'

const folder = mkdtempSync(join(tmpdir(), 'annals-golden-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const newFile = (): string => join(folder, 'made', String(files++), 'events.ndjson')

type Golden = NewEvent & { readonly stream: string }
const EVENTS: readonly [Golden, Golden, Golden] = [
  { stream: 'a', type: 'Opened', data: { owner: 'Ada', at: new Date(0), items: [{ price: 1 }, { price: 2n }] } },
  { stream: 'a', type: 'Closed' },
  {
    stream: 'b',
    type: 'Opened',
    schemaVersion: 2,
    tags: ['x'],
    metadata: { by: 'u', trace: 5 },
    data: { owner: 'Bob' },
  },
]

t.test('[T1] golden events are written once and compared from then on', async (t) => {
  const file = newFile()
  await goldenEvents(file, EVENTS)
  t.equal(
    readFileSync(file, 'utf8'),
    `{"stream":"a","type":"Opened","schemaVersion":1,"data":{"owner":"Ada","at":{"$date":"1970-01-01T00:00:00.000Z"},"items":[{"price":1},{"price":{"$bigint":"2"}}]}}
{"stream":"a","type":"Closed","schemaVersion":1}
{"stream":"b","type":"Opened","schemaVersion":2,"tags":["x"],"metadata":{"by":"u","trace":5},"data":{"owner":"Bob"}}
`,
  )
  await goldenEvents(file, EVENTS)
  await using store = await openMemoryStore()
  for (const { stream, ...one } of EVENTS) await store.append(stream, [one])
  await goldenEvents(file, store.readAll())
  await goldenEvents(file, EVENTS, { create: false })
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll('\n', '\r\n'))
  await goldenEvents(file, EVENTS)
})

t.test('[T1] what has changed is named, event and path', async (t) => {
  const file = newFile()
  await goldenEvents(file, EVENTS)
  const [opened, closed, other] = EVENTS
  const data = opened.data as { items: unknown[] }
  const cases: readonly (readonly [readonly object[], RegExp])[] = [
    [
      [{ ...opened, data: { ...data, items: [{ price: 1 }, { price: 2 }] } }, closed, other],
      /events\[0\], Opened in "a": data\.items\[1\]\.price is 2, and was \{"\$bigint":"2"\}/,
    ],
    [
      [{ ...opened, data: { ...data, at: new Date(1) } }, closed, other],
      /data\.at is \{"\$date":"1970.*001Z"\}, and was/,
    ],
    [[opened, { ...closed, type: 'Shut' }, other], /events\[1\], Shut in "a": type is "Shut", and was "Closed"/],
    [[opened, { ...closed, schemaVersion: 2 }, other], /schemaVersion is 2, and was 1/],
    [[opened, closed, { ...other, metadata: { by: 'u' } }], /metadata\.trace is not there, and was 5/],
    [[opened, closed, { ...other, data: undefined }], /: data is not there, and was \{"owner":"Bob"\}/],
    [[opened, closed, { ...other, tags: [] }], /tags is not there/],
    [[opened, closed], /events\[2\] is gone: Opened in "b"/],
    [[...EVENTS, closed], /events\[3\] is new: Closed in "a"/],
    [Array.from({ length: 40 }, () => ({ ...closed, type: 'Many' })), /and \d+ more$/],
  ]
  for (const [events, message] of cases) {
    await t.rejects(goldenEvents(file, events as never), { name: 'AssertionError', message }, message.source)
  }
  await goldenEvents(file, [closed] as never, { update: true })
  await goldenEvents(file, [closed] as never)
})

t.test(
  '[T1] what differs from run to run is left out, and a missing file is an error where it should be there',
  async (t) => {
    const file = newFile()
    const omit = ['data.at', 'metadata.trace', 'data.deep.er']
    const one = (n: number) => [{ type: 'T', data: { at: n, kept: 1, deep: { er: n, x: 1 } }, metadata: { trace: n } }]
    await goldenEvents(file, one(1), { omit })
    await goldenEvents(file, one(2), { omit })
    t.match(readFileSync(file, 'utf8'), /"metadata":\{\},"data":\{"kept":1,"deep":\{"x":1\}\}/)
    const missing = newFile()
    await t.rejects(goldenEvents(missing, one(1), { create: false }), { message: /There is no golden file/ })
    t.notOk(existsSync(missing))
    await t.rejects(collect(readGoldenEvents(missing)), { message: /There is no golden file/ })
    writeFileSync(file, 'no json\n')
    await t.rejects(goldenEvents(file, one(1)), { message: /line 1 is no JSON/ })
  },
)

t.test('[T1] [B3] what was stored once is read with the upcasters of today', async (t) => {
  const file = newFile()
  await goldenEvents(file, EVENTS)
  const events = defineEvents({
    Opened: event<{ owner: string }>().upcast(({ owner }) => ({ name: owner })),
    Closed: event().upcast(() => ({})),
  })
  t.match(await collect(events.read(readGoldenEvents(file))), [
    { stream: 'a', offset: 0, position: 0, data: { name: 'Ada' }, schemaVersion: 2 },
    { stream: 'a', offset: 1, position: 1, data: {} },
    { stream: 'b', offset: 0, position: 2, data: { owner: 'Bob' }, tags: ['x'], metadata: { by: 'u' } },
  ])
})

t.test('[T1] every value that can be stored is read as it was', async (t) => {
  const file = newFile()
  const property = fc.asyncProperty(anyValue, async (data) => {
    await goldenEvents(file, [{ type: 'T', data }], { update: true })
    await goldenEvents(file, [{ type: 'T', data }])
    const [read] = await collect(readGoldenEvents(file))
    await goldenEvents(file, [read!])
  })
  await fc.assert(property, { numRuns: 50 })
  t.pass()
})
