/** Crashes by the thousand: makes the disks that a crash may leave, opens each, and checks what must hold. */
import type { CrashDisk } from './crash-disk.js'
import { checkImage } from './crash-recording.js'
import { openSession, STORE_PATH } from './crash-workload.js'
import type { CrashMode } from './disk-state.js'
import { checkRecovery, checkStore } from './invariants.js'
import { type Recording, requiredAt } from './workloads.js'

/** The three models of a crash, and the ways of each. */
export const MODELS = {
  kill: ['kill', 'torn', 'torn', 'torn'],
  strict: ['minimal', 'strict', 'strict', 'strict'],
  ordered: ['ordered'],
} as const satisfies Record<string, readonly CrashMode[]>

export type Model = keyof typeof MODELS

/** What was done, and what went wrong. */
export interface Tally {
  /** Images made, those of them that differ from all others of the workload, and those that were also appended to, closed, and opened again. */
  images: number
  distinct: number
  inDepth: number
  readonly failures: string[]
}

export interface ImageOptions {
  readonly model: Model
  /** Images to make, none like another; fewer if so many cannot be found. */
  readonly count: number
  readonly seed: number
  /** Every n-th is checked in depth. Default: 16. */
  readonly everyInDepth?: number
}

/** No more passes over all moments than this, if they give nothing new. */
const MOST_PASSES = 6

/** Crashes after every step of a recording, several times. */
export async function checkImages(recording: Recording, options: ImageOptions): Promise<Tally> {
  const { model, count, seed, everyInDepth = 16 } = options
  const { disk, world } = recording
  const modes = MODELS[model]
  const tally: Tally = { images: 0, distinct: 0, inDepth: 0, failures: [] }
  /** What was found in images that were opened, by their digest. */
  const seen = new Map<string, ReadonlySet<number>>()
  const moments = disk.steps.length + 1
  const perMoment = Math.ceil(count / moments)
  for (let pass = 0; pass < MOST_PASSES && tally.distinct < count; pass++) {
    for (let step = 0; step < moments && tally.distinct < count; step++) {
      for (let n = 0; n < perMoment; n++) {
        const mode = modes[(step + n + pass) % modes.length]!
        const imageSeed = ((seed * 31 + pass) * 1009 + step) * 101 + n
        const image = disk.crash(mode, imageSeed, step)
        const required = requiredAt(recording, step, mode)
        tally.images++
        try {
          const digest = image.digest()
          const found = seen.get(digest)
          if (found !== undefined) {
            // The same files: opened before, and what was found then is there now.
            for (const number of required) {
              if (!found.has(number)) throw new Error(`commit ${number} was acknowledged or served and is gone`)
            }
            continue
          }
          tally.distinct++
          seen.set(digest, await checkQuickly(image, recording, required, imageSeed))
          if (tally.distinct % everyInDepth === 0) {
            tally.inDepth++
            await checkImage(disk.crash(mode, imageSeed, step), world, required, imageSeed)
          }
        } catch (error) {
          tally.failures.push(`${mode} after step ${step} of ${moments - 1}, seed ${imageSeed}: ${textOf(error)}`)
        }
      }
    }
  }
  return tally
}

/** Opens an image and compares everything in it. Returns what is there. */
export async function checkQuickly(
  image: CrashDisk,
  { world }: Pick<Recording, 'world'>,
  required: ReadonlySet<number>,
  seed: number,
): Promise<ReadonlySet<number>> {
  const { store } = await openSession(image, seed)
  try {
    checkRecovery(store, image.stat(`${STORE_PATH}/checkpoint`) !== undefined)
    return await checkStore(store, world, required)
  } finally {
    await store.discard(new Error('checked'))
  }
}

export function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
