import { ProjectionChangedError, ProjectionMovedError } from './errors.js'
import type { Projection } from './projection.js'
import type { Settings } from './projection-options.js'
import type { BuildName, CommitRequest, ProjectionHead } from './projection-store.js'

/** Refuses to go on with what somebody else has changed since. */
export function checkExpected(name: string, expected: CommitRequest['expected'], stored: ProjectionHead | undefined) {
  if (expected?.generation === stored?.generation && expected?.position === stored?.position) return
  const say = (head: CommitRequest['expected']): string =>
    head === undefined ? 'nothing' : `position ${head.position} of generation ${head.generation}`
  throw new ProjectionMovedError(name, `expected ${say(expected)}, found ${say(stored)}`)
}

/** Returns the head of a build that takes the place of the live one. Refused unless both have seen the same events. */
export function promoted(name: string, live: ProjectionHead, next: ProjectionHead): ProjectionHead {
  if (live.position !== next.position) {
    throw new ProjectionMovedError(name, `it is at position ${live.position}, its next build at ${next.position}`)
  }
  return {
    ...next,
    generation: Math.max(live.generation, next.generation) + 1,
    effectsFrom: Math.max(live.effectsFrom, live.position),
  }
}

/** Returns the name of the lease that says who works on a build. */
export function leaseOf(name: string, build: BuildName): string {
  return build === 'live' ? name : `${name} next`
}

/** Tells whether an older version made what is stored. Throws ProjectionChangedError when nothing is to be done about that. */
export function isStale(
  head: ProjectionHead | undefined,
  { name, version, shape }: Projection,
  onChange: Settings['onChange'],
): boolean {
  if (head === undefined || (head.version === version && head.shape === shape)) return false
  if (head.version < version && onChange !== 'refuse') return true
  throw new ProjectionChangedError(name, head.version, version)
}

/** Returns the head of a build that begins anew. What was projected up to a position has had its effects. */
export function emptied(
  head: ProjectionHead | undefined,
  { version, shape }: Projection,
  position: number,
): ProjectionHead {
  const effectsFrom = Math.max(head?.effectsFrom ?? 0, position)
  return { generation: (head?.generation ?? 0) + 1, version, shape, position: 0, effectsFrom }
}
