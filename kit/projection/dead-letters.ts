import { said } from '../errors.js'
import type { ProjectionHandlerError } from './errors.js'

/** An event that could not be projected and was set aside. The event itself is in the event store. */
export interface DeadLetter {
  readonly stream: string
  readonly offset: number
  readonly position: number
  readonly type: string
  readonly handler: string
  /** How often the handler was called. */
  readonly attempts: number
  /** What it threw, as text. */
  readonly reason: string
  /** When it was set aside, milliseconds since the epoch. */
  readonly at: number
}

export function deadLetterOf(error: ProjectionHandlerError, at: number): DeadLetter {
  const { stream, offset, position, type, handler, attempts, cause } = error
  return { stream, offset, position, type, handler, attempts, reason: said(cause).slice(0, 1000), at }
}

/** Keys of the same length are in the order of their positions. */
export function letterKey(position: number): string {
  return String(position).padStart(16, '0')
}
