import type { Done, Environment } from '../io/file-system.js'
import { SerialSync } from '../io/serial-sync.js'
import { type LogLink, LogSegmentFile, type LogSegmentOptions } from './log-segment-file.js'

export interface LogTailHooks {
  /** A segment was created. */
  created(segment: LogSegmentFile): void
  /** A segment is full and has a successor. It may be unsynced when durability is relaxed. */
  rolled(full: LogSegmentFile, next: LogSegmentFile): void
}

/** Where the log goes on. */
export interface LogStart {
  readonly epoch: number
  readonly sequence: number
  /** The segment to go on in: opened at the first append. Undefined when the next append starts a segment. */
  readonly resume: { readonly end: number; readonly open: () => LogSegmentFile } | undefined
  readonly previous: Omit<LogLink, 'sequence' | 'durable'>
}

/** The end of the log on disk: the segment that is written to, the one after it, and how much is known durable. */
export class LogTail {
  readonly #environment: Environment
  readonly #directory: string
  readonly #options: LogSegmentOptions
  readonly #hooks: LogTailHooks
  readonly #epoch: number
  readonly #resume: (() => LogSegmentFile) | undefined
  #segment: LogSegmentFile | undefined
  #previous: LogStart['previous']
  /** Groups with a sequence below this are durable. */
  #durable: number
  /** Sequence behind the last group that was committed without a sync. */
  #relaxed = 0
  /** Full segments whose bytes a relaxed writer has not synced yet, oldest first. */
  readonly #unsyncedSegments: LogSegmentFile[] = []
  readonly #names: SerialSync

  constructor(
    environment: Environment,
    directory: string,
    options: LogSegmentOptions,
    start: LogStart,
    hooks: LogTailHooks,
  ) {
    this.#environment = environment
    this.#directory = directory
    this.#names = new SerialSync((done) => environment.files.syncDirectory(directory, done))
    this.#options = options
    this.#hooks = hooks
    this.#epoch = start.epoch
    this.#resume = start.resume?.open
    this.#previous = start.previous
    this.#durable = start.sequence
  }

  get epoch(): number {
    return this.#epoch
  }

  /** The segment that is written to; undefined before the first append. */
  get segment(): LogSegmentFile | undefined {
    return this.#segment
  }

  get durable(): number {
    return this.#durable
  }

  /** True while committed groups are not known durable. */
  get unsynced(): boolean {
    return this.#relaxed > this.#durable
  }

  /** Returns the segment to write to, resuming the one of the session before. */
  current(): LogSegmentFile {
    if (this.#segment === undefined) {
      this.#segment = this.#resume!()
      this.#segment.zeroLimit = this.#options.zeroLimit
    }
    return this.#segment
  }

  /** Begins the next segment: the one before is full. */
  roll(base: number, sequence: number): LogSegmentFile {
    const full = this.#segment ?? this.#resume?.()
    this.#segment = full // closed with the store where the next one cannot be created
    const segment = this.#create(base, sequence)
    if (full !== undefined) {
      if (full.unsynced) this.#unsyncedSegments.push(full)
      this.#hooks.rolled(full, segment)
    }
    return segment
  }

  /** Begins a segment and makes it durable, so that what comes is told from what an older writer may still write. */
  start(base: number, sequence: number, done: Done): LogSegmentFile {
    const segment = this.#create(base, sequence)
    this.secure(segment, (error) => (error === null ? segment.sync(done) : done(error)))
    return segment
  }

  /** Makes durable what a durable write to a segment stands on: older segments left unsynced, and the segment's name. */
  secure(segment: LogSegmentFile, done: Done): void {
    const older = this.#unsyncedSegments[0]
    if (older !== undefined) {
      return older.sync((error) => {
        if (error !== null) return done(error)
        if (this.#unsyncedSegments[0] === older) this.#unsyncedSegments.shift()
        this.secure(segment, done)
      })
    }
    if (segment.nameDurable) return done(null)
    this.syncNames((error) => {
      if (error === null) segment.nameDurable = true
      done(error)
    })
  }

  /** Makes the names in the folder durable. */
  syncNames(done: Done): void {
    this.#names.run(done)
  }

  /** Makes durable what relaxed groups left to the operating system. Groups below `written` are committed. */
  sync(written: number, done: Done): void {
    const segment = this.#segment
    if (segment === undefined) return done(null)
    this.secure(segment, (error) => {
      if (error !== null) return done(error)
      segment.sync((syncError) => {
        if (syncError === null) this.#durable = Math.max(this.#durable, written)
        done(syncError)
      })
    })
  }

  /** A group was written to a segment, and synced if it is durable. */
  advance(segment: LogSegmentFile, sequence: number, durable: boolean): void {
    this.#previous = { previousBase: segment.base, previousEpoch: segment.epoch, previousEnd: segment.end }
    if (durable) this.#durable = sequence + 1
    else this.#relaxed = sequence + 1
  }

  #create(base: number, sequence: number): LogSegmentFile {
    const link = { ...this.#previous, sequence, durable: this.#durable }
    const { files } = this.#environment
    const segment = LogSegmentFile.create(files, this.#directory, base, this.#epoch, link, this.#options)
    this.#segment = segment
    this.#hooks.created(segment)
    return segment
  }
}
