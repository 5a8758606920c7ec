import t from 'tap'
import { CorruptionError, type StoredEvent } from '../../../engine/index.js'
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from '../../../engine/format/checkpoint.js'
import { FRAME_SHAPE } from '../../../engine/format/frame.js'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { openStore } from '../../../engine/store/open-store.js'
import { framesOf, withRightChecksums } from '../../support/crafted-files.js'
import { type Image, imageOf, restore, STORE, TINY } from './verify-support.js'

/** A killed store with several log segments, each of which defines the one shape. */
async function killed(): Promise<{ image: Image; events: StoredEvent[] }> {
  const environment = memoryEnvironment()
  const store = await openStore(environment, STORE, TINY)
  for (let i = 0; i < 60; i++) await store.append(`s${i % 4}`, [{ type: 'T', data: { i, text: 'x'.repeat(200) } }])
  for (let turn = 0; turn < 200 && store.stats().writeBehind.checkpoints < 3; turn++) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  const image = imageOf(environment.files)
  const events: StoredEvent[] = []
  for await (const event of store.readAll()) events.push(event)
  await store.close()
  return { image, events }
}

t.test('[fault 48] a checkpoint whose shapes contradict the log is made again from the log', async (t) => {
  const { image, events } = await killed()
  const storeId = Buffer.from(image.get(`${STORE}/annals`)!.subarray(20, 36))
  const read = decodeCheckpoint(image.get(`${STORE}/checkpoint`)!, storeId)
  const { checkpoint } = read as { checkpoint: Checkpoint }
  t.equal(checkpoint.shapes.length, 1)
  const shapes = checkpoint.shapes.map(({ id, keys }) => ({ id, keys: keys.toReversed() }))
  const forged = new Map(image).set(`${STORE}/checkpoint`, encodeCheckpoint(storeId, { ...checkpoint, shapes }))
  const store = await openStore(restore(forged), STORE, TINY)
  t.match(store.recovery, { checkpointLost: 'its shapes are not those of the log', damage: undefined })
  const all: StoredEvent[] = []
  for await (const event of store.readAll()) all.push(event)
  t.same(all, events)
  t.same((await store.append('s0', [{ type: 'After' }])).position, events.length)
  await store.close()
})

t.test(
  '[fault 51] a log that gives a shape to two lists of keys is damaged, and none of them is believed',
  async (t) => {
    const { image, events } = await killed()
    const path = [...image.keys()]
      .filter((name) => name.endsWith('.log'))
      .sort()
      .at(-1)!
    const bytes = Buffer.from(image.get(path)!)
    const { start } = framesOf(bytes).find(({ kind }) => kind === FRAME_SHAPE)!
    // The keys have one and four letters: now the first is another.
    bytes.write('j', bytes.indexOf('i', start + 16, 'latin1'), 'latin1')
    const forged = new Map(image).set(path, withRightChecksums(bytes))
    forged.delete(`${STORE}/checkpoint`)
    const store = await openStore(restore(forged), STORE, TINY)
    t.match(store.recovery.damage, { file: path, byte: start, reason: /defined twice/ })
    await t.rejects(store.append('s0', [{ type: 'After' }]), { code: 'ERR_CORRUPT' })
    const served: StoredEvent[] = []
    await t.rejects(async () => {
      for await (const event of store.readAll()) served.push(event)
    }, CorruptionError)
    t.ok(served.length < 10, 'only those before the first of that shape')
    t.same(served, events.slice(0, served.length))
    await store.close()
  },
)
