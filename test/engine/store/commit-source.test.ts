import t from 'tap'
import { EventFilter } from '../../../engine/format/event-filter.js'
import { FLAG_FIRST, FLAG_LAST } from '../../../engine/format/event-record.js'
import { HEADER_FIXED_BYTES } from '../../../engine/format/file-header.js'
import { GROUP_BYTES } from '../../../engine/format/group.js'
import { CommitSource } from '../../../engine/store/commit-source.js'
import type { QueryReading } from '../../../engine/store/query-source.js'
import { logSegment, resealed } from '../../support/forge.js'
import { type KeyedEvent, KeyedLog } from '../../support/keyed-log.js'
import { drained, positionsIn, readingOf, recordsOf, untilError } from './log-reading.js'

const FIRST = HEADER_FIXED_BYTES + GROUP_BYTES

/** A commit of so many events with an id. */
function commitOf(commitId: string, count: number, type: (n: number) => string = () => 'T'): KeyedEvent[] {
  return Array.from({ length: count }, (_, n) => ({
    type: type(n),
    data: n,
    marks: (n === 0 ? FLAG_FIRST : 0) | (n === count - 1 ? FLAG_LAST : 0),
    ...(n === 0 ? { commitId } : {}),
  }))
}

interface Changes extends Partial<QueryReading> {
  readonly committed?: number
  readonly from?: number
  readonly end?: number
  readonly limit?: number
}

function sourceOf(log: KeyedLog, commitId: string, changes: Changes = {}): CommitSource {
  const { committed = log.end, from = 0, end = committed, limit = Infinity, ...others } = changes
  const { decoder } = readingOf(log)
  const pause = (): Promise<void> => Promise.resolve()
  const reading = { index: log.index(), records: recordsOf(log), decoder, filter: undefined, pause, ...others }
  return new CommitSource(reading, commitId, committed, from, end, limit)
}

/** Two segments: a commit alone, one of five events, and an event without an id behind each. */
const usual = (): KeyedLog =>
  new KeyedLog([
    [...commitOf('one', 1), {}],
    [...commitOf('five', 5), {}],
  ])

t.test('[C2] the events of a commit are found by its id, and no others', async (t) => {
  const log = usual()
  t.same(positionsIn(await drained(sourceOf(log, 'one'))), [0])
  t.same(positionsIn(await drained(sourceOf(log, 'five'), 2)), [2, 3, 4, 5, 6])
  t.same(positionsIn(await drained(sourceOf(log, 'none'))), [])
  const index = log.index()
  await log.make(index)
  t.same(positionsIn(await drained(sourceOf(log, 'five', { index }))), [2, 3, 4, 5, 6], 'with key files')
})

t.test('reads keep their bounds and limit', async (t) => {
  const log = usual()
  t.same(positionsIn(await drained(sourceOf(log, 'five', { from: 4 }))), [4, 5, 6])
  t.same(positionsIn(await drained(sourceOf(log, 'five', { end: 4 }))), [2, 3])
  t.same(positionsIn(await drained(sourceOf(log, 'five', { from: 3, end: 6, limit: 2 }), 1)), [3, 4])
  t.same(positionsIn(await drained(sourceOf(log, 'five', { limit: 0 }))), [])
  t.same(positionsIn(await drained(sourceOf(log, 'five', { from: 7 }))), [], 'it ends before')
  t.same(positionsIn(await drained(sourceOf(log, 'one', { from: 1 }))), [])
})

t.test('[C2] a commit that is not committed yet is not there', async (t) => {
  const log = usual()
  t.same(positionsIn(await drained(sourceOf(log, 'five', { committed: 2 }))), [])
  t.same(positionsIn(await drained(sourceOf(log, 'one', { committed: 2 }))), [0])
})

t.test('a filter takes some of them; others have their turn while it takes none', async (t) => {
  const log = new KeyedLog([commitOf('large', 10_000, (n) => (n === 1 || n === 9_998 ? 'Rare' : 'T'))])
  const filter = new EventFilter({ types: ['Rare'] }, readingOf(log).decoder)
  let pauses = 0
  const pause = (): Promise<void> => {
    pauses++
    return Promise.resolve()
  }
  const source = sourceOf(log, 'large', { filter, pause })
  t.same(positionsIn(await source.next(10)), [1], 'without waiting for the other')
  t.equal(pauses, 0)
  t.same(positionsIn(await source.next(10)), [9_998])
  t.ok(pauses >= 1)
  t.same(await source.next(10), [])
  const enough = new Error('enough')
  const ended = sourceOf(log, 'large', { filter, from: 2, pause: () => Promise.reject(enough) })
  await t.rejects(async () => ended.next(10), enough)
})

t.test('[U3] events before damage are handed out, then comes the error, each time', async (t) => {
  const log = usual()
  const index = log.index()
  await log.make(index)
  const records = recordsOf(log)
  records.read(4, -1)
  const { path, byte } = records
  const bytes = log.contents(path)
  bytes[byte + 70]! ^= 1
  log.write(path, bytes)
  const source = sourceOf(log, 'five', { index })
  const { positions, error } = await untilError(source)
  t.same(positions, [2, 3])
  t.match(error, { code: 'ERR_CORRUPT', file: path })
  t.match((await untilError(source)).error, { code: 'ERR_CORRUPT' })
})

t.test('[U3] an event whose values cannot be decoded is damage at its place', async (t) => {
  const log = new KeyedLog([commitOf('two', 2)])
  const path = log.segments[0]!.path
  const records = recordsOf(log)
  records.read(1, -1)
  const { byte } = records
  const record = resealed(log.contents(path).subarray(byte, byte + records.length), (bytes) => {
    bytes[bytes.length - 5] = 0xc1 // the data, one byte long: never used in MessagePack
  })
  log.write(path, logSegment([[log.contents(path).subarray(FIRST, byte), record]]))
  log.handles.close()
  const { positions, error } = await untilError(sourceOf(log, 'two'))
  t.same(positions, [0])
  t.match(error, { code: 'ERR_CORRUPT', file: path, byte })
})

t.test('[R8] a source that is at its end keeps no record in memory', async (t) => {
  const log = usual()
  const records = recordsOf(log)
  const source = sourceOf(log, 'five', { records })
  await source.next(2)
  t.not(records.window.bytes.length, 0)
  await drained(source)
  t.equal(records.window.bytes.length, 0)
})
