import type { StoredEvent } from '../../engine/types/event.js'
import { Aggregate } from '../aggregate.js'
import { decideBy, type Decider, evolveBy } from '../decider.js'
import type { EventRegistry, StoredOf, TypedEvent } from '../event-registry.js'
import { storedDefaults } from './given-process.js'
import { attempt, attemptNow, compare, type ExpectedError, plain, refused, valueOf } from './outcomes.js'

export type { ExpectedError }

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
  const read = async (): Promise<StoredEvent[]> => {
    const all: StoredEvent[] = []
    for await (const event of events.read(once({ ...storedDefaults(0), ...stored }))) all.push(event)
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
  const events = (): readonly Event[] => valueOf(result, 'The command was refused')
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
