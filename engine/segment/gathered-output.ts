import type { FileHandle } from '../io/file-system.js'
import { writeFullySync } from '../io/transfer.js'

const SCRATCH_BYTES = 256 * 1024
/** A run of bytes that is at least so long is written from where it is. */
const DIRECT_BYTES = 32 * 1024

/**
 * Puts together what is written to one file with few calls, from pieces that lie about in memory. Pieces that follow each other
 * in memory are taken as one: a stream that was appended to alone is written from where its groups were made, and not copied.
 */
export class GatheredOutput {
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
  #used = 0
  #handle: FileHandle | undefined
  /** Bytes of the file that are written. */
  #written = 0
  /** What was added last and is neither copied nor written yet. */
  #run: Buffer = this.#scratch
  #runStart = 0
  #runEnd = 0

  /** Starts at byte `at` of a file. */
  begin(handle: FileHandle, at: number): void {
    this.#handle = handle
    this.#written = at
    this.#used = 0
    this.#runStart = this.#runEnd = 0
  }

  /** Byte of the file behind what was added. */
  get end(): number {
    return this.#written + this.#used + this.#runEnd - this.#runStart
  }

  /** Adds a whole buffer, which may be changed afterwards. */
  add(source: Buffer): void {
    this.addFrom(source, 0, source.length)
    this.copy()
  }

  /** Adds a part of a buffer, which must stay as it is until `write` or `copy`. */
  addFrom(source: Buffer, start: number, length: number): void {
    if (this.#runEnd === start && this.#run === source) this.#runEnd = start + length
    else {
      this.copy()
      this.#run = source
      this.#runStart = start
      this.#runEnd = start + length
    }
  }

  /** Holds no foreign memory any more: copies or writes what was added last. */
  copy(): void {
    const length = this.#runEnd - this.#runStart
    if (length === 0) return
    if (length >= DIRECT_BYTES) {
      this.#writeScratch()
      this.#writeOut(this.#run, this.#runStart, length)
    } else {
      if (this.#used + length > SCRATCH_BYTES) this.#writeScratch()
      this.#run.copy(this.#scratch, this.#used, this.#runStart, this.#runEnd)
      this.#used += length
    }
    this.#runStart = this.#runEnd = 0
    this.#run = this.#scratch
  }

  /** Writes everything that was added. Throws what the system reports. */
  write(): void {
    this.copy()
    this.#writeScratch()
  }

  #writeScratch(): void {
    this.#writeOut(this.#scratch, 0, this.#used)
    this.#used = 0
  }

  #writeOut(source: Buffer, start: number, length: number): void {
    if (length > 0) writeFullySync(this.#handle!, source, start, length, this.#written)
    this.#written += length
  }
}
