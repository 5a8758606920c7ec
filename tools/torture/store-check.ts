import { createHash, type Hash } from 'node:crypto'
import type { EventStore, StoredEvent } from '../../engine/index.js'
import { EVENT_TYPE, type TortureData, type Workload } from './workload.js'
import type { WriterRun } from './writer-process.js'

/**
 * `lost`: an acknowledged commit, or one that was read after opening, is not there. `torn`: a commit is there in part, or changed.
 * `order`: positions, offsets or commits are not dense or not in order. `foreign`: an event that no writer has appended. `stream`: a stream
 * read by itself differs from the log. `unreadable`: reading was refused.
 */
export type CheckKind = 'lost' | 'torn' | 'order' | 'foreign' | 'stream' | 'unreadable'

export interface CheckFinding {
  readonly kind: CheckKind
  readonly message: string
}

/** Beyond so many, further findings say nothing new. */
const MAX_FINDINGS = 20

interface StreamSoFar {
  version: number
  /** Of everything read of it in the log; only in a check of the whole store. */
  readonly digest: Hash | undefined
}

/**
 * Compares a store with what its writers have appended and said to be acknowledged. Memory: one commit, and a few hundred bytes for each
 * stream and each writer.
 */
export class StoreCheck {
  readonly #workload: Workload
  readonly #runs: readonly WriterRun[]
  /** Where the last check has ended. */
  #position = 0
  /** Index of the writer of the newest commit, and the newest commit found of each writer. */
  #run = 0
  #there: (number | undefined)[] = []
  #streams = new Map<string, StreamSoFar>()
  #findings: CheckFinding[] = []
  commits = 0

  /** @param runs What the writers have said, in the order in which they had the store; more may be added between checks. */
  constructor(workload: Workload, runs: readonly WriterRun[]) {
    this.#workload = workload
    this.#runs = runs
  }

  /** Number of events at the last check. */
  get events(): number {
    return this.#position
  }

  /** Checks what has come since the last check; what was there then must not have gone. */
  async checkNew(store: EventStore): Promise<CheckFinding[]> {
    return this.#check(store)
  }

  /** Checks everything, and reads each stream by itself too. */
  async checkAll(store: EventStore): Promise<CheckFinding[]> {
    this.#position = 0
    this.#run = 0
    this.#there = []
    this.#streams = new Map()
    this.commits = 0
    const findings = await this.#check(store, true)
    for (const [name, { digest, version }] of this.#streams) {
      if (findings.length >= MAX_FINDINGS) break
      await this.#compareStream(store, name, version, digest!)
    }
    return findings
  }

  async #check(store: EventStore, whole = false): Promise<CheckFinding[]> {
    this.#findings = []
    let commit: StoredEvent<string, TortureData>[] = []
    try {
      for await (const event of store.readAll<StoredEvent<string, TortureData>>({ fromPosition: this.#position })) {
        if (commit.length > 0 && numberOf(event) !== numberOf(commit[0]!)) {
          this.#addCommit(commit)
          commit = []
        }
        this.#addEvent(event, whole)
        commit.push(event)
        if (this.#findings.length >= MAX_FINDINGS) return this.#findings
      }
    } catch (error) {
      this.#find('unreadable', `reading at position ${this.#position} was refused: ${textOf(error)}`)
      return this.#findings
    }
    if (commit.length > 0) this.#addCommit(commit)
    this.#findLost()
    return this.#findings
  }

  #addEvent(event: StoredEvent<string, TortureData>, whole: boolean): void {
    if (event.position !== this.#position) {
      this.#find('order', `the event behind position ${this.#position - 1} says that it has position ${event.position}`)
    }
    this.#position = event.position + 1
    let stream = this.#streams.get(event.stream)
    if (stream === undefined) {
      stream = { version: 0, digest: whole ? createHash('sha256') : undefined }
      this.#streams.set(event.stream, stream)
    }
    if (event.offset !== stream.version) {
      this.#find('order', `stream ${event.stream} has offset ${event.offset} where ${stream.version} is next`)
    }
    stream.version = event.offset + 1
    stream.digest?.update(fingerprint(event))
  }

  /** Compares all that is there of a commit with what it must be. */
  #addCommit(events: readonly StoredEvent<string, TortureData>[]): void {
    const number = numberOf(events[0]!)
    const { position } = events[0]!
    const writer = number === undefined ? -1 : this.#writerOf(number)
    if (number === undefined || writer === -1) {
      this.#find('foreign', `no writer can have appended what is at position ${position}`)
      return
    }
    const before = this.#there[writer] ?? this.#runs[writer]!.first - 1
    if (writer < this.#run || number !== before + 1) {
      this.#find(
        'order',
        `commit ${number} at position ${position} is not the one behind commit ${before} of its writer`,
      )
    }
    this.#run = writer
    this.#there[writer] = number
    this.commits++
    const wanted = this.#workload
      .commit(number)
      .flatMap(({ stream, events: list }) => list.map(({ data }) => ({ stream, data: data! })))
    if (wanted.length !== events.length) {
      this.#find('torn', `commit ${number} has ${events.length} of its ${wanted.length} events`)
      return
    }
    const changed = events.findIndex(
      ({ stream, type, data }, i) =>
        stream !== wanted[i]!.stream ||
        type !== EVENT_TYPE ||
        data.part !== wanted[i]!.data.part ||
        data.text !== wanted[i]!.data.text,
    )
    if (changed !== -1) this.#find('torn', `event ${changed} of commit ${number} is not what was appended`)
  }

  /** Returns the index of the writer that has this commit, -1 for none. Mostly that of the commit before, or one soon after it. */
  #writerOf(number: number): number {
    let at = this.#run
    while (at >= 0 && !(number >= (this.#runs[at]?.first ?? Infinity))) at--
    while (at >= 0 && number >= (this.#runs[at + 1]?.first ?? Infinity)) at++
    return Number.isSafeInteger(number) ? at : -1
  }

  /** Reports each writer of which a commit is gone that was acknowledged or had been read. What is read now must not go later. */
  #findLost(): void {
    for (const [i, run] of this.#runs.entries()) {
      const there = this.#there[i] ?? run.first - 1
      if (run.last > there) {
        this.#find(
          'lost',
          `commit ${run.last} was acknowledged or read before, and of its writer (from commit ${run.first} on) the store ends at ${there}`,
        )
      }
      run.last = Math.max(run.last, there)
    }
  }

  async #compareStream(store: EventStore, name: string, version: number, wanted: Hash): Promise<void> {
    const digest = createHash('sha256')
    let count = 0
    try {
      for await (const event of store.readStream<StoredEvent<string, TortureData>>(name)) {
        digest.update(fingerprint(event))
        count++
      }
    } catch (error) {
      this.#find('unreadable', `reading stream ${name} at offset ${count} was refused: ${textOf(error)}`)
      return
    }
    if (count !== version) this.#find('stream', `stream ${name} has ${count} events, and ${version} in the log`)
    else if (digest.digest('hex') !== wanted.digest('hex')) {
      this.#find('stream', `stream ${name} has other events than the log`)
    }
  }

  #find(kind: CheckKind, message: string): void {
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push({ kind, message })
  }
}

/** Number of the commit that an event says it is of. */
function numberOf(event: StoredEvent): number | undefined {
  const commit = (event.data as Partial<TortureData> | undefined)?.commit
  return typeof commit === 'number' ? commit : undefined
}

function fingerprint({ position, offset, id, type, timestamp, data }: StoredEvent): string {
  return `${JSON.stringify([position, offset, id, type, timestamp, data])}\n`
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
