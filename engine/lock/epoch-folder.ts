import { join } from 'node:path'
import { AnnalsError, quote } from '../errors.js'
import type { FileHandle, FileStat, FileSystem } from '../io/file-system.js'
import { isSystemError, systemError } from '../io/system-error.js'
import { readFileSync, writeFullySync } from '../io/transfer.js'
import { encodeEpochFile, type Holder, MAX_EPOCH_FILE_BYTES, parseEpochFile } from './epoch-file.js'

const EPOCH_NAME = /^[0-9]{10}$/
const MAX_EPOCH = 9_999_999_999

/**
 * How many epoch files stay. One would do, were it not for an opener that listed the folder, was stopped, and wakes up
 * after its number was made and removed again: it must find the name taken, or, after listing once more, a greater one.
 * With 16 it would have to sleep through as many openings, and through half of them while listing.
 */
const KEPT_EPOCHS = 16

/**
 * The folder `epoch/` of a store: one file for each time the store was opened for writing, named with ten digits.
 *
 * Rules all writers keep, on which the fencing rests (docs/decisions/lock-and-epoch.md):
 * 1. Epoch n + 1 is created, exclusively, only by somebody who saw n as the greatest.
 * 2. Only files smaller than the remover's own are removed, the smallest first. So the greatest is always there.
 */
export class EpochFolder {
  readonly path: string
  readonly #files: FileSystem

  constructor(files: FileSystem, directory: string) {
    this.#files = files
    this.path = join(directory, 'epoch')
  }

  /** Makes the folder; returns whether it was missing. Refuses a link or file in its place. */
  make(): boolean {
    const found = this.#files.stat(this.path)
    if (found === undefined) {
      this.#files.makeDirectories(this.path)
      return true
    }
    if (found.kind !== 'directory') {
      throw new AnnalsError('ERR_IO', `Cannot use ${quote(this.path)}: it must be a folder, and not a link; remove it`)
    }
    return false
  }

  pathOf(epoch: number): string {
    return join(this.path, String(epoch).padStart(10, '0'))
  }

  /** Returns the greatest epoch; 0 when there is none. */
  newest(): number {
    return this.#list().at(-1) ?? 0
  }

  stat(epoch: number): FileStat | undefined {
    return this.#files.stat(this.pathOf(epoch))
  }

  /** Returns who made an epoch; undefined when its file is gone, unfinished, damaged, or of a newer version. */
  holderOf(epoch: number): Holder | undefined {
    try {
      const bytes = readFileSync(this.#files, this.pathOf(epoch), MAX_EPOCH_FILE_BYTES)
      const verdict = bytes === undefined ? undefined : parseEpochFile(bytes)
      // The name is the authority: a file copied to another name says nothing.
      return verdict?.kind === 'holder' && verdict.holder.epoch === epoch ? verdict.holder : undefined
    } catch (error) {
      if (isSystemError(error, 'EFBIG')) return undefined
      throw error
    }
  }

  /**
   * Creates the file of an epoch and writes who made it; not yet durable. Returns its handle, which the caller closes, or
   * undefined when the epoch exists. When writing fails the empty file stays: the greatest epoch is never removed.
   */
  create(holder: Holder, storeId: Uint8Array): FileHandle | undefined {
    if (holder.epoch > MAX_EPOCH) throw systemError('EFBIG', 'open', this.pathOf(holder.epoch))
    let handle: FileHandle
    try {
      handle = this.#files.open(this.pathOf(holder.epoch), 'create')
    } catch (error) {
      if (isSystemError(error, 'EEXIST')) return undefined
      throw error
    }
    try {
      const bytes = encodeEpochFile(holder, storeId)
      writeFullySync(handle, bytes, 0, bytes.length, 0)
      return handle
    } catch (error) {
      handle.close()
      throw error
    }
  }

  /** Removes old epochs, ascending, as the holder of `own`. Stops at the first failure: they only cost space. */
  removeOld(own: number): void {
    try {
      for (const epoch of this.#list()) {
        if (epoch > own - KEPT_EPOCHS) return
        try {
          this.#files.remove(this.pathOf(epoch))
        } catch (error) {
          if (!isSystemError(error, 'ENOENT')) throw error // gone already is as good; anything else would break the order
        }
      }
    } catch {
      // The next opening tries again.
    }
  }

  /** Returns all epochs, ascending. What is not named like one is nobody's business here. */
  #list(): number[] {
    try {
      return this.#files
        .list(this.path)
        .filter((name) => EPOCH_NAME.test(name))
        .map(Number)
        .filter((epoch) => epoch > 0)
        .sort((a, b) => a - b)
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return []
      throw error
    }
  }
}
