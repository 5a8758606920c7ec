import { createHash } from 'node:crypto'
import { InvalidArgumentError, quote } from '../engine/errors.js'
import type { NewEvent, StoredEvent } from '../engine/types/event.js'
import { EventValidationError, said, UnknownEventError, UpcastError } from './errors.js'
import { EventDefinition } from './event-definition.js'
import { issuePath, issuesOf, type StandardIssue } from './standard-schema.js'

/** An event of a registry, to append or to apply. Its schema version comes from the registry. */
export type TypedEvent<Type extends string = string, Data = unknown> = Omit<
  NewEvent<Type>,
  'type' | 'data' | 'schemaVersion'
> & { readonly type: Type } & (undefined extends Data ? { readonly data?: Data } : { readonly data: Data })

/** The union of all events of a registry: `type AccountEvent = EventOf<typeof accountEvents>`. */
export type EventOf<Registry> = Registry extends EventRegistry<infer Event> ? Event : never

/** Events of a union as they are read: `StoredOf<AccountEvent>`. */
export type StoredOf<Event extends TypedEvent> = Event extends { readonly type: infer Type extends string }
  ? StoredEvent<Type, Event extends { readonly data: infer Data } ? Data : Event['data']>
  : never

/** Definitions by the names that are stored. */
export type EventDefinitions = Readonly<Record<string, EventDefinition<unknown>>>

/** What the definitions amount to, as a union. */
export type DefinedEvent<Definitions> = {
  [Type in keyof Definitions & string]: Definitions[Type] extends EventDefinition<infer Data>
    ? TypedEvent<Type, Data>
    : never
}[keyof Definitions & string]

/** What to do about an event type that is not registered: refuse to read on, pass it over, or hand it out as it is stored. */
export type UnknownPolicy = 'throw' | 'skip' | 'raw'

export interface DefineEventsOptions {
  /** What loading and reading do about types that are not registered. Default: 'throw'. */
  readonly unknown?: 'throw' | 'skip' | undefined
}

export interface ReadEventsOptions<Policy extends UnknownPolicy = UnknownPolicy> {
  /** Default: that of the registry. */
  readonly unknown?: Policy | undefined
}

interface Entry {
  readonly type: string
  readonly definition: EventDefinition<unknown>
}

/** The event types that a part of an application knows. Made by `defineEvents`. */
export class EventRegistry<Event extends TypedEvent> {
  /** By stored name, former ones included. */
  readonly #entries = new Map<string, Entry>()
  readonly #unknown: 'throw' | 'skip'
  /** Changes whenever a type or a schema version is added: what was derived from events before may no longer be right. */
  readonly fingerprint: string

  /** @internal Use `defineEvents` or `combineEvents`. */
  constructor(types: Iterable<readonly [string, EventDefinition<unknown>]>, unknown: 'throw' | 'skip') {
    if (!['throw', 'skip'].includes(unknown)) {
      throw new InvalidArgumentError("Cannot define events: unknown is neither 'throw' nor 'skip'")
    }
    this.#unknown = unknown
    for (const [type, definition] of types) {
      if (!(definition instanceof EventDefinition)) {
        throw new InvalidArgumentError(`Cannot define events: ${quote(type)} is not made by event()`)
      }
      const entry: Entry = { type, definition }
      for (const name of [type, ...definition.formerNames]) {
        const known = this.#entries.get(name)
        if (known !== undefined && !(known.type === type && known.definition === definition)) {
          throw new InvalidArgumentError(`Cannot define events: ${quote(name)} is registered twice`)
        }
        this.#entries.set(name, entry)
      }
    }
    const versions = [...this.#entries].map(([name, { type, definition }]) => [name, type, definition.version])
    const text = JSON.stringify(versions.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)))
    this.fingerprint = createHash('sha256').update(text).digest('hex').slice(0, 16)
  }

  /** All names, former ones included, that a read of these events asks for: `store.readAll({ types: events.types })`. */
  get types(): string[] {
    return [...this.#entries.keys()]
  }

  /** Tells whether an event is one of these: for those read with `unknown: 'raw'`. */
  isKnown(event: StoredEvent): event is StoredOf<Event> {
    return this.#entries.get(event.type)?.type === event.type
  }

  /**
   * Reads events from a reader or a subscription, each brought to its newest schema version.
   *
   * @throws UnknownEventError (ERR_UNKNOWN_EVENT), UpcastError (ERR_UPCAST), and what the source throws
   */
  read(
    source: AsyncIterable<StoredEvent>,
    options?: ReadEventsOptions<'throw' | 'skip'>,
  ): AsyncIterable<StoredOf<Event>>
  read(source: AsyncIterable<StoredEvent>, options: ReadEventsOptions): AsyncIterable<StoredOf<Event> | StoredEvent>
  async *read(source: AsyncIterable<StoredEvent>, options: ReadEventsOptions = {}): AsyncIterable<StoredEvent> {
    for await (const stored of source) {
      const event = await this.decode(stored)
      if (event !== undefined) yield event
      else if ((options.unknown ?? this.#unknown) === 'raw') yield stored
      else if ((options.unknown ?? this.#unknown) === 'throw') refuseUnknown(stored)
    }
  }

  /** Brings an event to its newest schema version; undefined: its type is not registered. At once, unless a schema takes its time. */
  decode(stored: StoredEvent): StoredOf<Event> | undefined | Promise<StoredOf<Event>> {
    const entry = this.#entries.get(stored.type)
    if (entry === undefined) return undefined
    const { type, definition } = entry
    if (stored.schemaVersion === definition.version && stored.type === type) return stored as StoredOf<Event>
    const event = { ...stored, type, schemaVersion: definition.version, data: definition.dataOf(stored) }
    // What was stored under today's version was checked when it was appended. What an upcaster made was not.
    if (definition.schema === undefined || stored.schemaVersion === definition.version) return event as StoredOf<Event>
    const refusal = (issues: readonly StandardIssue[] | undefined): StoredOf<Event> => {
      const [issue] = issues ?? []
      if (issue === undefined) return event as StoredOf<Event>
      const reason = `the schema refuses ${issuePath(issue)} of what the upcasters made: ${issue.message}`
      throw new UpcastError(stored, stored.schemaVersion, reason)
    }
    const failure = (error: unknown): never => {
      const reason = `the schema failed on what the upcasters made: ${said(error)}`
      throw new UpcastError(stored, stored.schemaVersion, reason, { cause: error })
    }
    let issues
    try {
      issues = issuesOf(definition.schema, event.data)
    } catch (error) {
      return failure(error)
    }
    return issues instanceof Promise ? issues.then(refusal, failure) : refusal(issues)
  }

  /** Decodes an event for a load: an unknown type is refused or, by the policy of the registry, undefined. */
  decodeKnown(stored: StoredEvent): StoredOf<Event> | undefined | Promise<StoredOf<Event>> {
    const event = this.decode(stored)
    return event === undefined && this.#unknown === 'throw' ? refuseUnknown(stored) : event
  }

  /**
   * Makes of events what `append` takes: checked by their schemas, with their schema versions, and `metadata` below their own.
   * The data stay as they are, whatever a schema would make of them: they were applied already.
   *
   * @throws UnknownEventError (ERR_UNKNOWN_EVENT), EventValidationError (ERR_INVALID_EVENT)
   */
  async encode(stream: string, events: readonly Event[], metadata?: object): Promise<NewEvent[]> {
    const encoded = events.map((event): NewEvent => {
      const entry = this.#entries.get(event.type)
      if (entry?.type !== event.type) throw new UnknownEventError(stream, undefined, event.type)
      const schemaVersion = entry.definition.version
      // First a copy, then what is ours: a field that stands behind a spread makes each copy an object of a kind of its own.
      const copy = { schemaVersion, ...event }
      if (metadata === undefined) return Object.assign(copy, { schemaVersion })
      const merged = { ...metadata, ...(event.metadata as object | undefined) }
      return Object.assign(copy, { schemaVersion, metadata: merged })
    })
    for (const [i, { type, data }] of encoded.entries()) {
      const { schema } = this.#entries.get(type)!.definition
      if (schema === undefined) continue
      let issues
      try {
        issues = await issuesOf(schema, data)
      } catch (error) {
        const at = { stream, type, path: `events[${i}].data` }
        throw new EventValidationError(at, `it failed: ${said(error)}`, [], { cause: error })
      }
      const [issue] = issues ?? []
      if (issue === undefined) continue
      throw new EventValidationError({ stream, type, path: `events[${i}].${issuePath(issue)}` }, issue.message, issues)
    }
    return encoded
  }

  /** @internal */
  definitions(): readonly (readonly [string, EventDefinition<unknown>])[] {
    return [...new Set(this.#entries.values())].map(({ type, definition }) => [type, definition])
  }

  /** @internal */
  get unknown(): 'throw' | 'skip' {
    return this.#unknown
  }
}

function refuseUnknown({ stream, offset, type }: StoredEvent): never {
  throw new UnknownEventError(stream, offset, type)
}

/**
 * Registers event types under the names that are stored. The names are yours and stay: renaming a class or moving a file changes nothing.
 *
 * ```ts
 * const accountEvents = defineEvents({ Opened: event<{ owner: string }>(), Closed: event() })
 * type AccountEvent = EventOf<typeof accountEvents>
 * ```
 *
 * @throws InvalidArgumentError (ERR_INVALID_ARGUMENT) when one name is registered twice
 */
export function defineEvents<Definitions extends EventDefinitions>(
  definitions: Definitions,
  options: DefineEventsOptions = {},
): EventRegistry<DefinedEvent<Definitions>> {
  return new EventRegistry(Object.entries(definitions), options.unknown ?? 'throw')
}

/** Puts registries together. The same type in two of them is refused, unless it is the same definition. */
export function combineEvents<Registries extends readonly EventRegistry<TypedEvent>[]>(
  ...registries: Registries
): EventRegistry<EventOf<Registries[number]>> {
  const skips = registries.length > 0 && registries.every(({ unknown }) => unknown === 'skip')
  return new EventRegistry(
    registries.flatMap((registry) => registry.definitions()),
    skips ? 'skip' : 'throw',
  )
}
