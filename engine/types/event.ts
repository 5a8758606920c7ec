import type { ExpectedVersion } from '../errors.js'
export type { ExpectedVersion }

/** An event to append. */
export interface NewEvent<Type extends string = string, Data = unknown, Metadata = unknown> {
  /** Name of what happened, 1 to 1,000 bytes of UTF-8. */
  readonly type: Type
  /** Any value that comes back equal: see `docs/values.md`. Missing data is stored as undefined. */
  readonly data?: Data
  /** A plain object, or undefined. String fields `correlationId` and `causationId` can be filtered by without decoding. */
  readonly metadata?: Metadata | undefined
  /** UUID in canonical lower-case form. Default: a random one. */
  readonly id?: string | undefined
  /** Milliseconds since the epoch, or a Date. Default: now, never less than an earlier assigned one. */
  readonly timestamp?: number | Date | undefined
  /** Version of the schema of `data`, 0 to 65,535. Default 1. */
  readonly schemaVersion?: number | undefined
}

/** An event as it is stored. A fresh object at every read: changing one never changes a later read. */
export interface StoredEvent<Type extends string = string, Data = unknown, Metadata = unknown> {
  /** Name of the stream. */
  readonly stream: string
  /** Place in the stream, 0, 1, 2 … */
  readonly offset: number
  /** Place in the store, in commit order. */
  readonly position: number
  /** UUID, canonical lower-case form. */
  readonly id: string
  readonly type: Type
  /** Milliseconds since the epoch. */
  readonly timestamp: number
  readonly schemaVersion: number
  readonly data: Data
  readonly metadata: Metadata
}
