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
  /**
   * What the event is about, for queries over streams: `course:c1`, `student:s7`. At most 250, none twice, each 1 to 255
   * bytes of UTF-8. Default: none.
   */
  readonly tags?: readonly string[] | undefined
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
  /** As they were given; empty, and frozen, when there were none. */
  readonly tags: readonly string[]
  readonly data: Data
  readonly metadata: Metadata
  /** Id of the commit that the event was appended with; the field is missing when it had none. */
  readonly commitId?: string
}
