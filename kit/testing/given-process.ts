import type { StoredEvent } from '../../engine/types/event.js'
import { evolveBy } from '../decider.js'
import type { StoredOf, TypedEvent } from '../event-registry.js'
import type { CommandRefused, Process, ProcessInput } from '../reactor/process-manager.js'
import { attemptNow, compare, type ExpectedError, refused, valueOf } from './outcomes.js'

/** An input of a process in a test: an event, of which type and data are enough, or a command that was refused. */
export type GivenInput<Event extends TypedEvent, Command> =
  | (Event extends TypedEvent ? Pick<StoredOf<Event>, 'type' | 'data'> & Partial<StoredEvent> : never)
  | CommandRefused<Command>

/** What came of an input, to be compared with what should have. Each method returns the outcome, so that they can be strung together. */
export interface ProcessOutcome<State, Command> {
  /** It answers with exactly these commands, in this order. */
  thenCommands(...commands: readonly Command[]): ProcessOutcome<State, Command>
  /** It answers with none. */
  thenNothing(): ProcessOutcome<State, Command>
  /** `react` threw. */
  thenFailed(error?: ExpectedError): ProcessOutcome<State, Command>
  /** This is the state after it; or a function looks at it, and throws when it is not right. */
  thenState(expected: State | ((state: State) => void)): ProcessOutcome<State, Command>
}

/** A process that has come to know something. */
export interface GivenProcess<State, Event extends TypedEvent, Command> {
  /** It gets to know of an event, or that a command was refused. */
  when(input: GivenInput<Event, Command>): ProcessOutcome<State, Command>
}

/** Begins a test of a process: with what it knows. No store is needed. */
export function givenProcess<State, Event extends TypedEvent, Command>(
  rules: Process<State, Event, Command>,
  inputs: readonly GivenInput<Event, Command>[] = [],
): GivenProcess<State, Event, Command> {
  const known = inputs.map((input, i) => inputOf<Event, Command>(input, i))
  const evolve = (all: readonly ProcessInput<Event, Command>[]): State =>
    all.reduce<State>((state, input, i) => {
      const next = (before: State): State => rules.evolve(before, input)
      return evolveBy(next, state, input as TypedEvent, 'given', i)
    }, rules.initialState())
  return {
    when(given) {
      const input = inputOf<Event, Command>(given, known.length)
      // The state is made anew for each answer: evolve may change the one it is given.
      const state = (): State => evolve([...known, input])
      const result = attemptNow(() => rules.react(input, state()))
      const self: ProcessOutcome<State, Command> = {
        thenCommands(...commands) {
          compare([...valueOf(result, 'react threw')], commands, 'The commands are not those that were expected')
          return self
        },
        thenNothing() {
          compare([...valueOf(result, 'react threw')], [], 'No command was expected')
          return self
        },
        thenFailed(error) {
          refused(result, error, 'it answered with commands')
          return self
        },
        thenState(expected) {
          if (typeof expected === 'function') (expected as (state: State) => void)(state())
          else compare(state(), expected, 'The state is not the one that was expected')
          return self
        },
      }
      return self
    },
  }
}

function inputOf<Event extends TypedEvent, Command>(
  input: GivenInput<Event, Command>,
  i: number,
): ProcessInput<Event, Command> {
  if (input.type === 'CommandRefused') return input as CommandRefused<Command>
  return { ...storedDefaults(i), ...input } as unknown as StoredOf<Event>
}

/** What an event of a test has when it was left out. */
export function storedDefaults(i: number): Omit<StoredEvent, 'type' | 'data'> {
  const id = `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`
  return { stream: 'given', offset: i, position: i, id, timestamp: 0, schemaVersion: 1, tags: [], metadata: undefined }
}
