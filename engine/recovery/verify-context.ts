import type { Checkpoint } from '../format/checkpoint.js'
import type { Environment, FileHandle } from '../io/file-system.js'
import { readFullySync } from '../io/transfer.js'
import type { Limits } from '../limits.js'
import type { FindingList, Severity } from './findings.js'
import type { Invariant } from './invariants.js'
import type { RecordCheck } from './verify-event.js'

export interface VerifyProgress {
  /** Never less than before, and at the end as many as there are: what need not be read of a file counts when it was looked at. */
  readonly bytesRead: number
  readonly totalBytes: number
}

/** Milliseconds of work between two turns of the event loop. */
const SLICE_MS = 8
/** Bytes between two calls of the progress callback; of a small store a hundredth. */
const REPORT_BYTES = 1024 * 1024

/** Lets everything else in this process go on, ends when asked to, and tells how far the reading has come. */
export class Pace {
  readonly #environment: Environment
  readonly #signal: AbortSignal | undefined
  readonly #report: ((progress: VerifyProgress) => void) | undefined
  #sliceEnd: number
  #reported = -1
  /** How far the files have come that were begun, and what they have together. */
  #done = 0
  #begun = 0
  /** Bytes that were read. */
  bytes = 0
  files = 0
  totalBytes = 0

  constructor(
    environment: Environment,
    signal: AbortSignal | undefined,
    report: ((progress: VerifyProgress) => void) | undefined,
  ) {
    this.#environment = environment
    this.#signal = signal
    this.#report = report
    this.#sliceEnd = environment.elapsed() + SLICE_MS
  }

  /** Begins to read a file of this size, those before it being done with. */
  begin(size: number): void {
    this.files++
    this.#done = this.#begun
    this.#begun += size
  }

  /** Counts a file of this size that was read at once, also amid another; `bytes` of it were read. */
  whole(size: number, bytes = size): void {
    this.files++
    this.bytes += bytes
    this.#done += size
    this.#begun += size
  }

  /** Counts bytes read. Returns a promise to wait for when others should have their turn. Throws the signal's reason. */
  spend(bytes: number): Promise<void> | undefined {
    this.bytes += bytes
    this.#done = Math.min(this.#begun, this.#done + bytes)
    if (this.#done - this.#reported >= Math.min(REPORT_BYTES, this.totalBytes / 100)) this.#tell(this.#done)
    if (this.#environment.elapsed() < this.#sliceEnd) return undefined
    this.#signal?.throwIfAborted()
    return new Promise((resolve) =>
      setImmediate(() => {
        this.#sliceEnd = this.#environment.elapsed() + SLICE_MS
        resolve()
      }),
    )
  }

  /** Everything was looked at. */
  finish(): void {
    this.#tell(Infinity)
  }

  #tell(done: number): void {
    const { totalBytes } = this
    const bytesRead = Math.min(done, totalBytes)
    if (bytesRead <= this.#reported) return
    this.#reported = bytesRead
    this.#report?.({ bytesRead, totalBytes })
  }
}

/** What all parts of a verification share. */
export interface VerifyContext {
  readonly environment: Environment
  readonly logPath: string
  readonly streamsPath: string
  readonly storeId: Buffer
  readonly limits: Limits
  readonly findings: FindingList
  readonly records: RecordCheck
  readonly pace: Pace
  /** Undefined when there is none that can be used. */
  readonly checkpoint: Checkpoint | undefined
  /**
   * Events from this position on were written to their stream segments by this process, so they stand there, synced or not.
   * Infinity: the store is not open here, and what was never synced may have been torn by a power cut.
   */
  readonly writtenFrom: number
}

/** Adds a finding about a file. */
export function report(
  context: Pick<VerifyContext, 'findings'>,
  severity: Severity,
  invariant: Invariant,
  file: string,
  byte: number,
  message: string,
  event: { stream?: string | undefined; offset?: number | undefined; position?: number | undefined } = {},
): ReturnType<FindingList['add']> {
  return context.findings.add({ invariant, severity, file, byte, ...event, message })
}

/** Reads the first bytes of a file, or as many as there are. */
export function readHead(handle: FileHandle, bytes: number): Buffer {
  const head = Buffer.alloc(bytes)
  return head.subarray(0, readFullySync(handle, head, 0, bytes, 0))
}
