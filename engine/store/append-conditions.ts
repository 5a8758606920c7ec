import type { Commit, CommitLog } from '../commit-log/commit-log.js'
import { CommitIdReusedError, QueryConflictError } from '../errors.js'
import type { EventDecoder } from '../format/event-record.js'
import { windowOf } from '../format/frame.js'
import type { KeyIndex } from '../keys/key-index.js'
import { byteOf } from '../segment/slabs.js'
import type { StreamState } from '../streams/stream-state.js'
import type { Query } from '../types/query.js'
import type { AppendResult, StreamAppend } from '../types/event-store.js'
import { CommitRepeats } from './commit-repeat.js'
import { CompiledQuery } from './query.js'
import { QueryDecision } from './query-decision.js'
import { type PendingRecord, RecordReader } from './record-reader.js'
import type { StoreReading } from './store-reader.js'
import { versionAt } from './version-at.js'

export interface AppendConditionsParts {
  readonly index: KeyIndex
  readonly records: RecordReader
  readonly decoder: EventDecoder
  /** Position behind the last committed event. */
  readonly committed: () => number
  /** Number of events that a stream had before a position. */
  readonly versionAt: (stream: string, position: number) => Promise<number>
}

/** A commit that is stored already. */
export interface KnownCommit {
  /** It is still on its way. */
  readonly uncommitted: boolean
  /** The results of its first append, but for the durability. */
  readonly results: () => Promise<Omit<AppendResult, 'durability'>[]>
}

/** Puts together what appends to a store may ask for. */
export function appendConditions(reading: StoreReading, log: CommitLog<StreamState>): AppendConditions {
  const { keys, position, streams, catalog } = reading
  const pending = (at: number): ReturnType<PendingRecord> => {
    for (const { firstPosition, addresses, slab } of log.pendingGroups()) {
      const address = addresses[at - firstPosition]
      if (address !== undefined) return { window: slab.window, at: byteOf(address) }
    }
    return undefined
  }
  return new AppendConditions({
    index: keys,
    records: new RecordReader(reading.log, position, pending),
    decoder: reading.log.decoder,
    committed: position,
    versionAt: (stream, before) => versionAt(streams, catalog, stream, before),
  })
}

/** What an append may ask for besides versions: that its commit is new by its id, and that no event matches a query. */
export class AppendConditions {
  readonly #parts: AppendConditionsParts
  readonly #repeats: CommitRepeats
  readonly #decision: QueryDecision

  constructor(parts: AppendConditionsParts) {
    this.#parts = parts
    const { index, records, decoder } = parts
    this.#repeats = new CommitRepeats(index, records, decoder)
    this.#decision = new QueryDecision(index, records)
  }

  /** Looks for a commit by its id among those below `end`. Undefined: there is none. An error: it is another one. */
  known(commitId: string, appends: readonly StreamAppend[], end: number): KnownCommit | Refusal | undefined {
    const first = this.#repeats.find(commitId, end)
    if (first < 0) return undefined
    const uncommitted = first >= this.#parts.committed()
    const repeat = this.#repeats.compare(first, appends)
    this.#parts.records.trim()
    if (repeat.kind === 'other') {
      return { uncommitted, error: new CommitIdReusedError(commitId, first, repeat.reason) }
    }
    const results = (): Promise<Omit<AppendResult, 'durability'>[]> =>
      Promise.all(
        repeat.entries.map(async ({ stream, offset, events, position }) => {
          const firstOffset = offset ?? (await this.#parts.versionAt(stream, first))
          return {
            stream,
            firstOffset,
            lastOffset: firstOffset + events - 1,
            version: firstOffset + events,
            position: events === 0 ? -1 : position + events - 1,
            timestamp: repeat.timestamp,
            isRepeat: true as const,
          }
        }),
      )
    return { uncommitted, results }
  }

  /** Refuses when an event behind `after` and below `end` matches. */
  conflict(query: Query, after: number, end: number): Refusal | undefined {
    const { index, committed } = this.#parts
    const position = this.#decision.newestMatch(new CompiledQuery(query, index.hasher), after + 1, end)
    this.#parts.records.trim()
    if (position < 0) return undefined
    return { uncommitted: position >= committed(), error: new QueryConflictError(position, after) }
  }

  /** A commit with an id or tags is about to be handed to the log. */
  add({ bytes, at, starts, count, firstPosition }: Commit<StreamState>): void {
    const window = windowOf(bytes)
    for (let i = 0; i < count; i++) this.#parts.index.add(window, at + starts[i]!, firstPosition + i)
  }
}

/** Why an append is refused; `uncommitted`: what that rests on is still on its way. */
export interface Refusal {
  readonly uncommitted: boolean
  readonly error: Error
}
