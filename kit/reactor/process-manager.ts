import { AnnalsError, InvalidArgumentError, quote } from '../../engine/errors.js'
import type { StoredEvent } from '../../engine/types/event.js'
import type { EventStore } from '../../engine/types/event-store.js'
import { evolveBy } from '../decider.js'
import { said } from '../errors.js'
import { event } from '../event-definition.js'
import { defineEvents, type EventOf, type EventRegistry, type StoredOf, type TypedEvent } from '../event-registry.js'
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
export type ProcessInput<Event extends TypedEvent, Command> = StoredOf<Event> | CommandRefused<Command>

/**
 * What a process knows and does, as pure functions. Its state is made of its inputs in order; it has no events of its own.
 */
export interface Process<State, Event extends TypedEvent, Command> {
  initialState(): State
  /** Returns the state after an input. */
  evolve(state: State, input: ProcessInput<Event, Command>): State
  /** Returns what is to be done about an input, given the state after it. Commands are stored when they are refused: plain values. */
  react(input: ProcessInput<Event, Command>, state: State): readonly Command[]
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
  return new Reactor({ name, events: events as never, category, handlers })
}

class ProcessManager<State, Event extends TypedEvent, Command> {
  readonly #options: ProcessManagerOptions<State, Event, Command>

  constructor(options: ProcessManagerOptions<State, Event, Command>) {
    this.#options = options
  }

  async handle(stored: StoredOf<Event>, context: ReactionContext): Promise<void> {
    const { name, processOf, process: rules, execute, isRefusal = () => false } = this.#options
    const id: unknown = processOf(stored)
    if (id === undefined) return
    if (typeof id !== 'string' || id === '') {
      throw new InvalidArgumentError(`Cannot find the process of ${quote(name)}: processOf returned ${quote(said(id))}`)
    }
    const stream = `${name}-${id}`
    const loaded = await this.#load(stream, context.signal)
    let { state } = loaded
    const noted: Step[] = [{ type: 'ProcessInput', data: { position: stored.position } }]
    const take = (input: ProcessInput<Event, Command>): readonly Command[] => {
      state = this.#evolve(state, input, stream, loaded.version + noted.length - 1)
      const commands: unknown = rules.react(input, state)
      if (Array.isArray(commands)) return commands as Command[]
      throw new InvalidArgumentError(`Cannot go on with ${quote(stream)}: react returned no array of commands`)
    }
    const waiting = [...take(stored)]
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
    const { version } = loaded
    context.unit.append(steps, { stream, events: noted, expectedVersion: version === 0 ? 'noStream' : version })
  }

  async #load(stream: string, signal: AbortSignal): Promise<{ readonly state: State; readonly version: number }> {
    const { store, process: rules } = this.#options
    let state = rules.initialState()
    let version = 0
    for await (const step of steps.read(store.readStream(stream, { signal }))) {
      const input =
        step.type === 'ProcessInput'
          ? await this.#inputAt(step.data.position, signal)
          : ({ type: 'CommandRefused', data: step.data } as CommandRefused<Command>)
      if (input !== undefined) state = this.#evolve(state, input, stream, step.offset)
      version = step.offset + 1
    }
    return { state, version }
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
