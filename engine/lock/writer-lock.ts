import { AnnalsError, quote } from '../errors.js'
import type { Environment } from '../io/file-system.js'
import type { EpochFolder } from './epoch-folder.js'
import type { LockDirectory } from './lock-directory.js'

/** The right to write to a store, for as long as `check` does not throw. */
export interface WriterLock {
  /** 1, 2, 3 …: greater than that of every writer before. */
  readonly epoch: number
  /** Greatest epoch that existed before; 0 for none. */
  readonly previousEpoch: number

  /**
   * Throws when this writer may acknowledge nothing more. To be called after each fdatasync and before acknowledging
   * what it made durable; whatever was durable before a call that returned is seen by every later writer. Three stats.
   *
   * @throws AnnalsError ERR_LOCK_LOST from the first failure on, for good; ERR_IO when the store's folder is gone or
   *   the file system does not answer; ERR_CLOSED after `release`.
   */
  check(): void

  /**
   * Tells whether a `check` of half a second ago still holds: not for a writer that was stopped, or has just woken up. `now`: what `elapsed` says. No system call.
   */
  isSteady(now: number): boolean

  /**
   * Returns why something has failed: the error given or, when another writer has the store, ERR_LOCK_LOST. It has moved and changed files under
   * this one's hands, and whatever this one then meets is a consequence of that. Never throws.
   */
  explain<Failure extends Error>(error: Failure): Failure | AnnalsError

  /**
   * Gives the store to the next writer. Touches no lock that is not certainly its own, and nothing at all once there is a
   * newer epoch. Idempotent, never rejects.
   */
  release(): Promise<void>
}

/** The lock of a store in a file system: an epoch file and the lock directory. */
export class HeldWriterLock implements WriterLock {
  readonly epoch: number
  readonly previousEpoch: number
  readonly #environment: Environment
  readonly #directory: string
  readonly #epochs: EpochFolder
  readonly #lock: LockDirectory
  readonly #ownPath: string
  readonly #nextPath: string
  /** Inode of the own epoch file: a store that was replaced by a copy of itself is another store. */
  readonly #inode: number
  #lost: { readonly code: 'ERR_LOCK_LOST' | 'ERR_IO'; readonly reason: string; readonly cause: unknown } | undefined
  #releasing: Promise<void> | undefined

  constructor(environment: Environment, directory: string, epochs: EpochFolder, epoch: number, lock: LockDirectory) {
    this.epoch = epoch
    this.previousEpoch = epoch - 1
    this.#environment = environment
    this.#directory = directory
    this.#epochs = epochs
    this.#lock = lock
    this.#ownPath = epochs.pathOf(epoch)
    this.#nextPath = epochs.pathOf(epoch + 1)
    this.#inode = environment.files.stat(this.#ownPath)?.inode ?? -1
    lock.guard(
      () => this.#lost === undefined && this.#isNewest(),
      (error) => this.#lose(error),
    )
  }

  check(): void {
    if (this.#releasing !== undefined) {
      throw new AnnalsError('ERR_CLOSED', `Cannot write to store ${quote(this.#directory)}: its lock was released`)
    }
    if (this.#lost === undefined && !this.#holds()) this.#lose(undefined)
    if (this.#lost !== undefined) throw this.#lostError()
  }

  isSteady(now: number): boolean {
    return this.#lock.isSteady(now)
  }

  explain<Failure extends Error>(error: Failure): Failure | AnnalsError {
    try {
      this.check()
      return error
    } catch (lost) {
      return lost instanceof AnnalsError && lost.code === 'ERR_LOCK_LOST' ? lost : error
    }
  }

  release(): Promise<void> {
    return (this.#releasing ??= this.#release())
  }

  /** Marks the lock as lost for good and stops renewing it. Never throws: proper-lockfile calls it from a timer. */
  #lose(cause: unknown): void {
    this.#lost ??= { ...this.#findReason(), cause }
    this.#lock.abandon()
  }

  async #release(): Promise<void> {
    let holds = false
    try {
      holds = this.#lost === undefined && this.#holds()
    } catch {
      // The file system does not answer: not certainly ours.
    }
    if (holds) await this.#lock.release()
    else this.#lock.abandon()
    this.#markReleased()
  }

  /**
   * Says that a lock directory standing from now on is not ours, or no longer. Done last: whoever were let in before would
   * have us remove a directory that may be theirs.
   */
  #markReleased(): void {
    try {
      if (this.#isNewest()) this.#epochs.markReleased(this.epoch)
    } catch {
      // The file system does not answer.
    }
  }

  /** Throws ERR_IO when the file system does not answer; that alone does not lose the lock. */
  #holds(): boolean {
    try {
      return this.#isNewest() && this.#lock.isThere()
    } catch (cause) {
      const reason = `Cannot check the lock of store ${quote(this.#directory)}: ${(cause as Error).message}`
      throw new AnnalsError('ERR_IO', reason, { cause })
    }
  }

  /**
   * The order is what makes it sure. Epochs are removed smallest first, so whoever removed the next one had removed ours
   * before: if the next is missing because it was removed already, ours is missing too when we look *afterwards*.
   * The other way round both could be removed between the two looks.
   */
  #isNewest(): boolean {
    const { files } = this.#environment
    return files.stat(this.#nextPath) === undefined && files.stat(this.#ownPath)?.inode === this.#inode
  }

  #findReason(): { code: 'ERR_LOCK_LOST' | 'ERR_IO'; reason: string } {
    try {
      const { files } = this.#environment
      if (files.stat(this.#directory) === undefined) return { code: 'ERR_IO', reason: 'its folder is gone' }
      const newest = this.#epochs.newest()
      if (newest > this.epoch) {
        const holder = this.#epochs.holderOf(newest)
        const who = holder ? `process ${holder.pid} on ${quote(holder.host)}` : 'another process'
        return { code: 'ERR_LOCK_LOST', reason: `${who} has opened it for writing since` }
      }
      if (!this.#isNewest()) {
        return { code: 'ERR_LOCK_LOST', reason: 'it was replaced, or its epoch files were removed' }
      }
      if (!this.#lock.isThere()) {
        return { code: 'ERR_LOCK_LOST', reason: `its lock ${quote(this.#lock.path)} was removed` }
      }
    } catch {
      // Told below.
    }
    return { code: 'ERR_LOCK_LOST', reason: 'its lock could not be renewed' }
  }

  #lostError(): AnnalsError {
    const { code, reason, cause } = this.#lost!
    const message = `Cannot write to store ${quote(this.#directory)}: ${reason}; open it again`
    return new AnnalsError(code, message, cause === undefined ? undefined : { cause })
  }
}
