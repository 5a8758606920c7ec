const FIRST_BYTES = 64 * 1024
/** Memory of pieces up to this size is kept for the next one. */
const KEPT_BYTES = 1024 * 1024

/**
 * Puts together what is written to one file with one call, from pieces that lie about in memory. Pieces that follow each other in memory
 * are copied as one.
 */
export class GatheredOutput {
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES)
  #used = 0
  /** What was added last and is not copied yet. */
  #run: Buffer = this.#bytes
  #runStart = 0
  #runEnd = 0

  /** Forgets what was added. */
  clear(): void {
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = Buffer.allocUnsafeSlow(FIRST_BYTES)
    this.#used = 0
    this.#runStart = this.#runEnd = 0
    this.#run = this.#bytes
  }

  /** Bytes added. */
  get length(): number {
    return this.#used + this.#runEnd - this.#runStart
  }

  /** Adds a whole buffer, which may be changed afterwards. */
  add(source: Buffer): void {
    this.addFrom(source, 0, source.length)
    this.copy()
  }

  /** Adds a part of a buffer, which must stay as it is until `copy` or `take`. */
  addFrom(source: Buffer, start: number, length: number): void {
    if (this.#runEnd === start && this.#run === source) this.#runEnd = start + length
    else {
      this.copy()
      this.#run = source
      this.#runStart = start
      this.#runEnd = start + length
    }
  }

  /** Holds no foreign memory any more. */
  copy(): void {
    const length = this.#runEnd - this.#runStart
    if (length === 0) return
    if (this.#used + length > this.#bytes.length) this.#grow(this.#used + length)
    this.#run.copy(this.#bytes, this.#used, this.#runStart, this.#runEnd)
    this.#used += length
    this.#runStart = this.#runEnd = 0
    this.#run = this.#bytes
  }

  /** Returns everything that was added: valid until the next `clear`. */
  take(): Buffer {
    this.copy()
    return this.#bytes.subarray(0, this.#used)
  }

  #grow(least: number): void {
    const bytes = Buffer.allocUnsafeSlow(Math.max(least, 2 * this.#bytes.length))
    this.#bytes.copy(bytes, 0, 0, this.#used)
    this.#bytes = bytes
  }
}
