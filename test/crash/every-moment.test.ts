/**
 * Crashes after every change to the disk, and what must hold after each of them:
 *
 * - what was acknowledged is there, whole, once and in order;
 * - a commit is there in all its streams and in the global order, or in none;
 * - positions and offsets have no gap, and the streams say what the log says;
 * - of what each session appended a beginning is there;
 * - the store can be appended to, closed and opened again, then without anything to recover.
 *
 * In a usual run one image of four in seven moments, the modes in turn. ANNALS_CRASH_FULL=1: ten images of each moment in each mode.
 *
 * Seen to fail, with an image of every moment: acknowledged before the log is on disk; no sync of the log's folder when a segment begins; no sync of the
 * folders of new stream segments, or only of those this session made; and, in the chains of crashes, a tail of the log
 * that is served without being written again and synced. A digest of groups that is not compared is not noticed here.
 */
import t from 'tap'
import { everyStep, FULL } from '../support/crash-scale.js'
import { checkImage, crashAgain, record, requiredAt } from '../support/crash-recording.js'
import type { CrashMode } from '../support/disk-state.js'

t.setTimeout(3_600_000)

const SEEDS = FULL ? 10 : 1
const STRIDE = everyStep(7)
const CHAINS = FULL ? 10_000 : 80
const MODES = ['kill', 'minimal', 'strict', 'ordered'] as const
const TITLES: Record<Exclude<CrashMode, 'torn'>, string> = {
  kill: '[fault 1] [K3] a kill',
  minimal: '[fault 2] [K3] a power cut that takes everything unsynced',
  strict: '[fault 3] [fault 16] [K3] a power cut that takes any of what is unsynced',
  ordered: '[fault 4] [K3] a power cut that keeps the order of metadata',
}
const WORKLOADS = [
  { name: 'durable', durabilities: ['fsync'], seed: 1 },
  { name: 'durable and relaxed', durabilities: ['fsync', 'interval', 'os'], seed: 2 },
] as const

for (const { name, durabilities, seed } of WORKLOADS) {
  t.test(`[fault 8] [fault 9] [fault 10] [fault 13] [fault 17] [M1] [M4] [M5] three sessions, ${name}`, async (t) => {
    const recording = await record(seed, durabilities)
    const { disk, world } = recording
    t.comment(`${disk.steps.length} steps, ${world.commits.length} commits`)
    for (const [turn, mode] of MODES.entries()) {
      await t.test(`${TITLES[mode]} after every step`, async (t) => {
        const failures: string[] = []
        let images = 0
        for (let step = FULL ? 0 : turn * 2; step <= disk.steps.length; step += STRIDE) {
          const required = requiredAt(recording, step, mode)
          for (let n = 0; n < SEEDS; n++) {
            images++
            try {
              await checkImage(disk.crash(mode, step * 1000 + n, step), world, required, step)
            } catch (error) {
              failures.push(`step ${step}, seed ${n}: ${error instanceof Error ? error.stack : String(error)}`)
            }
          }
        }
        t.comment(`${images} images`)
        t.same(failures.slice(0, 3), [], `${failures.length} of ${images} images failed`)
      })
    }

    await t.test('[fault 11] [fault 12] crashes in recovery and after what it served', async (t) => {
      const failures: string[] = []
      for (let chain = 0; chain < CHAINS; chain++) {
        const step = Math.floor((chain * 0.618034 * disk.steps.length) % disk.steps.length)
        const mode = MODES[chain % MODES.length]!
        const depth = 1 + (chain % 3)
        try {
          await crashAgain(disk.crash(mode, chain, step), world, requiredAt(recording, step, mode), chain, depth)
        } catch (error) {
          failures.push(`chain ${chain}, ${mode} after step ${step}: ${(error as Error).message}`)
        }
      }
      t.comment(`${CHAINS} chains`)
      t.same(failures.slice(0, 5), [], `${failures.length} of ${CHAINS} chains failed`)
    })
  })
}
