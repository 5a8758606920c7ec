import type { Environment } from '../../engine/io/file-system.js'
import type { CrashDisk } from './crash-disk.js'
import { simulatedProcess } from './crash-environment.js'
import { everyStep } from './crash-scale.js'
import type { CrashMode } from './disk-state.js'

const MODES: readonly CrashMode[] = ['kill', 'torn', 'minimal', 'strict', 'ordered']

export interface CrashEach {
  /** What is interrupted, and run again on each disk that a crash has left. */
  readonly work: (environment: Environment) => Promise<unknown>
  /** What must hold of such a disk before. */
  readonly interrupted: (environment: Environment, where: string) => Promise<void>
  /** What must hold when it was run again. */
  readonly again: (environment: Environment, where: string) => Promise<void>
  /** One crash in so many steps of the disk, in a usual run. Default: 5. */
  readonly stride?: number
}

/** Runs work on a disk, and after a crash at many of its moments, in all modes in turn, again. Returns how many crashes there were. */
export async function crashEach(
  disk: CrashDisk,
  { work, interrupted, again, stride = 5 }: CrashEach,
): Promise<{ readonly crashes: number; readonly steps: number }> {
  const from = disk.steps.length
  await work(simulatedProcess(disk, 11).environment)
  const steps = disk.steps.length
  let crashes = 0
  for (let step = from; step <= steps; step += everyStep(stride)) {
    const mode = MODES[crashes % MODES.length]!
    const image = disk.crash(mode, step, step)
    const where = `${mode} after step ${step - from} of ${steps - from}`
    await interrupted(simulatedProcess(image, step).environment, where)
    await work(simulatedProcess(image, step).environment)
    crashes++
    await again(simulatedProcess(image, step).environment, where)
  }
  return { crashes, steps: steps - from }
}
