import t from 'tap'
import { openMemoryStore } from '../../engine/index.js'
import { defineEvents, event, type Progress, replay } from '../../kit/index.js'
import { collect } from '../contract/contract-support.js'
import { TestClock, until } from './projection/projection-support.js'

const TYPES = ['A', 'B', 'C'] as const
const events = defineEvents({
  A: event<{ n: number }>().upcast(({ n }) => ({ twice: 2 * n })),
  B: event<{ n: number }>(),
})

/** Thirty events, one in each second, over three streams. */
async function filled() {
  const store = await openMemoryStore()
  for (let n = 0; n < 30; n++) {
    await store.append(`s-${n % 3}`, [
      {
        type: TYPES[n % 3]!,
        data: { n },
        timestamp: n * 1000,
        schemaVersion: 1,
        metadata: { correlationId: `c${n % 2}` },
      },
    ])
  }
  return store
}

const positions = async (events: AsyncIterable<{ readonly position: number }>): Promise<number[]> =>
  (await collect(events)).map(({ position }) => position)
const range = (from: number, to: number, step = 1): number[] =>
  Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, n) => from + n * step)

t.test('[P2] from a position, from a time, over a range, by type, stream, category and correlation', async (t) => {
  const store = await filled()
  t.teardown(() => store.close())
  const all = async (options: Parameters<typeof replay>[1]) => positions(replay(store, options))
  t.same(await all({}), range(0, 29))
  t.same(await all({ fromPosition: 10, toPosition: 12 }), [10, 11, 12])
  t.same(await all({ fromTime: 27_000 }), [27, 28, 29])
  t.same(await all({ fromTime: new Date(5000), toTime: 8000 }), [5, 6, 7, 8])
  t.same(await all({ types: ['B'], toPosition: 10 }), [1, 4, 7, 10])
  t.same(await all({ stream: 's-2', fromOffset: 1, toOffset: 3 }), [5, 8, 11])
  t.same(await all({ category: 's', correlationId: 'c1', fromPosition: 20 }), range(21, 29, 2))
  t.same(await all({ fromPosition: 30 }), [])
  t.same(await all({ fromPosition: 100 }), [])
  t.same(await all({ stream: 'nothing' }), [])
})

t.test('[P2] [B3] events are as the program knows them today', async (t) => {
  const store = await filled()
  t.teardown(() => store.close())
  const known = await collect(replay(store, { events, types: events.types, toPosition: 4 }))
  t.match(known, [{ data: { twice: 0 } }, { data: { n: 1 } }, { data: { twice: 6 } }, { data: { n: 4 } }])
  await t.rejects(collect(replay(store, { events })), { code: 'ERR_UNKNOWN_EVENT', offset: 0 })
})

t.test('[P2] ended at any event and gone on with: none is missing and none comes twice', async (t) => {
  const store = await filled()
  t.teardown(() => store.close())
  const seen: number[] = []
  let fromPosition = 0
  for (let run = 1; seen.length < 30; run++) {
    const control = new AbortController()
    const part = replay(store, { fromPosition, signal: control.signal })
    const work = (async () => {
      for await (const { position } of part) {
        seen.push(position)
        if (seen.length % 7 === 0) break
        if (seen.length % 5 === 0) control.abort(new Error('enough'))
      }
    })()
    await work.catch((error: unknown) => t.match(error, { message: 'enough' }))
    fromPosition = part.position
    if (run % 2 === 0) {
      for await (const { position } of replay(store, { fromPosition, toPosition: fromPosition })) seen.push(position)
    }
    if (run % 2 === 0) fromPosition++
  }
  t.same(seen, range(0, 29))

  const again = replay(store, { stream: 's-1' })
  for await (const { offset } of again) if (offset === 3) break
  t.equal(again.position, 4)
  t.same(
    (await collect(again)).map(({ offset }) => offset),
    range(4, 9),
    'a second loop goes on',
  )
  t.equal(again.position, 10)
  t.same(await collect(again), [])
  await store.append('s-1', [{ type: 'A' }])
  t.equal((await collect(again)).length, 1, 'what came since')

  const sparse = replay(store, { types: ['A'], toPosition: 28 })
  await collect(sparse)
  t.equal(sparse.position, 29, 'the whole range is behind it')
})

t.test('[P2] a rate is kept, also behind a consumer that was slow for a while', async (t) => {
  const store = await filled()
  t.teardown(() => store.close())
  const clock = new TestClock()
  const begun = clock.now()
  const times: number[] = []
  const reports: Progress[] = []
  const work = (async () => {
    for await (const { position } of replay(store, {
      eventsPerSecond: 10,
      clock,
      progressMs: 500,
      onProgress: (progress) => reports.push(progress),
    })) {
      times.push(clock.now() - begun)
      if (position === 9) clock.go(60_000)
    }
  })()
  for (let turn = 0; turn < 500 && times.length < 30; turn++) {
    await new Promise((resolve) => setImmediate(resolve))
    clock.go(50)
  }
  await work
  t.same(times.slice(0, 10), range(0, 900, 100))
  // A minute late: one second's worth at once, and then as before.
  t.same(times.slice(10), [...Array<number>(11).fill(60_900), ...range(61_000, 61_800, 100)])
  t.match(reports.at(-1), { done: 1, msLeft: 0, events: 30, position: 30, endPosition: 30 })
  t.ok(reports.length >= 3)
  t.ok(reports[0]!.eventsPerSecond > 0 && reports[0]!.msLeft! > 0)
})

t.test('[P2] a wait for the rate ends with the signal', async (t) => {
  const store = await filled()
  t.teardown(() => store.close())
  const control = new AbortController()
  const slow = replay(store, { eventsPerSecond: 0.001, signal: control.signal })
  const work = collect(slow)
  await until(() => slow.position === 1)
  control.abort(new Error('enough'))
  await t.rejects(work, { message: 'enough' })
  t.equal(slow.position, 1)
  await t.rejects(collect(slow), { message: 'enough' })
})

t.test('options that make no sense are refused', async (t) => {
  const store = await filled()
  t.teardown(() => store.close())
  for (const options of [
    { stream: 'a', category: 'b' },
    { fromOffset: 1 },
    { toOffset: 0 },
    { stream: 'a', fromPosition: 1 },
    { stream: 'a', toPosition: 1 },
    { eventsPerSecond: 0 },
    { eventsPerSecond: NaN },
    { progressMs: -1 },
  ]) {
    t.throws(() => replay(store, options), { code: 'ERR_INVALID_ARGUMENT' }, JSON.stringify(options))
  }
})
