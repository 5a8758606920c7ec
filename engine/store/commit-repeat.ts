import {
  type EventDecoder,
  eventCommitId,
  eventFlags,
  eventTimestamp,
  FLAG_ASSIGNED,
  FLAG_FIRST,
  FLAG_LAST,
} from '../format/event-record.js'
import { KEY_COMMIT_ID } from '../format/key-hash.js'
import type { Window } from '../format/frame.js'
import { CorruptionError } from '../errors.js'
import type { KeyIndex } from '../keys/key-index.js'
import { asWrongKeyFile } from '../keys/key-file-reader.js'
import type { NewEvent, StoredEvent } from '../types/event.js'
import type { StreamAppend } from '../types/event-store.js'
import type { RecordReader } from './record-reader.js'
import { sameValue } from './same-value.js'

/** Where an entry of a stored commit went. `offset` undefined: it had no events, and its stream none elsewhere in the commit. */
export interface StoredEntry {
  readonly stream: string
  readonly offset: number | undefined
  readonly events: number
  /** Position of its first event. */
  readonly position: number
}

/** A commit that was stored, as its caller gives it again; or what is different. */
export type Repeat =
  | {
      readonly kind: 'same'
      readonly position: number
      readonly timestamp: number
      readonly entries: readonly StoredEntry[]
    }
  | { readonly kind: 'other'; readonly position: number; readonly reason: string }

/** Finds commits by their ids and compares them with what is appended. */
export class CommitRepeats {
  readonly #index: KeyIndex
  readonly #records: RecordReader
  readonly #decoder: EventDecoder

  constructor(index: KeyIndex, records: RecordReader, decoder: EventDecoder) {
    this.#index = index
    this.#records = records
    this.#decoder = decoder
  }

  /** Position of the first event of the commit with an id, committed or on its way (below `end`); −1: there is none. */
  find(id: string, end: number): number {
    for (;;) {
      try {
        return this.#find(id, end)
      } catch (error) {
        this.#index.distrust(asWrongKeyFile(error)) // one file less to be wrong
      }
    }
  }

  #find(id: string, end: number): number {
    const { hasher } = this.#index
    hasher.hashText(KEY_COMMIT_ID, id)
    const { high, low } = hasher
    const sources = this.#index.sources()
    for (let i = sources.length - 1; i >= 0; i--) {
      const source = sources[i]!
      const range = source.range(high, low, source.from, Math.min(source.end, end))
      for (let n = 0; n < range.count; n++) {
        const place = range.at(n)
        const read = this.#records.readPlace(place, range.file)
        if (read && isCommit(this.#records.window, this.#records.at, id)) return place.position
      }
    }
    return -1
  }

  /** Compares a stored commit with what is appended with its id. Reads all of it. Throws CorruptionError. */
  compare(first: number, appends: readonly StreamAppend[]): Repeat {
    const other = (reason: string): Repeat => ({ kind: 'other', position: first, reason })
    const entries: StoredEntry[] = []
    const next = new Map<string, number>()
    let position = first
    let ended = false
    let assigned: number | undefined
    let last = 0
    for (const [n, { stream, events }] of appends.entries()) {
      const place = appends.length === 1 ? 'events' : `appends[${n}].events`
      const { length } = events
      let offset = next.get(stream)
      for (let i = 0; i < length; i++) {
        if (ended) return other('it has fewer events')
        const { event, flags } = this.#stored(position, first)
        if (event.stream !== stream) return other(`${place}[${i}] went to another stream`)
        const field = differenceOf(event, events[i]!)
        if (field !== undefined) return other(`${place}[${i}].${field} is another`)
        if (i === 0) offset = event.offset
        if ((flags & FLAG_ASSIGNED) !== 0) assigned = event.timestamp
        last = event.timestamp
        ended = (flags & FLAG_LAST) !== 0
        next.set(stream, event.offset + 1)
        position++
      }
      entries.push({ stream, offset, events: length, position: position - length })
    }
    if (!ended) return other('it has more events')
    // What has no events comes before those of its stream that follow.
    const known = entries.map((entry, i) =>
      entry.offset === undefined
        ? {
            ...entry,
            offset: entries.find((later, n) => n > i && later.stream === entry.stream && later.events > 0)?.offset,
          }
        : entry,
    )
    return { kind: 'same', position: first, timestamp: assigned ?? last, entries: known }
  }

  #stored(position: number, first: number): { readonly event: StoredEvent; readonly flags: number } {
    const place = this.#records
    const read = place.read(position, -1)
    const flags = read ? eventFlags(place.window, place.at) : 0
    if (!read || ((flags & FLAG_FIRST) !== 0) !== (position === first)) {
      throw new CorruptionError('a commit is not whole', { file: place.path, byte: place.byte })
    }
    return { event: this.#decoder.decode(place.window, place.at, place.length), flags }
  }
}

/** The timestamp that the result of a commit with an id has: the one assigned to its events, or else that of its last event. */
export function resultTimestamp(window: Window, starts: readonly number[], at: number, count: number): number {
  for (let i = 0; i < count; i++) {
    const start = at + starts[i]!
    if ((eventFlags(window, start) & FLAG_ASSIGNED) !== 0) return eventTimestamp(window, start)
  }
  return eventTimestamp(window, at + starts[count - 1]!)
}

function isCommit(window: Window, at: number, id: string): boolean {
  const text = eventCommitId(window, at)
  if (text === undefined || (eventFlags(window, at) & FLAG_FIRST) === 0) return false
  return window.bytes.toString('utf8', text.start, text.end) === id
}

/** Names the first field of an event that is not what was stored. What is left out in a repeat and was assigned does not count. */
function differenceOf(stored: StoredEvent, given: NewEvent): string | undefined {
  if (typeof given !== 'object' || (given as unknown) === null) return 'type'
  if (given.type !== stored.type) return 'type'
  if ((given.schemaVersion ?? 1) !== stored.schemaVersion) return 'schemaVersion'
  if (given.id !== undefined && given.id !== stored.id) return 'id'
  const timestamp: unknown = given.timestamp
  const at = timestamp instanceof Date ? timestamp.getTime() : timestamp
  if (at !== undefined && at !== stored.timestamp) return 'timestamp'
  if (!sameValue(stored.tags, given.tags ?? [])) return 'tags'
  if (!sameValue(stored.metadata, given.metadata)) return 'metadata'
  return sameValue(stored.data, given.data) ? undefined : 'data'
}
