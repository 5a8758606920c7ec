import { InvalidArgumentError, quote } from '../engine/errors.js'
import { EvolveError, said } from './errors.js'
import type { TypedEvent } from './event-registry.js'
import { isThenable } from './plain-value.js'

/**
 * A decision as pure functions: what there is at first, what a command makes happen, and what there is after it happened. None of them
 * has an effect, keeps anything, or asks for the time: what they need to know stands in the command.
 */
export interface Decider<State, Command, Event extends TypedEvent> {
  /** Returns the state before the first event, a new one each time. */
  initialState(): State
  /** Returns what happens; nothing: no events. Throws to refuse: the error reaches the caller as it is, and nothing is appended. */
  decide(command: Command, state: State): readonly Event[]
  /** Returns the state after an event. May change the state it was given and return that. */
  evolve(state: State, event: Event): State
}

/** Asks a decider. Throws what it throws, and InvalidArgumentError when its answer is no list of events. */
export function decideBy<State, Command, Event extends TypedEvent>(
  decider: Decider<State, Command, Event>,
  command: Command,
  state: State,
  name: string,
): readonly Event[] {
  const events: unknown = decider.decide(command, state)
  if (Array.isArray(events)) return events as readonly Event[]
  const what = isThenable(events)
    ? 'a promise; look up what it needs before, and put it into the command'
    : String(events)
  throw new InvalidArgumentError(`Cannot decide on ${quote(name)}: decide returned no array of events, but ${what}`)
}

/** Applies an event. Throws EvolveError (ERR_EVOLVE), which names where the event is or would be. */
export function evolveBy<State, Event extends TypedEvent>(
  evolve: (state: State, event: Event) => State,
  state: State,
  event: Event,
  stream: string,
  offset: number,
): State {
  const at = { stream, offset, type: event.type }
  let next: State
  try {
    next = evolve(state, event)
  } catch (error) {
    throw new EvolveError(at, said(error), { cause: error })
  }
  if (next === undefined) throw new EvolveError(at, 'evolve returned undefined, not a state')
  if (isThenable(next)) throw new EvolveError(at, 'evolve returned a promise, not a state')
  return next
}
