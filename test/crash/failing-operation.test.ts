/**
 * Every operation of the file system fails, once or from then on, in normal running and while a crashed store is opened: every promise
 * settles, with an error of annals where it rejects, no file stays open, and nothing acknowledged is lost, neither for the next process nor after a
 * power cut.
 */
import t from 'tap'
import { everyStep, ONE_IN } from '../support/crash-scale.js'
import { failEach, type FaultName, inRecovery, normalRunning, type Scenario } from '../support/fault-runs.js'

t.setTimeout(3_600_000)

/** Runs of a usual scale in all; `EACCES` and `EMFILE` hit few operations, the others hundreds. */
const ENOUGH_RUNS = 3000
let allRuns = 0

const TITLES: Record<FaultName, string> = {
  'EIO once': '[fault 19] [fault 24] [fault 25] [fault 26] [fault 27]',
  'EIO once, after the fact': '[fault 19] [fault 24] [fault 25] [fault 34]',
  'EIO from then on': '[fault 20] [F5]',
  'ENOSPC once, with a part written': '[fault 21] [fault 22] [fault 23]',
  'ENOSPC from then on': '[fault 21]',
  'a short read or write': '[fault 28]',
  'short reads and writes from then on': '[fault 28]',
  'EMFILE once': '[fault 30]',
  'EMFILE from then on': '[fault 30]',
  'EACCES once': '[fault 32] [fault 34]',
  'EACCES from then on': '[fault 32] [fault 34]',
  'EROFS from then on': '[fault 31]',
}

async function all(name: string, scenarios: readonly Scenario[], stride: number): Promise<void> {
  for (const [turn, fault] of (Object.keys(TITLES) as FaultName[]).entries()) {
    await t.test(`${TITLES[fault]} ${name}: ${fault}`, async (t) => {
      for (const scenario of scenarios) {
        const { operations, runs, images, failures } = await failEach(scenario, fault, stride, 1 + (turn % stride))
        t.comment(`${scenario.name}: ${operations} operations, ${runs} runs, ${images} images`)
        t.same(failures.slice(0, 3), [], `${failures.length} of ${runs} runs failed`)
        t.equal(runs, Math.ceil((operations - (turn % stride)) / stride), 'every operation in its turn')
        t.ok(operations > 20 && images > 0, `${operations} operations that it could hit`)
        allRuns += runs
      }
    })
  }
}

await all(
  '[fault 38] in recovery',
  [await inRecovery('checkpoints', 1, 0.45, 'strict'), await inRecovery('stream rolls', 1, 0.7, 'kill')],
  everyStep(2),
)
await all('in normal running', [normalRunning(1)], 1)
await all('with relaxed durability', [normalRunning(2, ['fsync', 'interval', 'os'])], everyStep(2))

t.test('the faults of these runs are as many as docs/testing.md says, or more', (t) => {
  t.ok(allRuns >= ENOUGH_RUNS / ONE_IN, `${allRuns} runs`)
  t.end()
})
