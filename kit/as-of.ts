import { InvalidArgumentError } from '../engine/errors.js'
import type { StoredEvent } from '../engine/types/event.js'
import type { ReadStreamOptions } from '../engine/types/event-store.js'

/**
 * A moment in the past of a stream. `time`: everything whose own timestamp is this one or earlier, whenever it was appended (milliseconds
 * since the epoch, or a Date). `version`: the first so many events. `position`: everything that was committed up to there, included.
 */
export type AsOf = { readonly time: number | Date } | { readonly version: number } | { readonly position: number }

/** What is read of a stream for a moment in its past. */
export interface PastRange {
  readonly options: ReadStreamOptions
  /** Tells that an event, and all behind it, came later. */
  readonly isLater: (event: StoredEvent) => boolean
}

/** Returns what to read. Throws InvalidArgumentError for what is no moment. */
export function pastRange(asOf: AsOf): PastRange {
  const never = (): boolean => false
  const given = Object.entries(asOf as object).filter(([, value]) => value !== undefined)
  const [name, value] = given[0] ?? []
  if (given.length === 1 && name === 'time') {
    const time: unknown = value instanceof Date ? value.getTime() : value
    if (typeof time === 'number' && !Number.isNaN(time)) return { options: { toTime: time }, isLater: never }
  } else if (given.length === 1 && Number.isSafeInteger(value) && (value as number) >= 0) {
    const bound = value as number
    if (name === 'version') return { options: { limit: bound }, isLater: never }
    if (name === 'position') return { options: {}, isLater: ({ position }) => position > bound }
  }
  throw new InvalidArgumentError(
    'Cannot load a past state: asOf is neither { time }, a Date or milliseconds, nor { version } or { position }, whole numbers from 0',
  )
}
