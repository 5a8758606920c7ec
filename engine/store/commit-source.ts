import { eventFlags, FLAG_LAST } from '../format/event-record.js'
import { asCorruption } from '../format/value-format.js'
import type { StoredEvent } from '../types/event.js'
import { CommitRepeats } from './commit-repeat.js'
import type { EventSource } from './event-iterator.js'
import type { QueryReading } from './query-source.js'

/** Records looked at before others have their turn, when a filter takes few of them. */
const RECORDS_A_TURN = 4096

/** Reads the events of one commit, which the index finds by its id. */
export class CommitSource implements EventSource {
  readonly #reading: QueryReading
  readonly #from: number
  readonly #end: number
  readonly #limit: number
  #position: number
  #found = 0

  /** Reads of positions `from` … `end − 1`, all of which are committed, those of the commit, and at most `limit` events. */
  constructor(reading: QueryReading, commitId: string, committed: number, from: number, end: number, limit: number) {
    this.#reading = reading
    const { index, records, decoder } = reading
    const first = new CommitRepeats(index, records, decoder).find(commitId, committed)
    this.#from = from
    this.#end = first < 0 ? 0 : end
    this.#position = Math.max(first, 0)
    this.#limit = limit
  }

  next(most: number): StoredEvent[] | Promise<StoredEvent[]> {
    const { records, pause } = this.#reading
    const events: StoredEvent[] = []
    const wanted = Math.min(most, this.#limit - this.#found)
    for (let looked = 0; events.length < wanted && this.#position < this.#end; looked++) {
      if (looked >= RECORDS_A_TURN) {
        if (events.length > 0) break
        return pause().then(() => this.next(most))
      }
      try {
        this.#look(events)
      } catch (error) {
        if (events.length === 0) throw error
        break // those before it first; the next call meets it again
      }
    }
    this.#found += events.length
    if (this.#position >= this.#end) records.clear()
    return events
  }

  #look(events: StoredEvent[]): void {
    const { records, filter, decoder } = this.#reading
    records.read(this.#position, -1)
    const { window, at, length, path, byte } = records
    try {
      const takes = this.#position >= this.#from && filter?.matches(window, at) !== false
      if (takes) events.push(decoder.decode(window, at, length))
    } catch (error) {
      throw asCorruption(error, { file: path, byte })
    }
    this.#position = (eventFlags(window, at) & FLAG_LAST) !== 0 ? this.#end : this.#position + 1
  }
}
