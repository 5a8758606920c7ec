import t, { type Test } from 'tap'
import { EventFilter } from '../../../engine/format/event-filter.js'
import { ValueFormatError } from '../../../engine/format/value-format.js'
import { KEY_BLOCK_BYTES } from '../../../engine/format/key-file.js'
import type { KeyIndex } from '../../../engine/keys/key-index.js'
import { CompiledQuery } from '../../../engine/store/query.js'
import { QuerySource, type QueryReading } from '../../../engine/store/query-source.js'
import type { Query } from '../../../engine/types/query.js'
import { type KeyedEvent, KeyedLog } from '../../support/keyed-log.js'
import { SeededRandom } from '../../support/random.js'
import { drained, positionsIn, readingOf, recordsOf, untilError } from './log-reading.js'

interface Changes extends Partial<QueryReading> {
  readonly from?: number
  readonly end?: number
  readonly limit?: number
}

function sourceOf(log: KeyedLog, index: KeyIndex, items: Query['items'], changes: Changes = {}): QuerySource {
  const { from = 0, end = log.end, limit = Infinity, ...others } = changes
  const { decoder } = readingOf(log)
  const pause = (): Promise<void> => Promise.resolve()
  const reading = { index, records: recordsOf(log), decoder, filter: undefined, pause, ...others }
  return new QuerySource(reading, new CompiledQuery({ items }, index.hasher), from, end, limit)
}

/** What a query means, said without any of the engine. */
function expected(events: readonly KeyedEvent[], { items }: Query, from = 0, end = Infinity): number[] {
  return events.flatMap(({ type = 'T', tags = [] }, position) => {
    const meets = items.some(
      (item) =>
        (item.types === undefined || item.types.includes(type)) && (item.tags ?? []).every((tag) => tags.includes(tag)),
    )
    return meets && position >= from && position < end ? [position] : []
  })
}

const QUERIES: readonly Query['items'][] = [
  [{ tags: ['a'] }],
  [{ tags: ['a', 'b'] }],
  [{ tags: ['b', 'a', 'rare'] }],
  [{ tags: ['none'] }],
  [{ tags: ['a', 'none'] }],
  [{ types: ['A'] }],
  [{ types: ['Never'] }],
  [{ types: ['A', 'Rare'] }],
  [{ types: ['Rare'] }],
  [{ types: ['A'], tags: ['b'] }],
  [{ tags: ['rare'] }, { tags: ['b'] }],
  [{ tags: ['a'] }, { types: ['Rare'] }],
  [{ types: ['Rare'] }, { types: ['A'], tags: ['a', 'b'] }, { tags: ['rare'] }],
]

/** Ten segments of thirty events; the rare ones are in some of them only. */
function mixed(): { log: KeyedLog; events: KeyedEvent[] } {
  const random = new SeededRandom(5)
  const segments = Array.from({ length: 10 }, (_, n) =>
    Array.from({ length: 30 }, (): KeyedEvent => {
      const isRare = n % 4 === 2 && random.chance(0.1)
      const tags = ['a', 'b'].filter(() => random.chance(0.3))
      return { type: isRare ? 'Rare' : random.pick(['A', 'B']), tags: isRare ? [...tags, 'rare'] : tags }
    }),
  )
  return { log: new KeyedLog(segments), events: segments.flat() }
}

async function same(
  t: Test,
  log: KeyedLog,
  index: KeyIndex,
  events: readonly KeyedEvent[],
  what: string,
): Promise<void> {
  for (const items of QUERIES) {
    for (const [from, end] of [
      [0, log.end],
      [17, 200],
      [95, 96],
      [150, 150],
    ] as const) {
      const wanted = expected(events, { items }, from, end)
      const found = positionsIn(await drained(sourceOf(log, index, items, { from, end }), 7))
      if (String(found) !== String(wanted)) t.same(found, wanted, `${what}: ${JSON.stringify(items)} ${from}–${end}`)
    }
  }
}

t.test('[C2] a query gives what filtering everything gives, whatever answers for the keys', async (t) => {
  const { log, events } = mixed()
  const index = log.index()
  await same(t, log, index, events, 'segments without key files')
  await log.make(index)
  await same(t, log, index, events, 'with key files')
  await log.builder(index).mergeAll(() => false)
  t.equal(index.withFiles()[0]!.tier, 1)
  await same(t, log, index, events, 'with merged key files')

  const memory = log.index({ position: 120 })
  for (let position = 120; position < log.end; position++) log.append(memory, events[position]!, position)
  await same(t, log, memory, events, 'half of it in memory')
  t.pass()
})

t.test('[C2] what is from before the first key is looked at for types, and not for tags', async (t) => {
  const plain = Array.from({ length: 40 }, (_, n): KeyedEvent => ({ type: n % 9 === 4 ? 'Rare' : 'A' }))
  const keyed = Array.from({ length: 40 }, (): KeyedEvent => ({ type: 'A', tags: ['a'] }))
  const log = new KeyedLog([plain, keyed])
  const index = log.index({ keyedFrom: 40 })
  await same(t, log, index, [...plain, ...keyed], 'keyless')
  await log.make(index)
  const path = log.segments[0]!.path
  log.files.record()
  await drained(sourceOf(log, index, [{ tags: ['a'] }]))
  t.same(log.files.trace!.filter((operation) => operation.path === path), []) // prettier-ignore
})

t.test('[R8] only events with the rarest tag are looked at, and segments without a type are passed over', async (t) => {
  const { log, events } = mixed()
  const index = log.index()
  await log.make(index)
  const looks = async (items: Query['items']): Promise<number> => {
    const records = recordsOf(log)
    let count = 0
    const readPlace = records.readPlace.bind(records)
    records.readPlace = (place, file) => (count++, readPlace(place, file))
    await drained(sourceOf(log, index, items, { records }))
    return count
  }
  const rare = expected(events, { items: [{ tags: ['rare'] }] }).length
  t.ok(rare > 2)
  t.equal(await looks([{ tags: ['a', 'rare', 'b'] }]), rare)
  t.equal(await looks([{ tags: ['rare', 'none'] }]), 0)
  t.equal(await looks([{ types: ['Never'] }]), 0)
  const segmentsWithRare = new Set(expected(events, { items: [{ types: ['Rare'] }] }).map((n) => Math.floor(n / 30)))
  t.ok((await looks([{ types: ['Rare'] }])) <= 30 * segmentsWithRare.size)
})

t.test('batches and limits are kept', async (t) => {
  const { log, events } = mixed()
  const index = log.index()
  const all = expected(events, { items: [{ tags: ['a'] }] })
  for (const most of [1, 2, 50]) t.same(positionsIn(await drained(sourceOf(log, index, [{ tags: ['a'] }]), most)), all)
  for (const limit of [0, 1, 10, all.length, all.length + 5]) {
    t.same(positionsIn(await drained(sourceOf(log, index, [{ tags: ['a'] }], { limit }), 4)), all.slice(0, limit))
  }
})

t.test('of the events that match, a filter takes some', async (t) => {
  const { log, events } = mixed()
  const { decoder } = readingOf(log)
  const filter = new EventFilter({ types: ['A'] }, decoder)
  const found = await drained(sourceOf(log, log.index(), [{ tags: ['a'] }], { filter }))
  t.same(positionsIn(found), expected(events, { items: [{ tags: ['a'], types: ['A'] }] }))
  t.same([...new Set(found.map(({ type }) => type))], ['A'])
})

t.test('[R10] others have their turn while nothing matches; events found come first', async (t) => {
  const plain = Array.from({ length: 5000 }, (): KeyedEvent => ({ type: 'A' }))
  const log = new KeyedLog([[{ type: 'B' }, ...plain, ...plain, { type: 'B' }]])
  const index = log.index()
  let pauses = 0
  const pause = async (): Promise<void> => {
    pauses++
  }
  const source = sourceOf(log, index, [{ types: ['B'] }], { pause })
  t.same(positionsIn(await source.next(10)), [0], 'without waiting for the other')
  t.equal(pauses, 0)
  t.same(positionsIn(await source.next(10)), [10_001])
  t.ok(pauses >= 1, `${pauses} pauses`)
  t.same(await source.next(10), [])
  const enough = new Error('enough')
  const ended = sourceOf(log, index, [{ types: ['B'] }], { from: 1, pause: () => Promise.reject(enough) })
  await t.rejects(async () => ended.next(10), enough)
})

t.test(
  '[C2] [fault 49] a key file that turns out wrong on the way is put aside, and nothing is missed or given twice',
  async (t) => {
    const { log, events } = mixed()
    for (const items of QUERIES) {
      const index = log.index()
      await log.make(index)
      const source = sourceOf(log, index, items)
      const first = await source.next(2)
      for (const { path } of index.withFiles().map(({ file }) => file!)) {
        const bytes = log.contents(path)
        bytes[bytes.length - KEY_BLOCK_BYTES + 20]! ^= 1
        log.write(path, bytes)
      }
      const found = [...first, ...(await drained(source, 3))]
      t.same(positionsIn(found), expected(events, { items }), JSON.stringify(items))
      for (const name of log.keyFiles()) log.environment.files.remove(`/store/log/${name}`)
      log.handles.close()
    }
  },
)

t.test('[U3] events before damage are handed out, then comes the error, each time', async (t) => {
  const log = new KeyedLog([[{ tags: ['a'] }, { tags: ['a'] }, { tags: ['a'] }, { tags: ['a'] }]])
  const index = log.index()
  await log.make(index)
  const { path } = log.segments[0]!
  const records = recordsOf(log)
  records.read(2, -1)
  const bytes = log.contents(path)
  bytes[records.byte + 70]! ^= 1
  log.write(path, bytes)
  const source = sourceOf(log, index, [{ tags: ['a'] }])
  const { positions, error } = await untilError(source)
  t.same(positions, [0, 1])
  t.match(error, { code: 'ERR_CORRUPT', file: path })
  t.match((await untilError(source)).error, { code: 'ERR_CORRUPT' })
})

t.test('[U3] an event whose values cannot be decoded is damage at its place', async (t) => {
  const log = new KeyedLog([[{ tags: ['a'] }, { tags: ['a'], data: 'x' }]])
  const records = recordsOf(log)
  records.read(1, -1)
  const { byte, path } = records
  const malformed = { decode: () => { throw new ValueFormatError('not a value', 0) } } // prettier-ignore
  const decoder = Object.assign(Object.create(readingOf(log).decoder) as QueryReading['decoder'], malformed)
  const { error } = await untilError(sourceOf(log, log.index(), [{ tags: ['a'] }], { decoder, from: 1 }))
  t.match(error, { code: 'ERR_CORRUPT', file: path, byte })
})

t.test('[R8] a source that is at its end keeps no record in memory', async (t) => {
  const { log } = mixed()
  const records = recordsOf(log)
  const source = sourceOf(log, log.index(), [{ tags: ['a'] }], { records })
  await source.next(2)
  t.not(records.window.bytes.length, 0)
  await drained(source)
  t.equal(records.window.bytes.length, 0)
})
