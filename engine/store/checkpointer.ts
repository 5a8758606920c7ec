import { type Checkpoint, CHECKPOINT_FILE, encodeCheckpoint } from '../format/checkpoint.js'
import type { FileSystem } from '../io/file-system.js'
import { replaceFile } from '../io/transfer.js'

/** Writes checkpoints, one at a time, each whole: a temporary file, fsync, rename, fsync of the folder. */
export class Checkpointer {
  readonly #files: FileSystem
  readonly #directory: string
  readonly #storeId: Buffer
  #writing: Promise<void> = Promise.resolve()
  written = 0

  constructor(files: FileSystem, directory: string, storeId: Buffer) {
    this.#files = files
    this.#directory = directory
    this.#storeId = storeId
  }

  /** Writes the checkpoint that `make` returns when its turn comes. */
  write(make: () => Checkpoint): Promise<void> {
    const write = (): Promise<void> =>
      new Promise((resolve, reject) => {
        replaceFile(this.#files, this.#directory, CHECKPOINT_FILE, encodeCheckpoint(this.#storeId, make()), (error) => {
          if (error !== null) return reject(error)
          this.written++
          resolve()
        })
      })
    const written = this.#writing.then(write, write)
    this.#writing = written.catch(() => {})
    return written
  }
}
