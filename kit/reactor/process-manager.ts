import { AnnalsError, InvalidArgumentError, quote } from '../../engine/errors.js'
import type { StoredEvent } from '../../engine/types/event.js'
import type { EventStore } from '../../engine/types/event-store.js'
import { evolveBy } from '../decider.js'
import { said } from '../errors.js'
import { event } from '../event-definition.js'
import { defineEvents, type EventOf, type EventRegistry, type StoredOf, type TypedEvent } from '../event-registry.js'
import { type DeadlineOrder, type DeadlinePassed, isDeadlineOrder, SetDeadline } from './deadline.js'
import { type DeadlineChanges, deadlineEvents, deadlineKey, deadlineStream } from './deadlines.js'
import { checkName, type ReactionContext, Reactor } from './reactor.js'

/** A command of a process was refused: an input like the events are. */
export interface CommandRefused<Command> {
  readonly type: 'CommandRefused'
  readonly data: {
    readonly command: Command
    /** What was thrown, as text. */
    readonly reason: string
  }
}

/** What a process gets to know. */
export type ProcessInput<Event extends TypedEvent, Command> = StoredOf<Event> | CommandRefused<Command> | DeadlinePassed

/**
 * What a process knows and does, as pure functions. Its state is made of its inputs in order; it has no events of its own.
 */
export interface Process<State, Event extends TypedEvent, Command> {
  initialState(): State
  /** Returns the state after an input. */
  evolve(state: State, input: ProcessInput<Event, Command>): State
  /**
   * Returns what is to be done about an input, given the state after it: commands, and what `setDeadline` and `cancelDeadline` return. Commands are
   * stored when they are refused: plain values.
   */
  react(input: ProcessInput<Event, Command>, state: State): readonly (Command | DeadlineOrder)[]
}

/** What commands are executed with. */
export interface ProcessContext extends ReactionContext {
  /** What `processOf` returned. */
  readonly processId: string
}

export interface ProcessManagerOptions<State, Event extends TypedEvent, Command> {
  /** As that of a reactor; its processes are streams `<name>-<id>`. */
  readonly name: string
  readonly events: EventRegistry<Event>
  /** Where the processes are kept: the store that the reactor is run on. */
  readonly store: EventStore
  readonly category?: string | undefined
  /** Tells which process an event belongs to; undefined: none. */
  readonly processOf: (event: StoredOf<Event>) => string | undefined
  readonly process: Process<State, Event, Command>
  /** Has a command done, through `unit`. */
  readonly execute: (command: Command, context: ProcessContext) => unknown
  /** Tells a refusal, which the process is told of, from a failure, after which everything is tried again. Default: nothing is a refusal. */
  readonly isRefusal?: ((error: unknown) => boolean) | undefined
}

/** Commands that one input may lead to, with all that comes of refusals. More is a circle. */
const MAX_COMMANDS = 1000

const steps = defineEvents({
  ProcessInput: event<{
    /** Of the event. */
    readonly position: number
  }>(),
  ProcessCommandRefused: event<{ readonly command: unknown; readonly reason: string }>(),
  ProcessDeadlineSet: event<{ readonly name: string; readonly dueAt: number }>(),
  ProcessDeadlineCancelled: event<{ readonly name: string }>(),
  ProcessDeadlinePassed: event<DeadlinePassed['data']>(),
})
type Step = EventOf<typeof steps>

/**
 * Makes a reactor of a process: each event goes to the process it belongs to, and the commands that the process answers with are executed. The
 * note of the input, refusals and all effects of the commands are one commit. Run it with `runReactor`.
 *
 * @throws InvalidArgumentError (ERR_INVALID_ARGUMENT)
 */
export function processManager<State, Event extends TypedEvent, Command>(
  options: ProcessManagerOptions<State, Event, Command>,
): Reactor {
  const { name, events, category } = options
  checkName(name, 'process manager')
  const manager = new ProcessManager(options)
  const handlers = { '*': async (stored: StoredOf<Event>, context: ReactionContext) => manager.handle(stored, context) }
  return new Reactor({ name, events: events as never, category, handlers }, async (stored, context) =>
    manager.passed(stored, context),
  )
}

/** A process as it was found in its stream. */
interface LoadedProcess<State> {
  readonly stream: string
  readonly state: State
  readonly version: number
  /** The numbers of its deadlines that have not passed, by name. */
  readonly deadlines: Map<string, number>
  /** How many it has set. */
  readonly deadlinesSet: number
}

class ProcessManager<State, Event extends TypedEvent, Command> {
  readonly #options: ProcessManagerOptions<State, Event, Command>

  constructor(options: ProcessManagerOptions<State, Event, Command>) {
    this.#options = options
  }

  /** Takes an event to its process. */
  async handle(stored: StoredOf<Event>, context: ReactionContext): Promise<DeadlineChanges | undefined> {
    const { name, processOf } = this.#options
    const id: unknown = processOf(stored)
    if (id === undefined) return undefined
    if (typeof id !== 'string' || id === '') {
      throw new InvalidArgumentError(`Cannot find the process of ${quote(name)}: processOf returned ${quote(said(id))}`)
    }
    const loaded = await this.#load(id, context.signal)
    const note = { type: 'ProcessInput', data: { position: stored.position } } as const
    return this.#take(id, loaded, note, stored, stored.timestamp, context)
  }

  /** Tells a process that a deadline has passed, unless it was cancelled or replaced. */
  async passed(stored: StoredEvent, context: ReactionContext): Promise<DeadlineChanges | undefined> {
    const { processId, number, name, dueAt, data: given } = stored.data as EventOf<typeof deadlineEvents>['data']
    const loaded = await this.#load(processId, context.signal)
    if (loaded.deadlines.get(name) !== number) return undefined
    loaded.deadlines.delete(name)
    const data = { name, dueAt, passedAt: context.now, data: given }
    const note = { type: 'ProcessDeadlinePassed', data } as const
    return this.#take(processId, loaded, note, { type: 'DeadlinePassed', data }, context.now, context)
  }

  /** Takes an input in and has done what comes of it. `note`: what is stored of it; `at`: when it was. */
  async #take(
    id: string,
    { stream, version, deadlines, ...loaded }: LoadedProcess<State>,
    note: Step,
    first: ProcessInput<Event, Command>,
    at: number,
    context: ReactionContext,
  ): Promise<DeadlineChanges> {
    const { process: rules, execute, isRefusal = () => false } = this.#options
    let { state, deadlinesSet } = loaded
    const noted: Step[] = [note]
    const set: EventOf<typeof deadlineEvents>[] = []
    const removed: string[] = []
    const remove = (name: string): void => {
      const known = deadlines.get(name)
      if (known !== undefined) removed.push(deadlineKey(id, known))
      deadlines.delete(name)
    }
    const order = (answer: DeadlineOrder): void => {
      const { name } = answer
      const isKnown = deadlines.has(name)
      remove(name)
      if (answer instanceof SetDeadline) {
        const { data } = answer
        const dueAt = answer.dueAt(at)
        const number = deadlinesSet++
        deadlines.set(name, number)
        noted.push({ type: 'ProcessDeadlineSet', data: { name, dueAt } })
        set.push({ type: 'DeadlineSet', data: { processId: id, number, name, dueAt, data } })
      } else if (isKnown) noted.push({ type: 'ProcessDeadlineCancelled', data: { name } })
    }
    const take = (input: ProcessInput<Event, Command>): readonly Command[] => {
      state = this.#evolve(state, input, stream, version + noted.length - 1)
      const answers: unknown = rules.react(input, state)
      if (!Array.isArray(answers)) {
        throw new InvalidArgumentError(`Cannot go on with ${quote(stream)}: react returned no array of commands`)
      }
      return (answers as (Command | DeadlineOrder)[]).filter((answer): answer is Command => {
        if (isDeadlineOrder(answer)) order(answer)
        return !isDeadlineOrder(answer)
      })
    }
    const waiting = [...take(first)]
    for (let done = 0; waiting.length > 0; done++) {
      if (done === MAX_COMMANDS) {
        const reason = `more than ${MAX_COMMANDS} commands came of one input`
        throw new AnnalsError('ERR_TOO_LARGE', `Cannot go on with ${quote(stream)}: ${reason}`)
      }
      const command = waiting.shift()!
      try {
        await execute(command, { ...context, processId: id })
      } catch (error) {
        if (!isRefusal(error)) throw error
        const data = { command, reason: said(error) }
        noted.push({ type: 'ProcessCommandRefused', data })
        // What makes good for it comes before what was planned when nobody knew.
        waiting.unshift(...take({ type: 'CommandRefused', data }))
      }
    }
    context.unit.append(steps, { stream, events: noted, expectedVersion: version === 0 ? 'noStream' : version })
    if (set.length > 0) {
      context.unit.append(deadlineEvents, { stream: deadlineStream(this.#options.name), events: set })
    }
    return { set: set.length > 0, removed }
  }

  async #load(id: string, signal: AbortSignal): Promise<LoadedProcess<State>> {
    const { name, store, process: rules } = this.#options
    const stream = `${name}-${id}`
    const deadlines = new Map<string, number>()
    let state = rules.initialState()
    let version = 0
    let deadlinesSet = 0
    for await (const step of steps.read(store.readStream(stream, { signal }))) {
      version = step.offset + 1
      let input: ProcessInput<Event, Command> | undefined
      switch (step.type) {
        case 'ProcessInput':
          input = await this.#inputAt(step.data.position, signal)
          break
        case 'ProcessCommandRefused':
          input = { type: 'CommandRefused', data: step.data } as CommandRefused<Command>
          break
        case 'ProcessDeadlineSet':
          deadlines.set(step.data.name, deadlinesSet++)
          break
        case 'ProcessDeadlineCancelled':
          deadlines.delete(step.data.name)
          break
        case 'ProcessDeadlinePassed':
          deadlines.delete(step.data.name)
          input = { type: 'DeadlinePassed', data: step.data }
      }
      if (input !== undefined) state = this.#evolve(state, input, stream, step.offset)
    }
    return { stream, state, version, deadlines, deadlinesSet }
  }

  async #inputAt(position: number, signal: AbortSignal): Promise<StoredOf<Event> | undefined> {
    const { store, events } = this.#options
    for await (const stored of store.readAll({ fromPosition: position, limit: 1, signal })) {
      return events.decodeKnown(stored)
    }
    return undefined
  }

  #evolve(state: State, input: ProcessInput<Event, Command>, stream: string, offset: number): State {
    const { process: rules } = this.#options
    return evolveBy(
      (before: State, next) => rules.evolve(before, next as never),
      state,
      input as StoredEvent,
      stream,
      offset,
    )
  }
}
