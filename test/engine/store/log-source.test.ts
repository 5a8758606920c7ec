import t from 'tap'
import { encodeHeader } from '../../../engine/format/file-header.js'
import { EventFilter } from '../../../engine/format/event-filter.js'
import { LogSource } from '../../../engine/store/log-source.js'
import { Selection } from '../../../engine/store/selection.js'
import type { TimeRange } from '../../../engine/format/time-runs.js'
import { type KeyedEvent, KeyedLog } from '../../support/keyed-log.js'
import { drained, positionsIn, readingOf, recordsOf, untilError } from './log-reading.js'

/** Three segments of forty events; event n has time n. */
const events = (change: (n: number) => KeyedEvent = () => ({})): KeyedLog =>
  new KeyedLog(
    [0, 40, 80].map((base) =>
      Array.from({ length: 40 }, (_, i) => ({ timestamp: base + i, data: base + i, ...change(base + i) })),
    ),
  )

const ofSegment = { kind: 'L', epoch: 1, base: 40 } as const

const upTo = (end: number, from = 0): number[] => Array.from({ length: end - from }, (_, i) => from + i)

function selecting(
  log: KeyedLog,
  criteria: { types?: string[]; times?: TimeRange },
  pause = () => Promise.resolve(),
): Selection {
  return new Selection(new EventFilter(criteria, readingOf(log).decoder), pause)
}

t.test('the log is read from any position to any other, whole and in order', async (t) => {
  const log = events()
  for (const [from, end] of [
    [0, 120],
    [0, 1],
    [39, 41],
    [40, 80],
    [57, 119],
    [119, 120],
    [60, 60],
  ] as const) {
    for (const most of [1, 7, 1000]) {
      const found = await drained(new LogSource(readingOf(log), from, end), most)
      t.same(positionsIn(found), upTo(end, from), `${from} to ${end}, ${most} at a time`)
    }
  }
  const [event] = await drained(new LogSource(readingOf(log), 77, 78))
  t.match(event, { position: 77, offset: 77, stream: 's', type: 'T', data: 77, timestamp: 77 })
})

t.test('events longer than what is read at a time come whole', async (t) => {
  const log = events((n) => ({ data: n % 9 === 4 ? 'x'.repeat(400_000) : n }))
  const found = await drained(new LogSource(readingOf(log), 3, 120))
  t.same(positionsIn(found), upTo(120, 3))
  t.equal((found[1]!.data as string).length, 400_000)
})

t.test('of the segment that is written to only what counts is read', async (t) => {
  const log = events()
  const { path } = log.segments[2]!
  const records = recordsOf(log)
  records.read(100, -1)
  const active = { path, end: records.byte, entries: [] }
  const source = (end: number) => new LogSource(readingOf(log, { active: () => active }), 70, end)
  t.same(positionsIn(await drained(source(100))), upTo(100, 70))
  const { positions, error } = await untilError(source(101))
  t.same(positions, upTo(100, 70))
  t.match(error, { code: 'ERR_CORRUPT', file: path, message: /missing at its end/ })
  const opened = readingOf(log, { lastEnd: (of) => (of === path ? records.byte : undefined) })
  t.match((await untilError(new LogSource(opened, 99, 101))).error, { code: 'ERR_CORRUPT' }, 'as it was when opened')
})

t.test('[U3] events before damage are handed out, then comes the error, each time', async (t) => {
  const log = events()
  const records = recordsOf(log)
  records.read(50, -1)
  const { path, byte } = records
  const bytes = log.contents(path)
  bytes[byte + 70]! ^= 1
  log.write(path, bytes)
  for (const most of [1, 6, 1000]) {
    const source = new LogSource(readingOf(log), 30, 120)
    const { positions, error } = await untilError(source, most)
    t.same(positions, upTo(50, 30))
    t.match(error, { code: 'ERR_CORRUPT', file: path, byte })
    t.match((await untilError(source, most)).error, { code: 'ERR_CORRUPT' })
  }
  t.same(positionsIn(await drained(new LogSource(readingOf(log), 80, 120))), upTo(120, 80), 'others can be read')
})

t.test(
  '[fault 46] events of a segment of another store are not served, though they are whole and in their places',
  async (t) => {
    const log = events()
    const { path } = log.segments[1]!
    const bytes = log.contents(path)
    log.write(path, Buffer.concat([encodeHeader({ ...ofSegment, storeId: Buffer.alloc(16, 7) }), bytes.subarray(96)]))
    const wrong = { code: 'ERR_CORRUPT', file: path, byte: 0, reason: 'the segment belongs to another store' }
    const { positions, error } = await untilError(new LogSource(readingOf(log), 0, 120))
    t.same(positions, upTo(40))
    t.match(error, wrong)
    t.match((await untilError(new LogSource(readingOf(log), 50, 60))).error, wrong)
    t.throws(() => recordsOf(log).read(50, -1), wrong)
    t.same(positionsIn(await drained(new LogSource(readingOf(log), 80, 120))), upTo(120, 80), 'others are')
  },
)

t.test('[U3] [fault 47] a segment that is not there is an error', async (t) => {
  const log = events()
  log.handles.close()
  log.environment.files.remove(log.segments[1]!.path)
  const gone = await untilError(new LogSource(readingOf(log), 30, 120))
  t.same(gone.positions, upTo(40, 30))
  t.match(gone.error, { code: 'ENOENT' })
  log.directory.clear()
  t.match((await untilError(new LogSource(readingOf(log), 3, 4))).error, { message: /first log segment is missing/ })
})

t.test('[F3] [fault 49] an index that names another place is not believed', async (t) => {
  const log = events()
  const { path } = log.segments[2]!
  const end = log.contents(path).length
  const records = recordsOf(log)
  records.read(110, -1)
  for (const byte of [records.byte, records.byte + 3, end + 5]) {
    const active = { path, end, entries: [{ number: 90, byte, end, minTime: 80, maxTime: 120 }] }
    const reading = readingOf(log, { active: () => active })
    t.same(positionsIn(await drained(new LogSource(reading, 95, 120))), upTo(120, 95), `byte ${byte}`)
    const times = selecting(log, { times: { from: 95, to: 97 } })
    t.same(positionsIn(await drained(new LogSource(reading, 60, 120, times))), [95, 96, 97], 'nor for a time')
  }
})

t.test('[R11] of a time only the segments and stretches that have it are read', async (t) => {
  const log = events()
  const reading = readingOf(log)
  const ofTime = async (from: number, to: number): Promise<number[]> =>
    positionsIn(await drained(new LogSource(reading, 0, 120, selecting(log, { times: { from, to } }))))
  t.same(await ofTime(50, 52), [50, 51, 52])
  t.same(await ofTime(38, 41), [38, 39, 40, 41], 'over two segments')
  t.same(await ofTime(500, 600), [])
  log.files.record()
  t.same(await ofTime(85, 85), [85])
  t.same(
    [...new Set(log.files.trace!.flatMap(({ kind, path }) => (kind === 'read' ? [path] : [])))],
    [log.segments[2]!.path],
  )
})

t.test('[fault 47] a time is not passed over in a segment that is missing', async (t) => {
  const log = events()
  log.directory.remove(log.directory.segments[1]!)
  const found = (from: number, to: number) =>
    untilError(new LogSource(readingOf(log), 0, 120, selecting(log, { times: { from, to } })))
  t.match(await found(50, 85), {
    positions: [],
    error: { code: 'ERR_CORRUPT', reason: 'the segment before position 80 is missing' },
  })
})

t.test('[R10] others have their turn while events are passed over', async (t) => {
  const log = events((n) => ({ type: n % 50 === 49 ? 'Rare' : 'T' }))
  let pauses = 0
  const pausing = selecting(log, { types: ['Rare'] }, () => {
    pauses++
    return Promise.resolve()
  })
  pausing.spend(1_000_000)
  t.same(positionsIn(await drained(new LogSource(readingOf(log), 0, 120, pausing))), [49, 99])
  t.ok(pauses >= 1)
  const enough = new Error('enough')
  const ended = selecting(log, { types: ['Rare'] }, () => Promise.reject(enough))
  ended.spend(1_000_000)
  await t.rejects(async () => new LogSource(readingOf(log), 0, 120, ended).next(5), enough)
})

t.test('[fault 27] what the disk refuses is told', async (t) => {
  const log = events()
  const source = new LogSource(readingOf(log), 0, 120)
  log.files.setFaults({ only: ({ kind }) => kind === 'read', failAt: 1, sticky: true, code: 'EIO' })
  t.match((await untilError(source)).error, { code: 'EIO' })
  log.files.setFaults()
  t.same(positionsIn(await drained(source)), upTo(120), 'and the next call reads it')
})
