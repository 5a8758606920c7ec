import type { Limits } from '../limits.js'
import { checkKeys, checkPath, refuse, wholeNumber } from './option-checks.js'
import { limitsOf } from './options.js'
import { checkSignal } from './read-options.js'

const COPY = ['onProgress', 'signal']
const REINDEX = [...COPY, 'limits']
const VERIFY = [...REINDEX, 'fast', 'maxFindings']
const KNOWN = {
  verify: new Set(VERIFY),
  repair: new Set([...VERIFY, 'dryRun']),
  reindex: new Set(REINDEX),
  copy: new Set(COPY),
}

/**
 * Refuses bad paths and options before anything is read: `dryrun` for `dryRun` would repair in earnest. Throws InvalidArgumentError
 * (ERR_INVALID_ARGUMENT).
 */
export function checkMaintenance(kind: keyof typeof KNOWN, paths: readonly unknown[], options: unknown): void {
  const what = `${kind} the store`
  for (const path of paths) checkPath(path, what)
  checkKeys(options, KNOWN[kind], what)
  const { limits, maxFindings, onProgress, signal, ...switches } = options as Record<string, unknown>
  checkSignal(signal, what)
  if (onProgress !== undefined && typeof onProgress !== 'function') refuse(`Cannot ${what}: onProgress is no function`)
  if (maxFindings !== undefined) wholeNumber(maxFindings, 'maxFindings', what)
  if (limits !== undefined) limitsOf(limits as Partial<Limits>, what)
  for (const [name, value] of Object.entries(switches)) {
    if (value !== undefined && typeof value !== 'boolean') refuse(`Cannot ${what}: ${name} is neither true nor false`)
  }
}
