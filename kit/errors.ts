/** Errors of the kit. Their codes stand with all others in `engine/errors.ts`. */
import { AnnalsError, type ErrorCode, InvalidEventError, quote } from '../engine/errors.js'
import type { StoredEvent } from '../engine/types/event.js'
import type { StandardIssue } from './standard-schema.js'

/** A handler threw, rejected or did not end, as often as it was called with an event. */
export abstract class EventHandlerError extends AnnalsError {
  readonly stream: string
  readonly offset: number
  readonly position: number
  readonly type: string
  /** Name of the handler among `handlers`: the type as it is called today, or `*`. */
  readonly handler: string
  /** How often it was called with the event. */
  readonly attempts: number

  constructor(
    code: ErrorCode,
    [verb, by]: readonly [verb: string, by: string],
    { stream, offset, position, type }: StoredEvent,
    handler: string,
    attempts: number,
    cause: unknown,
  ) {
    super(
      code,
      `Cannot ${verb} ${quote(type)} at offset ${offset} of stream ${quote(stream)} ${by}: handler ${quote(handler)}, attempt ${attempts}: ${said(cause)}`,
      { cause },
    )
    this.stream = stream
    this.offset = offset
    this.position = position
    this.type = type
    this.handler = handler
    this.attempts = attempts
  }
}

/** ERR_UNKNOWN_EVENT: the registry has no such event type. When appending: nothing was written. */
export class UnknownEventError extends AnnalsError {
  readonly stream: string
  /** Offset of the event; undefined when it was to be appended. */
  readonly offset: number | undefined
  readonly type: string

  constructor(stream: string, offset: number | undefined, type: string) {
    const what = offset === undefined ? 'append to' : `read offset ${offset} of`
    super('ERR_UNKNOWN_EVENT', `Cannot ${what} stream ${quote(stream)}: event type ${quote(type)} is not registered`)
    this.stream = stream
    this.offset = offset
    this.type = type
  }
}

/** ERR_INVALID_EVENT: the schema of the event type refuses the data. Nothing was written. */
export class EventValidationError extends InvalidEventError {
  readonly stream: string
  readonly type: string
  /** All that the schema said; `path` and `reason` are those of the first. Empty when the schema itself failed, which is the `cause`. */
  readonly issues: readonly StandardIssue[]

  constructor(
    at: { stream: string; type: string; path: string },
    reason: string,
    issues: readonly StandardIssue[] = [],
    options?: ErrorOptions,
  ) {
    super(at.path, `the schema of ${quote(at.type)} refuses it for stream ${quote(at.stream)}: ${reason}`, options)
    this.stream = at.stream
    this.type = at.type
    this.issues = issues
  }
}

/** ERR_UPCAST: a stored event cannot be brought to the schema version of the registry. It stays as it is. */
export class UpcastError extends AnnalsError {
  readonly stream: string
  readonly offset: number
  readonly type: string
  /** The version it could not be brought on from. */
  readonly schemaVersion: number

  constructor(
    at: { stream: string; offset: number; type: string },
    schemaVersion: number,
    reason: string,
    options?: ErrorOptions,
  ) {
    super(
      'ERR_UPCAST',
      `Cannot upcast ${quote(at.type)} at offset ${at.offset} of stream ${quote(at.stream)} from schema version ${schemaVersion}: ${reason}`,
      options,
    )
    this.stream = at.stream
    this.offset = at.offset
    this.type = at.type
    this.schemaVersion = schemaVersion
  }
}

/** ERR_EVOLVE: an event could not be applied: `evolve` or `when` threw, which is the `cause`, or returned what is no state. */
export class EvolveError extends AnnalsError {
  readonly stream: string
  /** Offset of the event, or the one it would have had: then nothing was written. */
  readonly offset: number
  readonly type: string

  constructor(at: { stream: string; offset: number; type: string }, reason: string, options?: ErrorOptions) {
    super(
      'ERR_EVOLVE',
      `Cannot apply ${quote(at.type)} at offset ${at.offset} of stream ${quote(at.stream)}: ${reason}`,
      options,
    )
    this.stream = at.stream
    this.offset = at.offset
    this.type = at.type
  }
}

/** ERR_AGGREGATE_NOT_FOUND: the stream of the aggregate has no events. */
export class AggregateNotFoundError extends AnnalsError {
  readonly category: string
  readonly id: string
  readonly stream: string

  constructor(category: string, id: string, stream: string, when = '') {
    super(
      'ERR_AGGREGATE_NOT_FOUND',
      `Cannot load ${category} ${quote(id)}: stream ${quote(stream)} has no events${when}`,
    )
    this.category = category
    this.id = id
    this.stream = stream
  }
}

/** Returns what a thrown value says, for a message. */
export function said(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
