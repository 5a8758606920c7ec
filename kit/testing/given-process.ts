import type { StoredEvent } from '../../engine/types/event.js'
import { evolveBy } from '../decider.js'
import type { StoredOf, TypedEvent } from '../event-registry.js'
import { type DeadlineOrder, type DeadlinePassed, isDeadlineOrder, SetDeadline } from '../reactor/deadline.js'
import type { CommandRefused, Process, ProcessInput } from '../reactor/process-manager.js'
import { attemptNow, compare, type ExpectedError, refused, valueOf } from './outcomes.js'

/** An input of a process in a test: an event, of which type and data are enough, a command that was refused, or a deadline that has passed. */
export type GivenInput<Event extends TypedEvent, Command> =
  | (Event extends TypedEvent ? Pick<StoredOf<Event>, 'type' | 'data'> & Partial<StoredEvent> : never)
  | CommandRefused<Command>
  | DeadlinePassed

/** What came of an input, to be compared with what should have. Each method returns the outcome, so that they can be strung together. */
export interface ProcessOutcome<State, Command> {
  /** It answers with exactly these commands, and deadlines that are set or cancelled, in this order. */
  thenCommands(...commands: readonly (Command | DeadlineOrder)[]): ProcessOutcome<State, Command>
  /** It answers with none. */
  thenNothing(): ProcessOutcome<State, Command>
  /** `react` threw. */
  thenFailed(error?: ExpectedError): ProcessOutcome<State, Command>
  /** This is the state after it; or a function looks at it, and throws when it is not right. */
  thenState(expected: State | ((state: State) => void)): ProcessOutcome<State, Command>
  /** These deadlines are pending after it: their names, and when they are due, in milliseconds since the epoch. */
  thenDeadlines(expected: Readonly<Record<string, number>>): ProcessOutcome<State, Command>
}

/** A process that has come to know something. */
export interface GivenProcess<State, Event extends TypedEvent, Command> {
  /** It gets to know of an event, that a command was refused, or that a deadline has passed. */
  when(input: GivenInput<Event, Command>): ProcessOutcome<State, Command>
  /**
   * So many milliseconds pass behind the last of what it knows, and with them the deadlines it has set, one by one: the outcome is that of all of them.
   * Events happen at their `timestamp`, or where they have none at the time of what is before them, the first one at 0.
   */
  whenTimePasses(ms: number): ProcessOutcome<State, Command>
}

/** A deadline that passes and is set again without end is no test. */
const MOST_DEADLINES = 10_000

/** What has happened to a process so far. */
class Played<State, Event extends TypedEvent, Command> {
  readonly deadlines = new Map<string, { readonly dueAt: number; readonly data: unknown }>()
  readonly #rules: Process<State, Event, Command>
  #now = 0
  #count = 0
  state: State

  constructor(rules: Process<State, Event, Command>) {
    this.#rules = rules
    this.state = rules.initialState()
  }

  /** It gets to know an input. Returns what has it answer. */
  take(given: GivenInput<Event, Command>): () => readonly (Command | DeadlineOrder)[] {
    const { timestamp } = given as { readonly timestamp?: number }
    if (given.type === 'DeadlinePassed') {
      const { name, passedAt } = (given as DeadlinePassed).data
      this.deadlines.delete(name)
      this.#now = Math.max(this.#now, passedAt)
    } else this.#now = timestamp ?? this.#now
    const at = this.#now
    const input = inputOf<Event, Command>(given, this.#count, at)
    const next = (before: State): State => this.#rules.evolve(before, input)
    this.state = evolveBy(next, this.state, input as TypedEvent, 'given', this.#count++)
    return () => this.#answer(input, at)
  }

  #answer(input: ProcessInput<Event, Command>, at: number): readonly (Command | DeadlineOrder)[] {
    const answers = this.#rules.react(input, this.state)
    for (const answer of answers) {
      if (answer instanceof SetDeadline) {
        // Set again, it is behind those that were set before it.
        this.deadlines.delete(answer.name)
        this.deadlines.set(answer.name, { dueAt: answer.dueAt(at), data: answer.data })
      } else if (isDeadlineOrder(answer)) this.deadlines.delete(answer.name)
    }
    return answers
  }

  /** Lets time pass. Returns what it answers the deadlines with that are over then. */
  wait(ms: number): readonly (Command | DeadlineOrder)[] {
    const end = this.#now + ms
    const answers: (Command | DeadlineOrder)[] = []
    for (let passed = 0; ; passed++) {
      const due = [...this.deadlines].filter(([, { dueAt }]) => dueAt <= end).sort(([, a], [, b]) => a.dueAt - b.dueAt)
      if (due.length === 0) return answers
      if (passed === MOST_DEADLINES) throw new Error(`more than ${MOST_DEADLINES} deadlines passed`)
      const [name, { dueAt, data }] = due[0]!
      const passedAt = Math.max(this.#now, dueAt)
      answers.push(...this.take({ type: 'DeadlinePassed', data: { name, dueAt, passedAt, data } })())
    }
  }
}

/** Begins a test of a process: with what it knows. No store is needed. */
export function givenProcess<State, Event extends TypedEvent, Command>(
  rules: Process<State, Event, Command>,
  inputs: readonly GivenInput<Event, Command>[] = [],
): GivenProcess<State, Event, Command> {
  const outcome = (
    last: (played: Played<State, Event, Command>) => () => readonly (Command | DeadlineOrder)[],
  ): ProcessOutcome<State, Command> => {
    const played = new Played(rules)
    // What it answered is past; only the deadlines that it has set count.
    for (const input of inputs) attemptNow(played.take(input))
    const result = attemptNow(last(played))
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
        if (typeof expected === 'function') (expected as (state: State) => void)(played.state)
        else compare(played.state, expected, 'The state is not the one that was expected')
        return self
      },
      thenDeadlines(expected) {
        const pending = [...played.deadlines].map(([name, { dueAt }]) => [name, dueAt])
        compare(Object.fromEntries(pending), expected, 'The deadlines are not those that were expected')
        return self
      },
    }
    return self
  }
  return {
    when: (input) => outcome((played) => played.take(input)),
    whenTimePasses: (ms) => outcome((played) => () => played.wait(ms)),
  }
}

function inputOf<Event extends TypedEvent, Command>(
  input: GivenInput<Event, Command>,
  i: number,
  timestamp: number,
): ProcessInput<Event, Command> {
  if (input.type === 'CommandRefused') return input as CommandRefused<Command>
  if (input.type === 'DeadlinePassed') return input as DeadlinePassed
  return { ...storedDefaults(i), timestamp, ...input } as unknown as StoredOf<Event>
}

/** What an event of a test has when it was left out. */
export function storedDefaults(i: number): Omit<StoredEvent, 'type' | 'data'> {
  const id = `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`
  return { stream: 'given', offset: i, position: i, id, timestamp: 0, schemaVersion: 1, tags: [], metadata: undefined }
}
