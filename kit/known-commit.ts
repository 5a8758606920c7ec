import { CommitIdReusedError } from '../engine/errors.js'
import type { NewEvent, StoredEvent } from '../engine/types/event.js'
import type { AppendResult, CommitOptions, EventStore } from '../engine/types/event-store.js'

/** Returns the events of the commit with an id, in order; none: nothing was committed under it. */
export async function eventsOfCommit(
  store: EventStore,
  commitId: string,
  signal?: AbortSignal,
): Promise<readonly StoredEvent[]> {
  const events: StoredEvent[] = []
  for await (const event of store.readAll({ commitId, signal })) events.push(event)
  return events
}

/** A commit of one stream that is stored, and what its first append resolved to. */
export interface KnownCommit {
  readonly events: readonly StoredEvent[]
  readonly appended: AppendResult
}

/**
 * Finds the commit with an id and makes its append again, as it is stored: that waits for the durability, and tells what the first one
 * resolved to. Undefined: there is none. Throws CommitIdReusedError when it is one of other streams.
 */
export async function repeatCommit(
  store: EventStore,
  stream: string,
  { commitId, durability }: Pick<CommitOptions, 'durability'> & { readonly commitId: string },
  signal?: AbortSignal,
): Promise<KnownCommit | undefined> {
  const events = await eventsOfCommit(store, commitId, signal)
  if (events.length === 0) return undefined
  const other = events.find((event) => event.stream !== stream)
  if (other !== undefined) {
    throw new CommitIdReusedError(commitId, events[0]!.position, `it changed stream ${JSON.stringify(other.stream)}`)
  }
  const appended = await store.append(stream, events.map(again), { commitId, durability })
  return { events, appended }
}

/** Tells whether a commit was refused because another one has its id. By code: the store may come from another package than the kit. */
export function isReused(error: unknown): boolean {
  return error instanceof Error && (error as { readonly code?: unknown }).code === 'ERR_COMMIT_ID_REUSED'
}

function again({ type, data, metadata, id, timestamp, schemaVersion, tags }: StoredEvent): NewEvent {
  return { type, data, metadata, id, timestamp, schemaVersion, tags }
}
