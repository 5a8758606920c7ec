import { createHash } from 'node:crypto'
import { AnnalsError, type AppendResult, type EventStore, VersionConflictError } from '../../engine/index.js'
import { BadRecordError } from './bad-record.js'
import { CommitGatherer, type GatheredCommit, type Wrong } from './commit-gatherer.js'
import type { ImportedEvent, RecordDecoder } from './imported-event.js'
import type { SourceRecord } from './records.js'

/** Commits that wait for the disk at the same time; they share its syncs. */
const MOST_IN_FLIGHT = 1024
/** Bytes of their records: a commit that is larger goes alone. */
const MOST_BYTES_IN_FLIGHT = 16 * 1024 * 1024

export interface ImportOptions {
  readonly decode: RecordDecoder
  /** Records that follow each other and have the same group are one commit. */
  readonly grouped: boolean
  /**
   * Gives commits that bring neither an id nor a place an id of this name and the number of their first line, so that they can be imported
   * again. 'digest': the name is made of the first record. 'none': no ids.
   */
  readonly ids: { readonly name: string } | 'digest' | 'none'
  /** Leaves out the offsets that records bring: events go to the ends of their streams. */
  readonly renumber: boolean
  /** What cannot be stored ends the import. What stood before it is stored. */
  readonly stops: boolean
  /** Hears of commits that cannot be stored, in the order of the file. */
  readonly bad: (wrong: Wrong, commit: GatheredCommit) => Promise<void> | undefined
  /** Called now and then. */
  readonly progress: (done: ImportReport) => void
  /** Ends it: what is on its way is waited for, then it rejects with the signal's reason. */
  readonly signal: AbortSignal
}

export interface ImportReport {
  /** Records that were read. */
  readonly records: number
  /** Events and commits that were stored now. */
  readonly events: number
  readonly commits: number
  /** Commits that were stored before. */
  readonly repeats: number
  /** Records that were not stored. */
  readonly bad: number
  /** It ended at what could not be stored. */
  readonly stopped: boolean
}

type Outcome = 'stored' | 'repeat' | Wrong

/** A commit on its way. */
interface Flight {
  readonly commit: GatheredCommit
  readonly outcome: Promise<Outcome>
}

/** Stores what the records of a file ask for, in their order, as many commits at a time as keep the disk busy. Memory: those on their way. */
export class Importer {
  readonly #store: EventStore
  readonly #options: ImportOptions
  readonly #gatherer: CommitGatherer
  readonly #flights: Flight[] = []
  #bytesInFlight = 0
  #name: string | undefined
  /** What is on its way cannot be stored, and ends the import. */
  #ends = false
  readonly #report = { records: 0, events: 0, commits: 0, repeats: 0, bad: 0, stopped: false }

  constructor(store: EventStore, options: ImportOptions) {
    this.#store = store
    this.#options = options
    this.#gatherer = new CommitGatherer(options.grouped, (commit) => this.#start(commit))
    if (typeof options.ids === 'object') this.#name = options.ids.name
  }

  /** Imports all records, once. Rejects with what the store cannot go on after, and with the signal's reason. */
  async run(source: AsyncIterable<readonly SourceRecord[]>): Promise<ImportReport> {
    const { signal, progress } = this.#options
    try {
      for await (const records of source) {
        for (const record of records) {
          this.#add(record)
          if (this.#mustWait) await this.#land()
          if (this.#report.stopped) break
        }
        signal.throwIfAborted()
        progress(this.#report)
        if (this.#report.stopped) break
      }
      if (!this.#report.stopped) this.#gatherer.end()
    } finally {
      while (this.#flights.length > 0) await this.#land()
    }
    signal.throwIfAborted()
    return this.#report
  }

  #add(record: SourceRecord): void {
    this.#report.records++
    if (this.#options.ids === 'digest') this.#name ??= digestOf(record)
    this.#gatherer.add(record, this.#decoded(record))
  }

  #decoded({ bytes }: SourceRecord): ImportedEvent | BadRecordError {
    if (bytes === undefined) return new BadRecordError('it is too long (--max-line)')
    try {
      return this.#options.decode(bytes)
    } catch (error) {
      if (error instanceof BadRecordError) return error
      if (error instanceof RangeError) return new BadRecordError(error.message) // nested beyond all measure
      throw error
    }
  }

  #start(commit: GatheredCommit): void {
    if (this.#ends) return
    const outcome = commit.wrong === undefined ? this.#append(commit) : Promise.resolve(commit.wrong)
    outcome.catch(() => {}) // told when it is its turn
    this.#ends = this.#options.stops && commit.wrong !== undefined
    this.#bytesInFlight += commit.bytes
    this.#flights.push({ commit, outcome })
  }

  get #mustWait(): boolean {
    const { length } = this.#flights
    return length >= MOST_IN_FLIGHT || (length > 1 && this.#bytesInFlight > MOST_BYTES_IN_FLIGHT) || this.#ends
  }

  /** Waits for the commit that has been on its way for longest; for all, when the last of them ends the import. */
  async #land(): Promise<void> {
    do {
      const { commit, outcome } = this.#flights.shift()!
      this.#bytesInFlight -= commit.bytes
      await this.#count(commit, await outcome)
    } while (this.#ends && this.#flights.length > 0)
  }

  async #count(commit: GatheredCommit, outcome: Outcome): Promise<void> {
    const report = this.#report
    if (outcome === 'stored') {
      report.commits++
      report.events += commit.events.length
    } else if (outcome === 'repeat') report.repeats++
    else if (!report.stopped) {
      report.bad += commit.count
      report.stopped = this.#options.stops
      await this.#options.bad(outcome, commit)
    }
  }

  async #append({ firstLine, events }: GatheredCommit): Promise<Outcome> {
    const { renumber } = this.#options
    const first = events[0]!
    const placed = !renumber && first.offset !== undefined
    const named = placed || this.#name === undefined ? undefined : `${this.#name}:${firstLine}`
    try {
      const { isRepeat } = await this.#appended(events, first.commitId ?? named)
      return isRepeat === true ? 'repeat' : 'stored'
    } catch (error) {
      if (placed && error instanceof VersionConflictError && (await this.#isThere(first))) return 'repeat'
      if (!(error instanceof AnnalsError) || !REFUSALS.has(error.code)) throw error
      return { line: firstLine, reason: reasonOf(error, placed) }
    }
  }

  /** Stores the events of a commit, those of one stream that follow each other together. */
  async #appended(events: readonly ImportedEvent[], commitId: string | undefined): Promise<AppendResult> {
    const appends: { stream: string; events: ImportedEvent['event'][]; expectedVersion: number | undefined }[] = []
    let next: number | undefined
    for (const { stream, event, offset } of events) {
      const place = this.#options.renumber ? undefined : offset
      const last = appends.at(-1)
      if (last?.stream === stream && place === next) last.events.push(event)
      else appends.push({ stream, events: [event], expectedVersion: place })
      next = place === undefined ? undefined : place + 1
    }
    const [only, more] = appends
    if (more !== undefined) return (await this.#store.appendMany(appends, { commitId }))[0]!
    return this.#store.append(only!.stream, only!.events, { commitId, expectedVersion: only!.expectedVersion })
  }

  /** Whether an event was imported before: a commit that has its first event has all of it. */
  async #isThere({ stream, offset, event }: ImportedEvent): Promise<boolean> {
    if (event.id === undefined) return false
    for await (const { id } of this.#store.readStream(stream, { fromOffset: offset, limit: 1 })) return id === event.id
    return false
  }
}

/** What a store says of events that it does not take; anything else is no fault of theirs. */
const REFUSALS: ReadonlySet<string> = new Set([
  'ERR_INVALID_NAME',
  'ERR_INVALID_EVENT',
  'ERR_INVALID_ARGUMENT',
  'ERR_TOO_LARGE',
  'ERR_VERSION_CONFLICT',
  'ERR_COMMIT_ID_REUSED',
])

function reasonOf(error: AnnalsError, placed: boolean): string {
  if (!placed || !(error instanceof VersionConflictError)) return error.message
  const { stream, expected, actual } = error
  const place = `offset ${expected} of stream ${JSON.stringify(stream)}`
  return Number(expected) < actual ? `${place} is another event` : `it is ${place}, which is at version ${actual}`
}

function digestOf({ bytes }: SourceRecord): string {
  return `import-${createHash('sha256')
    .update(bytes ?? '')
    .digest('hex')
    .slice(0, 16)}`
}
