import { CorruptionError, type EventReader, type EventStore, type StoredEvent } from '../../engine/index.js'
import { type EventSelection, readSelection } from './event-selection.js'

/** Events looked at first, from the end; twice as many each time that they do not suffice. */
const FIRST_STRETCH = 256

/** The last events of what is picked, in their order, and the damage that hides others, if there is any. */
export interface LastEvents {
  readonly events: readonly StoredEvent[]
  readonly damage: CorruptionError | undefined
}

/**
 * Reads the last events of what is picked. `end`: the offset or position behind all that is there. Of a log that is damaged they are those
 * before the damage, unless enough are found behind it.
 */
export async function lastEvents(
  store: EventStore,
  selection: EventSelection,
  end: number,
  count: number,
  signal: AbortSignal,
): Promise<LastEvents> {
  if (count === 0) return { events: [], damage: undefined }
  const { stream, types, correlationId, from = 0, to = Infinity, since, until } = selection
  const last = Math.min(to, end - 1)
  if (stream !== undefined) {
    if (last < from) return { events: [], damage: undefined }
    const filter = { types, correlationId, fromTime: since, toTime: until, limit: count, signal }
    const backward = { ...filter, direction: 'backward', fromOffset: last, toOffset: from } as const
    const { events, damage } = await upToDamage(store.readStream(stream, backward), count)
    return { events: events.toReversed(), damage }
  }
  let found: StoredEvent[] = []
  let stretch = Math.max(FIRST_STRETCH, count)
  for (let behind = last + 1; behind > from && found.length < count; stretch *= 2) {
    const begin = Math.max(from, behind - stretch)
    const part = { ...selection, from: begin, to: behind - 1, limit: undefined }
    const { events, damage } = await upToDamage(readSelection(store, part, signal), count)
    // What stands between these and those that were found is hidden: only one side can be shown as if nothing were missing.
    if (damage !== undefined) return { events: found.length > 0 ? found : events.slice(-count), damage }
    found = [...events, ...found].slice(-count)
    behind = begin
  }
  return { events: found, damage: undefined }
}

/** The last of what is picked that stand before the damage of a stream, which is read from its beginning: nobody can tell where it ends. */
export async function lastBeforeDamage(
  store: EventStore,
  selection: EventSelection,
  count: number,
  signal: AbortSignal,
): Promise<LastEvents> {
  const { events, damage } = await upToDamage(readSelection(store, { ...selection, limit: undefined }, signal), count)
  return { events: count === 0 ? [] : events.slice(-count), damage }
}

/** What can be read before damage; at least the last `count` of it are kept. */
async function upToDamage(
  reader: EventReader,
  count: number,
): Promise<{ readonly events: StoredEvent[]; readonly damage: CorruptionError | undefined }> {
  const events: StoredEvent[] = []
  try {
    for await (const event of reader) {
      events.push(event)
      if (events.length >= 2 * count) events.splice(0, events.length - count)
    }
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error
    return { events, damage: error }
  }
  return { events, damage: undefined }
}
