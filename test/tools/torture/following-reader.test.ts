import { join } from 'node:path'
import t from 'tap'
import { openEventStore, openMemoryStore } from '../../../engine/index.js'
import { FollowingReader } from '../../../tools/torture/following-reader.js'

const event = (data: number): { type: string; data: number } => ({ type: 'T', data })

t.test(
  '[F4] [K3] a reader waits for the store, follows from writer to writer, and what it was shown is compared',
  async (t) => {
    const directory = join(t.testdir(), 'store')
    const reader = new FollowingReader(directory, 10_000)
    for (let n = 0; n < 3; n++) {
      const writer = await openEventStore(directory)
      for (let i = 0; i < 20; i++) await writer.append(`s-${i % 3}`, [event(n), event(i)])
      await writer.close()
    }
    const store = await openEventStore(directory)
    t.equal(await reader.compare(store, 120), undefined)
    t.equal(reader.events, 120)

    const other = await openMemoryStore()
    for (let i = 0; i < 120; i++) await other.append('s', [event(i)])
    t.equal(await reader.compare(other, 120), 'a reader was shown other events than those that are there')
    await other.close()
    await reader.stop()
    await store.close()
  },
)

t.test('what does not come is told, and what is refused', async (t) => {
  const directory = join(t.testdir(), 'store')
  const store = await openEventStore(directory)
  await store.append('s', [event(1)])
  const reader = new FollowingReader(directory, 200)
  t.equal(await reader.compare(store, 2), 'a reader has seen 1 events where 2 are committed')
  await reader.stop()
  const nowhere = new FollowingReader('\0', 200)
  t.match(await nowhere.compare(store, 1), /^a reader was refused: ERR_INVALID_ARGUMENT/)
  await nowhere.stop()
  await store.close()
})
