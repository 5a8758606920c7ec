import { join } from 'node:path'
import t from 'tap'
import { openEventStore } from '../../../engine/index.js'
import { bar } from '../../../tools/cli/bar.js'
import { Frequent } from '../../../tools/cli/frequent.js'
import { stretchLabel, stretchName, TimeHistogram } from '../../../tools/cli/time-histogram.js'
import { figuresOf } from '../../../tools/cli/store-figures.js'
import {
  annalsHere,
  expectOutput,
  expectTranscript,
  hostileNames,
  LOG_FILE,
  sampleFolder,
  spoil,
  STREAM_FILE,
  temporaryFolder,
  transcript,
  unsafeIn,
  writeImage,
} from './run-cli.js'

t.test('[L1] totals, times, types, the busiest and the largest streams', async (t) => {
  const cwd = await sampleFolder(t)
  await expectTranscript(t, cwd, 'stat.txt', [
    ['stat', 'data'],
    ['stat', '--fast', '--top', '2', 'data'],
    ['stat', '--json', 'data'],
    ['stat', 'nowhere'],
  ])
})

t.test('[U3] damage: what can be read is counted, and the exit code says that it is not all', async (t) => {
  const cwd = await sampleFolder(t)
  spoil(join(cwd, LOG_FILE), 'Withdrawn')
  spoil(join(cwd, STREAM_FILE), 'Opened')
  expectOutput(t, 'stat-damaged.txt', await transcript(cwd, [['stat', 'data']]))
})

t.test('an empty store; a store beside its writer; on a terminal with progress', async (t) => {
  const cwd = temporaryFolder(t)
  const store = await openEventStore(join(cwd, 'data'), { durability: 'os' })
  t.match(await annalsHere(['stat', 'data'], cwd), {
    status: 0,
    stdout: /^events {2}0\nlog .*\nstreams 0, 0 B in 0 files\n$/,
  })
  const events = Array.from({ length: 5000 }, (_, n) => ({
    type: n % 10 === 0 ? 'Rare' : 'Usual',
    timestamp: n * 1000,
  }))
  await store.append('a-1', events)
  await new Promise((resolve) => setImmediate(resolve)) // the writer tells of a commit in the turn behind it
  const { status, stdout, stderr } = await annalsHere(['stat', 'data'], cwd, { isTerminal: true })
  t.equal(status, 0)
  t.match(stdout, /Usual {2}4,500/)
  const shown = stderr.split('\r\u001b[K')
  t.match(shown[1], /^stat {2}20% {2}1,000 of 5,000 .* events$|^stat {2}20% {2}1,000 of 5,000 {2}events$/)
  t.equal(shown.at(-1), '', 'and is taken away')

  // Of more events than are to be read, stretches from all over the log stand for all.
  const reader = await openEventStore(join(cwd, 'data'), { readOnly: true })
  const signal = new AbortController().signal
  const options = { mostEvents: 2000, streams: false, top: 1, signal, onProgress: () => undefined }
  const figures = await figuresOf(reader, join(cwd, 'data'), options)
  t.match(figures, { events: 5000, read: 2000, damage: undefined, streams: undefined })
  t.same(figures.types.sorted(), [
    ['Usual', 1800],
    ['Rare', 200],
  ])
  t.equal(figures.times.max, 3_499_000)
  await reader.close()
  await store.close()
})

t.test('times are counted in stretches that get longer, in bounded memory', (t) => {
  const times = new TimeHistogram()
  const day = 24 * 3_600_000
  for (let n = 0; n < 100_000; n++) times.add(Date.UTC(2026, 0, 1) + n * 10_000)
  const { bucketMs, buckets } = times.rows(24)
  t.equal(bucketMs, day)
  t.equal(
    buckets.reduce((sum, { events }) => sum + events, 0),
    100_000,
  )
  t.same(
    buckets.slice(0, 2).map((row) => [stretchLabel(row, bucketMs), row.events]),
    [
      ['2026-01-01', 8640],
      ['2026-01-02', 8640],
    ],
  )
  times.add(-8.64e15)
  times.add(8.64e15)
  const wide = times.rows(24)
  t.ok(wide.buckets.length <= 24)
  t.equal(
    wide.buckets.reduce((sum, { events }) => sum + events, 0),
    100_002,
  )
  t.same([1000, 10_000, 60_000, 600_000, 6 * 3_600_000, day, 7 * day, 28 * day, 3640 * day].map(stretchName), [
    'second',
    '10 seconds',
    'minute',
    '10 minutes',
    '6 hours',
    'day',
    'week',
    '4 weeks',
    '520 weeks',
  ])
  t.same(new TimeHistogram().rows(5).buckets, [])
  t.end()
})

t.test('what comes often is counted, whatever else there is', (t) => {
  const types = new Frequent(100)
  for (let n = 0; n < 10_000; n++) types.add(n % 2 === 0 ? 'often' : `rare ${n}`)
  t.notOk(types.isExact)
  t.ok(types.sorted().length <= 100)
  t.same(types.sorted()[0], ['often', 5000])
  t.same([bar(0, 5), bar(1, 1000, 10), bar(5, 5, 3), bar(1, 2, 3)], ['', '▏', '███', '█▌'])
  t.end()
})

t.test('[fault 68] names and types reach the terminal escaped', async (t) => {
  const cwd = temporaryFolder(t)
  writeImage(cwd, await hostileNames())
  for (const options of [[], ['--json'], ['--color=always']]) {
    const { status, stdout, stderr } = await annalsHere(['stat', ...options, 'data'], cwd)
    t.equal(status, 0)
    t.match(stdout, /pwned/)
    t.same(unsafeIn(stdout + stderr), [])
  }
})
