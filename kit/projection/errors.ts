/** Errors of projections. Their codes stand with all others in `engine/errors.ts`. */
import { AnnalsError, quote } from '../../engine/errors.js'
import type { AppendResult } from '../../engine/types/event-store.js'
import type { StoredEvent } from '../../engine/types/event.js'
import { EventHandlerError } from '../errors.js'

/** ERR_PROJECTION_HANDLER: a handler threw, rejected or did not end. The event is not projected; what was before it is. */
export class ProjectionHandlerError extends EventHandlerError {
  readonly projection: string

  constructor(projection: string, event: StoredEvent, handler: string, attempts: number, cause: unknown) {
    super('ERR_PROJECTION_HANDLER', ['project', `to ${quote(projection)}`], event, handler, attempts, cause)
    this.projection = projection
  }
}

/** ERR_PROJECTION_CHANGED: what is stored was made by another version of the projection. It stays as it is. */
export class ProjectionChangedError extends AnnalsError {
  readonly projection: string
  readonly stored: number
  readonly defined: number

  constructor(projection: string, stored: number, defined: number) {
    const what =
      stored === defined
        ? `its tables, event types or source have changed, and its version is ${defined} as before; raise it`
        : `what is stored was made by version ${stored}, this is version ${defined}`
    super('ERR_PROJECTION_CHANGED', `Cannot run projection ${quote(projection)}: ${what}`)
    this.projection = projection
    this.stored = stored
    this.defined = defined
  }
}

/** ERR_PROJECTION_EXISTS: a projection of this name runs on the same projection store already. */
export class ProjectionExistsError extends AnnalsError {
  readonly projection: string

  constructor(projection: string) {
    super('ERR_PROJECTION_EXISTS', `Cannot run projection ${quote(projection)}: one of this name runs already`)
    this.projection = projection
  }
}

/** ERR_PROJECTION_MOVED: somebody else has changed what is stored of the projection since. Nothing was written. */
export class ProjectionMovedError extends AnnalsError {
  readonly projection: string

  constructor(projection: string, reason: string) {
    super('ERR_PROJECTION_MOVED', `Cannot store what projection ${quote(projection)} made: ${reason}`)
    this.projection = projection
  }
}

/** ERR_PROJECTION_DAMAGED: what is stored of a projection cannot be read. The events are not concerned. */
export class ProjectionDamagedError extends AnnalsError {
  readonly projection: string
  readonly file: string

  constructor(projection: string, file: string, reason: string, options?: ErrorOptions) {
    super(
      'ERR_PROJECTION_DAMAGED',
      `Cannot read projection ${quote(projection)} from ${quote(file)}: ${reason}; remove it, and it is made again`,
      options,
    )
    this.projection = projection
    this.file = file
  }
}

/** ERR_NOT_PROJECTED: the events ARE stored, and an inline projection has failed on them. Do not append them again. */
export class NotProjectedError extends AnnalsError {
  readonly projection: string
  /** What the append came to. */
  readonly results: readonly AppendResult[]

  constructor(projection: string, results: readonly AppendResult[], options?: ErrorOptions) {
    super('ERR_NOT_PROJECTED', `The events are stored, but projection ${quote(projection)} has failed`, options)
    this.projection = projection
    this.results = results
  }
}
