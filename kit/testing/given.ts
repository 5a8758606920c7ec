import assert from 'node:assert/strict'
import type { StoredEvent } from '../../engine/types/event.js'
import { Aggregate } from '../aggregate.js'
import { decideBy, type Decider, evolveBy } from '../decider.js'
import { said } from '../errors.js'
import type { EventRegistry, StoredOf, TypedEvent } from '../event-registry.js'

/** What a refusal must be like: a class of errors, a pattern of the message, or fields, `{ code: 'ERR_…' }`. */
export type ExpectedError = (new (...args: never[]) => Error) | RegExp | object

/** What came of a command, to be compared with what should have. Each method returns the outcome, so that they can be strung together. */
export interface Outcome<State, Event> {
  /** Exactly these events happened, in this order. */
  thenEvents(...events: readonly Event[]): Outcome<State, Event>
  /** Nothing happened, and nothing was refused. */
  thenNothing(): Outcome<State, Event>
  /** The command was refused. */
  thenRefused(error?: ExpectedError): Outcome<State, Event>
  /** This is the state after it; or a function looks at it, and throws when it is not right. */
  thenState(expected: State | ((state: State) => void)): Outcome<State, Event>
}

/** A state to give commands to. */
export interface Given<State, Command, Event> {
  when(command: Command): Outcome<State, Event>
}

/** Begins a test of a decider: with what happened before. */
export function given<State, Command, Event extends TypedEvent>(
  decider: Decider<State, Command, Event>,
  history: readonly Event[] = [],
): Given<State, Command, Event> {
  const evolve = (state: State, events: readonly Event[], first: number): State =>
    events.reduce((before, event, i) => {
      return evolveBy((state, event: Event) => decider.evolve(state, event), before, event, 'given', first + i)
    }, state)
  return {
    when: (command) => {
      // The state is made anew for each answer: evolve may change the one it is given.
      const before = (): State => evolve(decider.initialState(), history, 0)
      return outcome(
        () => decideBy(decider, command, before(), 'given'),
        (events) => evolve(before(), events, history.length),
      )
    },
  }
}

/** The events of an aggregate. */
export type AggregateEvent<Root extends Aggregate<TypedEvent>> = Root['uncommittedEvents'][number]

/** A history to do something to an aggregate after. */
export interface GivenAggregate<Root, Event> {
  when(work: (aggregate: Root) => unknown): Outcome<Root, Event>
}

/** Begins a test of an aggregate that is a class: `givenAggregate(() => new Account(), [opened]).when((account) => account.close())`. */
export function givenAggregate<Root extends Aggregate<TypedEvent>>(
  create: () => Root,
  history: readonly AggregateEvent<Root>[] = [],
): GivenAggregate<Root, AggregateEvent<Root>> {
  return {
    when: (work) => {
      const aggregate = create()
      for (const event of history) Aggregate.replay<TypedEvent>(aggregate, event)
      return outcome(
        () => {
          work(aggregate)
          return aggregate.uncommittedEvents
        },
        () => aggregate,
      )
    },
  }
}

/** An event as it was stored once, to be read today. */
export interface GivenStored<Event extends TypedEvent> {
  /** It is read as this. */
  thenRead(event: Pick<StoredOf<Event>, 'type' | 'data'>): Promise<void>
  /** It cannot be read. */
  thenRefused(error?: ExpectedError): Promise<void>
}

/** Begins a test of upcasters: with an event of an old schema version. */
export function givenStored<Event extends TypedEvent>(
  events: EventRegistry<Event>,
  stored: Pick<StoredEvent, 'type' | 'data'> & Partial<StoredEvent>,
): GivenStored<Event> {
  const id = '00000000-0000-4000-8000-000000000000'
  const defaults = { stream: 'given', offset: 0, position: 0, id, timestamp: 0, schemaVersion: 1, tags: [] }
  const read = async (): Promise<StoredEvent[]> => {
    const all: StoredEvent[] = []
    for await (const event of events.read(once({ metadata: undefined, ...defaults, ...stored }))) all.push(event)
    return all
  }
  return {
    async thenRead({ type, data }) {
      const all = await read()
      compare(
        all.map((event) => ({ type: event.type, data: event.data })),
        [{ type, data }],
        'What is read is not what was expected',
      )
    },
    async thenRefused(error) {
      refused(await attempt(read), error, 'it was read')
    },
  }
}

async function* once<Item>(item: Item): AsyncIterable<Item> {
  yield item
}

function outcome<State, Event>(
  decide: () => readonly Event[],
  stateAfter: (events: readonly Event[]) => State,
): Outcome<State, Event> {
  const result = attemptNow(decide)
  const events = (): readonly Event[] => {
    if (!('error' in result)) return result.value
    throw fail(`The command was refused: ${said(result.error)}`, result.error)
  }
  const self: Outcome<State, Event> = {
    thenEvents(...expected) {
      compare([...events()], expected, 'The events are not those that were expected')
      return self
    },
    thenNothing() {
      compare([...events()], [], 'Nothing was expected to happen')
      return self
    },
    thenRefused(error) {
      refused(result, error, `these events happened: ${'value' in result ? JSON.stringify(result.value, plain) : ''}`)
      return self
    },
    thenState(expected) {
      const state = stateAfter(events())
      if (typeof expected === 'function') (expected as (state: State) => void)(state)
      else compare(state, expected, 'The state is not the one that was expected')
      return self
    },
  }
  return self
}

type Attempt<Value> = { readonly value: Value } | { readonly error: unknown }

function attemptNow<Value>(work: () => Value): Attempt<Value> {
  try {
    return { value: work() }
  } catch (error) {
    return { error }
  }
}

async function attempt<Value>(work: () => Promise<Value>): Promise<Attempt<Value>> {
  return work().then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
}

function refused(result: Attempt<unknown>, expected: ExpectedError | undefined, otherwise: string): void {
  if (!('error' in result)) throw fail(`A refusal was expected, but ${otherwise}`)
  if (expected === undefined) return
  const rethrow = (): never => {
    throw result.error
  }
  withTitle('The refusal is not the one that was expected', () => assert.throws(rethrow, expected as RegExp))
}

/** Compares as `assert.deepStrictEqual` does, and puts a title above its difference. */
function compare(actual: unknown, expected: unknown, title: string): void {
  withTitle(title, () => assert.deepStrictEqual(actual, expected))
}

function withTitle(title: string, work: () => void): void {
  try {
    work()
  } catch (error) {
    if (error instanceof assert.AssertionError) {
      error.message = `${title}\n${error.message}`
      throw error
    }
    throw fail(`${title}: ${said(error)}`, error)
  }
}

function fail(message: string, cause?: unknown): assert.AssertionError {
  const error = new assert.AssertionError({ message })
  return Object.assign(error, cause === undefined ? {} : { cause })
}

function plain(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value
}
