import { spawnSync } from 'node:child_process'
import t from 'tap'

t.test('every mutant still finds the text that it breaks', (t) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/mutants.mjs', '--check'], {
    encoding: 'utf8',
  })
  t.equal(status, 0, stderr)
  t.match(stdout, /^\d+ mutants fit\n$/)
  t.end()
})
