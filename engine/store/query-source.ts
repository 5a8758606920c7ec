import type { EventFilter } from '../format/event-filter.js'
import type { EventDecoder } from '../format/event-record.js'
import { asCorruption } from '../format/value-format.js'
import type { KeyIndex } from '../keys/key-index.js'
import { type KeyFile, WrongKeyFile } from '../keys/key-file-reader.js'
import type { KeyRange, KeySource } from '../keys/key-source.js'
import type { KeyPlace } from '../keys/key-table.js'
import type { StoredEvent } from '../types/event.js'
import type { EventSource } from './event-iterator.js'
import type { CompiledQuery } from './query.js'
import { rarest } from './query-decision.js'
import type { RecordReader } from './record-reader.js'

/** Records looked at before others have their turn, when few of them match. */
const RECORDS_A_TURN = 4096

/** A stretch of positions in which either the index names what can match, or every event is looked at. */
interface Stretch {
  readonly source: KeySource
  readonly end: number
  readonly cursors: Cursor[] | undefined
}

interface Cursor {
  readonly range: KeyRange
  at: number
}

/** What a query needs to be read. */
export interface QueryReading {
  readonly index: KeyIndex
  readonly records: RecordReader
  readonly decoder: EventDecoder
  /** Of the events that match, those that it takes too. */
  readonly filter: EventFilter | undefined
  /** Lets others have their turn, and rejects when the read has been ended meanwhile. */
  readonly pause: () => Promise<void>
}

/** Reads the events that match a query in commit order: where the index knows their tags, only those that have the rarest of each item. */
export class QuerySource implements EventSource {
  readonly #reading: QueryReading
  readonly #index: KeyIndex
  readonly #records: RecordReader
  readonly #query: CompiledQuery
  readonly #end: number
  readonly #limit: number
  #position: number
  #found = 0
  #stretch: Stretch | undefined

  /** Reads positions `from` … `end − 1`, all of which are committed, and at most `limit` events. */
  constructor(reading: QueryReading, query: CompiledQuery, from: number, end: number, limit: number) {
    this.#reading = reading
    this.#index = reading.index
    this.#records = reading.records
    this.#query = query
    this.#position = from
    this.#end = end
    this.#limit = limit
  }

  next(most: number): StoredEvent[] | Promise<StoredEvent[]> {
    const events: StoredEvent[] = []
    const wanted = Math.min(most, this.#limit - this.#found)
    for (let looked = 0; events.length < wanted && this.#position < this.#end; looked++) {
      if (looked >= RECORDS_A_TURN) {
        if (events.length > 0) break
        return this.#reading.pause().then(() => this.next(most))
      }
      try {
        this.#look(events)
      } catch (error) {
        if (error instanceof WrongKeyFile) {
          this.#index.distrust(error)
          this.#stretch = undefined
        } else if (events.length === 0) throw error
        else break // those before it first; the next call meets it again
      }
    }
    this.#found += events.length
    if (this.#position >= this.#end) this.#records.clear()
    return events
  }

  /** Looks at the next event that can match, or goes on to the next stretch. */
  #look(events: StoredEvent[]): void {
    this.#stretch ??= this.#plan()
    const { cursors, end } = this.#stretch
    let place: KeyPlace = { position: this.#position, byte: -1 }
    let file: KeyFile | undefined
    if (cursors !== undefined) {
      place = { position: end, byte: -1 }
      for (const cursor of cursors) {
        for (; cursor.at < cursor.range.count; cursor.at++) {
          const next = cursor.range.at(cursor.at)
          if (next.position < this.#position) continue
          if (next.position < place.position) {
            place = next
            file = cursor.range.file
          }
          break
        }
      }
    }
    const { position } = place
    if (position >= end) {
      this.#position = end
      this.#stretch = undefined
      return
    }
    const records = this.#records
    if (records.readPlace(place, file) && this.#query.matches(records.window, records.at)) this.#take(events)
    this.#position = position + 1
  }

  /** The stretch that the next position is in. */
  #plan(): Stretch {
    const from = this.#position
    const source = this.#index.sources().findLast((known) => known.from <= from)!
    let end = Math.min(source.end, this.#end)
    const cursors: Cursor[] = []
    for (const { types, tags } of this.#query.items) {
      if (tags.length > 0) {
        const range = rarest(source, tags, from, end)
        if (range !== undefined) cursors.push({ range, at: 0 })
        continue
      }
      // Types alone: every event is looked at, in those segments that have one of them.
      if (source.typed.length === 0) return { source, end, cursors: undefined }
      for (const { high, low } of types) {
        const range = source.range(high, low, from, source.end)
        if (range.count === 0) continue
        const { position } = range.at(0)
        const base = source.typed.findLast((segment) => segment.base <= position)!.base
        if (base <= from) return { source, end: Math.min(end, position + 1), cursors: undefined }
        end = Math.min(end, base)
      }
    }
    return { source, end, cursors }
  }

  #take(events: StoredEvent[]): void {
    const { window, at, length, path, byte } = this.#records
    const { filter, decoder } = this.#reading
    try {
      if (filter === undefined || filter.matches(window, at)) events.push(decoder.decode(window, at, length))
    } catch (error) {
      throw asCorruption(error, { file: path, byte })
    }
  }
}
