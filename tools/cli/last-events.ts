import type { EventStore, StoredEvent } from '../../engine/index.js'
import { type EventSelection, readSelection } from './event-selection.js'

/** Events looked at first, from the end; twice as many each time that they do not suffice. */
const FIRST_STRETCH = 256

/** Reads the last events of what is picked, in their order. `end`: the offset or position behind all that is there. */
export async function lastEvents(
  store: EventStore,
  selection: EventSelection,
  end: number,
  count: number,
  signal: AbortSignal,
): Promise<StoredEvent[]> {
  if (count === 0) return []
  const { stream, types, correlationId, from = 0, to = Infinity, since, until } = selection
  const last = Math.min(to, end - 1)
  if (stream !== undefined) {
    const filter = { types, correlationId, fromTime: since, toTime: until, limit: count, signal }
    const events: StoredEvent[] = []
    if (last < from) return events
    const backward = { ...filter, direction: 'backward', fromOffset: last, toOffset: from } as const
    for await (const event of store.readStream(stream, backward)) events.push(event)
    return events.reverse()
  }
  let found: StoredEvent[] = []
  let stretch = Math.max(FIRST_STRETCH, count)
  for (let behind = last + 1; behind > from && found.length < count; stretch *= 2) {
    const begin = Math.max(from, behind - stretch)
    const events: StoredEvent[] = []
    const part = { ...selection, from: begin, to: behind - 1, limit: undefined }
    for await (const event of readSelection(store, part, signal)) {
      events.push(event)
      if (events.length >= 2 * count) events.splice(0, events.length - count)
    }
    found = [...events, ...found].slice(-count)
    behind = begin
  }
  return found
}
