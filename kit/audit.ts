import { InvalidArgumentError } from '../engine/errors.js'
import type { StoredEvent } from '../engine/types/event.js'
import type { EventFilterOptions } from '../engine/types/event-filter-options.js'
import type { EventStore } from '../engine/types/event-store.js'

/** One line of an audit log: who did what, when and where. Needs no registry: data and metadata are as they are stored. */
export interface AuditEntry {
  /** When: `timestamp` as ISO 8601 in UTC. */
  readonly time: string
  /** Milliseconds since the epoch. */
  readonly timestamp: number
  readonly who: string | undefined
  /** What. */
  readonly type: string
  readonly stream: string
  readonly offset: number
  readonly position: number
  readonly id: string
  readonly correlationId: string | undefined
  readonly causationId: string | undefined
  readonly commitId: string | undefined
  readonly schemaVersion: number
  readonly tags: readonly string[]
  readonly data: unknown
  readonly metadata: unknown
}

/** Which events; each that is given must be met. Without any, all of the store in commit order. */
export interface AuditOptions extends EventFilterOptions {
  /** Of one stream. Not together with `category`, `commitId` and positions. */
  readonly stream?: string | undefined
  /** Of all streams whose names begin with this and a dash. */
  readonly category?: string | undefined
  /** Of one commit. */
  readonly commitId?: string | undefined
  readonly fromPosition?: number | undefined
  /** Where to stop, included. */
  readonly toPosition?: number | undefined
  /** At most so many entries. */
  readonly limit?: number | undefined
  /** Tells who is behind an event. Default: `metadata.userId`, where that is a string or a number. */
  readonly who?: ((event: StoredEvent) => string | undefined) | undefined
  /** Ends it: it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Reads an audit log, entry by entry: of a stream, of a period (`fromTime`, `toTime`; only the stretches that may hold it are read), of a
 * correlation, or of several of these at once. Iterating throws what reading does; `who` may throw, too.
 *
 * ```ts
 * for await (const { time, who, type, data } of auditLog(store, { stream: 'account-1' })) console.log(time, who, type, data)
 * ```
 */
export function auditLog(store: EventStore, options: AuditOptions = {}): AsyncIterable<AuditEntry> {
  const { stream, who = userOf, category, commitId, fromPosition, toPosition, ...rest } = options
  if (stream === undefined) {
    return entries(store.readAll({ ...rest, category, commitId, fromPosition, toPosition }), who)
  }
  for (const [name, value] of Object.entries({ category, commitId, fromPosition, toPosition })) {
    if (value !== undefined) {
      throw new InvalidArgumentError(`Cannot read an audit log: stream and ${name} are both given`)
    }
  }
  return entries(store.readStream(stream, rest), who)
}

async function* entries(
  events: AsyncIterable<StoredEvent>,
  who: (event: StoredEvent) => string | undefined,
): AsyncIterable<AuditEntry> {
  for await (const event of events) {
    const { stream, offset, position, id, type, timestamp, schemaVersion, tags, commitId, data, metadata } = event
    yield {
      time: new Date(timestamp).toISOString(),
      timestamp,
      who: who(event),
      type,
      stream,
      offset,
      position,
      id,
      correlationId: textOf(metadata, 'correlationId'),
      causationId: textOf(metadata, 'causationId'),
      commitId,
      schemaVersion,
      tags,
      data,
      metadata,
    }
  }
}

function userOf({ metadata }: StoredEvent): string | undefined {
  const user = fieldOf(metadata, 'userId')
  return typeof user === 'string' || typeof user === 'number' ? String(user) : undefined
}

function textOf(metadata: unknown, name: string): string | undefined {
  const value = fieldOf(metadata, name)
  return typeof value === 'string' ? value : undefined
}

function fieldOf(metadata: unknown, name: string): unknown {
  return typeof metadata === 'object' && metadata !== null ? (metadata as Record<string, unknown>)[name] : undefined
}
