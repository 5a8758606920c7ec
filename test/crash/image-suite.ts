/**
 * Crashes after every change to the disk, in one model, for every workload: what must hold after each is in
 * `test/support/invariants.ts`. 2,000 disks of each workload and model, none like another, are opened and read; every 16th is also appended to,
 * settled, closed, verified and opened once more.
 *
 * Seen to fail, among others, with each of the mutants in `scripts/mutants.mjs`.
 */
import t from 'tap'
import { checkImages, type Model } from '../support/crash-images.js'
import { scaled } from '../support/crash-scale.js'
import { recordWorkload, WORKLOADS, type WorkloadName } from '../support/workloads.js'

const IMAGES = scaled(2000)
/** The same images in every run; the soak takes others, mostly. */
const SEED = 1
/** Ten times as many images take up to twenty runs. */
const MOST_RUNS = 40

export function imageSuite(model: Model, titles: string): void {
  t.setTimeout(3_600_000)
  for (const name of Object.keys(WORKLOADS) as WorkloadName[]) {
    t.test(`${titles}: ${name}`, async (t) => {
      let opened = 0
      let checked = 0
      // A short run has no more than so many places for a kill: then others of the same workload give the rest.
      for (let seed = SEED; opened < IMAGES && seed < SEED + MOST_RUNS; seed++) {
        const recording = await recordWorkload(name, seed)
        const { images, distinct, inDepth, failures } = await checkImages(recording, {
          model,
          count: IMAGES - opened,
          seed,
        })
        t.comment(`${recording.disk.steps.length} steps: ${images} images, ${distinct} opened, ${inDepth} in depth`)
        t.same(failures.slice(0, 3), [], `${failures.length} of ${images} images failed`)
        opened += distinct
        checked += inDepth
      }
      t.ok(opened >= IMAGES, `${opened} images opened`)
      t.ok(checked >= Math.floor(opened / 16) - MOST_RUNS, `${checked} in depth`)
    })
  }
}
