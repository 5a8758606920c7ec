import { InvalidArgumentError } from '../engine/errors.js'
import type { StoredEvent } from '../engine/types/event.js'
import { said, UpcastError } from './errors.js'
import type { StandardSchema } from './standard-schema.js'
import { isThenable } from './plain-value.js'

/** Makes data of the next schema version out of that of one. Gets the event as it is stored. Must be pure. */
export type Upcaster<From, To> = (data: From, event: StoredEvent) => To

/**
 * One event type: the data it has today, and how older data becomes that. Its schema version is one more than the number of its
 * upcasters, so a chain has no gaps and cannot go round. Immutable: each method returns a definition of its own.
 */
export class EventDefinition<Data> {
  readonly #upcasters: readonly Upcaster<never, unknown>[]
  /** What new data must be like; undefined: anything. */
  readonly schema: StandardSchema<Data, unknown> | undefined
  /** Names under which events of this type were stored before. */
  readonly formerNames: readonly string[]

  /** @internal Use `event()`. */
  constructor(
    schema: StandardSchema<Data, unknown> | undefined,
    upcasters: readonly Upcaster<never, unknown>[],
    formerNames: readonly string[],
  ) {
    this.schema = schema
    this.#upcasters = upcasters
    this.formerNames = formerNames
  }

  /** Schema version of new events, from 1. */
  get version(): number {
    return this.#upcasters.length + 1
  }

  /** Adds a schema version: `upcaster` makes it out of the one before. A schema given before no longer counts; it was that of older data. */
  upcast<Next>(upcaster: Upcaster<Data, Next>): EventDefinition<Next> {
    if (typeof upcaster !== 'function') {
      throw new InvalidArgumentError('Cannot define the event: an upcaster is no function')
    }
    return new EventDefinition<Next>(undefined, [...this.#upcasters, upcaster], this.formerNames)
  }

  /** Has new data checked by a schema, and old data when it was upcast. */
  validate(schema: StandardSchema<Data, unknown>): EventDefinition<Data> {
    return new EventDefinition(checked(schema), this.#upcasters, this.formerNames)
  }

  /** Reads events of other names too, which this type had before it was renamed. */
  formerly(...names: readonly string[]): EventDefinition<Data> {
    return new EventDefinition(this.schema, this.#upcasters, [...this.formerNames, ...names])
  }

  /** Returns the data of a stored event as it would be today. Throws UpcastError (ERR_UPCAST). */
  dataOf(event: StoredEvent): Data {
    const { version } = this
    if (event.schemaVersion > version) {
      throw new UpcastError(
        event,
        event.schemaVersion,
        `it is newer than version ${version}, the newest that is defined`,
      )
    }
    if (event.schemaVersion < 1) throw new UpcastError(event, event.schemaVersion, 'schema versions begin with 1')
    let { data } = event
    for (let from = event.schemaVersion; from < version; from++) {
      try {
        data = this.#upcasters[from - 1]!(data as never, event)
      } catch (error) {
        throw new UpcastError(event, from, `the upcaster threw: ${said(error)}`, { cause: error })
      }
      if (data === undefined) throw new UpcastError(event, from, 'the upcaster returned undefined')
      if (isThenable(data)) throw new UpcastError(event, from, 'the upcaster returned a promise')
    }
    return data as Data
  }
}

/**
 * Defines an event type, its data given as a type parameter or inferred from a schema, for `defineEvents`.
 *
 * ```ts
 * event<{ owner: string }>()
 * event(z.object({ amount: z.number().positive() }))
 * event<OpenedV1>().upcast((v1) => ({ ...v1, currency: 'EUR' }))
 * ```
 */
export function event(): EventDefinition<undefined>
export function event<Data>(schema?: StandardSchema<Data, unknown>): EventDefinition<Data>
export function event<Data>(schema?: StandardSchema<Data, unknown>): EventDefinition<Data> {
  return new EventDefinition(schema === undefined ? undefined : checked(schema), [], [])
}

function checked<Data>(schema: StandardSchema<Data, unknown>): StandardSchema<Data, unknown> {
  const standard = (schema as { readonly '~standard'?: { readonly validate?: unknown } } | null)?.['~standard']
  if (typeof standard?.validate !== 'function') {
    throw new InvalidArgumentError(
      'Cannot define the event: the schema is no Standard Schema, it has no ["~standard"].validate',
    )
  }
  return schema
}
