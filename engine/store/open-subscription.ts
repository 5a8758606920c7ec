import { asIoError, type CorruptionError } from '../errors.js'
import { type EventCriteria, EventFilter } from '../format/event-filter.js'
import type { StreamCatalog } from '../streams/stream-catalog.js'
import type { SubscribeOptions } from '../types/subscription.js'
import type { AbortListeners } from './abort-listeners.js'
import type { ReadActivity } from './background-pace.js'
import type { CommitSignal } from './commit-signal.js'
import { type Feed, LogFeed, StreamFeed } from './feed.js'
import { LogSource, type LogReading } from './log-source.js'
import type { StreamReading } from './segment-cursor.js'
import { Selection } from './selection.js'
import { ForwardStreamSource } from './stream-source.js'
import { EventSubscription } from './subscription.js'

/** What following a store needs, whoever writes to it. */
export interface Following {
  readonly commits: CommitSignal
  readonly aborts: AbortListeners
  readonly activity: ReadActivity
  readonly catalog: StreamCatalog
  readonly streams: StreamReading
  readonly log: LogReading
  /** What the log lost behind its last event. */
  readonly damage: () => CorruptionError | undefined
  readonly closed: () => boolean
}

/** Makes a subscription of options that were checked, and of what they filter by. */
export function openSubscription(
  following: Following,
  options: SubscribeOptions,
  criteria: EventCriteria | undefined,
): EventSubscription {
  const { aborts, activity, closed, commits, damage, log } = following
  const { stream, category, fromOffset, fromPosition, onCaughtUp, signal } = options
  const fromEnd = (fromOffset ?? fromPosition) === 'end'
  const position = fromEnd ? commits.end : typeof fromPosition === 'number' ? fromPosition : 0
  const filter = criteria && new EventFilter(criteria, log.decoder)
  const selection = filter && new Selection(filter, () => subscription.pause())
  const feed: Feed =
    stream === undefined
      ? new LogFeed(commits, (from, end) => new LogSource(log, from, end, selection), position, damage)
      : streamFeed(following, stream, position, options, selection)
  const context = { aborts, activity, closed, commits, onCaughtUp, signal }
  const subscription = new EventSubscription({ stream, category }, feed, position, context)
  return subscription
}

function streamFeed(
  { catalog, streams }: Following,
  name: string,
  position: number,
  { fromOffset, fromPosition }: SubscribeOptions,
  selection: Selection | undefined,
): Feed {
  const open: ConstructorParameters<typeof StreamFeed>[2] = (state, from, end, filtered) => {
    if (state.version === 0) streams.directory.assertStillThere()
    return new ForwardStreamSource(streams, state, from, end, filtered ? selection : undefined)
  }
  try {
    const from =
      fromOffset === 'end' || fromPosition === 'end'
        ? { offset: catalog.get(name).version }
        : fromOffset === undefined
          ? { position }
          : { offset: fromOffset }
    return new StreamFeed(catalog, name, open, from)
  } catch (error) {
    throw asIoError(error, 'subscribe')
  }
}
