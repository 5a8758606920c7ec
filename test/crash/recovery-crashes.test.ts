/**
 * Crashes while a crashed store is being opened, five times one after the other, and once at each single step of opening; and crashes after
 * what such an opening has served, which must be there ever after.
 */
import t from 'tap'
import { textOf } from '../support/crash-images.js'
import { crashAgain, crashInRecovery } from '../support/crash-recording.js'
import { scaled } from '../support/crash-scale.js'
import type { CrashMode } from '../support/disk-state.js'
import { recordWorkload, requiredAt, WORKLOADS, type WorkloadName } from '../support/workloads.js'

t.setTimeout(3_600_000)

const CHAINS = scaled(60)
const LEVELS = 5
const MODES: readonly CrashMode[] = ['kill', 'minimal', 'strict', 'ordered', 'torn']

for (const name of Object.keys(WORKLOADS) as WorkloadName[]) {
  t.test(`[fault 11] [fault 12] [fault 38] crashes in recovery: ${name}`, async (t) => {
    const recording = await recordWorkload(name, 3)
    const { disk, world } = recording
    const failures: string[] = []
    let openings = 0
    for (let chain = 0; chain < CHAINS; chain++) {
      const step = Math.floor((chain * 0.618034 * disk.steps.length) % disk.steps.length)
      const mode = MODES[chain % MODES.length]!
      const image = disk.crash(mode, chain, step)
      // Power may go before anybody has opened what a kill has left: then only what was synced must be there.
      const powerCut = requiredAt(recording, step, 'strict')
      const required = { kill: requiredAt(recording, step, mode), powerCut }
      openings += LEVELS
      try {
        // One in three also works between the crashes.
        if (chain % 3 === 0) await crashAgain(image, world, required, chain, LEVELS)
        else await crashInRecovery(image, world, required, chain, LEVELS)
      } catch (error) {
        failures.push(`chain ${chain}, ${mode} after step ${step}: ${textOf(error)}`)
      }
    }
    t.comment(`${CHAINS} chains, ${openings} crashes`)
    t.same(failures.slice(0, 3), [], `${failures.length} of ${CHAINS} chains failed`)
  })
}
