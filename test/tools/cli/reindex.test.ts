import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openEventStore, verifyStore } from '../../../engine/index.js'
import {
  annals,
  annalsHere,
  BINARY,
  cleanEnvironment,
  LOG_FILE,
  sampleFolder,
  spoil,
  temporaryFolder,
  untimed,
} from './run-cli.js'

t.test('[L1] [F3] makes the indexes and the checkpoint again', async (t) => {
  const cwd = await sampleFolder(t)
  const data = join(cwd, 'data')
  const index = join(cwd, LOG_FILE.replace('.log', '.idx'))
  const reindexed = (what: string): string =>
    `reindexed: 7 events in 3 streams; ${what}, 0 indexes of streams, 1 key file, the checkpoint`
  const { status, stdout, stderr } = annals(['reindex', 'data'], { cwd })
  t.same(
    { status, stdout: untimed(stdout), stderr },
    { status: 0, stdout: `${reindexed('1 index of the log')}; verified, in 1 ms\n`, stderr: '' },
  )
  const right = readFileSync(index)
  for (const spoiled of [
    () => rmSync(index),
    () => writeFileSync(index, 'nothing'),
    () => rmSync(join(data, 'checkpoint')),
  ]) {
    spoiled()
    const again = await annalsHere(['reindex', 'data'], cwd)
    t.ok(
      again.stdout.startsWith(
        reindexed(again.stdout.includes('2 indexes') ? '2 indexes of the log' : '1 index of the log'),
      ),
    )
    t.same(readFileSync(index), right)
    t.match(await verifyStore(data), { ok: true, findings: [] })
  }
  const json = await annalsHere(['reindex', '--json', 'data'], cwd)
  t.match(JSON.parse(json.stdout), {
    what: 'verdict',
    ok: true,
    events: 7,
    streams: 3,
    logIndexes: Number,
    streamIndexes: 0,
    streamTables: 0,
    keyFiles: 1,
    removed: Number,
    verifiedBytes: Number,
    durationMs: Number,
  })
  const seen = await annalsHere(['reindex', 'data'], cwd, { isTerminal: true })
  for (const phase of ['verify', 'rebuild']) t.match(seen.stderr, new RegExp(`${phase} 100%`))
})

t.test('indexes of another density', async (t) => {
  const cwd = temporaryFolder(t)
  const data = join(cwd, 'data')
  const store = await openEventStore(data, { durability: 'os' })
  await store.append(
    's',
    Array.from({ length: 2000 }, (_, n) => ({ type: 'T', data: { n, text: 'x'.repeat(100) } })),
  )
  await store.close()
  const bytesOf = (folder: string): number =>
    readdirSync(join(data, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.idx'))
      .reduce((sum, name) => sum + statSync(join(data, folder, name)).size, 0)
  const before = [bytesOf('log'), bytesOf('streams')]
  t.match(await annalsHere(['reindex', '--interval', '65536', 'data'], cwd), { status: 0, stderr: '' })
  t.ok(bytesOf('log') < before[0]! / 5 && bytesOf('streams') < before[1]! / 5)
  t.match(await verifyStore(data), { ok: true, findings: [] })
  t.match(await annalsHere(['reindex', '--interval', '1', 'data'], cwd), {
    status: 2,
    stdout: '',
    stderr: 'annals: --interval takes a whole number from 64 on, not "1"\n',
  })
})

t.test('[U3] a damaged store is left as it is', async (t) => {
  const cwd = await sampleFolder(t)
  spoil(join(cwd, LOG_FILE), 'Withdrawn')
  const index = readFileSync(join(cwd, LOG_FILE.replace('.log', '.idx')))
  t.match(await annalsHere(['reindex', 'data'], cwd), {
    status: 1,
    stdout: '',
    stderr:
      /^annals: Cannot read .*\nRun "annals verify" to see all that is wrong, then "annals repair" \(ERR_CORRUPT\)\.\n$/,
  })
  t.same(readFileSync(join(cwd, LOG_FILE.replace('.log', '.idx'))), index)
  t.match(await annalsHere(['reindex', 'nowhere'], cwd), { status: 3, stdout: '' })
})

t.test('[F4] a store that is open is left alone, and who has it is named', async (t) => {
  const cwd = await sampleFolder(t)
  const store = await openEventStore(join(cwd, 'data'))
  t.teardown(() => store.close())
  const { status, stderr } = await annalsHere(['reindex', 'data'], cwd)
  t.equal(status, 3)
  t.match(stderr, new RegExp(`^annals: .*process ${process.pid} on .* has it open since`))
  t.match(stderr, /^This needs the store for itself: stop that process first\.$/m)
})

t.test('[fault 1] killed at work, and Ctrl-C: run again, all is right', async (t) => {
  const cwd = temporaryFolder(t)
  const data = join(cwd, 'data')
  const store = await openEventStore(data, { limits: { logSegmentBytes: 4096 }, durability: 'os' })
  for (let n = 0; n < 300; n++) await store.append(`s-${n % 5}`, [{ type: 'T', data: 'x'.repeat(200), tags: ['t'] }])
  await store.close()
  for (const signal of ['SIGKILL', 'SIGINT'] as const) {
    const log = join(data, 'log')
    for (const name of readdirSync(log)) if (/\.(?:idx|key\d?)$/.test(name)) rmSync(join(log, name))
    const child = spawn(process.execPath, [BINARY, 'reindex', 'data'], {
      cwd,
      env: cleanEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => (said += bytes.toString()))
    const ended = new Promise<object>((resolve) => child.on('close', (code, by) => resolve({ code, by, said })))
    // In the middle of what it does: some indexes are there, and others not yet.
    const isAtWork = (): boolean => readdirSync(log).filter((name) => name.endsWith('.idx')).length > 3
    while (!isAtWork() && child.exitCode === null) await new Promise((resolve) => setImmediate(resolve))
    child.kill(signal)
    t.same(await ended, signal === 'SIGKILL' ? { code: null, by: signal, said: '' } : { code: 130, by: null, said: '' })
    t.match(await verifyStore(data), { ok: true })
    t.match(await annalsHere(['reindex', 'data'], cwd), { status: 0, stderr: '' })
    t.match(await verifyStore(data), { ok: true, findings: [], events: 300 })
  }
})
