import { asIoError, CorruptionError } from '../errors.js'
import { type EventCriteria, EventFilter } from '../format/event-filter.js'
import { EventDecoder, eventFlags, FLAG_LAST } from '../format/event-record.js'
import { streamKey } from '../format/names.js'
import { NoValues } from '../format/value-decoder.js'
import type { KeyIndex } from '../keys/key-index.js'
import { stateBeforeDamage } from '../streams/before-damage.js'
import type { StreamState } from '../streams/stream-state.js'
import type { StoredEvent } from '../types/event.js'
import type {
  EventReader,
  ListedStream,
  ListStreamsOptions,
  ReadAllOptions,
  ReadStreamOptions,
  StreamInfo,
} from '../types/event-store.js'
import type { SubscribeOptions, Subscription } from '../types/subscription.js'
import { AbortListeners } from './abort-listeners.js'
import type { ReadActivity } from './background-pace.js'
import { CommitMarks, type CommitReading } from './commit-marks.js'
import type { CommitSignal } from './commit-signal.js'
import { CommitSource } from './commit-source.js'
import { eventReader, type EventSource, type OpenSource } from './event-iterator.js'
import { LogSource, type LogReading } from './log-source.js'
import { openSubscription } from './open-subscription.js'
import { CompiledQuery } from './query.js'
import { type QueryReading, QuerySource } from './query-source.js'
import { checkListStreams, checkReadAll, checkReadCategory, checkReadStream } from './read-options.js'
import { RecordReader } from './record-reader.js'
import { FirstOf, Selection } from './selection.js'
import { StreamInfos, type StreamInfosParts } from './stream-infos.js'
import { BackwardStreamSource, ForwardStreamSource } from './stream-source.js'
import { checkSubscribe } from './subscribe-options.js'

/** No event can meet the criteria. */
const NOTHING: EventSource = { next: () => [] }

/** What reading a store needs, whoever writes to it. */
export interface StoreReading extends StreamInfosParts {
  readonly log: LogReading
  readonly keys: KeyIndex
  /** Position behind the last committed event. */
  readonly position: () => number
  /** Tells of what is committed from now on. */
  readonly commits: CommitSignal
  /** What the log lost behind its last event, if anything. */
  readonly damage: () => CorruptionError | undefined
  /** Learns what another writer has committed, before a read or a subscription begins. May throw. */
  readonly refresh?: () => void
  readonly closed: () => boolean
  /** Throws ERR_CLOSED. */
  readonly assertOpen: () => void
}

/** The reading side of a store: checks what is asked for and opens the sources that answer it. */
export class StoreReader {
  readonly activity: ReadActivity = { reads: 0 }
  readonly #reading: StoreReading
  readonly #aborts = new AbortListeners()
  readonly #infos: StreamInfos

  constructor(reading: StoreReading) {
    this.#reading = reading
    this.#infos = new StreamInfos(reading)
  }

  readStream<Event = StoredEvent>(stream: string, options: ReadStreamOptions = {}): EventReader<Event> {
    const criteria = checkReadStream(options)
    const { assertOpen, catalog, closed } = this.#reading
    assertOpen()
    const { signal } = options
    const envelopes = envelopesFor(options)
    const asked = { ...options } // what the caller does to the options afterwards has no effect
    if (catalog.peek(stream) === undefined) streamKey(stream) // a bad name is refused now and not at the first event
    const open: OpenSource =
      criteria === undefined
        ? (_, marks) => this.#streamSource(stream, asked, marks ?? envelopes)
        : (pause, marks) =>
            this.#selected(criteria, pause, asked, (rest, selection) =>
              this.#streamSource(stream, rest, marks ?? envelopes, selection),
            )
    const commits = (): CommitReading => this.#commitReading(asked.direction === 'backward', envelopes)
    return eventReader(open, { signal, closed, activity: this.activity, commits })
  }

  readAll<Event = StoredEvent>(options: ReadAllOptions = {}): EventReader<Event> {
    const criteria = checkReadAll(options)
    const { assertOpen, closed } = this.#reading
    assertOpen()
    const { signal } = options
    const envelopes = envelopesFor(options)
    const asked = { ...options }
    const context = { signal, closed, activity: this.activity, commits: () => this.#commitReading(false, envelopes) }
    if (options.query !== undefined) {
      const query = new CompiledQuery(options.query, this.#reading.keys.hasher)
      return eventReader(
        (pause, marks) => this.#querySource(query, criteria, pause, asked, marks ?? envelopes),
        context,
      )
    }
    if (options.commitId !== undefined) {
      const id = options.commitId
      return eventReader((pause, marks) => this.#commitSource(id, criteria, pause, asked, marks ?? envelopes), context)
    }
    const open: OpenSource =
      criteria === undefined
        ? (_, marks) => this.#logSource(asked, marks ?? envelopes)
        : (pause, marks) =>
            this.#selected(criteria, pause, asked, (rest, selection) =>
              this.#logSource(rest, marks ?? envelopes, selection),
            )
    return eventReader(open, context)
  }

  readCategory<Event = StoredEvent>(
    category: string,
    options: Omit<ReadAllOptions, 'category'> = {},
  ): EventReader<Event> {
    checkReadCategory(category, options)
    return this.readAll({ ...options, category })
  }

  subscribe<Event = StoredEvent>(options: SubscribeOptions = {}): Subscription<Event> {
    const criteria = checkSubscribe(options)
    this.#reading.assertOpen()
    this.#reading.refresh?.()
    const following = { ...this.#reading, aborts: this.#aborts, activity: this.activity }
    return openSubscription(following, options, criteria) as unknown as Subscription<Event>
  }

  streamInfo(stream: string): Promise<StreamInfo> {
    try {
      this.#reading.assertOpen()
      this.#reading.refresh?.()
      const { catalog, streams } = this.#reading
      const state = catalog.get(stream)
      if (state.version === 0) streams.directory.assertStillThere()
      return state.damage === undefined
        ? this.#infos.of(state).catch((error: unknown) => Promise.reject(asIoError(error, 'read the stream')))
        : Promise.reject(state.damage)
    } catch (error) {
      return Promise.reject(asIoError(error, 'read the stream'))
    }
  }

  listStreams(options: ListStreamsOptions = {}): AsyncIterable<ListedStream> {
    const prefixes = checkListStreams(options)
    const { assertOpen } = this.#reading
    assertOpen()
    const { signal } = options
    const check = (): void => {
      if (signal?.aborted === true) throw signal.reason
      assertOpen()
    }
    const begin = (): AsyncGenerator<ListedStream> => {
      this.#reading.refresh?.()
      return this.#infos.list(prefixes, check)
    }
    return { [Symbol.asyncIterator]: begin }
  }

  #streamSource(
    stream: string,
    options: ReadStreamOptions,
    decoder: EventDecoder | undefined,
    selection?: Selection,
  ): EventSource {
    this.#reading.refresh?.()
    const streams = decoder === undefined ? this.#reading.streams : { ...this.#reading.streams, decoder }
    const { fromOffset, toOffset, limit = Infinity, direction = 'forward' } = options
    const state = this.#readable(stream)
    if (direction === 'backward') {
      const from = Math.min(fromOffset ?? Infinity, state.version - 1)
      const to = Math.max(toOffset ?? 0, from - limit + 1, 0)
      return new BackwardStreamSource(streams, state, fromOffset ?? state.version, to, selection)
    }
    const from = fromOffset ?? 0
    const end = Math.min((toOffset ?? Infinity) + 1, from + limit)
    return new ForwardStreamSource(streams, state, from, end, selection)
  }

  /** A damaged stream is read up to the damage. It is not kept: nothing may be appended to it, and a repair may be under way. */
  #readable(stream: string): StreamState {
    const { catalog, position, streams } = this.#reading
    try {
      const state = catalog.get(stream)
      if (state.version === 0) streams.directory.assertStillThere()
      return state
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error
      return stateBeforeDamage(streams.directory, streams.handles, streamKey(stream), error, position())
    }
  }

  #logSource(options: ReadAllOptions, decoder: EventDecoder | undefined, selection?: Selection): EventSource {
    this.#reading.refresh?.()
    const log = decoder === undefined ? this.#reading.log : { ...this.#reading.log, decoder }
    const { fromPosition = 0, toPosition = Infinity, limit = Infinity } = options
    const end = Math.min(this.#reading.position(), toPosition + 1, fromPosition + limit)
    return new LogSource(log, fromPosition, end, selection)
  }

  #querySource(
    query: CompiledQuery,
    criteria: EventCriteria | undefined,
    pause: () => Promise<void>,
    { fromPosition = 0, toPosition = Infinity, limit = Infinity }: ReadAllOptions,
    decoder: EventDecoder | undefined,
  ): EventSource {
    const reading = this.#keyReading(criteria, pause, decoder)
    const end = Math.min(this.#reading.position(), toPosition + 1)
    return new QuerySource(reading, query, fromPosition, end, limit)
  }

  #commitSource(
    commitId: string,
    criteria: EventCriteria | undefined,
    pause: () => Promise<void>,
    { fromPosition = 0, toPosition = Infinity, limit = Infinity }: ReadAllOptions,
    decoder: EventDecoder | undefined,
  ): EventSource {
    const reading = this.#keyReading(criteria, pause, decoder)
    const committed = this.#reading.position()
    return new CommitSource(reading, commitId, committed, fromPosition, Math.min(committed, toPosition + 1), limit)
  }

  /** What it takes to read by the index of keys, as far as the store is committed now. */
  #keyReading(
    criteria: EventCriteria | undefined,
    pause: () => Promise<void>,
    decoder: EventDecoder | undefined,
  ): QueryReading {
    const { keys, log, refresh } = this.#reading
    refresh?.()
    const filter = criteria && new EventFilter(criteria, log.decoder)
    return { index: keys, records: committedRecords(log), decoder: decoder ?? log.decoder, filter, pause }
  }

  #commitReading(backward: boolean, decoder = this.#reading.log.decoder): CommitReading {
    const { log } = this.#reading
    const records = committedRecords(log)
    const endsWithin = (from: number, end: number): boolean => {
      for (let position = from; position < end; position++) {
        records.read(position, -1)
        if ((eventFlags(records.window, records.at) & FLAG_LAST) !== 0) return true
      }
      return false
    }
    return { marks: new CommitMarks(decoder), backward, endsWithin }
  }

  /** Opens a source of the events that meet the criteria. The limit counts those, so the source itself has none. */
  #selected<Options extends ReadStreamOptions | ReadAllOptions>(
    criteria: EventCriteria,
    pause: () => Promise<void>,
    options: Options,
    open: (options: Options, selection: Selection) => EventSource,
  ): EventSource {
    const selection = new Selection(new EventFilter(criteria, this.#reading.log.decoder), pause)
    const { times } = criteria
    const { limit = Infinity } = options
    if (limit === 0 || (times !== undefined && times.from > times.to)) return NOTHING
    const source = open({ ...options, limit: undefined }, selection)
    return limit === Infinity ? source : new FirstOf(source, limit)
  }
}

function committedRecords(log: LogReading): RecordReader {
  return new RecordReader(
    log,
    () => Infinity,
    () => undefined,
  )
}

/** What reads the events of those who ask for no data; undefined for the others. */
function envelopesFor({ withoutData }: Pick<ReadAllOptions, 'withoutData'>): EventDecoder | undefined {
  return withoutData === true ? new EventDecoder(new NoValues()) : undefined
}

/** Says that a stream may lack events behind those that were found: what was lost with the damage cannot be told. */
export function missingBehind(damage: CorruptionError, state: StreamState): CorruptionError {
  const { file, byte, reason } = damage
  return new CorruptionError(
    `${reason}, and this stream may have had events there`,
    { file, byte, stream: state.key.name, offset: state.version },
    { cause: damage },
  )
}
