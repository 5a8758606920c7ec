import { BadRecordError } from './bad-record.js'
import type { ImportedEvent } from './imported-event.js'
import type { SourceRecord } from './records.js'

/** Records of one commit, and their bytes: what a store takes by default. */
const MOST_RECORDS = 100_000
const MOST_BYTES = 64 * 1024 * 1024

/** What is wrong with a commit, and the line that shows it. */
export interface Wrong {
  readonly line: number
  readonly reason: string
}

/** Records that are one commit. */
export interface GatheredCommit {
  readonly firstLine: number
  /** How many records there were, and their bytes. */
  readonly count: number
  readonly bytes: number
  /** Empty where there were too many to be kept. */
  readonly records: readonly SourceRecord[]
  readonly events: readonly ImportedEvent[]
  /** Why it cannot be stored. */
  readonly wrong: Wrong | undefined
}

interface Open extends GatheredCommit {
  count: number
  bytes: number
  records: SourceRecord[]
  events: ImportedEvent[]
  wrong: Wrong | undefined
  readonly group: string | undefined
  /** Number of the next part, and how many there are to be. */
  nextPart: number
  readonly parts: number
}

/**
 * Puts records together that are one commit: those whose parts follow each other, or who are of one group. A record that cannot be read makes
 * its commit wrong, and where it cannot be told which that is, those on both sides: half a commit never passes for a whole one.
 */
export class CommitGatherer {
  readonly #grouped: boolean
  readonly #emit: (commit: GatheredCommit) => void
  #open: Open | undefined
  /** What comes next may be of the commit of a record that cannot be read. */
  #doubt: Wrong | undefined

  /** `grouped`: records that follow each other are one commit if their group is the same. */
  constructor(grouped: boolean, emit: (commit: GatheredCommit) => void) {
    this.#grouped = grouped
    this.#emit = emit
  }

  /** Adds the next record, and what it asks for. */
  add(record: SourceRecord, decoded: ImportedEvent | BadRecordError): void {
    if (this.#open !== undefined && !this.#belongs(this.#open, decoded)) this.#close(this.#open)
    this.#open ??= this.#begin(record, decoded)
    const open = this.#open
    this.#doubt =
      this.#grouped && isUnreadable(decoded)
        ? { line: record.line, reason: 'it may be of the same commit as what follows' }
        : undefined
    put(open, record, decoded)
    if (!this.#grouped && open.nextPart > open.parts) this.#close(open)
  }

  /** There are no more records. */
  end(): void {
    if (this.#open !== undefined) this.#close(this.#open)
  }

  #belongs(open: Open, decoded: ImportedEvent | BadRecordError): boolean {
    if (this.#grouped) return isUnreadable(decoded) || decoded.group === open.group
    if (decoded instanceof BadRecordError) return true // it stands where a part is missing
    return decoded.part?.[0] === open.nextPart && decoded.part[1] === open.parts
  }

  #begin({ line }: SourceRecord, decoded: ImportedEvent | BadRecordError): Open {
    const [nextPart, parts] = (decoded instanceof BadRecordError ? undefined : decoded.part) ?? [1, 1]
    const missing =
      nextPart > 1 ? { line, reason: `it is part ${nextPart} of a commit whose part before is missing` } : undefined
    const wrong = missing ?? this.#doubt
    return {
      firstLine: line,
      count: 0,
      bytes: 0,
      records: [],
      events: [],
      wrong,
      group: decoded.group,
      nextPart,
      parts,
    }
  }

  #close(open: Open): void {
    this.#open = undefined
    if (!this.#grouped && open.nextPart <= open.parts) {
      const line = open.records.at(-1)?.line ?? open.firstLine
      open.wrong ??= { line, reason: `part ${open.nextPart} of its commit is missing behind it` }
    }
    this.#emit(open)
  }
}

function isUnreadable(decoded: ImportedEvent | BadRecordError): boolean {
  return decoded instanceof BadRecordError && decoded.group === undefined
}

function put(open: Open, record: SourceRecord, decoded: ImportedEvent | BadRecordError): void {
  const { line, bytes } = record
  open.count++
  open.nextPart++
  open.bytes += bytes?.length ?? 0
  if (open.count > MOST_RECORDS || open.bytes > MOST_BYTES) {
    open.wrong ??= { line, reason: 'its commit is larger than a store takes' }
    open.records = []
    open.events = []
    return
  }
  open.records.push(record)
  if (decoded instanceof BadRecordError) {
    open.wrong ??= { line, reason: decoded.message }
    return
  }
  if (open.events.length > 0 && open.events[0]!.commitId !== decoded.commitId) {
    open.wrong ??= { line, reason: 'its commit has another id' }
  }
  open.events.push(decoded)
}
