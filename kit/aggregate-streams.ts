import { InvalidArgumentError, quote } from '../engine/errors.js'
import type { AppendResult, EventStore, StreamAppend } from '../engine/types/event-store.js'
import { type AsOf, pastRange } from './as-of.js'
import { evolveBy } from './decider.js'
import { EvolveError, said } from './errors.js'
import type { EventRegistry, StoredOf, TypedEvent } from './event-registry.js'
import { plainCopy, roughBytes } from './plain-value.js'
import { endsWith, isDue, policyOf, refusalOf } from './snapshot.js'
import type { Snapshot, SnapshotKey, SnapshotOptions, SnapshotPolicy, SnapshotTail } from './snapshot.js'
import { DEFAULT_WARN_AFTER_EVENTS, warn, type WarningListener } from './warning.js'

/** What the repositories of both styles are given. */
export interface StreamsOptions<Event extends TypedEvent> {
  /** What the aggregates are: streams are named `<category>-<id>`, and `store.readCategory` reads them all. */
  readonly category: string
  readonly events: EventRegistry<Event>
  /** A load that reads more events warns. Default: 1,000. */
  readonly warnAfterEvents?: number | undefined
  readonly onWarning?: WarningListener | undefined
}

/** How events become a state, and how a state becomes a snapshot. */
export interface Reducer<State, Event> {
  initialState(): State
  evolve(state: State, event: Event): State
  /** Returns what is stored of a state. */
  capture(state: State): unknown
  restore(stored: unknown): State
}

/** A state with the place in its stream that it belongs to. */
export interface Held<State> {
  readonly stream: string
  readonly version: number
  readonly state: State
  readonly tail: SnapshotTail
}

/** What one aggregate adds to a commit, and what is to be done when that is stored. */
export interface Changes {
  readonly append: StreamAppend
  /** Never rejects. */
  committed(result: AppendResult): Promise<void>
}

const NO_TAIL: SnapshotTail = { events: 0, bytes: 0, since: 0 }

/** The streams of a category, read as states: from the newest snapshot that fits, and then only the events behind it. */
export class AggregateStreams<State, Event extends TypedEvent> {
  readonly store: EventStore
  readonly category: string
  readonly events: EventRegistry<Event>
  readonly #reducer: Reducer<State, Event>
  readonly #snapshots: SnapshotOptions | undefined
  readonly #policy: SnapshotPolicy
  readonly #warnAfterEvents: number
  readonly #onWarning: WarningListener | undefined

  constructor(
    store: EventStore,
    { category, events, warnAfterEvents = DEFAULT_WARN_AFTER_EVENTS, onWarning }: StreamsOptions<Event>,
    reducer: Reducer<State, Event>,
    snapshots: SnapshotOptions | undefined,
  ) {
    if (typeof category !== 'string' || category === '') {
      throw new InvalidArgumentError('Cannot make a repository: the category is no name')
    }
    if (snapshots !== undefined && (typeof snapshots.reducer !== 'string' || snapshots.reducer === '')) {
      throw new InvalidArgumentError('Cannot make a repository: snapshots.reducer is no name, for example "account/1"')
    }
    this.store = store
    this.category = category
    this.events = events
    this.#reducer = reducer
    this.#snapshots = snapshots
    this.#policy = policyOf(snapshots?.every)
    this.#warnAfterEvents = warnAfterEvents
    this.#onWarning = onWarning
  }

  /** Returns the name of the stream of an aggregate. Throws InvalidArgumentError for what is no id. */
  streamOf(id: string | number): string {
    if ((typeof id === 'string' && id !== '') || Number.isSafeInteger(id)) return `${this.category}-${id}`
    throw new InvalidArgumentError(`Cannot name the stream of a ${this.category}: its id is ${quote(String(id))}`)
  }

  /** Returns the state of a stream; that of one without events is the initial state, at version 0. */
  async load(stream: string, signal: AbortSignal | undefined): Promise<Held<State>> {
    const snapshot = await this.#snapshotOf(stream, signal)
    if (snapshot !== undefined) {
      const held = await this.#readFrom(stream, snapshot, signal)
      if (held !== undefined) return held
      this.#ignored(stream, 'the stream has another past than the snapshot')
    }
    return (await this.#readFrom(stream, undefined, signal))!
  }

  /** Returns the state that a stream had; its version is the number of events that are in it. Snapshots are not looked at. */
  async loadAsOf(stream: string, asOf: AsOf, signal: AbortSignal | undefined): Promise<Held<State>> {
    const { options, isLater } = pastRange(asOf)
    let state = this.#reducer.initialState()
    let version = 0
    for await (const stored of this.store.readStream(stream, { ...options, signal })) {
      if (isLater(stored)) break
      version++
      const event = await this.events.decodeKnown(stored)
      if (event !== undefined) state = this.#evolve(state, event as unknown as Event, stream, stored.offset)
    }
    return { stream, version, state, tail: NO_TAIL }
  }

  /** Returns the state after further events, which are not stored yet. Throws EvolveError. */
  evolve({ stream, version, state }: Held<State>, events: readonly Event[]): State {
    for (const [i, event] of events.entries()) state = this.#evolve(state, event, stream, version + i)
    return state
  }

  /** Returns what stores events behind a state, and what makes a snapshot of what comes out, where one is due. */
  async changes(
    held: Omit<Held<State>, 'state'>,
    events: readonly Event[],
    metadata: object | undefined,
    committed: (result: AppendResult, held: Omit<Held<State>, 'state'>) => { readonly state: State } | undefined,
  ): Promise<Changes> {
    const { stream, version } = held
    const append = {
      stream,
      events: await this.events.encode(stream, events, metadata),
      expectedVersion: version === 0 ? ('noStream' as const) : version,
    }
    return {
      append,
      committed: async (result) => {
        const { tail } = held
        const given = append.events.at(-1)?.timestamp
        const timestamp = given === undefined ? result.timestamp : Number(given)
        const first = append.events[0]?.timestamp
        const since = version === 0 ? Number(first ?? result.timestamp) : tail.since
        const bytes = this.#policy.bytes === undefined ? 0 : tail.bytes + roughBytes(events.map(({ data }) => data))
        const grown = { events: tail.events + events.length, bytes, since }
        const due = this.#snapshots !== undefined && result.isRepeat !== true && isDue(this.#policy, grown, timestamp)
        const after = committed(result, { stream, version: result.version, tail: grown })
        if (!due || after === undefined) return
        // The tail begins anew also where the snapshot cannot be stored: the next try is due as late as the next snapshot would be.
        Object.assign(grown, NO_TAIL, { since: timestamp })
        await this.#save(stream, result.version, after.state)
      },
    }
  }

  async #readFrom(stream: string, snapshot: Restored<State> | undefined, signal: AbortSignal | undefined) {
    let state = snapshot === undefined ? this.#reducer.initialState() : snapshot.state
    let version = snapshot === undefined ? 0 : snapshot.taken.version
    let since = snapshot?.taken.timestamp ?? 0
    let bytes = 0
    let eventsRead = 0
    // The last event of the snapshot is read too: it tells whether this is still the stream that the snapshot was made of.
    let isUnproved = snapshot !== undefined
    for await (const stored of this.store.readStream(stream, { fromOffset: isUnproved ? version - 1 : 0, signal })) {
      if (isUnproved) {
        if (!endsWith(snapshot!.taken, stored)) return undefined
        isUnproved = false
        continue
      }
      if (stored.offset !== version) throw new EvolveError(stored, `the event at offset ${version} was expected here`)
      if (version === 0) since = stored.timestamp
      version++
      eventsRead++
      if (this.#policy.bytes !== undefined) bytes += roughBytes(stored.data)
      let event: StoredOf<Event> | undefined | Promise<StoredOf<Event>> = this.events.decodeKnown(stored)
      if (event instanceof Promise) event = await event
      if (event !== undefined) state = this.#evolve(state, event as unknown as Event, stream, stored.offset)
    }
    if (isUnproved) return undefined
    if (eventsRead > this.#warnAfterEvents) warn(this.#onWarning, { kind: 'long-load', stream, eventsRead })
    return { stream, version, state, tail: { events: eventsRead, bytes, since } }
  }

  #evolve(state: State, event: Event, stream: string, offset: number): State {
    return evolveBy((before: State, next: Event) => this.#reducer.evolve(before, next), state, event, stream, offset)
  }

  async #snapshotOf(stream: string, signal: AbortSignal | undefined): Promise<Restored<State> | undefined> {
    if (this.#snapshots === undefined) return undefined
    const key = this.#keyOf(stream, this.#snapshots)
    try {
      const taken = await this.#snapshots.store.load(key, { signal })
      if (taken === undefined) return undefined
      const refusal = refusalOf(taken, key)
      if (refusal !== undefined) return this.#ignored(stream, refusal)
      return { taken, state: this.#reducer.restore(taken.state) }
    } catch (error) {
      signal?.throwIfAborted()
      return this.#ignored(stream, said(error), error)
    }
  }

  /** Stores a snapshot, if it can be. The events are committed: whatever goes wrong here must not look as if they were not. */
  async #save(stream: string, version: number, state: State): Promise<void> {
    try {
      // At once: while the last event is read, somebody may go on with the state.
      const captured = plainCopy(this.#reducer.capture(state))
      for await (const { id, timestamp } of this.store.readStream(stream, { fromOffset: version - 1, limit: 1 })) {
        const key = this.#keyOf(stream, this.#snapshots!)
        await this.#snapshots!.store.save({ ...key, version, eventId: id, timestamp, state: captured })
      }
    } catch (error) {
      warn(this.#onWarning, { kind: 'snapshot-not-saved', stream, reason: said(error), cause: error })
    }
  }

  #keyOf(stream: string, { reducer }: SnapshotOptions): SnapshotKey {
    return { stream, reducer, schema: this.events.fingerprint }
  }

  #ignored(stream: string, reason: string, cause?: unknown): undefined {
    warn(this.#onWarning, { kind: 'snapshot-ignored', stream, reason, cause })
  }
}

interface Restored<State> {
  readonly taken: Snapshot
  readonly state: State
}
