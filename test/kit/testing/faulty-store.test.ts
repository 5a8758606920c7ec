import t from 'tap'
import { type EventStore, openMemoryStore, type StoredEvent } from '../../../engine/index.js'
import { type Fault, faultyStore, type FaultyStore } from '../../../kit/testing/index.js'
import { collect, numbered } from '../../contract/contract-support.js'

async function both(...faults: readonly Fault[]): Promise<FaultyStore & { readonly inner: EventStore }> {
  const inner = await openMemoryStore()
  const faulty = faultyStore(inner)
  for (const fault of faults) faulty.inject(fault)
  return Object.assign(faulty, { inner })
}

t.test('[T1] the nth append fails as was asked, and nothing of it is stored', async (t) => {
  const { store, inner, ...faulty } = await both({ on: 'append', nth: 2, fail: 'ERR_VERSION_CONFLICT' })
  await store.append('a', numbered(1))
  await t.rejects(store.append('a', numbered(2), { expectedVersion: 1 }), {
    name: 'VersionConflictError',
    code: 'ERR_VERSION_CONFLICT',
    stream: 'a',
    expected: 1,
    actual: 1,
  })
  await store.append('a', numbered(1), { expectedVersion: 1 })
  t.equal((await inner.streamInfo('a')).version, 2, 'a conflict fails one append')
  t.equal((await both()).appends, 0)
  faulty.inject({ on: 'append', stream: 'b', fail: new Error('mine') })
  await store.append('a', numbered(1))
  await t.rejects(
    store.appendMany([
      { stream: 'a', events: numbered(1) },
      { stream: 'b', events: numbered(1) },
    ]),
    { message: 'mine' },
  )
  await store.append('b', numbered(1))
  t.equal((await inner.streamInfo('a')).version, 3)
  await inner.close()
})

t.test('[T1] a writer that has failed stays failed until it is healed, as a real one does', async (t) => {
  for (const fail of ['ERR_IO', 'ERR_NO_SPACE', 'ERR_OUTCOME_UNKNOWN', 'ERR_LOCK_LOST'] as const) {
    const { store, inner, heal } = await both({ on: 'append', fail })
    await t.rejects(store.append('a', numbered(1)), { code: fail, message: /injected/ })
    await t.rejects(store.append('b', numbered(1)), { code: 'ERR_WRITER_FAILED', cause: { code: fail } })
    t.same(await collect(store.readAll()), [], 'reading goes on')
    heal()
    await store.append('b', numbered(1))
    t.equal((await collect(inner.readAll())).length, 1)
    await inner.close()
  }
})

t.test('[T1] an append that is stored and reported as failed: a commit id tells', async (t) => {
  const { store, inner, heal } = await both({ on: 'append', fail: 'ERR_OUTCOME_UNKNOWN', committed: true })
  const options = { commitId: 'x' }
  await t.rejects(store.append('a', numbered(1), options), { code: 'ERR_OUTCOME_UNKNOWN' })
  heal()
  t.match(await store.append('a', numbered(1), options), { isRepeat: true, version: 1 })
  await inner.close()
})

t.test('[T1] reads fail before, between and behind events; each way of reading', async (t) => {
  const { store, inner, inject } = await both()
  await store.append('a-1', numbered(5))
  const ways: Record<string, () => AsyncIterable<StoredEvent | StoredEvent[]>> = {
    readStream: () => store.readStream('a-1'),
    readAll: () => store.readAll(),
    readCategory: () => store.readCategory('a'),
    batches: () => store.readAll().batches(2),
    commits: () => store.readAll().commits(),
    subscribe: () => store.subscribe(),
    'batches of a subscription': () => store.subscribe({ stream: 'a-1' }).batches(2),
  }
  for (const [name, read] of Object.entries(ways)) {
    for (const afterEvents of [0, 1, 3, 5]) {
      inject({ on: 'read', fail: 'ERR_IO', afterEvents })
      const got: StoredEvent[] = []
      const reading = async (): Promise<void> => {
        for await (const item of read()) got.push(...[item].flat())
      }
      await t.rejects(reading(), { code: 'ERR_IO' }, name)
      t.equal(got.length, afterEvents, `${name} after ${afterEvents}`)
    }
  }
  inject({ on: 'read', stream: 'a-2', fail: 'ERR_CORRUPT' })
  t.equal((await collect(store.readStream('a-1'))).length, 5)
  await t.rejects(collect(store.readStream('a-2')), { code: 'ERR_CORRUPT' })
  const subscription = store.subscribe()
  inject({ on: 'read', fail: 'ERR_IO', afterEvents: 1 })
  t.match(await subscription.next(), { done: false, value: { offset: 0 } })
  await t.rejects(subscription.next(), { code: 'ERR_IO' })
  await inner.close()
})

t.test('[T1] calls are held up, and go on', async (t) => {
  let go = (): void => undefined
  const until = new Promise<void>((resolve) => (go = resolve))
  const { store, inner, inject } = await both({ on: 'append', until })
  const order: string[] = []
  const held = store.append('a', numbered(1)).then(() => order.push('held'))
  await store.append('b', numbered(1)).then(() => order.push('other'))
  go()
  await held
  t.same(order, ['other', 'held'])
  const slept: number[] = []
  const clock = { now: () => 0, sleep: async (ms: number) => void slept.push(ms) }
  const slow = faultyStore(inner, { clock })
  slow.inject({ on: 'append', times: Infinity, delayMs: 7 })
  slow.inject({ on: 'read', delayMs: 9 })
  await slow.store.append('a', numbered(1))
  await slow.store.append('a', numbered(1))
  await collect(slow.store.readAll())
  t.same(slept, [7, 7, 9])
  t.equal(slow.appends, 2)
  for (const wrong of [{ nth: 0 }, { times: 1.5 }]) {
    t.throws(() => inject({ on: 'append', fail: 'ERR_IO', ...wrong }), { code: 'ERR_INVALID_ARGUMENT' })
  }
  await inner.close()
})

t.test('[T1] without a fault it is the store behind it', async (t) => {
  const { store, inner } = await both()
  await store.append('a', numbered(2))
  t.equal((await store.streamInfo('a')).version, 2)
  t.equal((await collect(store.listStreams())).length, 1)
  const subscription = store.subscribe({ fromPosition: 1 })
  t.match(await subscription.next(), { value: { offset: 1 } })
  t.equal(subscription.position, 2)
  t.equal(subscription.isCaughtUp, true)
  await subscription.close()
  await store.close()
  await t.rejects(inner.append('a', numbered(1)), { code: 'ERR_CLOSED' })
})
