import { join } from 'node:path'
import { AnnalsError, quote, StoreLockedError } from '../errors.js'
import type { Environment, FileHandle } from '../io/file-system.js'
import { completion } from '../io/transfer.js'
import { holdProcess } from '../io/machine.js'
import { isSystemError } from '../io/system-error.js'
import type { Holder } from './epoch-file.js'
import { EpochFolder } from './epoch-folder.js'
import { assertReplaceable, isSameLock, LockDirectory, type LockIdentity, lookAtLock } from './lock-directory.js'
import { isUnchanged, judge, type Sighting, type Verdict } from './verdict.js'
import { HeldWriterLock, type WriterLock } from './writer-lock.js'

export interface WriterLockOptions {
  /**
   * Milliseconds without a sign of life after which a holder that is not known to be dead is doubted. It is then
   * watched for one and a half `updateMs` before its store is taken over. At least 2,000. Default: 10,000.
   */
  readonly staleMs?: number | undefined
  /** Milliseconds between the signs of life a holder gives. 1,000 to half of `staleMs`. Default: 3,000. */
  readonly updateMs?: number | undefined
}

/** Openers that meet one dead lock at once may each have to look again a few times. */
const MAX_ROUNDS = 8
const POLL_MS = 5
/** How long a lock that is not ours may stand unchanged in our way once the newest epoch is ours. See `#settle`. */
const YIELD_MS = 25
/** How long an opener waits for others to make way or to say who they are. */
const PATIENCE_MS = 2_000
/**
 * How long a lock without an epoch is watched. Its maker makes the epoch in the same turn, within milliseconds. One that
 * was stopped for longer finds the epoch taken when it wakes up, and gives up.
 */
const OPENING_MS = 250

/**
 * Makes this process the writer of a store, or rejects at once when another one is.
 *
 * The store of a process of this host that has died is taken over at once; of one that died while opening, after a
 * quarter of a second at most. Everything else that looks abandoned is first watched for a sign of life. Nothing is waited
 * for otherwise.
 *
 * @param directory Folder of the store, which exists; links are resolved.
 * @throws StoreLockedError with pid, host and time of the holder; AnnalsError ERR_IO or ERR_NO_SPACE when the folder
 *   cannot be read or written, or when what stands at `lock` is not an empty folder: it says what to remove.
 */
export async function acquireWriterLock(
  environment: Environment,
  directory: string,
  identity: { readonly storeId: Uint8Array },
  options: WriterLockOptions = {},
): Promise<WriterLock> {
  try {
    const resolved = environment.files.realPath(directory)
    return await new Acquisition(environment, resolved, identity.storeId, options).run()
  } catch (error) {
    if (error instanceof AnnalsError || !(error instanceof Error)) throw error
    const full = isSystemError(error, 'ENOSPC') || isSystemError(error, 'EDQUOT')
    const message = `Cannot open store ${quote(directory)} for writing: ${error.message}`
    throw new AnnalsError(full ? 'ERR_NO_SPACE' : 'ERR_IO', message, { cause: error })
  }
}

/** An epoch of our own, and its file, not yet durable. */
interface Claim {
  readonly epoch: number
  readonly file: FileHandle
}

/**
 * One attempt to become the writer. Two orders, for two situations:
 *
 * - Nobody holds the store: the lock directory first, then the epoch. Whoever comes a moment later meets the directory
 *   and gives up without having fenced anybody.
 * - The directory of a dead holder, or of an opener that went no further, is there: the epoch first. Only one opener can make the epoch after the dead one's, and
 *   only that one removes the directory. With the directory first, each of several openers may remove the one that
 *   another has just made.
 *
 * Where the two meet, the newest epoch wins and the others make way. They leave the directory alone: between making one
 * and looking at it, it may have been replaced, so that only the owner of the newest epoch knows whose it is.
 */
class Acquisition {
  readonly #environment: Environment
  readonly #directory: string
  readonly #storeId: Uint8Array
  readonly #epochs: EpochFolder
  readonly #lockPath: string
  readonly #staleMs: number
  readonly #updateMs: number

  constructor(environment: Environment, directory: string, storeId: Uint8Array, options: WriterLockOptions) {
    this.#environment = environment
    this.#directory = directory
    this.#storeId = storeId
    this.#epochs = new EpochFolder(environment.files, directory)
    this.#lockPath = join(directory, 'lock')
    this.#staleMs = Math.max(options.staleMs ?? 10_000, 2_000)
    this.#updateMs = Math.min(Math.max(options.updateMs ?? 3_000, 1_000), this.#staleMs / 2)
  }

  async run(): Promise<WriterLock> {
    this.#epochs.make()
    let watched = false
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const seen = this.#look()
      let verdict = this.#judge(seen)
      if (verdict === 'doubtful') {
        // Seen moving once is alive, however odd its time.
        verdict = watched ? 'held' : (await this.#isSilent(seen, this.#updateMs * 1.5)) ? 'dead' : 'doubtful'
        watched = true
      } else if (verdict === 'opening' && (await this.#isSilent(seen, OPENING_MS))) {
        verdict = 'dead'
      }
      if (verdict === 'held') throw await this.#locked()
      if (verdict === 'doubtful' || verdict === 'opening') continue // something has changed
      const writer = verdict === 'free' ? await this.#begin(seen) : await this.#takeOver(seen)
      if (writer !== undefined) return writer
      await pause(this.#environment, POLL_MS) // whoever was faster is about to say who it is
    }
    throw await this.#locked()
  }

  /** The epoch before the lock: an epoch that comes in between is then a changed sighting, not a missed one. */
  #look(): Sighting {
    const epoch = this.#epochs.newest()
    const maker = this.#epochs.makerOf(epoch)
    const epochTime = this.#epochs.stat(epoch)?.modificationTime
    return { epoch, maker, epochTime, lock: lookAtLock(this.#environment.files, this.#lockPath) }
  }

  #judge(seen: Sighting): Verdict {
    return judge(seen, this.#environment.process, this.#environment.now(), this.#staleMs)
  }

  /** Watches until something changes, or for as long as a living holder or opener would not let pass without a change. */
  async #isSilent(seen: Sighting, milliseconds: number): Promise<boolean> {
    const begun = this.#environment.elapsed()
    while (this.#environment.elapsed() - begun < milliseconds) {
      await pause(this.#environment, POLL_MS * 4)
      if (!isUnchanged(seen, this.#look())) return false
    }
    return true
  }

  /** Nobody holds the store: lock, then epoch. Undefined when somebody was faster. */
  async #begin(seen: Sighting): Promise<WriterLock | undefined> {
    const lock = await this.#takeLock()
    if (lock === undefined) return undefined
    let claim: Claim | undefined
    try {
      // Not the greatest now plus one: that would fence whoever opened the store since we looked.
      claim = this.#claim(seen.epoch + 1)
    } catch (error) {
      await lock.release()
      throw error
    }
    if (claim !== undefined) return this.#finish(claim, await this.#settle(claim, lock))
    lock.abandon()
    return undefined
  }

  /** A dead or silent holder's lock is there: epoch, then lock. Undefined when somebody was faster. */
  async #takeOver(seen: Sighting): Promise<WriterLock | undefined> {
    assertReplaceable(this.#environment.files, this.#lockPath)
    const claim = this.#claim(seen.epoch + 1)
    return claim === undefined ? undefined : this.#finish(claim, await this.#settle(claim, undefined, seen.lock))
  }

  #takeLock(replaces?: LockIdentity): Promise<LockDirectory | undefined> {
    return LockDirectory.take(this.#environment, this.#lockPath, {
      staleMs: this.#staleMs,
      updateMs: this.#updateMs,
      replaces,
    })
  }

  /** Makes an epoch. Undefined when it exists. Whether it is the newest is for `#settle` to see. */
  #claim(epoch: number): Claim | undefined {
    const { pid, host, incarnation } = this.#environment.process
    const holder = { pid, host, incarnation, since: this.#environment.now(), epoch }
    const file = this.#epochs.create(holder, this.#storeId)
    return file === undefined ? undefined : { epoch, file }
  }

  /**
   * Brings epoch and lock together: ours is the newest epoch, so the lock is ours to have. What stands in the way is the
   * lock that may be replaced, or that of an opener who is about to find out that it was too late. It gets a moment,
   * because it may also be about to make the next epoch, and then should not find its lock gone.
   *
   * The list is read once more first: a number can also be free because it was used and removed long ago.
   */
  async #settle(claim: Claim, held?: LockDirectory, dead?: LockIdentity): Promise<LockDirectory> {
    const { files } = this.#environment
    const begun = this.#environment.elapsed()
    let lock = held
    let inTheWay: { readonly found: LockIdentity | undefined; readonly since: number } | undefined
    try {
      while (this.#epochs.newest() === claim.epoch) {
        if (lock?.isThere()) return lock
        lock?.abandon()
        const now = this.#environment.elapsed()
        if (now - begun > PATIENCE_MS) break
        const found = lookAtLock(files, this.#lockPath)
        if (inTheWay === undefined || !isSameLock(found, inTheWay.found)) inTheWay = { found, since: now }
        const mayReplace = isSameLock(found, dead) || now - inTheWay.since > YIELD_MS
        lock = await this.#takeLock(mayReplace ? found : undefined)
        if (lock === undefined) await pause(this.#environment, POLL_MS)
      }
    } catch (error) {
      this.#giveUp(claim, lock)
      throw error
    }
    this.#giveUp(claim, lock)
    throw await this.#locked()
  }

  /** Leaves the store to others, who must not take the epoch for that of a holder. */
  #giveUp(claim: Claim, lock: LockDirectory | undefined): void {
    lock?.abandon()
    this.#epochs.markReleased(claim.epoch, claim.file)
  }

  /** Makes the epoch durable. Only then may the caller read the log: the epochs of later writers must be greater. */
  async #finish(claim: Claim, lock: LockDirectory): Promise<WriterLock> {
    const { files } = this.#environment
    let writer: HeldWriterLock
    try {
      writer = new HeldWriterLock(this.#environment, this.#directory, this.#epochs, claim.epoch, lock)
    } catch (error) {
      this.#giveUp(claim, lock)
      throw error
    }
    try {
      await allDone([
        completion((done) => claim.file.sync(done)).finally(() => claim.file.close()),
        completion((done) => files.syncDirectory(this.#epochs.path, done)),
        completion((done) => files.syncDirectory(this.#directory, done)), // `epoch` itself may be new
      ])
      writer.check()
    } catch (error) {
      await writer.release()
      throw error instanceof AnnalsError && error.code === 'ERR_LOCK_LOST' ? await this.#locked(error) : error
    }
    this.#epochs.removeOld(claim.epoch)
    return writer
  }

  /** The error that names the holder, for whom it waits a moment if its epoch file is not there or just being written. */
  async #locked(cause?: Error): Promise<StoreLockedError> {
    let holder: Holder | undefined
    for (let attempt = 0; attempt < 4 && holder === undefined; attempt++) {
      if (attempt > 0) await pause(this.#environment, POLL_MS)
      holder = this.#epochs.holderOf(this.#epochs.newest())
    }
    return new StoreLockedError(this.#directory, holder, cause === undefined ? undefined : { cause })
  }
}

/** Waits for all, so that nothing is under way any more, and then rejects with the first that failed. */
async function allDone(promises: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(promises)
  await Promise.all(promises)
}

/** Waits by the clock of the environment. Its timers let the process end, which must not happen in mid-opening. */
function pause(environment: Environment, milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const letGo = holdProcess()
    environment.after(milliseconds, () => {
      letGo()
      resolve()
    })
  })
}
