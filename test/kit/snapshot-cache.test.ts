import t from 'tap'
import { snapshotCache } from '../../kit/index.js'

const snapshot = (stream: string, version: number, state: unknown = version) =>
  ({ stream, reducer: 'r', schema: 's', version, eventId: 'e', timestamp: 1, state }) as const
const key = (stream: string) => ({ stream, reducer: 'r', schema: 's' })

t.test('[B6] snapshots are copied on the way in and out', async (t) => {
  const cache = snapshotCache()
  const state = { list: [1] }
  await cache.save(snapshot('a', 1, state))
  state.list.push(2)
  const first = await cache.load(key('a'))
  t.same(first?.state, { list: [1] })
  ;(first?.state as typeof state).list.push(3)
  t.same((await cache.load(key('a')))?.state, { list: [1] })
  t.equal(await cache.load({ ...key('a'), reducer: 'q' }), undefined)
  await t.rejects(cache.save(snapshot('a', 2, new (class Money {})())), /an instance of Money cannot be copied/)
})

t.test('[B6] the least recently used goes first, and an older one replaces none', async (t) => {
  const cache = snapshotCache({ entries: 2 })
  for (const stream of ['a', 'b']) await cache.save(snapshot(stream, 5))
  await cache.load(key('a'))
  await cache.save(snapshot('c', 5))
  t.same(await Promise.all(['a', 'b', 'c'].map(async (name) => (await cache.load(key(name)))?.version)), [
    5,
    undefined,
    5,
  ])
  await cache.save(snapshot('a', 4))
  t.equal((await cache.load(key('a')))?.version, 5)
  for (const entries of [0, 1.5, NaN]) t.throws(() => snapshotCache({ entries }), { code: 'ERR_INVALID_ARGUMENT' })
})
