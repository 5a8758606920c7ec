import { createHash } from 'node:crypto'
import { InvalidArgumentError, quote } from '../../engine/errors.js'
import type { EventRegistry, StoredOf, TypedEvent } from '../event-registry.js'

/** What a handler is told besides the event. */
export interface HandlerContext {
  /** Aborted when the handler takes too long, and when the projection is stopped. Pass it on to whatever is waited for. */
  readonly signal: AbortSignal
  /** 1, and more when it failed before. */
  readonly attempt: number
  /** True while what happens was projected once before: after a reset, and in a rebuild. Effects are held back then. */
  readonly isReplay: boolean
  /**
   * Has something done once the event is stored as projected, and not at all during a replay: telling somebody, not changing data. It is called
   * after the commit, so a process that is killed between the two never calls it.
   */
  readonly effect: (work: () => unknown) => void
}

/** A table of rows by key, as a handler sees it: the rows of before, and what the handlers of this batch did. */
export interface ProjectionTable<Row> {
  /** Returns a copy of a row; undefined: there is none. */
  get(key: string): Row | undefined
  /** Stores a row, copied. It may hold what an event may hold. */
  set(key: string, row: Row): void
  delete(key: string): void
  /** Stores what `change` makes of a row; it gets undefined where there is none. */
  update(key: string, change: (row: Row | undefined) => Row): void
}

/** Declares a table: `tables: { accounts: table<{ owner: string; cents: number }>() }`. */
export interface TableDefinition<Row> {
  readonly kind: 'table'
  /** Only for the type. */
  readonly row?: Row
}

export function table<Row>(): TableDefinition<Row> {
  return { kind: 'table' }
}

/** A table of SQLite, with its own columns. */
export interface SqlTableDefinition {
  /** What stands in the brackets of CREATE TABLE: `account TEXT PRIMARY KEY, cents INTEGER NOT NULL`. */
  readonly columns: string
  /** What stands in the brackets of CREATE INDEX, one text for each index: `owner, cents DESC`. */
  readonly indexes?: readonly string[] | undefined
}

/** SQLite, as a handler sees it: within the transaction that also moves the checkpoint. */
export interface ProjectionSql<Name extends string = string> {
  /** Names of the tables, quoted, to be put into statements: a rebuild writes to others than the live projection. */
  readonly tables: Readonly<Record<Name, string>>
  run(sql: string, ...parameters: readonly SqlValue[]): void
  get(sql: string, ...parameters: readonly SqlValue[]): Readonly<Record<string, unknown>> | undefined
  all(sql: string, ...parameters: readonly SqlValue[]): readonly Readonly<Record<string, unknown>>[]
}

export type SqlValue = string | number | bigint | Uint8Array | null

type Tables = Readonly<Record<string, TableDefinition<unknown>>>
type SqlTables = Readonly<Record<string, SqlTableDefinition>>

/** The tables of a definition, as its handlers get them. */
export type TablesOf<Definitions extends Tables> = {
  readonly [Name in keyof Definitions]: ProjectionTable<
    Definitions[Name] extends TableDefinition<infer Row> ? Row : never
  >
}

/** One function for each event type; `'*'` for those that have none. Types without one are not read. */
export type Handlers<View, Event extends TypedEvent, Result> = {
  readonly [Type in Event['type']]?: (
    view: View,
    event: Extract<StoredOf<Event>, { readonly type: Type }>,
    context: HandlerContext,
  ) => Result
} & { readonly '*'?: (view: View, event: StoredOf<Event>, context: HandlerContext) => Result }

interface Common<Event extends TypedEvent> {
  /** Lower-case letters, digits and dashes, at most 64: what files and tables are called. */
  readonly name: string
  /**
   * Version of what the handlers do, from 1. Raise it whenever they, the state or the tables change: what was made by another version is not
   * gone on with. Default: 1.
   */
  readonly version?: number | undefined
  readonly events: EventRegistry<Event>
  /** Only events of the streams of this category. Default: of all streams. */
  readonly category?: string | undefined
  /** Only events of this stream. */
  readonly stream?: string | undefined
}

/** A projection to one state. */
export interface StateProjection<State, Event extends TypedEvent> extends Common<Event> {
  /** Returns what there is before the first event, a new one each time. May hold what an event may hold. */
  readonly initialState: () => State
  /** Return the state after an event, or change the one they are given and return nothing. */
  // eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- a function without return is one that returns void
  readonly handlers: Handlers<State, Event, State | undefined | void | Promise<State | undefined | void>>
}

/** A projection to tables of rows by key. */
export interface TableProjection<Definitions extends Tables, Event extends TypedEvent> extends Common<Event> {
  readonly tables: Definitions
  readonly handlers: Handlers<TablesOf<Definitions>, Event, void | Promise<void>>
}

/** A projection to tables of SQLite with columns. Its handlers are functions that return nothing, at once. */
export interface SqlProjection<Definitions extends SqlTables, Event extends TypedEvent> extends Common<Event> {
  readonly sql: Definitions
  readonly handlers: Handlers<ProjectionSql<keyof Definitions & string>, Event, void>
}

/** A handler of any projection. */
export type AnyHandler = (view: never, event: never, context: HandlerContext) => unknown

/** A definition that was checked: what a runner needs to know. Made by `projection`. */
export class Projection<Kind extends 'state' | 'tables' | 'sql' = 'state' | 'tables' | 'sql', View = unknown> {
  readonly kind: Kind
  readonly name: string
  readonly version: number
  readonly category: string | undefined
  readonly stream: string | undefined
  readonly events: EventRegistry<TypedEvent>
  /** Names under which the wanted types are stored. */
  readonly types: readonly string[]
  /** What can be told of a definition without running it. Another one under the same version is a version that was not raised. */
  readonly shape: string
  readonly tables: readonly string[]
  readonly sql: SqlTables
  readonly initialState: (() => View) | undefined
  readonly #handlers: ReadonlyMap<string, NamedHandler>

  /** @internal Use `projection`. */
  constructor(kind: Kind, definition: Definition) {
    const { name, version = 1, events, category, stream, handlers } = definition
    const refuse = (reason: string): never => {
      throw new InvalidArgumentError(`Cannot define projection ${quote(name)}: ${reason}`)
    }
    if (typeof name !== 'string' || !/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/.test(name) || name.length > 64) {
      refuse('a name is made of lower-case letters, digits and dashes between them, 64 at most')
    }
    if (!(Number.isSafeInteger(version) && version >= 1)) refuse(`version is ${version}, not a whole number from 1`)
    if (category !== undefined && stream !== undefined) refuse('it reads a category or a stream, not both')
    this.kind = kind
    this.name = name
    this.version = version
    this.events = events
    this.category = category
    this.stream = stream
    this.initialState = kind === 'state' ? (definition.initialState as () => View) : undefined
    this.tables = Object.keys(definition.tables ?? {})
    this.sql = definition.sql ?? {}
    for (const table of [...this.tables, ...Object.keys(this.sql)]) {
      if (table.toLowerCase() === 'dead_letters') refuse(`a table of it is ${quote(table)}, where its dead letters are`)
      if (!/^[a-z][a-z0-9]*(?:_[a-z0-9]+)*$/i.test(table) || table.length > 64) {
        refuse(`table ${quote(table)} is not called with letters, digits and single underscores, 64 at most`)
      }
    }
    for (const [type, handle] of Object.entries(handlers)) {
      if (handle === undefined) continue
      if (typeof handle !== 'function') refuse(`the handler of ${quote(type)} is no function`)
      if (type !== '*' && !events.definitions().some(([known]) => known === type)) {
        refuse(`it handles ${quote(type)}, which is not among its events`)
      }
    }
    const wanted = events.definitions().flatMap(([type, { formerNames }]) => {
      const key = handlers[type] === undefined ? '*' : type
      const handle = handlers[key] as AnyHandler | undefined
      return handle === undefined ? [] : [{ type, formerNames, handler: { name: key, handle } }]
    })
    if (wanted.length === 0) refuse('it handles no event type')
    this.#handlers = new Map(wanted.map(({ type, handler }) => [type, handler]))
    this.types = wanted.flatMap(({ type, formerNames }) => [type, ...formerNames])
    const told = [kind, category, stream, wanted.map(({ type }) => type).sort(), this.tables, this.sql]
    this.shape = createHash('sha256').update(JSON.stringify(told)).digest('hex').slice(0, 16)
  }

  /** Returns the handler of a type; undefined: it has none. */
  handlerOf(type: string): NamedHandler | undefined {
    return this.#handlers.get(type)
  }
}

/** A handler, and what it is called in the definition: an event type, or `*`. */
export interface NamedHandler {
  readonly name: string
  readonly handle: AnyHandler
}

interface Definition extends Omit<Common<TypedEvent>, 'events'> {
  readonly events: EventRegistry<TypedEvent>
  readonly handlers: Readonly<Record<string, unknown>>
  readonly initialState?: unknown
  readonly tables?: Tables
  readonly sql?: SqlTables
}

/**
 * Defines a read model: what is made of events, under a name, with a checkpoint. To one state, to tables of rows by key, or to tables of SQLite.
 *
 * ```ts
 * const balances = projection({
 *   name: 'balances',
 *   events: accountEvents,
 *   category: 'account',
 *   tables: { accounts: table<{ cents: number }>() },
 *   handlers: {
 *     AccountOpened: ({ accounts }, { stream, data }) => accounts.set(stream, { cents: data.cents }),
 *     MoneyDeposited: ({ accounts }, { stream, data }) =>
 *       accounts.update(stream, (row) => ({ cents: row!.cents + data.cents })),
 *   },
 * })
 * ```
 *
 * @throws InvalidArgumentError (ERR_INVALID_ARGUMENT)
 */
export function projection<State, Event extends TypedEvent>(
  definition: StateProjection<State, Event>,
): Projection<'state', State>
export function projection<Definitions extends Tables, Event extends TypedEvent>(
  definition: TableProjection<Definitions, Event>,
): Projection<'tables', TablesOf<Definitions>>
export function projection<Definitions extends SqlTables, Event extends TypedEvent>(
  definition: SqlProjection<Definitions, Event>,
): Projection<'sql', Readonly<Record<keyof Definitions, string>>>
export function projection(given: object): Projection {
  const definition = given as Definition
  const kinds = [
    definition.initialState === undefined ? undefined : ('state' as const),
    definition.tables === undefined ? undefined : ('tables' as const),
    definition.sql === undefined ? undefined : ('sql' as const),
  ].filter((kind) => kind !== undefined)
  const [kind] = kinds
  if (kind === undefined || kinds.length > 1) {
    throw new InvalidArgumentError(
      `Cannot define projection ${quote(definition.name)}: it has one of initialState, tables and sql`,
    )
  }
  return new Projection(kind, definition)
}
