import { AnnalsError, inspectFile, InspectionSummary, type Invariant } from '../../engine/index.js'
import { breathe } from './breathe.js'

/** What reading a file to its end says of it. */
export interface FileCheck {
  /** `torn`: a crash can have left its end so, or a writer is at work on it; only the store as a whole can tell. */
  readonly check: 'sound' | 'torn' | 'damaged'
  readonly events: number
  /** It ends with a seal. */
  readonly hasSeal: boolean
  /** Where it goes wrong first, and what is broken there. */
  readonly firstProblem?: number
  readonly invariant?: Invariant
  readonly message?: string
}

/** Reads a file from end to end. Throws the signal's reason; AnnalsError ERR_IO, and ERR_NOT_FOUND where it is gone. */
export async function checkFile(path: string, signal: AbortSignal): Promise<FileCheck> {
  let inspection
  try {
    inspection = inspectFile(path)
  } catch (error) {
    if (!(error instanceof AnnalsError) || error.code === 'ERR_IO' || error.code === 'ERR_NOT_FOUND') throw error
    return { check: 'damaged', events: 0, hasSeal: false, firstProblem: 0, message: error.message }
  }
  try {
    const summary = new InspectionSummary()
    const pause = breathe(signal)
    let hasSeal = false
    for (const item of inspection.items()) {
      summary.add(item)
      hasSeal ||= item.what === 'record' && item.kind === 'seal'
      const waits = pause()
      if (waits !== undefined) await waits
    }
    const { problems, problemCount, firstProblem, events } = summary
    if (firstProblem === undefined) return { check: 'sound', events, hasSeal }
    const isDamage = problemCount > problems.length || problems.some(({ severity }) => severity === 'damage')
    const { invariant, message } = problems.find(({ severity }) => severity === 'damage') ?? problems[0]!
    return { check: isDamage ? 'damaged' : 'torn', events, hasSeal, firstProblem, invariant, message }
  } finally {
    inspection.close()
  }
}
