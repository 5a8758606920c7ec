import { InvalidArgumentError, quote } from '../errors.js'
import { commitIdTooLong } from '../format/event-options.js'
import { MAX_COMMIT_ID_BYTES } from '../limits.js'

/** Throws InvalidArgumentError (ERR_INVALID_ARGUMENT). */
export function refuse(message: string): never {
  throw new InvalidArgumentError(message)
}

/** Throws InvalidArgumentError (ERR_INVALID_ARGUMENT). */
export function checkPath(path: unknown, what: string): void {
  if (typeof path !== 'string' || path.length === 0 || path.includes('\0')) {
    refuse(`Cannot ${what}: the directory is no path`)
  }
}

/** Refuses what is no object or has a key that nobody knows: a typing error must not be taken for a default. */
export function checkKeys(options: unknown, known: ReadonlySet<string>, what: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    refuse(`Cannot ${what}: the options are no object`)
  }
  for (const key of Object.keys(options)) {
    if (!known.has(key)) refuse(`Cannot ${what}: unknown option ${quote(key)}; known are ${[...known].join(', ')}`)
  }
}

export function wholeNumber(value: unknown, name: string, what: string, least = 0): number {
  if (!Number.isSafeInteger(value) || (value as number) < least) {
    refuse(`Cannot ${what}: ${name} is ${String(value)}, not a whole number from ${least}`)
  }
  return value as number
}

export function oneOf<T extends string>(value: unknown, allowed: readonly T[], name: string, what: string): T {
  if (!allowed.includes(value as T)) {
    refuse(`Cannot ${what}: ${name} is ${quote(String(value))}, not one of ${allowed.join(', ')}`)
  }
  return value as T
}

/** Refuses what no commit can have as its id. */
export function checkCommitId(id: unknown, what: string): void {
  if (typeof id !== 'string' || id.length === 0) refuse(`Cannot ${what}: commitId is no string with characters`)
  if (!id.isWellFormed()) refuse(`Cannot ${what}: commitId contains a lone surrogate`)
  const bytes = Buffer.byteLength(id, 'utf8')
  if (bytes > MAX_COMMIT_ID_BYTES) throw commitIdTooLong(bytes)
}
