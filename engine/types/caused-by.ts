import type { StoredEvent } from './event.js'

/** Metadata of an event that another one has caused. */
export interface CausedBy {
  /** The same for everything that goes back to one beginning: taken over, or the id of the event that begins it. */
  readonly correlationId: string
  /** Id of the event that has caused it. */
  readonly causationId: string
}

/**
 * Returns metadata for events that are caused by one, so that they can be found with it: its correlation id, or its own id where it has
 * none, and its id as what has caused them.
 *
 * ```ts
 * await store.append('shipment-7', [{ type: 'Shipped', data, metadata: { ...causedBy(paid), userId } }])
 * ```
 */
export function causedBy({ id, metadata }: Pick<StoredEvent, 'id' | 'metadata'>): CausedBy {
  const own = (metadata as { readonly correlationId?: unknown } | null | undefined)?.correlationId
  return { correlationId: typeof own === 'string' ? own : id, causationId: id }
}
