import t from 'tap'
import { IndexBuilder } from '../../../engine/format/sparse-index.js'
import { LIVE_INDEX_ENTRIES } from '../../../engine/limits.js'
import { verify } from '../../../engine/recovery/verify.js'
import { LiveIndexes } from '../../../engine/streams/live-indexes.js'
import { collect } from '../../contract/contract-support.js'
import { TestMachine } from '../store/test-machine.js'

function indexOf(entries: number): { readonly builder: IndexBuilder; written: number } {
  const builder = new IndexBuilder(10)
  for (let n = 0; n < entries; n++) builder.add(n, n * 10, n, 10)
  builder.finish()
  return { builder, written: entries }
}

t.test('those that were written to longest ago give up their entries, and go on behind them', (t) => {
  const live = new LiveIndexes(10)
  const [first, second, third] = [indexOf(4), indexOf(4), indexOf(4)]
  for (const index of [first, second]) live.written(index)
  live.written(first) // used again
  live.written(third)
  const held = (): number[] => [first, second, third].map(({ builder }) => builder.entries.length)
  t.same(held(), [4, 0, 4])
  t.same([second.builder.released, second.builder.count], [4, 4])
  second.builder.add(4, 40, 4, 10)
  second.builder.finish()
  t.same(second.builder.entries, [{ number: 4, minTime: 4, maxTime: 4, byte: 40, end: 50 }])
  t.equal(second.builder.count, 5)
  live.written(second)
  t.same(held(), [4, 1, 4])
  const large = indexOf(50)
  live.written(large)
  t.same(held(), [0, 0, 0])
  t.equal(large.builder.entries.length, 50, 'the one that is written to keeps its own')
  live.forget(large)
  live.written(third)
  t.equal(third.builder.count, 4)
  t.end()
})

t.test('[F3] [R3] what is not in memory any more is read from the file of the index', async (t) => {
  const machine = new TestMachine()
  const limits = { indexIntervalBytes: 64, readWindowBytes: 4096 }
  const store = await machine.open({ limits })
  const most = LIVE_INDEX_ENTRIES / 2 + 2000
  const append = async (stream: string, from: number, to: number): Promise<void> => {
    for (let n = from; n < to; n += 10_000) {
      const events = Array.from({ length: Math.min(10_000, to - n) }, (_, i) => ({
        type: 'T',
        data: n + i,
        timestamp: n + i,
      }))
      await store.append(stream, events)
    }
    await store.checkpoint()
  }
  const read = async (stream: string, fromOffset: number, isIndexed = true): Promise<void> => {
    machine.files.record()
    const events = await collect(store.readStream(stream, { fromOffset, limit: 2 }))
    t.same(
      events.map(({ data }) => data),
      [fromOffset, fromOffset + 1],
      `${stream}@${fromOffset}`,
    )
    const reads = machine.files.trace!.filter(({ kind, path }) => kind === 'read' && path.endsWith('.seg'))
    const asked = reads.reduce((sum, { length }) => sum + length!, 0)
    t.ok(!isIndexed || asked < 16_384, `${stream}@${fromOffset}: ${asked} bytes`)
  }
  await append('a', 0, most)
  await append('b', 0, most) // those of the first are released
  for (const offset of [0, 17, 40_000, most - 2]) await read('a', offset)
  await append('a', most, most + 3000)
  for (const offset of [5, most - 1, most + 2000]) await read('a', offset)
  const between = await collect(store.readStream('a', { fromTime: most - 5, toTime: most + 5 }))
  t.equal(between.length, 11)
  // Somebody takes the files of both away, as is allowed.
  const { files } = machine
  await append('b', most, most + 3000)
  for (const shard of files.list('/store/streams')) {
    const folder = `/store/streams/${shard}`
    for (const name of files.list(folder)) if (name.endsWith('.idx')) files.remove(`${folder}/${name}`)
  }
  await read('a', 30_000, false)
  await append('a', most + 3000, most + 4000)
  await append('b', most + 3000, most + 4000)
  for (const stream of ['a', 'b']) for (const offset of [3, most, most + 3500]) await read(stream, offset)
  await store.close()
  const { ok, findings } = await verify(machine.environment, '/store', { limits, fast: true })
  t.same({ ok, findings }, { ok: true, findings: [] })
})
