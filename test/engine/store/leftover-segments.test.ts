/**
 * A power cut may leave the names of new stream segments and not what was in them. Written again, the segments of a stream may end
 * at other events, so that such a file stands between those that count or behind them.
 */
import t from 'tap'
import { CrashDisk } from '../../support/crash-disk.js'
import { assertSettled } from '../../support/invariants.js'
import { openSession, STORE_PATH, TINY } from '../../support/crash-workload.js'

const NAMES = ['hot', 'cold'] as const
const OPTIONS = { limits: { ...TINY.limits, streamSegmentBytes: 512 } }

function segments(disk: CrashDisk): string[] {
  const folder = `${STORE_PATH}/streams`
  return disk
    .list(folder)
    .flatMap((shard) => disk.list(`${folder}/${shard}`).map((name) => `${folder}/${shard}/${name}`))
}

t.test('[fault 3] [fault 9] a segment that a crash has left is gone once the stream is settled', async (t) => {
  const disk = new CrashDisk()
  const first = await openSession(disk, 1, OPTIONS)
  for (let i = 0; i < 12; i++) for (const name of NAMES) await first.store.append(name, [{ type: 'T', data: { i } }])
  await first.store.flush()
  const image = disk.crash('kill', 1)
  const written = segments(image)
  t.ok(written.length > 3, 'the streams have several segments')
  // Between those that count, and behind them.
  const path = (name: string, base: number): string =>
    written.find((file) => file.includes(`/${name}@`))!.replace(/@\d+\.\w+/, `@${String(base).padStart(16, '0')}.seg`)
  const between = Array.from({ length: 12 }, (_, base) => path('hot', base)).find((file) => !written.includes(file))!
  for (const file of [between, path('hot', 20), path('cold', 13)]) image.open(file, 'create').close()

  const second = await openSession(image, 2, OPTIONS)
  second.process.advance(1100)
  await second.store.checkpoint()
  await second.store.close()
  t.same(segments(image).sort(), written.sort(), 'only the segments that count are there')

  const { store } = await openSession(image, 3, OPTIONS)
  for (const name of NAMES) {
    const read: unknown[] = []
    for await (const { data } of store.readStream(name)) read.push((data as { i: number }).i)
    t.same(read, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    await store.append(name, [{ type: 'T', data: { i: 12 } }], { expectedVersion: 12 })
  }
  await store.close()
  const { store: last } = await openSession(image, 4, OPTIONS)
  await t.resolves(assertSettled(last))
  await last.close()
})

t.test(
  '[U3] a store that was killed, opened, closed, and written to again has nothing for verify to tell',
  async (t) => {
    const disk = new CrashDisk()
    const first = await openSession(disk, 1)
    await first.store.append('a', [{ type: 'T', data: 1 }])
    const after = disk.crash('kill', 1)
    await (await openSession(after, 2)).store.close()
    const third = await openSession(after, 3)
    await third.store.append('b', [{ type: 'T', data: 2 }])
    await third.store.checkpoint()
    await third.store.close()
    const last = await openSession(after, 4)
    t.same((await last.store.verify()).findings, [])
    await last.store.close()
  },
)
