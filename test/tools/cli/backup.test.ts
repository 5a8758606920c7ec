import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openEventStore, verifyStore } from '../../../engine/index.js'
import { collect } from '../../contract/contract-support.js'
import {
  annals,
  annalsHere,
  BINARY,
  cleanEnvironment,
  sampleFolder,
  sampleStore,
  temporaryFolder,
  untimed,
  writeImage,
} from './run-cli.js'

t.test('[L1] backup, again, look into it, restore', async (t) => {
  const cwd = await sampleFolder(t)
  const run = (...words: string[]): unknown => {
    const { status, stdout, stderr } = annals(words, { cwd })
    return { status, stdout: untimed(stdout), stderr }
  }
  const line = (what: string): string => `${what}: 7 events; 1 log segment, 1.31 KiB; verified, in 1 ms\n`
  t.same(run('backup', 'data', 'copy'), { status: 0, stdout: line('backed up'), stderr: '' })
  t.same(run('backup', 'data', 'copy'), { status: 0, stdout: line('backed up'), stderr: '' })
  t.match(run('verify', 'copy'), { status: 0, stdout: /^sound: 7 events in 0 streams/ })
  t.same(annals(['export', 'copy'], { cwd }), annals(['export', 'data'], { cwd }))
  t.match(run('append', 'copy', 's', 'T'), { status: 3, stderr: /it is a backup; restore it into another folder/ })
  t.same(run('restore', 'copy', 'data'), {
    status: 3,
    stdout: '',
    stderr: `annals: Cannot restore into ${JSON.stringify(join(cwd, 'data'))}: it is a store already\n`,
  })
  t.same(run('restore', 'copy', 'again'), { status: 0, stdout: line('restored'), stderr: '' })
  t.same(annals(['export', 'again'], { cwd }), annals(['export', 'data'], { cwd }))
  t.match(run('verify', 'again'), { status: 0, stdout: /^sound: 7 events in 3 streams/ })
  const json = await annalsHere(['backup', '--json', 'data', 'copy'], cwd)
  t.match(JSON.parse(json.stdout), {
    what: 'verdict',
    ok: true,
    events: 7,
    segments: 1,
    bytes: Number,
    copiedSegments: 1,
    copiedBytes: Number,
    verifiedBytes: Number,
    durationMs: Number,
  })
  const seen = await annalsHere(['backup', 'data', 'copy'], cwd, { isTerminal: true })
  t.match(seen.stderr, /verify 100%/)
})

t.test('damage is told, and the copy does not count', async (t) => {
  const cwd = temporaryFolder(t)
  const log = join(writeImage(cwd, await sampleStore()), 'log/0000000000000000-0000000001.log')
  const bytes = readFileSync(log)
  bytes[bytes.indexOf('Deposited')]! ^= 1
  writeFileSync(log, bytes)
  t.match(annals(['backup', 'data', 'copy'], { cwd }), {
    status: 1,
    stdout: '',
    stderr:
      /^annals: Cannot read .*\nRun "annals verify" to see all that is wrong, then "annals repair" \(ERR_CORRUPT\)\.\n$/,
  })
  t.match(annals(['verify', 'copy'], { cwd }), { status: 3 })
})

t.test(
  '[fault 55] killed while it copies, with a writer beside it: no half backup, and run again a whole one',
  async (t) => {
    const cwd = temporaryFolder(t)
    const data = join(cwd, 'data')
    const copy = join(cwd, 'copy')
    await using store = await openEventStore(data, { limits: { logSegmentBytes: 64 * 1024 }, durability: 'os' })
    const add = (count: number): Promise<unknown> =>
      Promise.all(
        Array.from({ length: count }, (_, n) =>
          store.appendMany([
            { stream: `s-${n % 7}`, events: [{ type: 'T', data: 'x'.repeat(500) }] },
            { stream: 'all', events: [{ type: 'T', data: n }] },
          ]),
        ),
      )
    await add(3000)
    let known = 0
    for (let round = 0; round < 4; round++) {
      const child = spawn(process.execPath, [BINARY, 'backup', 'data', 'copy'], {
        cwd,
        env: cleanEnvironment(),
        stdio: 'ignore',
      })
      const ended = new Promise<NodeJS.Signals | null>((resolve) => child.on('close', (_, by) => resolve(by)))
      const part = join(copy, 'log')
      // It is killed in the middle of what it does, whatever that is, and the writer goes on.
      while (child.exitCode === null && !existsSync(part)) await add(5)
      for (let i = 0; i < round; i++) await add(5)
      child.kill('SIGKILL')
      await ended
      const reader = await openEventStore(copy, { readOnly: true }).catch((error: unknown) => error)
      if (reader instanceof Error) {
        t.match(reader, { code: /^ERR_NOT_A_BACKUP$|^ERR_NOT_FOUND$/ }, 'it says that it is none')
        t.equal(known, 0, 'and never was one')
      } else {
        const { position } = reader as Awaited<ReturnType<typeof openEventStore>> & { position: number }
        t.ok(position >= known)
        await (reader as Awaited<ReturnType<typeof openEventStore>>).close()
      }
      if (round !== 1) continue
      const { status, stdout } = annals(['backup', '--json', 'data', 'copy'], { cwd })
      t.equal(status, 0)
      known = (JSON.parse(stdout) as { events: number }).events
    }
    await store.flush()
    t.match(annals(['backup', 'data', 'copy'], { cwd }), { status: 0, stderr: '' })
    t.match(await verifyStore(copy), { ok: true, findings: [] })
    await using kept = await openEventStore(copy, { readOnly: true })
    const commits = await collect(kept.readAll().commits())
    t.ok(commits.every((commit) => commit.length === 2))
    t.equal(commits.length * 2, store.stats().events)
  },
)
