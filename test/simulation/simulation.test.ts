/**
 * Worlds of random callers, processes, crashes and faults: see `simulation.ts`. The same seeds in every run; the soak
 * (`npm run soak`) goes on with others.
 */
import t from 'tap'
import { scaled } from '../support/crash-scale.js'
import { emptyTally, simulate, type Tally } from './simulation.js'

t.setTimeout(3_600_000)

const WORLDS = scaled(300)

t.test(
  '[fault 11] [fault 17] [fault 24] [fault 38] [fault 71] [K2] [K3] [M1] [M4] [F4] [F5] simulated worlds',
  async (t) => {
    const total: Tally = emptyTally()
    const failures: string[] = []
    for (let seed = 1; seed <= WORLDS; seed++) {
      try {
        const tally = await simulate(seed)
        for (const key of Object.keys(total) as (keyof Tally)[]) total[key] += tally[key]
      } catch (error) {
        failures.push(`${(error as Error).message}\n${((error as Error).cause as Error).stack ?? ''}`)
      }
    }
    t.comment(JSON.stringify(total))
    t.same(failures.slice(0, 3), [], `${failures.length} of ${WORLDS} worlds failed`)
    for (const [what, count] of Object.entries(total)) t.ok(count >= WORLDS / 10, `${what}: ${count}`)
  },
)

t.test('a seed replays exactly', async (t) => {
  for (const seed of [3, 4, 5]) t.same(await simulate(seed), await simulate(seed))
})
