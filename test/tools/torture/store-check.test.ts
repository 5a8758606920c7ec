import t, { type Test } from 'tap'
import { type EventStore, type NewEvent, openMemoryStore, type StoredEvent } from '../../../engine/index.js'
import { type CheckKind, StoreCheck } from '../../../tools/torture/store-check.js'
import { type TortureData, Workload } from '../../../tools/torture/workload.js'
import type { WriterRun } from '../../../tools/torture/writer-process.js'

const workload = new Workload({ seed: 5, streams: 4, eventBytes: 40 })

/** Two writers: commits 0 to 9 of the first, 100 to 104 of the second. */
async function filled(t: Test): Promise<{ store: EventStore; runs: WriterRun[] }> {
  const store = await openMemoryStore()
  t.teardown(() => store.close())
  for (const commit of [...Array(10).keys(), 100, 101, 102, 103, 104]) await store.appendMany(workload.commit(commit))
  return { store, runs: [{ first: 0, last: 7 }, { first: 50, last: 49 }, { first: 100, last: 104 }] } // prettier-ignore
}

/** The store, with other events where it is read in the order of the log. */
function changed(store: EventStore, change: (events: StoredEvent<string, TortureData>[]) => StoredEvent[]): EventStore {
  const readAll = async function* ({ fromPosition = 0 } = {}): AsyncIterable<StoredEvent> {
    const events: StoredEvent<string, TortureData>[] = []
    for await (const event of store.readAll<StoredEvent<string, TortureData>>()) events.push(event)
    yield* change(events).slice(fromPosition)
  }
  return { readAll, readStream: store.readStream.bind(store) } as unknown as EventStore
}

t.test('[L2] [K3] a store with all that was acknowledged, and a little more', async (t) => {
  const { store, runs } = await filled(t)
  const check = new StoreCheck(workload, runs)
  t.same(await check.checkNew(store), [])
  t.equal(check.commits, 15)
  t.same(
    runs.map(({ last }) => last),
    [9, 49, 104],
    'what was read must not go later',
  )
  await store.appendMany(workload.commit(105))
  t.same(await check.checkNew(store), [])
  t.equal(check.commits, 16)
  t.same(await check.checkAll(store), [])
  t.equal(check.commits, 16)
})

const faults: readonly [
  string,
  CheckKind,
  (events: StoredEvent<string, TortureData>[]) => StoredEvent<string, TortureData>[],
][] = [
  ['the newest commit is gone', 'lost', (events) => events.filter(({ data }) => data.commit !== 104)],
  ['a commit in the middle is gone', 'order', (events) => events.filter(({ data }) => data.commit !== 5)],
  ['the newest commit has lost its last event', 'torn', (events) => events.slice(0, -1)],
  [
    'an event has another text',
    'torn',
    (events) => events.map((event, i) => (i === 7 ? { ...event, data: { ...event.data, text: 'x' } } : event)),
  ],
  [
    'an event is of another stream',
    'torn',
    (events) => events.map((event, i) => (i === 7 ? { ...event, stream: 'x' } : event)),
  ],
  [
    'an event has another type',
    'torn',
    (events) => events.map((event, i) => (i === 7 ? { ...event, type: 'x' } : event)),
  ],
  ['a position twice', 'order', (events) => events.map((event, i) => (i === 7 ? { ...event, position: 6 } : event))],
  ['an offset left out', 'order', (events) => events.map((event, i) => (i === 7 ? { ...event, offset: 99 } : event))],
  ['an id changed', 'stream', (events) => events.map((event, i) => (i === 7 ? { ...event, id: 'x' } : event))],
  [
    'two commits in the wrong order',
    'order',
    (events) => [...events.filter(({ data }) => data.commit >= 100), ...events.filter(({ data }) => data.commit < 100)],
  ],
]
for (const [name, kind, change] of faults) {
  t.test(`[L2] found: ${name}`, async (t) => {
    const { store, runs } = await filled(t)
    const findings = await new StoreCheck(workload, runs).checkAll(changed(store, change))
    t.ok(
      findings.some((finding) => finding.kind === kind),
      findings.map((finding) => `${finding.kind}: ${finding.message}`).join('\n'),
    )
    t.ok(findings.length <= 20)
  })
}

t.test('[L2] found: what was read and is gone later', async (t) => {
  const { store, runs } = await filled(t)
  runs[2]!.last = 99 // nothing of it was acknowledged
  const check = new StoreCheck(workload, runs)
  t.same(await check.checkNew(store), [])
  const without = changed(store, (events) => events.filter(({ data }) => data.commit !== 104))
  t.match(await check.checkAll(without), [{ kind: 'lost', message: /commit 104 / }])
})

t.test('[L2] found: events that no writer has appended', async (t) => {
  const { store, runs } = await filled(t)
  const strange: NewEvent = { type: 'Other', data: 'text' }
  await store.append('torture-1', [strange])
  t.match(await new StoreCheck(workload, runs).checkNew(store), [{ kind: 'foreign' }])
})

t.test('[L2] found: a store that refuses to be read', async (t) => {
  const { store, runs } = await filled(t)
  await store.close()
  t.match(await new StoreCheck(workload, runs).checkAll(store), [{ kind: 'unreadable', message: /closed/ }])
})
