import { InvalidArgumentError, quote } from '../../engine/errors.js'
import type { StoredEvent } from '../../engine/types/event.js'
import type { EventRegistry, StoredOf, TypedEvent } from '../event-registry.js'
import type { UnitOfWork } from '../unit-of-work.js'
import { DEADLINE_SET, type DeadlineChanges, deadlineStream } from './deadlines.js'

/** What a handler is given besides the event. */
export interface ReactionContext {
  /**
   * What the reaction appends goes in here: `unit.execute(repository, id, command)`, `unit.load`, `unit.add`, `unit.append`. It is
   * one commit with all else in the unit, made when the handler has ended, and made once, however often the event is handled. On a conflict the
   * handler is called again with a new unit.
   */
  readonly unit: UnitOfWork
  /** The same for each delivery of the event to this reactor, and no other: what others are given so that they do a thing once. */
  readonly effectId: string
  /** 1, and more when it failed before. */
  readonly attempt: number
  /** The time by the clock of the runner, in milliseconds since the epoch. */
  readonly now: number
  /** Aborted when the handler takes too long, and when the reactor is stopped. Pass it on to whatever is waited for. */
  readonly signal: AbortSignal
}

/** One function for each event type; `'*'` for those that have none. Types without one are not read. */
export type ReactionHandlers<Event extends TypedEvent> = {
  readonly [Type in Event['type']]?: (
    event: Extract<StoredOf<Event>, { readonly type: Type }>,
    context: ReactionContext,
  ) => unknown
} & { readonly '*'?: (event: StoredOf<Event>, context: ReactionContext) => unknown }

export interface ReactorDefinition<Event extends TypedEvent> {
  /**
   * Lower-case letters, digits and dashes, at most 64: the checkpoint is stored under it, and what it has done is known by it. A new name
   * begins anew, and does everything again.
   */
  readonly name: string
  readonly events: EventRegistry<Event>
  /** Only events of the streams of this category. Default: of all streams. */
  readonly category?: string | undefined
  /** Only events of this stream. */
  readonly stream?: string | undefined
  readonly handlers: ReactionHandlers<Event>
}

type AnyHandler = (event: never, context: ReactionContext) => unknown

/** What is done about a deadline that has passed, as it is stored. */
export type DeadlineHandler = (stored: StoredEvent, context: ReactionContext) => Promise<DeadlineChanges | undefined>

/** A definition that was checked. Made by `reactor` and `processManager`. */
export class Reactor {
  readonly name: string
  readonly category: string | undefined
  readonly stream: string | undefined
  readonly events: EventRegistry<TypedEvent>
  /** Names under which the wanted types are stored. */
  readonly types: readonly string[]
  /** By stored name. */
  readonly #handlers = new Map<string, { readonly name: string; readonly handle: AnyHandler }>()
  readonly #deadlinePassed: DeadlineHandler | undefined

  /** @internal Use `reactor`. */
  constructor(
    { name, events, category, stream, handlers }: ReactorDefinition<never>,
    deadlinePassed?: DeadlineHandler,
  ) {
    checkName(name, 'reactor')
    this.#deadlinePassed = deadlinePassed
    const refuse = (reason: string): never => {
      throw new InvalidArgumentError(`Cannot define reactor ${quote(name)}: ${reason}`)
    }
    if (category !== undefined && stream !== undefined) refuse('it reads a category or a stream, not both')
    this.name = name
    this.category = category
    this.stream = stream
    this.events = events
    const definitions = this.events.definitions()
    const given = handlers as Readonly<Record<string, AnyHandler | undefined>>
    for (const [type, handle] of Object.entries(given)) {
      if (handle === undefined) continue
      if (typeof handle !== 'function') refuse(`the handler of ${quote(type)} is no function`)
      if (type !== '*' && !definitions.some(([known]) => known === type)) {
        refuse(`it handles ${quote(type)}, which is not among its events`)
      }
    }
    for (const [type, { formerNames }] of definitions) {
      const key = given[type] === undefined ? '*' : type
      const handle = given[key]
      if (handle === undefined) continue
      for (const stored of [type, ...formerNames]) this.#handlers.set(stored, { name: key, handle })
    }
    this.types = [...this.#handlers.keys()]
    if (this.types.length === 0) refuse('it handles no event type')
  }

  /** @internal Returns the name of the handler of a stored event among `handlers`. */
  handlerName(stored: StoredEvent): string {
    if (this.#isDeadline(stored)) return `deadline ${(stored.data as { readonly name: string }).name}`
    return this.#handlers.get(stored.type)?.name ?? '*'
  }

  /** @internal Whether it has deadlines: it was made by `processManager`. */
  get hasDeadlines(): boolean {
    return this.#deadlinePassed !== undefined
  }

  /** @internal Brings an event to its schema version of today, and has it handled. Resolves to what that changed about deadlines, once it is committed. */
  async handle(stored: StoredEvent, context: ReactionContext): Promise<DeadlineChanges | undefined> {
    if (this.#isDeadline(stored)) return this.#deadlinePassed!(stored, context)
    const event = await this.events.decode(stored)
    const result = await this.#handlers.get(stored.type)?.handle(event as never, context)
    return this.hasDeadlines ? (result as DeadlineChanges | undefined) : undefined
  }

  #isDeadline({ type, stream }: StoredEvent): boolean {
    return this.hasDeadlines && type === DEADLINE_SET && stream === deadlineStream(this.name)
  }
}

/** Throws InvalidArgumentError for what cannot be the name of something that is stored. */
export function checkName(name: unknown, what: string): void {
  if (typeof name === 'string' && name.length <= 64 && /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/.test(name)) return
  throw new InvalidArgumentError(
    `Cannot define ${what} ${quote(String(name))}: a name is made of lower-case letters, digits and dashes between them, 64 at most`,
  )
}

/**
 * Defines what happens because something has happened: a handler for each type of event, which appends through its unit and tells others.
 *
 * ```ts
 * const welcome = reactor({
 *   name: 'welcome',
 *   events: accountEvents,
 *   category: 'account',
 *   handlers: {
 *     AccountOpened: async ({ stream, data }, { unit, effectId }) => {
 *       await mailer.send(data.owner, 'Welcome', { idempotencyKey: effectId })
 *       unit.append(mailEvents, { stream: `mail-${stream}`, events: [{ type: 'WelcomeSent' }] })
 *     },
 *   },
 * })
 * await using running = await runReactor(store, welcome)
 * ```
 *
 * @throws InvalidArgumentError (ERR_INVALID_ARGUMENT)
 */
export function reactor<Event extends TypedEvent>(definition: ReactorDefinition<Event>): Reactor {
  return new Reactor(definition as unknown as ReactorDefinition<never>)
}
