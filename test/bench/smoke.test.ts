import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Result } from '../../bench/workload.js'

// Every workload in a process of its own: under a minute on a quiet machine, and others may keep it busy.
t.setTimeout(600_000)

const script = fileURLToPath(new URL('../../bench/index.js', import.meta.url))

function bench(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' })
}

t.test('every workload runs and reads back what it wrote', (t) => {
  const { status, stdout, stderr } = bench('--quick', '--json')
  t.equal(status, 0, stderr)
  const results = JSON.parse(stdout) as Result[]
  const names = results.map(({ name }) => name.trim())
  for (const name of [
    'append-1',
    'append-64',
    'append-256',
    'batch-1000',
    'bulk-1',
    'bulk-100k',
    'random-offset',
    'lookup, new commit id',
    'project, columns in SQLite',
    'kit-load, 10 events',
    'kit-command, 64 in flight',
    'many-streams, 2,000 streams',
  ]) {
    t.ok(names.includes(name), name)
  }
  for (const { name, eventsPerSecond, ms, bytesPerEvent } of results) {
    t.ok((eventsPerSecond ?? ms ?? bytesPerEvent ?? 0) > 0, `${name} measured something`)
  }
  t.equal(results.filter(({ target, targetMs }) => target !== undefined || targetMs !== undefined).length > 12, true)
  t.end()
})

t.test('an unknown workload is refused, and the known are named', (t) => {
  const { status, stderr } = bench('no-such-workload', '--quick')
  t.equal(status, 1)
  t.match(stderr, /no workload no-such-workload.*append-64/)
  t.end()
})
