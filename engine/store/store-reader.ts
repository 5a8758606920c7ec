import { asIoError } from '../errors.js'
import { streamKey } from '../format/names.js'
import type { StreamCatalog } from '../streams/stream-catalog.js'
import type { StoredEvent } from '../types/event.js'
import type { EventReader, ReadAllOptions, ReadStreamOptions, StreamInfo } from '../types/event-store.js'
import { eventReader } from './event-iterator.js'
import { LogSource, type LogReading } from './log-source.js'
import { checkReadAll, checkReadStream } from './read-options.js'
import { BackwardStreamSource, ForwardStreamSource, type StreamReading } from './stream-source.js'

/** What reading a store needs, whoever writes to it. */
export interface StoreReading {
  readonly catalog: StreamCatalog
  readonly streams: StreamReading
  readonly log: LogReading
  /** Position behind the last committed event. */
  readonly position: () => number
  readonly closed: () => boolean
  /** Throws ERR_CLOSED. */
  readonly assertOpen: () => void
}

/** The reading side of a store: checks what is asked for and opens the sources that answer it. */
export class StoreReader {
  readonly #reading: StoreReading

  constructor(reading: StoreReading) {
    this.#reading = reading
  }

  readStream<Event = StoredEvent>(stream: string, options: ReadStreamOptions = {}): EventReader<Event> {
    checkReadStream(options)
    const { assertOpen, catalog, closed, streams } = this.#reading
    assertOpen()
    const { fromOffset, toOffset, limit = Infinity, direction = 'forward', signal } = options
    const open = (): ForwardStreamSource | BackwardStreamSource => {
      const state = catalog.get(stream)
      if (direction === 'backward') {
        const from = Math.min(fromOffset ?? Infinity, state.version - 1)
        return new BackwardStreamSource(
          streams,
          state,
          fromOffset ?? state.version,
          Math.max(toOffset ?? 0, from - limit + 1, 0),
        )
      }
      const from = fromOffset ?? 0
      return new ForwardStreamSource(streams, state, from, Math.min((toOffset ?? Infinity) + 1, from + limit))
    }
    if (catalog.peek(stream) === undefined) streamKey(stream) // a bad name is refused now and not at the first event
    return eventReader(open, { signal, closed })
  }

  readAll<Event = StoredEvent>(options: ReadAllOptions = {}): EventReader<Event> {
    checkReadAll(options)
    const { assertOpen, closed, log, position } = this.#reading
    assertOpen()
    const { fromPosition = 0, toPosition = Infinity, limit = Infinity, signal } = options
    const open = (): LogSource =>
      new LogSource(log, fromPosition, Math.min(position(), toPosition + 1, fromPosition + limit))
    return eventReader(open, { signal, closed })
  }

  streamInfo(stream: string): Promise<StreamInfo> {
    try {
      this.#reading.assertOpen()
      const state = this.#reading.catalog.get(stream)
      return state.damage === undefined
        ? Promise.resolve({ stream, version: state.version })
        : Promise.reject(state.damage)
    } catch (error) {
      return Promise.reject(asIoError(error, 'read the stream'))
    }
  }
}
