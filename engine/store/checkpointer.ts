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
  #writing: Promise<void> = Promise.resolve()
  written = 0

  constructor(files: FileSystem, directory: string, storeId: Buffer, epoch: number) {
    this.#files = files
    this.#directory = directory
    this.#storeId = storeId
    this.#temporary = `${CHECKPOINT_FILE}.${epoch}.tmp`
  }

  /** Removes what writers that were killed in mid-write have left. */
  removeLeftovers(): void {
    for (const name of this.#files.list(this.#directory)) {
      if (LEFTOVER.test(name) && name !== this.#temporary) this.#files.remove(join(this.#directory, name))
    }
  }

  /** Writes the checkpoint that `make` returns when its turn comes. */
  write(make: () => Checkpoint): Promise<void> {
    const write = (): Promise<void> =>
      new Promise((resolve, reject) => {
        const bytes = encodeCheckpoint(this.#storeId, make())
        const written: Done = (error) => {
          if (error !== null) return reject(error)
          this.written++
          resolve()
        }
        replaceFile(this.#files, this.#directory, CHECKPOINT_FILE, bytes, written, this.#temporary)
      })
    const written = this.#writing.then(write, write)
    this.#writing = written.catch(() => {})
    return written
  }
}
