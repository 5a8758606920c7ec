import t from 'tap'
import { encodeHeader } from '../../../engine/format/file-header.js'
import { streamKey } from '../../../engine/format/names.js'
import { StreamTableBuilder } from '../../../engine/format/stream-table.js'
import { defaultLimits } from '../../../engine/limits.js'
import { readStreamTable, Unsettled } from '../../../engine/recovery/unsettled.js'
import { ReadHandles } from '../../../engine/segment/read-handles.js'
import { Slabs } from '../../../engine/segment/slabs.js'
import { StreamDirectory } from '../../../engine/streams/stream-directory.js'
import { StreamLoader } from '../../../engine/streams/stream-loader.js'
import { framesOf } from '../../support/crafted-files.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'
import { type ForgedEvent, forgedStore, STORE_ID, streamSegment } from '../../support/forge.js'
import { put, restore, STORE } from './verify-support.js'

const KEY = streamKey('a')
const SEGMENT = { base: 0, epoch: 1, path: `${STORE}/log/0000000000000000-0000000001.log` }

/** Three events of a stream in the log, so many of them in its segment; the places that the table names, and a disk. */
function setUp(inSegment: number, places: (right: number[]) => number[] = (right) => right, firstOffset = 0) {
  const { files, logs, records, segment } = forgedStore([[[['a'], ['b'], ['a'], ['a']]]])
  const own = [records[0]!, records[2]!, records[3]!]
  if (inSegment > 0) files.set(segment('a'), streamSegment('a', own.slice(0, inSegment)))
  else files.delete(segment('a'))
  const right = framesOf(files.get(logs[0]!)!)
    .filter(({ kind }) => kind === 2)
    .map(({ start }) => start)
  const table = new StreamTableBuilder()
  for (const [i, byte] of places([right[0]!, right[2]!, right[3]!]).entries()) {
    table.add('a', undefined, firstOffset + i, byte)
  }
  const disk = new FaultyFileSystem(restore(files).files)
  const handles = new ReadHandles(disk, 4)
  const loader = new StreamLoader(new StreamDirectory(disk, `${STORE}/streams`, STORE_ID, true), handles, defaultLimits)
  const unsettled = new Unsettled(loader, handles, new Slabs(65_536, handles))
  unsettled.set([{ segment: SEGMENT, table: () => table }])
  return { unsettled, disk, right, log: files.get(logs[0]!)! }
}

t.test('what the files of a stream lack is taken from the log, event by event', (t) => {
  for (const inSegment of [0, 1, 2, 3]) {
    const { unsettled } = setUp(inSegment)
    const state = unsettled.load(KEY)
    t.match(state, { version: 3, nextOffset: 3, flushed: inSegment, damage: undefined }, `${inSegment} in its segment`)
    t.equal(state.tail.length, 3 - inSegment)
    t.equal(state.last?.unfinished, inSegment === 0 ? undefined : inSegment < 3)
  }
  const { unsettled } = setUp(3)
  t.equal(unsettled.segments.length, 1)
  t.equal(unsettled.unprovenFrom(KEY), 0)
  t.equal(unsettled.unprovenFrom(streamKey('c')), Infinity)
  t.equal(unsettled.load(streamKey('c')).version, 0)
  unsettled.clear()
  t.same(unsettled.segments, [])
  t.equal(unsettled.unprovenFrom(KEY), Infinity)
  t.end()
})

t.test('of a stream whose files have everything, the oldest and the newest table are asked only', (t) => {
  for (const inSegment of [3, 2, 1, 0]) {
    const { unsettled, right } = setUp(inSegment)
    const asked: number[] = []
    unsettled.set(
      right
        .filter((_, i) => i !== 1)
        .map((byte, offset) => {
          const table = new StreamTableBuilder()
          table.add('a', undefined, offset, byte)
          return { segment: SEGMENT, table: () => (asked.push(offset), table) }
        }),
    )
    const state = unsettled.load(KEY)
    t.match(state, { version: 3, nextOffset: 3, flushed: inSegment, damage: undefined }, `${inSegment} in its segment`)
    t.equal(state.tail.length, 3 - inSegment)
    if (inSegment === 3) t.same(asked, [0, 2])
  }
  t.end()
})

t.test('[M1] events that stand near each other are read together, and no more than that', (t) => {
  const sizes = [...Array.from({ length: 300 }, () => 200), 100_000, 10, 70_000, 10]
  // Two far ones at the end: what stands between is another stream's.
  const events: ForgedEvent[] = sizes.map((size) => ['a', { data: 'x'.repeat(size) }])
  const apart: ForgedEvent = ['b', { data: 'y'.repeat(30_000) }]
  const { files, logs, segment } = forgedStore([[[...events, apart, ['a'], apart, ['a']]]])
  files.delete(segment('a'))
  const frames = framesOf(files.get(logs[0]!)!).filter(({ kind }) => kind === 2)
  const table = new StreamTableBuilder()
  let offset = 0
  for (const [i, { start }] of frames.entries()) {
    if (i !== sizes.length && i !== sizes.length + 2) table.add('a', undefined, offset++, start)
  }
  const disk = new FaultyFileSystem(restore(files).files)
  const handles = new ReadHandles(disk, 4)
  const loader = new StreamLoader(new StreamDirectory(disk, `${STORE}/streams`, STORE_ID, true), handles, defaultLimits)
  const unsettled = new Unsettled(loader, handles, new Slabs(65_536, handles))
  unsettled.set([{ segment: SEGMENT, table: () => table }])
  disk.record()
  const state = unsettled.load(KEY)
  t.match(state, { version: 306, flushed: 0, damage: undefined })
  const reads = disk.trace!.filter(({ kind, path }) => kind === 'read' && path === SEGMENT.path)
  t.equal(reads.length, 9, 'two for the small ones, two for each long one, one for each that is far from others')
  t.end()
})

t.test('[fault 49] places that are none are damage of the log segment, and the events before them stand', (t) => {
  const cases: readonly (readonly [string, (right: number[], size: number) => number, RegExp])[] = [
    ['behind the end', (_right, size) => size - 2, /the log segment ends before the record/],
    ['in the middle of zeros', () => 13, /the length of a record is impossible/],
    ['another event of the stream', (right) => right[0]!, /the event has offset 0 instead of 1/],
  ]
  for (const [what, place, reason] of cases) {
    const { log } = setUp(0)
    const { unsettled } = setUp(0, (right) => [right[0]!, place(right, log.length), right[2]!])
    const state = unsettled.load(KEY)
    t.match(state.damage, { code: 'ERR_CORRUPT', file: SEGMENT.path, stream: 'a', offset: 1, reason }, what)
    t.match(state, { version: 1, nextOffset: 1 }, what)
  }
  const { unsettled, disk, right, log } = setUp(1)
  const damaged = Buffer.from(log)
  damaged[right[2]! + 70]! ^= 1
  put(disk, SEGMENT.path, damaged)
  t.match(unsettled.load(KEY).damage, { byte: right[2], offset: 1, reason: 'the checksum of a record is wrong' })

  const gap = setUp(1, (places) => places.slice(2), 2).unsettled.load(KEY)
  t.match(gap.damage, { byte: right[3], offset: 1, reason: 'events before this one are missing' })
  t.end()
})

t.test('[fault 27] a log segment that cannot be read is no damage', (t) => {
  const { unsettled, disk } = setUp(0)
  disk.setFaults({ failAt: 1, only: ({ kind, path }) => kind === 'read' && path === SEGMENT.path })
  t.throws(() => unsettled.load(KEY), { code: 'EIO' })
  t.end()
})

t.test('[F3] a stream table that is not that of its segment is as good as none', (t) => {
  const { files } = restore(new Map())
  const path = `${STORE}/log/0000000000000000-0000000001.tab`
  const table = new StreamTableBuilder()
  table.add('a', undefined, 0, 180)
  const fields = { kind: 'T', storeId: STORE_ID, base: 0, epoch: 1, previousEnd: 500 } as const
  const read = (header: Buffer): number | undefined => {
    put(files, path, Buffer.concat([header, table.encode()]))
    return readStreamTable(files, path, SEGMENT, STORE_ID)?.end
  }
  t.equal(readStreamTable(files, path, SEGMENT, STORE_ID), undefined, 'there is none')
  t.equal(read(encodeHeader(fields)), 500)
  for (const other of [{ storeId: Buffer.alloc(16, 1) }, { base: 1 }, { epoch: 2 }, { kind: 'P' as const }]) {
    t.equal(read(encodeHeader({ ...fields, ...other })), undefined, JSON.stringify(other))
  }
  put(files, path, encodeHeader(fields))
  t.equal(readStreamTable(files, path, SEGMENT, STORE_ID), undefined, 'without its contents')
  const broken = new FaultyFileSystem(files, { failAt: 1, only: ({ kind }) => kind === 'read' })
  t.equal(readStreamTable(broken, path, SEGMENT, STORE_ID), undefined, 'that cannot be read')
  t.end()
})
