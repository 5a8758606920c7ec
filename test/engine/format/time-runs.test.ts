import fc from 'fast-check'
import t from 'tap'
import { IndexBuilder, type IndexEntry } from '../../../engine/format/sparse-index.js'
import { nextRun, type IndexedSegment, type Run, type TimeRange } from '../../../engine/format/time-runs.js'

interface Placed {
  readonly number: number
  readonly byte: number
  readonly size: number
  readonly time: number
}

const time = fc.integer({ min: 0, max: 50 })
const placed = fc.array(fc.tuple(fc.integer({ min: 20, max: 200 }), time), { maxLength: 80 }).map((sizes) => {
  let byte = 96
  return sizes.map(([size, time], number): Placed => {
    const event = { number, byte, size, time }
    byte += size
    return event
  })
})

function segmentOf(
  events: readonly Placed[],
  indexed: number,
  finished: boolean,
  interval: number,
): IndexedSegment & { readonly entries: readonly IndexEntry[] } {
  const builder = new IndexBuilder(interval)
  for (const { number, byte, time, size } of events.slice(0, indexed)) builder.add(number, byte, time, size)
  if (finished) builder.finish()
  const last = events.at(-1)
  return { entries: builder.entries, end: events.length, endByte: last === undefined ? 96 : last.byte + last.size }
}

function allRuns(segment: IndexedSegment, from: number, times: TimeRange): Run[] {
  const runs: Run[] = []
  for (let at = from; ;) {
    const run = nextRun(segment, at, times)
    if (run === undefined) return runs
    runs.push(run)
    at = run.to
  }
}

t.test(
  '[R12] runs hold every event of a time, in whatever order timestamps are and however short the index is',
  (t) => {
    fc.assert(
      fc.property(
        placed,
        fc.nat(80),
        fc.boolean(),
        fc.integer({ min: 1, max: 600 }),
        fc.nat(80),
        time,
        time,
        (events, indexed, finished, interval, from, a, b) => {
          const times = { from: Math.min(a, b), to: Math.max(a, b) }
          const segment = segmentOf(events, indexed, finished, interval)
          const runs = allRuns(segment, from, times)
          for (const [i, run] of runs.entries()) {
            const before = runs[i - 1]
            if (run.from < (before?.to ?? from) || run.to <= run.from || run.to > events.length) return false
            const last = events[run.to - 1]!
            if (run.endByte < last.byte + last.size) return false
          }
          const wanted = events.filter(
            (event) => event.number >= from && event.time >= times.from && event.time <= times.to,
          )
          return wanted.every(({ number }) => runs.some((run) => number >= run.from && number < run.to))
        },
      ),
      { numRuns: 2000 },
    )
    t.end()
  },
)

t.test('[R12] with a whole index, every stretch of a run has an event between whose times the range lies', (t) => {
  fc.assert(
    fc.property(placed, fc.integer({ min: 1, max: 600 }), time, time, (events, interval, a, b) => {
      const times = { from: Math.min(a, b), to: Math.max(a, b) }
      const segment = segmentOf(events, events.length, true, interval)
      const runs = allRuns(segment, 0, times)
      const needed = segment.entries.filter(({ minTime, maxTime }) => minTime <= times.to && maxTime >= times.from)
      const bytes = needed.reduce((sum, { byte, end }) => sum + end - byte, 0)
      const read = runs.reduce((sum, { from, endByte }) => sum + endByte - events[from]!.byte, 0)
      return bytes === read
    }),
    { numRuns: 1000 },
  )
  t.end()
})

t.test('[R12] rising timestamps need one run', (t) => {
  const events = Array.from({ length: 1000 }, (_, number) => ({
    number,
    byte: 96 + number * 100,
    size: 100,
    time: number,
  }))
  const segment = segmentOf(events, 1000, true, 1000)
  t.same(allRuns(segment, 0, { from: 500, to: 519 }), [{ from: 500, to: 520, endByte: 96 + 520 * 100 }])
  t.same(allRuns(segment, 505, { from: 500, to: 519 }), [{ from: 505, to: 520, endByte: 96 + 520 * 100 }])
  t.same(allRuns(segment, 520, { from: 500, to: 519 }), [])
  t.same(allRuns(segment, 0, { from: 2000, to: 3000 }), [])
  t.same(allRuns({ ...segment, end: 510 }, 0, { from: 500, to: 519 }), [
    { from: 500, to: 510, endByte: 96 + 510 * 100 },
  ])
  t.end()
})
