/** Errors of reactors. Their codes stand with all others in `engine/errors.ts`. */
import { AnnalsError, quote } from '../../engine/errors.js'
import type { StoredEvent } from '../../engine/types/event.js'
import { said } from '../errors.js'

/** ERR_REACTION: a handler threw, rejected or did not end, as often as it was called. Nothing of the reaction was appended. */
export class ReactionError extends AnnalsError {
  readonly reactor: string
  readonly stream: string
  readonly offset: number
  readonly position: number
  readonly type: string
  /** Name of the handler among `handlers`: the type as it is called today, or `*`. */
  readonly handler: string
  /** How often it was called with the event. */
  readonly attempts: number

  constructor(
    reactor: string,
    { stream, offset, position, type }: StoredEvent,
    handler: string,
    attempts: number,
    cause: unknown,
  ) {
    super(
      'ERR_REACTION',
      `Cannot react to ${quote(type)} at offset ${offset} of stream ${quote(stream)} in ${quote(reactor)}: handler ${quote(handler)}, attempt ${attempts}: ${said(cause)}`,
      { cause },
    )
    this.reactor = reactor
    this.stream = stream
    this.offset = offset
    this.position = position
    this.type = type
    this.handler = handler
    this.attempts = attempts
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
