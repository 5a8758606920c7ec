import t from 'tap'
import { openMemoryStore } from '../../engine/index.js'
import { snapshotStreams } from '../../kit/index.js'

const snapshot = (stream: string, version: number, state: unknown = version) =>
  ({ stream, reducer: 'r', schema: 's', version, eventId: 'e', timestamp: 1, state }) as const

t.test('[B6] the newest snapshot of a key comes back, and no other', async (t) => {
  await using store = await openMemoryStore()
  const snapshots = snapshotStreams(store)
  const key = { stream: 'account-1', reducer: 'r', schema: 's' }
  t.equal(await snapshots.load(key), undefined)
  await snapshots.save(snapshot('account-1', 1))
  await snapshots.save(snapshot('account-1', 2, new Map([['a', 1n]])))
  await snapshots.save(snapshot('account-2', 9))
  t.same(await snapshots.load(key), snapshot('account-1', 2, new Map([['a', 1n]])))
  for (const other of [{ reducer: 'q' }, { schema: 'q' }, { stream: 'account-3' }]) {
    t.equal(await snapshots.load({ ...key, ...other }), undefined)
  }
  await t.rejects(snapshots.load(key, { signal: AbortSignal.abort(new Error('enough')) }), { message: 'enough' })
})

t.test('[B6] the longest stream names have snapshots too, each its own', async (t) => {
  await using store = await openMemoryStore()
  const snapshots = snapshotStreams(store)
  const [one, other] = ['x'.repeat(1000), `${'x'.repeat(999)}y`]
  await snapshots.save(snapshot(one, 1))
  t.same(await snapshots.load({ stream: one, reducer: 'r', schema: 's' }), snapshot(one, 1))
  t.equal(await snapshots.load({ stream: other, reducer: 'r', schema: 's' }), undefined)
})
