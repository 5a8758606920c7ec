import { join } from 'node:path'
import { AnnalsError, quote } from '../errors.js'
import type { FileHandle, FileStat, FileSystem } from '../io/file-system.js'
import { isSystemError, systemError } from '../io/system-error.js'
import { readFileSync, writeFullySync } from '../io/transfer.js'
import {
  encodeEpochFile,
  type Holder,
  MAX_EPOCH_FILE_BYTES,
  parseEpochFile,
  RELEASED,
  RELEASED_AT,
} from './epoch-file.js'

const EPOCH_NAME = /^[0-9]{10}$/
const MAX_EPOCH = 9_999_999_999

/**
 * How many epoch files stay. One would do, were it not for an opener that listed the folder, was stopped, and wakes up
 * after its number was made and removed again: it must find the name taken, or, after listing once more, a greater one.
 * With 16 it would have to sleep through as many openings, and through half of them while listing.
 */
const KEPT_EPOCHS = 16

/**
 * What can be told about the maker of an epoch. `holder`: it has, or had, the store open. `released`: it has given up its
 * lock. `unfinished`: it is just creating the file, or was ended while doing so. `none`: there is no such epoch.
 * `unreadable`: its file is damaged or of a newer version.
 */
export type Maker =
  | { readonly kind: 'holder' | 'released'; readonly holder: Holder }
  | { readonly kind: 'unfinished' | 'none' | 'unreadable' }

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

  /** Returns who made an epoch. */
  makerOf(epoch: number): Maker {
    try {
      const bytes = readFileSync(this.#files, this.pathOf(epoch), MAX_EPOCH_FILE_BYTES)
      if (bytes === undefined) return { kind: 'none' }
      const verdict = parseEpochFile(bytes)
      if (verdict.kind === 'unfinished') return { kind: 'unfinished' }
      // The name is the authority: a file copied to another name says nothing.
      if (verdict.kind !== 'holder' || verdict.holder.epoch !== epoch) return { kind: 'unreadable' }
      return { kind: verdict.released ? 'released' : 'holder', holder: verdict.holder }
    } catch (error) {
      if (isSystemError(error, 'EFBIG')) return { kind: 'unreadable' }
      throw error
    }
  }

  /** Returns who made an epoch and has not given up its lock; undefined when that cannot be told. */
  holderOf(epoch: number): Holder | undefined {
    const maker = this.makerOf(epoch)
    return maker.kind === 'holder' ? maker.holder : undefined
  }

  /**
   * Notes in the file of an epoch that its maker, who calls this, has given up its lock. Not synced: a power cut ends the
   * maker too. Never throws: without the note, the next opener may only have to wait.
   */
  markReleased(epoch: number, open?: FileHandle): void {
    try {
      const handle = open ?? this.#files.open(this.pathOf(epoch), 'write')
      try {
        // What could not be written to the end must not be read as finished by this.
        if (handle.size() > RELEASED_AT + RELEASED.length) {
          writeFullySync(handle, RELEASED, 0, RELEASED.length, RELEASED_AT)
        }
      } finally {
        handle.close()
      }
    } catch {
      // Told above.
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
