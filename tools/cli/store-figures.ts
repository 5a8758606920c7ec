import {
  CorruptionError,
  type ListedStream,
  listSegments,
  type ReadOnlyEventStore,
  type StoredEvent,
} from '../../engine/index.js'
import { Frequent } from './frequent.js'
import { TimeHistogram } from './time-histogram.js'
import { Top } from './top.js'

/** Different types that are counted; beyond them the rare ones are left out. */
const MOST_TYPES = 10_000
/** Events read one after another where not all are. */
const STRETCH = 1000

export interface FigureOptions {
  /** Events that are read at most; of more, so many in stretches from all over the log. */
  readonly mostEvents: number
  /** Looks at every stream. */
  readonly streams: boolean
  /** How many of the busiest and the largest streams are kept. */
  readonly top: number
  readonly signal: AbortSignal
  readonly onProgress: (what: 'events' | 'streams', done: number, total: number | undefined) => void
}

/** What there is in a store, gathered in bounded memory. */
export interface StoreFigures {
  /** Exact. */
  readonly events: number
  readonly log: { readonly files: number; readonly bytes: number }
  /** Events that were read; times and types are of these. */
  readonly read: number
  readonly times: TimeHistogram
  readonly types: Frequent
  /** Exact; undefined where they were not looked at. */
  readonly streams: StreamFigures | undefined
  /** What ended the reading of events early. */
  readonly damage: CorruptionError | undefined
}

export interface StreamFigures {
  readonly count: number
  readonly files: number
  readonly bytes: number
  readonly busiest: readonly ListedStream[]
  readonly largest: readonly ListedStream[]
  readonly damaged: number
}

export async function figuresOf(
  store: ReadOnlyEventStore,
  directory: string,
  options: FigureOptions,
): Promise<StoreFigures> {
  const log = { files: 0, bytes: 0 }
  for (const { kind, bytes } of listSegments(directory)) {
    if (kind !== 'log') break
    log.files++
    log.bytes += bytes
  }
  const events = store.position
  const times = new TimeHistogram()
  const types = new Frequent(MOST_TYPES)
  let read = 0
  let damage: CorruptionError | undefined
  try {
    for await (const batch of sample(store, events, options)) {
      for (const { timestamp, type } of batch) {
        times.add(timestamp)
        types.add(type)
      }
      read += batch.length
      options.onProgress('events', read, Math.min(events, options.mostEvents))
    }
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error
    damage = error
  }
  const streams = options.streams ? await streamFigures(store, options) : undefined
  return { events, log, read, times, types, streams, damage }
}

/** All events, or as many as may be read, in stretches with equal gaps between them. Data are not decoded. */
async function* sample(
  store: ReadOnlyEventStore,
  events: number,
  { mostEvents, signal }: FigureOptions,
): AsyncGenerator<StoredEvent[]> {
  if (events <= mostEvents) {
    yield* store.readAll({ toPosition: events, withoutData: true, signal }).batches(STRETCH)
    return
  }
  const stretches = Math.ceil(mostEvents / STRETCH)
  for (let i = 0; i < stretches; i++) {
    const fromPosition = Math.floor((i * events) / stretches)
    const stretch = { fromPosition, toPosition: fromPosition + STRETCH - 1, withoutData: true, signal }
    yield* store.readAll(stretch).batches(STRETCH)
  }
}

async function streamFigures(
  store: ReadOnlyEventStore,
  { top, signal, onProgress }: FigureOptions,
): Promise<StreamFigures> {
  const byName = (a: ListedStream, b: ListedStream): number => (a.stream < b.stream ? -1 : 1)
  const busiest = new Top<ListedStream>(top, (a, b) => b.version - a.version || byName(a, b))
  const largest = new Top<ListedStream>(top, (a, b) => b.bytes - a.bytes || byName(a, b))
  const sums = { count: 0, files: 0, bytes: 0, damaged: 0 }
  for await (const stream of store.listStreams({ signal })) {
    sums.count++
    sums.files += stream.segments
    sums.bytes += stream.bytes
    if (stream.damage !== undefined) sums.damaged++
    busiest.add(stream)
    largest.add(stream)
    onProgress('streams', sums.count, undefined)
  }
  return { ...sums, busiest: busiest.sorted(), largest: largest.sorted() }
}
