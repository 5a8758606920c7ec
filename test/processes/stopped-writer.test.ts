/**
 * A writer stopped with SIGSTOP for so long that another takes the store over, and woken up while that one writes. The harness
 * checks that whatever anybody acknowledged is there, whole and in order.
 */
import { join } from 'node:path'
import t from 'tap'
import type { Durability } from '../../engine/index.js'
import { tortureStore } from '../../tools/torture/torture-store.js'

t.setTimeout(180_000)
t.jobs = 3

const skip = process.platform === 'win32' ? 'processes cannot be stopped here' : false

for (const [durability, inFlight] of [
  ['fsync', 1],
  ['fsync', 64],
  ['os', 16],
] as const satisfies readonly (readonly [Durability, number])[]) {
  t.test(
    `[fault 71] [F4] [K3] stopped past the stale time, replaced, woken up: it harms nothing ('${durability}', ${inFlight} in flight)`,
    { skip },
    async (t) => {
      const directory = join(t.testdir(), 'tortured')
      const report = await tortureStore(directory, { rounds: 2, pauses: 1, durability, inFlight })
      t.same(report.findings, [])
      t.equal(report.pauses, 1)
    },
  )
}
