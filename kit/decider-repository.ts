import type { AppendResult, CommitOptions, EventStore } from '../engine/types/event-store.js'
import { AggregateStreams, type Changes, type Held, type StreamsOptions } from './aggregate-streams.js'
import { decideBy, type Decider } from './decider.js'
import { AggregateNotFoundError } from './errors.js'
import type { TypedEvent } from './event-registry.js'
import { isReused, repeatCommit } from './known-commit.js'
import type { LoadOptions } from './repository.js'
import { retryOnConflict, type RetryOptions } from './retry.js'
import type { SnapshotOptions } from './snapshot.js'

export interface DeciderRepositoryOptions<State, Command, Event extends TypedEvent> extends StreamsOptions<Event> {
  readonly decider: Decider<State, Command, Event>
  /** The state is stored as it is: it may hold what an event may hold. */
  readonly snapshots?: SnapshotOptions | undefined
}

/** A state, and the version it belongs to. */
export interface Loaded<State> {
  readonly stream: string
  /** Number of events in the stream; 0: there are none, and the state is the initial one. */
  readonly version: number
  readonly state: State
}

/** What came of a command. */
export interface Executed<State, Event> extends Loaded<State> {
  /** What happened; empty: nothing, and nothing was appended. */
  readonly events: readonly Event[]
  /** What the append resolved to; undefined when there was none. */
  readonly appended: AppendResult | undefined
}

export interface ExecuteOptions extends RetryOptions, Pick<CommitOptions, 'durability' | 'commitId'> {
  /** Metadata of all events, below what each has itself: `causedBy(event)`, who asked for it. */
  readonly metadata?: object | undefined
}

/** Loads states and executes commands by a decider. */
export class DeciderRepository<State, Command, Event extends TypedEvent> {
  /** @internal */
  readonly streams: AggregateStreams<State, Event>
  readonly #decider: Decider<State, Command, Event>

  constructor(store: EventStore, options: DeciderRepositoryOptions<State, Command, Event>) {
    const { decider, snapshots } = options
    this.#decider = decider
    const reducer = {
      initialState: () => decider.initialState(),
      evolve: (state: State, event: Event) => decider.evolve(state, event),
      capture: (state: State) => state,
      restore: (stored: unknown) => stored as State,
    }
    this.streams = new AggregateStreams(store, options, reducer, snapshots)
  }

  /**
   * Loads the state of a stream.
   *
   * @throws AggregateNotFoundError (ERR_AGGREGATE_NOT_FOUND) when it has no events; UnknownEventError, UpcastError, EvolveError, which name
   * stream, offset and type; the signal's reason; what reading throws
   */
  async load(id: string | number, options: LoadOptions = {}): Promise<Loaded<State>> {
    const loaded = await this.find(id, options)
    if (loaded !== undefined) return loaded
    const when = options.asOf === undefined ? '' : ' of that time'
    throw new AggregateNotFoundError(this.streams.category, String(id), this.streams.streamOf(id), when)
  }

  /** Loads a state as `load` does; resolves to undefined when there are no events. */
  async find(id: string | number, { signal, asOf }: LoadOptions = {}): Promise<Loaded<State> | undefined> {
    const stream = this.streams.streamOf(id)
    const { version, state } = await (asOf
      ? this.streams.loadAsOf(stream, asOf, signal)
      : this.streams.load(stream, signal))
    return version === 0 ? undefined : { stream, version, state }
  }

  /**
   * Executes a command: loads, decides, and appends what was decided, if nobody else appended meanwhile; otherwise all of it again,
   * at most `attempts` times (default 5). What `decide` throws reaches the caller as it is, and nothing is appended.
   *
   * With a `commitId`, a command that was executed already is answered with what came of it then, whatever would be decided now;
   * `appended.isRepeat` tells.
   *
   * @throws VersionConflictError (ERR_VERSION_CONFLICT) after the last attempt, CommitIdReusedError (ERR_COMMIT_ID_REUSED) when the id is
   * that of a commit of other streams, EventValidationError (ERR_INVALID_EVENT), UnknownEventError, EvolveError; what loading and `append` throw
   */
  async execute(id: string | number, command: Command, options: ExecuteOptions = {}): Promise<Executed<State, Event>> {
    const stream = this.streams.streamOf(id)
    const { commitId, signal } = options
    const work = (): Promise<Executed<State, Event>> =>
      retryOnConflict(() => this.#execute(stream, command, options), options)
    if (commitId === undefined) return work()
    let executed: Executed<State, Event>
    try {
      executed = await work()
    } catch (error) {
      signal?.throwIfAborted()
      const repeated = await this.#repeated(stream, { ...options, commitId }).catch((failure: unknown) => {
        throw isReused(failure) ? failure : error
      })
      if (repeated === undefined) throw error
      return repeated
    }
    if (executed.appended !== undefined && executed.appended.isRepeat !== true) return executed
    return (await this.#repeated(stream, { ...options, commitId })) ?? executed
  }

  async #execute(stream: string, command: Command, options: ExecuteOptions): Promise<Executed<State, Event>> {
    const { signal, durability, commitId, metadata } = options
    const held = await this.streams.load(stream, signal)
    const { events, state } = this.decide(held, command)
    if (events.length === 0) return { stream, version: held.version, state, events, appended: undefined }
    const changes = await this.changesOf(held, events, state, metadata)
    signal?.throwIfAborted()
    const { expectedVersion, events: encoded } = changes.append
    const appended = await this.streams.store.append(stream, encoded, { expectedVersion, durability, commitId })
    await changes.committed(appended)
    return { stream, version: appended.version, state, events, appended }
  }

  /** What came of a command when it was executed first; undefined: it was not. */
  async #repeated(
    stream: string,
    options: ExecuteOptions & { readonly commitId: string },
  ): Promise<Executed<State, Event> | undefined> {
    const { signal } = options
    const known = await repeatCommit(this.streams.store, stream, options, signal)
    if (known === undefined) return undefined
    const { version } = known.appended
    const { state } = await this.streams.loadAsOf(stream, { version }, signal)
    const events: Event[] = []
    for (const stored of known.events) {
      const event = await this.streams.events.decodeKnown(stored)
      if (event !== undefined) events.push(event as unknown as Event)
    }
    return { stream, version, state, events, appended: known.appended }
  }

  /** @internal Returns what a command makes happen, and the state after it. */
  decide(held: Held<State>, command: Command): { readonly events: readonly Event[]; readonly state: State } {
    const events = decideBy(this.#decider, command, held.state, held.stream)
    return { events, state: this.streams.evolve(held, events) }
  }

  /** @internal */
  async changesOf(
    held: Held<State>,
    events: readonly Event[],
    state: State,
    metadata: object | undefined,
  ): Promise<Changes> {
    return this.streams.changes(held, events, metadata, () => ({ state }))
  }
}

/** Makes a repository that executes commands by a decider. */
export function deciderRepository<State, Command, Event extends TypedEvent>(
  store: EventStore,
  options: DeciderRepositoryOptions<State, Command, Event>,
): DeciderRepository<State, Command, Event> {
  return new DeciderRepository(store, options)
}
