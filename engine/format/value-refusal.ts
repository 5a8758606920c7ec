import { MAX_DEPTH } from '../limits.js'
import { InvalidEventError, quote } from '../errors.js'

/** One step from a container to a value in it. */
type Step = { readonly container: object; readonly key: string | number; readonly kind: StepKind }
type StepKind = 'property' | 'map key' | 'map value' | 'set value'

/** Paths longer than this are cut in the middle. */
const MAX_PATH_LENGTH = 200

/**
 * Why a value cannot be stored. Thrown where it is found; every container on the way out adds its step, so that values that
 * can be stored never pay for a path.
 */
export class Refusal {
  readonly reason: string
  readonly cause: unknown
  readonly #steps: Step[] = []

  constructor(reason: string, cause?: unknown) {
    this.reason = reason
    this.cause = cause
  }

  /** Adds the step out of `container`, which is at `key` in it. */
  within(container: object, kind: StepKind, key: string | number): this {
    this.#steps.push({ container, kind, key })
    return this
  }

  toError(root: string): InvalidEventError {
    const steps = this.#steps.reverse()
    const options = this.cause === undefined ? undefined : { cause: this.cause }
    const cycle = this.reason === TOO_DEEP ? findCycle(steps) : undefined
    if (cycle === undefined) return new InvalidEventError(formatPath(root, steps), this.reason, options)
    const outer = formatPath(root, steps.slice(0, cycle.start))
    return new InvalidEventError(
      formatPath(root, steps.slice(0, cycle.end)),
      `it contains itself: it is the value at ${outer}`,
    )
  }
}

/** The reason for values nested too deeply, which cycles always are. */
export const TOO_DEEP = `it is nested more than ${MAX_DEPTH} levels deep`

/** Names what cannot be stored, without calling anything of the value that might throw. */
export function describe(value: object): string {
  try {
    if (value instanceof Error) return 'an Error is not plain data'
    const { constructor } = value as { constructor?: { name?: unknown } }
    const name = constructor?.name
    if (typeof name === 'string' && name !== '') return `an instance of ${quote(name)} is not plain data`
  } catch {
    // A proxy or a getter; the general answer will do.
  }
  return 'an object with a prototype of its own is not plain data'
}

/** The first container that occurs twice on the way down. */
function findCycle(steps: readonly Step[]): { start: number; end: number } | undefined {
  const seen = new Map<object, number>()
  for (const [end, { container }] of steps.entries()) {
    const start = seen.get(container)
    if (start !== undefined) return { start, end }
    seen.set(container, end)
  }
  return undefined
}

function formatPath(root: string, steps: readonly Step[]): string {
  const path = root + steps.map(formatStep).join('')
  if (path.length <= MAX_PATH_LENGTH) return path
  return `${path.slice(0, MAX_PATH_LENGTH - 60)}…${path.slice(-59)}`
}

function formatStep({ kind, key }: Step): string {
  switch (kind) {
    case 'property':
      if (typeof key === 'number') return `[${key}]`
      return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${quote(key)}]`
    case 'map key':
      return `.keys()[${key}]`
    case 'map value':
      return typeof key === 'number' ? `.values()[${key}]` : `.get(${quote(key)})`
    case 'set value':
      return `.values()[${key}]`
  }
}
