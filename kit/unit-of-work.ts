import { InvalidArgumentError, quote } from '../engine/errors.js'
import type { AppendManyOptions, AppendResult, EventStore, StreamAppend } from '../engine/types/event-store.js'
import type { Aggregate } from './aggregate.js'
import type { Changes, Held } from './aggregate-streams.js'
import type { DeciderRepository, Loaded } from './decider-repository.js'
import type { EventRegistry, TypedEvent } from './event-registry.js'
import type { Repository } from './repository.js'
import { retryOnConflict, type RetryOptions } from './retry.js'

export interface UnitOfWorkOptions extends RetryOptions, Pick<AppendManyOptions, 'durability' | 'commitId'> {
  /** Metadata of all events, below what each has itself. */
  readonly metadata?: object | undefined
}

/** Something that takes part in the commit. */
interface Participant {
  readonly owner: unknown
  readonly value: unknown
  changes(metadata: object | undefined): Promise<Changes | undefined>
}

/** Aggregates that are changed together. Each stream takes part once: who loads it twice gets the same aggregate, or the state so far. */
export class UnitOfWork {
  readonly #store: EventStore
  readonly #signal: AbortSignal | undefined
  readonly #participants = new Map<string, Participant>()

  /** @internal Use `unitOfWork`. */
  constructor(store: EventStore, signal: AbortSignal | undefined) {
    this.#store = store
    this.#signal = signal
  }

  /** Loads an aggregate, whose changes will be part of the commit. Throws as `load` of its repository does. */
  async load<Root extends Aggregate<Event>, Event extends TypedEvent>(
    repository: Repository<Root, Event>,
    id: string | number,
  ): Promise<Root> {
    const stream = repository.streams.streamOf(id)
    const present = this.#present(stream, repository)
    if (present !== undefined) return present.value as Root
    const loaded = await repository.load(id, { signal: this.#signal })
    // Somebody who did not wait for the first load may be here as well.
    const first = this.#present(stream, repository)
    return first === undefined ? this.add(repository, loaded) : (first.value as Root)
  }

  /** Makes a new aggregate part of the commit. Returns it. */
  add<Root extends Aggregate<Event>, Event extends TypedEvent>(
    repository: Repository<Root, Event>,
    aggregate: Root,
  ): Root {
    this.#check(repository.streams.store)
    this.#join(repository.streamOf(aggregate), {
      owner: repository,
      value: aggregate,
      changes: async (metadata) => repository.changesOf(aggregate, metadata),
    })
    return aggregate
  }

  /** Has a command decided; the events will be part of the commit. Resolves to the state after it. */
  async execute<State, Command, Event extends TypedEvent>(
    repository: DeciderRepository<State, Command, Event>,
    id: string | number,
    command: Command,
  ): Promise<Loaded<State>> {
    const stream = repository.streams.streamOf(id)
    this.#check(repository.streams.store)
    const before = this.#present(stream, repository)
    if (before !== undefined) return (before.value as Decided<State, Command, Event>).execute(command)
    const decided = new Decided(repository, await repository.streams.load(stream, this.#signal))
    // Somebody who did not wait for the first load may be here as well.
    const first = this.#present(stream, repository)
    if (first !== undefined) return (first.value as Decided<State, Command, Event>).execute(command)
    this.#join(stream, { owner: repository, value: decided, changes: async (metadata) => decided.changes(metadata) })
    return decided.execute(command)
  }

  /** Makes events of a stream without an aggregate part of the commit; without an expected version, whatever its version is. */
  append<Event extends TypedEvent>(
    events: EventRegistry<Event>,
    { stream, events: appended, expectedVersion }: StreamAppend<Event>,
  ): void {
    this.#join(stream, {
      owner: events,
      value: undefined,
      changes: async (metadata) => ({
        append: { stream, events: await events.encode(stream, appended, metadata), expectedVersion },
        committed: async () => undefined,
      }),
    })
  }

  /** @internal */
  async commit({ durability, commitId, metadata }: UnitOfWorkOptions): Promise<AppendResult[]> {
    const all = await Promise.all([...this.#participants.values()].map(async (one) => one.changes(metadata)))
    const changes = all.filter((one) => one !== undefined)
    if (changes.length === 0) return []
    this.#signal?.throwIfAborted()
    const results = await this.#store.appendMany(
      changes.map(({ append }) => append),
      { durability, commitId },
    )
    await Promise.all(changes.map(async (one, i) => one.committed(results[i]!)))
    return results
  }

  #present(stream: string, owner: unknown): Participant | undefined {
    const present = this.#participants.get(stream)
    if (present === undefined || present.owner === owner) return present
    throw new InvalidArgumentError(
      `Cannot change stream ${quote(stream)}: another repository changes it in this commit`,
    )
  }

  #join(stream: string, participant: Participant): void {
    if (this.#participants.has(stream)) {
      throw new InvalidArgumentError(`Cannot change stream ${quote(stream)}: it is part of this commit already`)
    }
    this.#participants.set(stream, participant)
  }

  #check(store: EventStore): void {
    if (store === this.#store) return
    throw new InvalidArgumentError('Cannot commit together: the repository is one of another store')
  }
}

/** What commands of one decider have come to within a unit of work. */
class Decided<State, Command, Event extends TypedEvent> {
  readonly #repository: DeciderRepository<State, Command, Event>
  readonly #loaded: Held<State>
  readonly #events: Event[] = []
  #state: State

  constructor(repository: DeciderRepository<State, Command, Event>, loaded: Held<State>) {
    this.#repository = repository
    this.#loaded = loaded
    this.#state = loaded.state
  }

  execute(command: Command): Loaded<State> {
    const { stream } = this.#loaded
    const version = this.#loaded.version + this.#events.length
    const { events, state } = this.#repository.decide({ ...this.#loaded, version, state: this.#state }, command)
    this.#events.push(...events)
    this.#state = state
    return { stream, version: version + events.length, state }
  }

  async changes(metadata: object | undefined): Promise<Changes | undefined> {
    if (this.#events.length === 0) return undefined
    return this.#repository.changesOf(this.#loaded, this.#events, this.#state, metadata)
  }
}

/**
 * Changes several aggregates in one commit: all of it is stored, or nothing. On a conflict in any of them `work` is called again with
 * a new unit, and loads anew. Resolves to what `work` returned, when everything is stored.
 *
 * ```ts
 * await unitOfWork(store, async (unit) => {
 *   const from = await unit.load(accounts, 1)
 *   const to = await unit.load(accounts, 2)
 *   from.withdraw(100)
 *   to.deposit(100)
 * })
 * ```
 *
 * @throws what `work` throws: then nothing was appended; VersionConflictError after the last attempt; what `appendMany` throws
 */
export async function unitOfWork<Result>(
  store: EventStore,
  work: (unit: UnitOfWork) => Result | Promise<Result>,
  options: UnitOfWorkOptions = {},
): Promise<Result> {
  return retryOnConflict(async () => {
    const unit = new UnitOfWork(store, options.signal)
    const result = await work(unit)
    await unit.commit(options)
    return result
  }, options)
}
