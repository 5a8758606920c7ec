/**
 * Real processes on a real disk, killed with SIGKILL at random moments, three in ten while they open the store: the crash harness
 * that users have, with segments so small that a writer seals, flushes and settles all the time.
 *
 * 300 kills; 3,000 with ANNALS_CRASH_FULL=1. ANNALS_SEED gives the same commits and planned delays again.
 */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'
import t from 'tap'
import type { Durability } from '../../engine/index.js'
import { describeReport } from '../../tools/torture/report-words.js'
import type { TortureReport } from '../../tools/torture/report.js'
import type { TortureOptions } from '../../tools/torture/settings.js'
import { scaled } from '../support/crash-scale.js'
import { TINY } from '../support/crash-workload.js'

t.setTimeout(3_600_000)

const seed = process.env['ANNALS_SEED'] === undefined ? undefined : Number(process.env['ANNALS_SEED'])
const eventBytes = 300
const runs: readonly [Durability, number, number][] = [
  ['fsync', 64, scaled(200)],
  ['fsync', 1, scaled(35)],
  ['interval', 16, scaled(35)],
  ['os', 64, scaled(35)],
]

// Each process in one file, as in the package: so it starts in a fifth of the time.
const folder = t.testdir()
const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))
buildSync({
  entryPoints: { run: file('fixtures/torture-run.js'), writer: file('../../tools/torture/writer.js') },
  bundle: true,
  platform: 'node',
  format: 'esm',
  outdir: folder,
  logLevel: 'silent',
})
writeFileSync(join(folder, 'package.json'), '{"type":"module"}')

async function torture(directory: string, options: TortureOptions): Promise<TortureReport> {
  const command = 'unset NODE_OPTIONS && exec "$0" "$@"'
  const args = ['-c', command, process.execPath, join(folder, 'run.js'), directory, JSON.stringify(options)]
  const child = spawn('sh', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  return JSON.parse(await text(child.stdout)) as TortureReport
}

for (const [durability, inFlight, rounds] of runs) {
  t.test(
    `[fault 1] [fault 11] [K2] [K3] [M1] [M5] [F4] ${rounds} writers killed one after the other lose nothing they acknowledged ('${durability}', ${inFlight} in flight)`,
    async (t) => {
      const options = { rounds, durability, inFlight, eventBytes, streams: 13, checkEvery: 20, limits: { ...TINY.limits, logSegmentBytes: 65_536 } } // prettier-ignore
      const report = await torture(join(t.testdir(), 'tortured'), { ...options, seed })
      t.comment(
        `seed ${report.seed}: ${report.killsWhileOpening} killed while opening, ${report.acknowledged} acknowledged`,
      )
      t.same(report.findings, [], describeReport(report))
      t.equal(report.kills, rounds)
      t.ok(report.acknowledged > rounds, 'they got to work')
    },
  )
}
