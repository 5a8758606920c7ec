/** Errors of reactors. Their codes stand with all others in `engine/errors.ts`. */
import { AnnalsError, quote } from '../../engine/errors.js'
import type { StoredEvent } from '../../engine/types/event.js'
import { EventHandlerError } from '../errors.js'

/** ERR_REACTION: a handler threw, rejected or did not end, as often as it was called. Nothing of the reaction was appended. */
export class ReactionError extends EventHandlerError {
  readonly reactor: string

  constructor(reactor: string, event: StoredEvent, handler: string, attempts: number, cause: unknown) {
    super('ERR_REACTION', ['react to', `in ${quote(reactor)}`], event, handler, attempts, cause)
    this.reactor = reactor
  }
}

/** ERR_REACTOR_MOVED: somebody else has stored a checkpoint of this reactor since: two of one name run. This one has stopped before it. */
export class ReactorMovedError extends AnnalsError {
  readonly reactor: string

  constructor(reactor: string, options?: ErrorOptions) {
    super('ERR_REACTOR_MOVED', `Cannot go on with reactor ${quote(reactor)}: another one of this name runs`, options)
    this.reactor = reactor
  }
}
