/**
 * A store that was opened after a crash, used, settled and closed is as if nothing had happened: `verify` finds neither damage nor a derived
 * file that is missing or wrong. Notes are left out: a torn end that recovery cut in the log is told only until then, and files of
 * a write that was broken off are kept until somebody needs their name.
 */
import t from 'tap'
import { record } from '../support/crash-recording.js'
import { openSession, work } from '../support/crash-workload.js'
import { everyStep } from '../support/crash-scale.js'
import type { CrashMode } from '../support/disk-state.js'

t.setTimeout(3_600_000)

const STRIDE = everyStep(31)
const MODES: readonly CrashMode[] = ['kill', 'minimal', 'strict', 'ordered']

for (const [seed, durabilities] of [
  [3, ['fsync']],
  [4, ['fsync', 'interval', 'os']],
] as const) {
  t.test(`[fault 1] [fault 3] [fault 15] verify finds nothing after a crash, ${durabilities.join(', ')}`, async (t) => {
    const { disk, world } = await record(seed, durabilities)
    const wrong: string[] = []
    let images = 0
    for (let step = 0; step <= disk.steps.length; step += STRIDE) {
      const mode = MODES[images++ % MODES.length]!
      const image = disk.crash(mode, step, step)
      const session = await openSession(image, step)
      const { store } = session
      const later = world.copy()
      await work(session, later, { seed: step, rounds: 2, durabilities: ['fsync'], acknowledged: () => undefined })
      await store.checkpoint() // settles what earlier sessions have left: until then the log stands for it
      await store.close()
      const { store: again } = await openSession(image, step + 1)
      const { findings } = await again.verify()
      for (const { severity, file, byte, message } of findings) {
        if (severity !== 'note') wrong.push(`${mode} after step ${step}: ${file} at byte ${byte}: ${message}`)
      }
      await again.close()
    }
    t.same(wrong.slice(0, 5), [], `${wrong.length} findings in ${images} images`)
  })
}
