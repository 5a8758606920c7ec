import { SeededRandom } from '../support/random.js'
import { makeSamples } from './samples.js'
import { type Target, targets } from './targets.js'

/** What a run has found. */
export interface FuzzReport {
  readonly inputs: number
  readonly failures: readonly FuzzFailure[]
}

export interface FuzzFailure {
  readonly target: string
  readonly hex: string
  readonly error: Error
}

export interface FuzzOptions {
  readonly seed: number
  /** Called before each input; the run ends when it returns false. */
  readonly goOn: (inputs: number) => boolean
  /** Failures after which the run ends. Default 10. */
  readonly failures?: number | undefined
}

/** Makes inputs and checks them, each with a seed of its own. */
export async function fuzz({ seed, goOn, failures: most = 10 }: FuzzOptions): Promise<FuzzReport> {
  await makeSamples()
  const wheel = Object.entries(targets).flatMap(([name, target]) => new Array<string>(target.weight).fill(name))
  const failures: FuzzFailure[] = []
  let inputs = 0
  for (; failures.length < most && goOn(inputs); inputs++) {
    const random = new SeededRandom(seed + inputs)
    const name = random.pick(wheel)
    const bytes = targets[name]!.make(random)
    const error = failureOf(targets[name]!, bytes)
    if (error !== undefined) failures.push({ target: name, hex: bytes.toString('hex'), error })
  }
  return { inputs, failures }
}

/** Checks one input again. */
export async function check(target: string, bytes: Buffer): Promise<Error | undefined> {
  await makeSamples()
  const one = targets[target]
  if (one === undefined) throw new Error(`There is no target ${target}: ${Object.keys(targets).join(', ')}`)
  return failureOf(one, bytes)
}

function failureOf(target: Target, bytes: Buffer): Error | undefined {
  try {
    target.check(Buffer.from(bytes))
  } catch (error) {
    return error as Error
  }
  return undefined
}

/** How to see a failure again. */
export function rerun({ target, hex, error }: FuzzFailure): string {
  return `${target}: ${error.message}\n  npm run fuzz -- --target ${target} --hex ${hex}\n  ${error.stack ?? ''}`
}
