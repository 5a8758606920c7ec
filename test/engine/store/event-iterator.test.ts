import t from 'tap'
import { numbered, TestMachine } from './test-machine.js'

t.test('[U3] batches hand out what was read before the damage, then the error', async (t) => {
  const machine = new TestMachine()
  let store = await machine.open()
  for (let n = 0; n < 10; n++) await store.append('a', numbered(1, n))
  await store.close()
  const path = machine.find('.log')[0]!
  const bytes = machine.contents(path)
  bytes[bytes.length - 20]! ^= 1 // in the last event
  machine.write(path, bytes)
  store = await machine.open()
  for (const size of [4, 100]) {
    const seen: unknown[] = []
    const reading = (async () => {
      for await (const batch of store.readAll().batches(size)) seen.push(...batch.map(({ data }) => data))
    })()
    await t.rejects(reading, { code: 'ERR_CORRUPT', file: path })
    t.same(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8])
  }
  await store.close()
})
