import { spawnSync } from 'node:child_process'
import type { Test } from 'tap'

/** Runs the demo of an example to its end, and returns what it printed. */
export function runExample(t: Test, name: string): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [`build/examples/${name}/demo.js`], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  t.same({ status, stderr }, { status: 0, stderr: '' })
  return stdout
}
