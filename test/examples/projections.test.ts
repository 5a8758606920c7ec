import { spawnSync } from 'node:child_process'
import t from 'tap'

function run(example: string, ...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const script = `build/examples/${example}/demo.js`
  return spawnSync(process.execPath, [script, ...args], { encoding: 'utf8', timeout: 60_000 })
}

t.test('[P1] the flights as a projection: a table that follows, stops, goes on, and is right', (t) => {
  const { status, stdout, stderr } = run('flights-projection', '1500')
  t.same({ status, stderr }, { status: 0, stderr: '' }, stdout)
  t.match(stdout, /^1,500 events projected, 0 to go\n {2}\w{3} +\d+ departures/)
  t.match(stdout, /\n3,000 events projected, 0 to go\n/)
  t.match(stdout, /\n\d+ airports, as if made of all events at once\n$/)
  t.end()
})

t.test(
  '[P1] a rebuild beside a running projection: no reader sees less than there was, no effect is had twice',
  (t) => {
    const { status, stdout, stderr } = run('rebuild-beside', '3000')
    t.same({ status, stderr }, { status: 0, stderr: '' }, stdout)
    t.match(
      stdout,
      /^1500 flights, \d+ more than 15 minutes late\nswitched to 30 minutes\n3000 flights, \d+ more than 30 minutes late; \d+ calls, each once\nReaders saw the old/,
    )
    t.end()
  },
)
