import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { annalsHere } from './run-cli.js'
import type { TortureReport } from '../../../tools/torture/report.js'
import { describeReport } from '../../../tools/torture/report-words.js'

t.setTimeout(120_000)

async function run(...args: string[]): Promise<{ code: number | null; out: string; error: string }> {
  const { status, stdout, stderr } = await annalsHere(['torture', ...args], 'nowhere')
  return { code: status, out: stdout, error: stderr }
}

t.test('[L2] a run in words, with its seed and the command that repeats it', async (t) => {
  const folder = join(t.testdir(), 'tortured')
  const words = ['torture', folder, '--rounds', '3', '--seed', '11', '--in-flight', '4', '--color=never']
  const { status, stdout: out, stderr } = await annalsHere(words, 'nowhere', { isTerminal: true })
  t.equal(status, 0)
  t.match(out, /^Disk: .+\nDevice: .+\nSystem: .+\n\nSync: /)
  t.match(out, /\nKilled 3 writers/)
  t.match(out, /\nNothing acknowledged was lost/)
  t.ok(out.endsWith(`npx annals torture ${JSON.stringify(folder)} --seed 11 --rounds 3 --in-flight 4\n`))
  const shown = stderr.split('\r\u001b[K')
  t.match(shown[1], /^0 s, measuring: 0 kills/)
  t.equal(shown.at(-1), '', 'the line is cleared')
  t.notOk(existsSync(folder))
})

t.test('[L2] --json is the report', async (t) => {
  const { code, out } = await run(join(t.testdir(), 'x'), '--rounds', '0', '--json', '--durability', 'interval')
  t.equal(code, 0)
  const report = JSON.parse(out) as TortureReport & { replay: string }
  t.match(report, { ok: true, kills: 0, shape: { durability: 'interval' } })
  t.match(report.replay, /--durability interval$/)
})

t.test('[L2] exit code 2 for usage, 3 for the system', async (t) => {
  const folder = t.testdir()
  mkdirSync(join(folder, 'full'))
  writeFileSync(join(folder, 'full', 'mine'), '')
  for (const args of [
    [],
    ['a', 'b'],
    ['x', '--unknown'],
    ['x', '--rounds', 'many'],
    ['x', '--rounds', ''],
    ['x', '--durability', 'yes'],
    [join(folder, 'full')],
  ]) {
    const { code, error, out } = await run(...args)
    t.equal(code, 2, args.join(' '))
    t.not(error, '')
    t.equal(out, '')
  }
  t.equal((await run(join(folder, 'full', 'mine', 'below'))).code, 3)
  const help = await run('--help')
  t.equal(help.code, 0)
  t.match(help.out, /--fill-disk/)
})

t.test('[L2] findings in words', async (t) => {
  const { out } = await run(join(t.testdir(), 'x'), '--rounds', '0', '--json')
  const report: TortureReport = {
    ...(JSON.parse(out) as TortureReport),
    ok: false,
    findings: [{ kind: 'lost', round: 7, message: 'commit 3 was acknowledged' }],
    kept: '/disk/x',
    pauses: 2,
    refused: 1,
    followed: 7,
    notDone: ['a full disk: it was not full after 5 bytes'],
    shape: { streams: 1, eventBytes: 1, inFlight: 1, durability: 'os' },
    fullDisk: { ballastBytes: 5, full: true, writer: 'ERR_NO_SPACE', opener: 'opened', acknowledgedAfter: 3 },
  }
  const words = describeReport(report)
  t.match(words, /\nFOUND 1:\n {2}lost, after 7 kills: commit 3 was acknowledged\nEverything is left in \/disk\/x/)
  t.match(words, /woken up, 2 times/)
  t.match(words, /refused once/)
  t.match(words, /told ERR_NO_SPACE, an opener opened; 3 commits/)
  t.match(words, /Not done: a full disk/)
  t.match(words, /'os' may lose/)
})
