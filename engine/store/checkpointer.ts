import { join } from 'node:path'
import { type Checkpoint, CHECKPOINT_FILE, encodeCheckpoint } from '../format/checkpoint.js'
import type { Done, FileSystem } from '../io/file-system.js'
import { replaceFile } from '../io/transfer.js'

const LEFTOVER = /^checkpoint\.\d+\.tmp$/

/** Writes checkpoints, one at a time, each whole: a temporary file, fsync, rename, fsync of the folder. */
export class Checkpointer {
  readonly #files: FileSystem
  readonly #directory: string
  readonly #storeId: Buffer
  /** A name of its own for each writer: one that was stopped and lost its lock must not rename what another is writing. */
  readonly #temporary: string
  readonly #fence: () => void
  #writing: Promise<void> = Promise.resolve()
  written = 0
  /** The last write has failed: the next makes up for it. */
  owed = false

  /** `fence` throws when this writer may write no more: what it believes is not what its successor has made of the store. */
  constructor(files: FileSystem, directory: string, storeId: Buffer, epoch: number, fence: () => void) {
    this.#fence = fence
    this.#files = files
    this.#directory = directory
    this.#storeId = storeId
    this.#temporary = `${CHECKPOINT_FILE}.${epoch}.tmp`
  }

  /** Removes what writers that were killed in mid-write have left. */
  removeLeftovers(): void {
    for (const name of this.#files.list(this.#directory)) {
      if (!LEFTOVER.test(name) || name === this.#temporary) continue
      try {
        this.#files.remove(join(this.#directory, name))
      } catch {
        // Takes a little space and means nothing; the next writer tries again.
      }
    }
  }

  /**
   * The same, where nobody asked for it. Returns false when the system refused: the old checkpoint stays, and opening reads more of
   * the log; no append depends on it. Every write makes a file of its own, so none syncs again what a failed sync gave up.
   */
  async tryWrite(make: () => Checkpoint): Promise<boolean> {
    try {
      await this.write(make)
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).syscall === undefined) throw error
      return false
    }
  }

  /** Writes the checkpoint that `make` returns when its turn comes. Rejects with what the system reports. */
  write(make: () => Checkpoint): Promise<void> {
    const write = (): Promise<void> =>
      new Promise((resolve, reject) => {
        const bytes = encodeCheckpoint(this.#storeId, make())
        const written: Done = (error) => {
          this.owed = error !== null
          if (error !== null) return reject(error)
          this.written++
          resolve()
        }
        replaceFile(this.#files, this.#directory, CHECKPOINT_FILE, bytes, written, this.#temporary, this.#fence)
      })
    const written = this.#writing.then(write)
    this.#writing = written.catch(() => {})
    return written
  }
}
