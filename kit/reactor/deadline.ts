import { InvalidArgumentError, quote } from '../../engine/errors.js'
import { said } from '../errors.js'

/** When a deadline is over: so long behind its input, or at a time. */
export type DeadlineTime =
  | {
      /** Milliseconds from the timestamp of the event that `react` was given; behind a deadline from when that was found to have passed. */
      readonly afterMs: number
    }
  | {
      /** Milliseconds since the epoch, or a `Date`. */
      readonly at: number | Date
    }

/** A deadline has passed: an input like the events are. */
export interface DeadlinePassed {
  readonly type: 'DeadlinePassed'
  readonly data: {
    readonly name: string
    /** When it was over, in milliseconds since the epoch. */
    readonly dueAt: number
    /** When that was noticed: later, where nobody ran the process manager then. */
    readonly passedAt: number
    /** What it was set with. */
    readonly data: unknown
  }
}

/** Sets a deadline of a process. Made by `setDeadline`. */
export class SetDeadline {
  readonly name: string
  readonly time: DeadlineTime
  readonly data: unknown

  /** @internal Use `setDeadline`. */
  constructor(name: string, time: DeadlineTime, data: unknown) {
    this.name = name
    this.time = time
    this.data = data
  }

  /** @internal Returns when it is over, given when the input was. */
  dueAt(inputAt: number): number {
    const due = 'at' in this.time ? Number(this.time.at) : inputAt + this.time.afterMs
    // Beyond it no date can be told: it is never.
    return Math.min(LAST_TIME, Math.max(-LAST_TIME, Math.ceil(due)))
  }
}

/** Takes a deadline of a process back. Made by `cancelDeadline`. */
export class CancelDeadline {
  readonly name: string

  /** @internal Use `cancelDeadline`. */
  constructor(name: string) {
    this.name = name
  }
}

/** What `react` may answer with besides commands. */
export type DeadlineOrder = SetDeadline | CancelDeadline

const MAX_NAME_BYTES = 255
const LAST_TIME = 8.64e15

/**
 * Has the process told when a time is over: by the input `DeadlinePassed`, once, unless the deadline is cancelled before, or set again, which
 * replaces it. For `react` of a process to answer with, among its commands.
 *
 * ```ts
 * react: (input) => {
 *   switch (input.type) {
 *     case 'OrderPlaced':
 *       return [{ type: 'RequestPayment' }, setDeadline('payment', { afterMs: 10 * 60_000 })]
 *     case 'PaymentReceived':
 *       return [cancelDeadline('payment'), { type: 'Ship' }]
 *     case 'DeadlinePassed':
 *       return [{ type: 'Cancel' }]
 * ```
 *
 * @param name Of the deadline in its process: 1 to 255 bytes.
 * @param data Comes back with it. What events may hold.
 * @throws InvalidArgumentError (ERR_INVALID_ARGUMENT)
 */
export function setDeadline(name: string, time: DeadlineTime, data?: unknown): SetDeadline {
  checkDeadlineName(name)
  const { afterMs, at } = Object(time) as { readonly afterMs?: unknown; readonly at?: unknown }
  const refuse = (reason: string): never => {
    throw new InvalidArgumentError(`Cannot set deadline ${quote(name)}: ${reason}`)
  }
  if ((afterMs === undefined) === (at === undefined)) refuse('it takes afterMs or at, one of both')
  if (afterMs !== undefined && !(typeof afterMs === 'number' && afterMs >= 0)) {
    refuse(`afterMs is ${said(afterMs)}, not a number from 0`)
  }
  const isTime = typeof at === 'number' || at instanceof Date
  if (at !== undefined && !(isTime && Math.abs(Number(at)) <= LAST_TIME)) refuse(`at is ${said(at)}, not a time`)
  return new SetDeadline(name, time, data)
}

/**
 * Takes a deadline back; nothing happens when there is none of this name. For `react` of a process to answer with, among its commands.
 *
 * @throws InvalidArgumentError (ERR_INVALID_ARGUMENT)
 */
export function cancelDeadline(name: string): CancelDeadline {
  checkDeadlineName(name)
  return new CancelDeadline(name)
}

/** @internal */
export function isDeadlineOrder(answer: unknown): answer is DeadlineOrder {
  return answer instanceof SetDeadline || answer instanceof CancelDeadline
}

function checkDeadlineName(name: unknown): void {
  const isName = typeof name === 'string' && name !== '' && name.isWellFormed() && byteLength(name) <= MAX_NAME_BYTES
  if (isName) return
  throw new InvalidArgumentError(
    `Cannot set or cancel deadline ${quote(said(name))}: a name is a string of 1 to ${MAX_NAME_BYTES} bytes`,
  )
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length
}
