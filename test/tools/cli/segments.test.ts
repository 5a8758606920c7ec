import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { InterruptedError } from '../../../tools/cli/exit-codes.js'
import { hostileStore } from '../../support/hostile-store.js'
import {
  annalsHere,
  expectOutput,
  expectTranscript,
  hostileNames,
  jsonLines,
  LOG_FILE,
  sampleFolder,
  spoil,
  STREAM_FILE,
  temporaryFolder,
  transcript,
  unsafeIn,
  writeImage,
} from './run-cli.js'

t.test('[L1] [F1] every segment of a store, of a stream, of the log', async (t) => {
  const cwd = await sampleFolder(t)
  await expectTranscript(t, cwd, 'segments.txt', [
    ['segments', 'data'],
    ['segments', 'data', 'account-2'],
    ['segments', '--fast', '--log', 'data'],
    ['segments', '--json', 'data'],
    ['segments', 'data', 'nobody'],
    ['segments', 'nowhere'],
    ['segments', 'data/log'],
  ])
})

t.test('[L1] several segments of each kind: all events are in both copies, in segments that join', async (t) => {
  for (const closed of [true, false]) {
    const { image, all, streams } = await hostileStore({ closed })
    const cwd = temporaryFolder(t)
    writeImage(cwd, image)
    const rows = (await jsonLines(cwd, ['segments', '--json', 'data'])) as {
      kind: string
      stream?: string
      base: number
      events: number
      state: string
      check: string
      index: string
    }[]
    t.same(new Set(rows.map(({ check }) => check)), new Set(['sound']))
    const logs = rows.filter(({ kind }) => kind === 'log')
    t.ok(logs.length > 2)
    t.equal(
      logs.reduce((sum, { events }) => sum + events, 0),
      all.length,
    )
    t.same(
      logs.slice(0, -1).map(({ state, index }) => [state, index]),
      logs.slice(0, -1).map(() => ['sealed', 'sound']),
    )
    if (!closed) continue
    for (const [stream, events] of streams) {
      const own = rows.filter((row) => row.stream === stream)
      t.equal(own.at(-1)!.base + own.at(-1)!.events, events.length, stream)
      t.same(own, await jsonLines(cwd, ['segments', '--json', 'data', stream]))
    }
  }
})

t.test('[U3] [L1] damage in a segment and an index, and an end that a crash left', async (t) => {
  const cwd = await sampleFolder(t)
  spoil(join(cwd, LOG_FILE), 'Withdrawn')
  writeFileSync(join(cwd, LOG_FILE.replace('.log', '.idx')), 'no index')
  const torn = join(cwd, STREAM_FILE)
  writeFileSync(torn, readFileSync(torn).subarray(0, -10))
  expectOutput(t, 'segments-damaged.txt', await transcript(cwd, [['segments', 'data']]))
})

t.test('[fault 68] names reach the terminal escaped', async (t) => {
  const cwd = temporaryFolder(t)
  writeImage(cwd, await hostileNames())
  for (const options of [[], ['--json'], ['--color=always']]) {
    const { status, stdout, stderr } = await annalsHere(['segments', ...options, 'data'], cwd)
    t.equal(status, 0)
    t.match(stdout, /pwned/)
    t.same(unsafeIn(stdout + stderr), [])
  }
})

t.test('Ctrl-C ends it without a word', async (t) => {
  const cwd = await sampleFolder(t)
  const controller = new AbortController()
  controller.abort(new InterruptedError())
  t.match(await annalsHere(['segments', 'data'], cwd, { signal: controller.signal }), { status: 130, stdout: '' })
})
