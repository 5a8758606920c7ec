import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openEventStore } from '../../../engine/index.js'
import type { TortureReport } from '../../../tools/torture/report.js'
import { tortureStore } from '../../../tools/torture/torture-store.js'

t.setTimeout(300_000)
t.jobs = 2

t.test('[L2] kills writers, finds nothing, and removes what it made', async (t) => {
  const directory = join(t.testdir(), 'new', 'folder')
  const parts = new Set<string>()
  const report = await tortureStore(directory, {
    rounds: 12,
    checkEvery: 4,
    seed: 3,
    durability: 'os',
    onProgress: ({ part }) => parts.add(part),
  })
  t.match(report, { ok: true, findings: [], seed: 3, kills: 12, checks: 3, kept: undefined, notDone: [] })
  t.equal(report.followed, report.events, 'a reader beside them has seen all of it')
  t.match(report.shape, { streams: 16, eventBytes: 512, inFlight: 16, durability: 'os' })
  t.ok(report.killsWhileOpening > 0 && report.killsWhileOpening < 12, `${report.killsWhileOpening} while opening`)
  t.ok(report.acknowledged > 0 && report.commits >= report.acknowledged && report.events >= report.commits)
  t.same([...parts].sort(), ['checking', 'killing', 'measuring', 'verifying'])
  t.notOk(existsSync(directory))
  const plain = JSON.parse(JSON.stringify(report)) as TortureReport
  t.match(plain, { ok: true, kills: 12, sync: report.sync }, 'plain data')
})

t.test('[L2] a lost acknowledgement is found, and everything kept as it was', async (t) => {
  const directory = join(t.testdir(), 'tortured')
  const store = join(directory, 'store')
  const older = join(directory, '..', 'older')
  let copied = -1
  let replaced = false
  const report = await tortureStore(directory, {
    rounds: 60,
    checkEvery: 1,
    seed: 1,
    onProgress({ part, kills, acknowledged }) {
      if (part !== 'killing' || replaced) return
      if (copied === -1 && acknowledged > 0) {
        cpSync(store, older, { recursive: true })
        copied = acknowledged
      } else if (copied !== -1 && acknowledged > copied) {
        rmSync(store, { recursive: true })
        cpSync(older, store, { recursive: true }) // a disk that forgets
        replaced = true
      }
      t.ok(kills < 60, 'it got to work')
    },
  })
  t.equal(report.ok, false)
  t.ok(
    // If the next writer has already filled the gap with commits of its own, these are not the ones that were there.
    report.findings.some(({ kind }) => ['lost', 'torn', 'order'].includes(kind)),
    JSON.stringify(report.findings),
  )
  t.equal(report.kept, directory)
  t.same(JSON.parse(readFileSync(join(directory, 'report.json'), 'utf8')), JSON.parse(JSON.stringify(report)))
  t.ok(existsSync(store), 'the store is left for inspection')
  await t.rejects(
    tortureStore(directory, { rounds: 1 }),
    { code: 'ERR_INVALID_ARGUMENT', message: /earlier run/ },
    'it is not overwritten',
  )
})

t.test('[L2] damage that appears between two kills is found', async (t) => {
  const directory = join(t.testdir(), 'tortured')
  const log = join(directory, 'store', 'log')
  let damaged = false
  const report: TortureReport = await tortureStore(directory, {
    rounds: 80,
    checkEvery: 5,
    seed: 2,
    onProgress({ part }) {
      if (part !== 'killing' || damaged) return
      const segments = existsSync(log)
        ? readdirSync(log)
            .filter((name) => name.endsWith('.log'))
            .sort()
        : []
      if (segments.length < 3) return
      const path = join(log, segments[0]!)
      const bytes = readFileSync(path)
      bytes[300]! ^= 1
      writeFileSync(path, bytes)
      damaged = true
    },
  })
  t.ok(damaged)
  t.equal(report.ok, false)
  t.match(report.findings[0]!.kind, /^(?:opening|verify|unreadable|writer)$/)
})

t.test('[L2] takes no folder that has anything else in it', async (t) => {
  const directory = t.testdir({ 'precious.txt': 'mine' })
  await t.rejects(tortureStore(directory), { code: 'ERR_INVALID_ARGUMENT', message: /not empty/ })
  t.same(readdirSync(directory), ['precious.txt'])

  const existing = t.testdir()
  mkdirSync(join(existing, 'store'))
  await (await openEventStore(join(existing, 'store'))).close()
  await t.rejects(tortureStore(existing), { message: /not empty/ }, "somebody's store")
  t.ok(existsSync(join(existing, 'store', 'annals')))
  writeFileSync(join(existing, 'annals-torture.json'), '{"tool":"annals torture"}')
  t.ok((await tortureStore(existing, { rounds: 0 })).ok, 'left by an interrupted run: begun anew')
  t.same(readdirSync(existing), [], 'the folder was there before, and stays')
})

t.test('[L2] a signal ends it, and nothing is left', async (t) => {
  const directory = join(t.testdir(), 'tortured')
  const end = new AbortController()
  const reason = new Error('enough')
  const run = tortureStore(directory, {
    rounds: 10_000,
    signal: end.signal,
    onProgress: ({ kills }) => {
      if (kills === 3) setTimeout(() => end.abort(reason), 20)
    },
  })
  await t.rejects(run, reason)
  t.notOk(existsSync(directory))
  t.equal(
    process.listenerCount('exit', () => undefined),
    0,
  )
  await t.rejects(tortureStore(directory, { signal: end.signal }), reason)
  t.notOk(existsSync(directory))
})

t.test('[L2] bad options are refused before anything is made', async (t) => {
  const directory = join(t.testdir(), 'tortured')
  for (const options of [
    { rounds: -1 },
    { rounds: 1.5 },
    { minutes: 0 },
    { minutes: NaN },
    { seed: 2 ** 53 },
    { streams: 0 },
    { eventBytes: -1 },
    { inFlight: 0 },
    { durability: 'none' as 'os' },
    { checkEvery: 0 },
    { pauses: -1 },
    { fillDisk: 0 },
    { fillDisks: 1 },
  ]) {
    await t.rejects(tortureStore(directory, options), { code: 'ERR_INVALID_ARGUMENT' }, JSON.stringify(options))
  }
  t.notOk(existsSync(directory))
})

t.test('[L2] what the system refuses is ERR_IO', async (t) => {
  const folder = t.testdir({ file: '' })
  await t.rejects(tortureStore(join(folder, 'file', 'below')), { code: 'ERR_IO', message: /ENOTDIR/ })
})
