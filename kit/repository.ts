import { InvalidArgumentError, quote } from '../engine/errors.js'
import type { AppendResult, CommitOptions, EventStore } from '../engine/types/event-store.js'
import { Aggregate } from './aggregate.js'
import { AggregateStreams, type Changes, type Held, type StreamsOptions } from './aggregate-streams.js'
import type { AsOf } from './as-of.js'
import { AggregateNotFoundError } from './errors.js'
import type { TypedEvent } from './event-registry.js'
import { retryOnConflict, type RetryOptions } from './retry.js'
import type { SnapshotOptions } from './snapshot.js'

export interface RepositoryOptions<
  Root extends Aggregate<Event>,
  Event extends TypedEvent,
> extends StreamsOptions<Event> {
  /** Returns an aggregate without events, which history is then applied to. */
  readonly create: () => Root
  readonly snapshots?: AggregateSnapshotOptions<Root> | undefined
}

export interface AggregateSnapshotOptions<Root, Stored = unknown> extends SnapshotOptions {
  /** Returns what is stored of an aggregate: anything an event may hold. */
  readonly capture: (aggregate: Root) => Stored
  /** Makes an aggregate of it, without uncommitted events. */
  readonly restore: (stored: never) => Root
}

export interface LoadOptions {
  /** Ends it: it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** Loads what there was at a moment in the past, from all events up to it. It is there to be looked at, not to be saved. */
  readonly asOf?: AsOf | undefined
}

export interface SaveOptions extends Pick<CommitOptions, 'durability' | 'commitId'>, Pick<LoadOptions, 'signal'> {
  /** Metadata of all its events, below what each has itself: `causedBy(event)`, who asked for it. */
  readonly metadata?: object | undefined
}

/** Loads and saves aggregates that are classes. */
export class Repository<Root extends Aggregate<Event>, Event extends TypedEvent> {
  /** @internal */
  readonly streams: AggregateStreams<Root, Event>
  readonly #held = new WeakMap<Root, Omit<Held<Root>, 'state'>>()

  constructor(store: EventStore, options: RepositoryOptions<Root, Event>) {
    const { create, snapshots } = options
    const reducer = {
      initialState: () => pristine(create()),
      evolve: (aggregate: Root, event: Event) => {
        Aggregate.replay<Event>(aggregate, event)
        return aggregate
      },
      capture: (aggregate: Root) => snapshots!.capture(aggregate),
      restore: (stored: unknown) => pristine(snapshots!.restore(stored as never)),
    }
    this.streams = new AggregateStreams(store, options, reducer, snapshots)
  }

  /**
   * Loads an aggregate from its stream.
   *
   * @throws AggregateNotFoundError (ERR_AGGREGATE_NOT_FOUND) when it has no events; UnknownEventError, UpcastError, EvolveError, which name
   * stream, offset and type; the signal's reason; what reading throws
   */
  async load(id: string | number, options: LoadOptions = {}): Promise<Root> {
    const aggregate = await this.find(id, options)
    if (aggregate !== undefined) return aggregate
    const when = options.asOf === undefined ? '' : ' of that time'
    throw new AggregateNotFoundError(this.streams.category, String(id), this.streams.streamOf(id), when)
  }

  /** Loads an aggregate as `load` does; resolves to undefined when it has no events. */
  async find(id: string | number, { signal, asOf }: LoadOptions = {}): Promise<Root | undefined> {
    const stream = this.streams.streamOf(id)
    const held = await (asOf ? this.streams.loadAsOf(stream, asOf, signal) : this.streams.load(stream, signal))
    if (held.version === 0) return undefined
    const { state: aggregate, ...place } = held
    Aggregate.loaded(aggregate, held.stream, held.version)
    this.#held.set(aggregate, place)
    return aggregate
  }

  /**
   * Appends what was applied since the aggregate was loaded, if nobody else appended since. Without changes nothing is appended, and
   * it resolves to undefined. Only when it is stored, the events are no longer uncommitted.
   *
   * @throws VersionConflictError (ERR_VERSION_CONFLICT), EventValidationError (ERR_INVALID_EVENT), UnknownEventError; what `append` throws
   */
  async save(aggregate: Root, options: SaveOptions = {}): Promise<AppendResult | undefined> {
    const { metadata, signal, durability, commitId } = options
    signal?.throwIfAborted()
    const changes = await this.changesOf(aggregate, metadata)
    if (changes === undefined) return undefined
    const { stream, events, expectedVersion } = changes.append
    signal?.throwIfAborted()
    const result = await this.streams.store.append(stream, events, { expectedVersion, durability, commitId })
    await changes.committed(result)
    return result
  }

  /** Loads, lets `work` change the aggregate, and saves; all of it again on a conflict. Resolves to what `work` returned. */
  async update<Result>(
    id: string | number,
    work: (aggregate: Root) => Result | Promise<Result>,
    options: SaveOptions & RetryOptions = {},
  ): Promise<Result> {
    return retryOnConflict(async () => {
      const aggregate = await this.load(id, { signal: options.signal })
      const result = await work(aggregate)
      await this.save(aggregate, options)
      return result
    }, options)
  }

  /** @internal Returns what a save of the aggregate appends; undefined: nothing. */
  async changesOf(aggregate: Root, metadata: object | undefined): Promise<Changes | undefined> {
    const events = aggregate.uncommittedEvents
    if (events.length === 0) return undefined
    const { version } = aggregate
    const stream = this.streamOf(aggregate)
    const held = this.#held.get(aggregate) ?? { stream, version, tail: { events: 0, bytes: 0, since: 0 } }
    return this.streams.changes(held, events, metadata, (result, now) => {
      Aggregate.committed(aggregate, stream, events.length, result.version)
      this.#held.set(aggregate, now)
      // With more applied meanwhile, the aggregate is ahead of what is stored: no snapshot of that.
      return aggregate.uncommittedEvents.length === 0 ? { state: aggregate } : undefined
    })
  }

  /** @internal */
  streamOf(aggregate: Root): string {
    const loaded = Aggregate.streamOf(aggregate)
    const named = this.streams.streamOf(aggregate.id)
    if (loaded === undefined || loaded === named) return named
    throw new InvalidArgumentError(
      `Cannot save to stream ${quote(named)}: the aggregate was loaded from ${quote(loaded)}; its id has changed, or it is of another repository`,
    )
  }
}

/** Makes a repository of aggregates that are classes. */
export function repository<Root extends Aggregate<Event>, Event extends TypedEvent>(
  store: EventStore,
  options: RepositoryOptions<Root, Event>,
): Repository<Root, Event> {
  return new Repository(store, options)
}

function pristine<Root extends Aggregate<TypedEvent>>(aggregate: Root): Root {
  if (aggregate instanceof Aggregate && aggregate.uncommittedEvents.length === 0 && aggregate.version === 0) {
    return aggregate
  }
  throw new InvalidArgumentError(
    'Cannot load: create and restore must return a new aggregate without uncommitted events',
  )
}
