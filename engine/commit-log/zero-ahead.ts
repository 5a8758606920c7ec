import type { Done, FileHandle } from '../io/file-system.js'
import { writeFully } from '../io/transfer.js'

const FIRST_STEP = 64 * 1024
const LAST_STEP = 4 * 1024 * 1024
/**
 * From this size on a write goes beyond the zeros: writing all of its bytes twice costs the disk more than the journal commit that zeros save. Measured: at 33 KiB
 * zeros gain 8 %, at 41 they lose 3 % but for times when many files are created, which fill the journal; at 320 they lose 15 %.
 */
const WITHOUT_BYTES = 64 * 1024

/**
 * Writes zeros ahead of the end of a log segment, in the background. A synced write into bytes that exist needs no new
 * file size and no new extents, so the file system commits no journal for it: that is a third of the time of a small
 * durable append. Steps double, so that a small store stays small on disk.
 *
 * Only a hint: a write beyond the zeros is as durable, just slower, and a full disk is met again by the write itself.
 */
export class ZeroAhead {
  readonly #handle: FileHandle
  readonly #sync: (done: Done) => void
  readonly #limit: number
  #step = FIRST_STEP
  /** Zeros are durable up to here. */
  #ready: number
  /** Where the zeros now on their way start; undefined when none are. */
  #busyFrom: number | undefined
  #stopped = false
  /** What a sync reported. The system tells it once and forgets what it could not write, so nobody may sync again. */
  failure: NodeJS.ErrnoException | undefined
  readonly #waiting: { readonly end: number; readonly go: () => void }[] = []
  #zeros: Buffer | undefined

  /** Writes no zeros beyond `limit`: cutting them off again when the segment is full would cost the disk more than they saved. */
  constructor(handle: FileHandle, sync: (done: Done) => void, end: number, limit = Infinity) {
    this.#limit = limit
    this.#handle = handle
    this.#sync = sync
    this.#ready = end
  }

  /** Makes sure that the next writes find zeros, if they are small as this one: called with the length and the end of the write that comes now. */
  prepare(length: number, end: number): void {
    if (length >= WITHOUT_BYTES) return
    if (this.#stopped || this.#busyFrom !== undefined || this.#ready - end > this.#step / 2) return
    const from = Math.max(this.#ready, end)
    const step = Math.min(this.#step, this.#limit - from)
    if (step <= 0) return
    this.#step = Math.min(this.#step * 2, LAST_STEP)
    this.#busyFrom = from
    if (this.#zeros === undefined || this.#zeros.length < step) this.#zeros = Buffer.alloc(step)
    writeFully(this.#handle, this.#zeros, 0, step, from, (writeError) => {
      if (writeError !== null) return this.#finish(undefined)
      this.#sync((syncError) => {
        this.failure = syncError ?? undefined
        this.#finish(syncError === null ? from + step : undefined)
      })
    })
  }

  /** True while zeros are on their way. */
  get isBusy(): boolean {
    return this.#busyFrom !== undefined
  }

  /** Runs `go` when no zeros are on their way to bytes below `end`. */
  clear(end: number, go: () => void): void {
    if (this.#busyFrom === undefined || end <= this.#busyFrom) return go()
    this.#waiting.push({ end, go })
  }

  /** Starts no more; calls back when none are on their way. */
  stop(done: () => void): void {
    this.#stopped = true
    this.clear(Infinity, done)
  }

  #finish(ready: number | undefined): void {
    this.#busyFrom = undefined
    if (ready === undefined) this.#stopped = true
    else this.#ready = ready
    for (const { go } of this.#waiting.splice(0)) go()
  }
}
