import lockfile from 'proper-lockfile'
import { AnnalsError, quote } from '../errors.js'
import type { Environment, FileStat, FileSystem } from '../io/file-system.js'
import { wallClock } from '../io/machine.js'
import { isSystemError, systemError } from '../io/system-error.js'

/** How a lock directory is recognised. */
export type LockIdentity = Pick<FileStat, 'inode' | 'modificationTime'>

export interface LockDirectoryOptions {
  /** Milliseconds between two renewals, and without one after which proper-lockfile gives up its lock. */
  readonly updateMs: number
  readonly staleMs: number
  /** The directory that may be removed to make room, as it was seen. Default: none. */
  readonly replaces?: LockIdentity | undefined
}

type Callback<T> = (error: unknown, result?: T) => void

/**
 * One hold on the lock directory of a store, taken and renewed by proper-lockfile.
 *
 * proper-lockfile decides by time alone, steals in three steps, and removes whoever's directory is there. Here it gets a
 * file system (its `fs` option) through which it can do none of that: a directory is old only if the caller said that
 * this very one may be replaced; it is removed only if it is that one or our own; and each renewal first looks whether
 * the directory is ours. The answers come synchronously, so that a whole acquisition happens in one turn.
 *
 * ext4 gives a new directory the inode of the one just removed. The inode alone therefore proves that a directory is
 * *not* ours; that it is ours also takes its time, which carries ten random bits, see `#stamp`. Only removing asks
 * for both: a tool that touches the directory should not end a writer, whose safety is the epoch and not this.
 */
export class LockDirectory {
  /** Locks that were asked for in this process: by count and not at random, since tests make randomness repeat itself. */
  static #taken = 0
  readonly path: string
  readonly #environment: Environment
  readonly #replaces: LockIdentity | undefined
  /** The directory as we made or renewed it last. */
  #own: LockIdentity | undefined
  /** Time proper-lockfile believes it has set. */
  #believed = new Date(0)
  #mayRenew: () => boolean = () => true
  #onLost: ((error: Error) => void) | undefined
  #isLost = false
  /** When it was made or renewed last, and from when on renewals have come in time. Milliseconds of `elapsed`. */
  #renewedAt = 0
  #steadyFrom = 0
  readonly #staleMs: number
  #release: (() => Promise<void>) | undefined
  #mayRemove = true

  private constructor(environment: Environment, path: string, options: LockDirectoryOptions) {
    this.#environment = environment
    this.path = path
    this.#replaces = options.replaces
    this.#staleMs = options.staleMs
  }

  /** Takes the lock; undefined when somebody has it. Throws when what stands there is in the way of any lock. */
  static async take(
    environment: Environment,
    path: string,
    options: LockDirectoryOptions,
  ): Promise<LockDirectory | undefined> {
    const lock = new LockDirectory(environment, path, options)
    try {
      // proper-lockfile keeps its locks in one table by name. Ours are told apart by path alone, so the name is made
      // unique: two stores in memory may have the same path, and a lost lock must not answer for its successor.
      lock.#release = await lockfile.lock(`${path}.${++LockDirectory.#taken}`, {
        lockfilePath: path,
        realpath: false,
        retries: 0,
        stale: options.staleMs,
        update: options.updateMs,
        fs: lock.#adapter(),
        onCompromised: (error) => lock.#lose(error),
      })
      return lock
    } catch (error) {
      if (isSystemError(error, 'ELOCKED') || isSystemError(error, 'EEXIST')) return undefined
      throw error
    }
  }

  /** From now on renews only while `mayRenew` says so. `onLost` is called once, when the lock was not renewed. */
  guard(mayRenew: () => boolean, onLost: (error: Error) => void): void {
    this.#mayRenew = mayRenew
    this.#onLost = onLost
  }

  /** Tells whether the directory we made is there, and renewed. One stat. */
  isThere(): boolean {
    if (this.#isLost) return false
    const found = this.#environment.files.stat(this.path)
    return found?.kind === 'directory' && found.inode === this.#own?.inode
  }

  /**
   * Tells whether everybody can see that we live: who is late with a renewal may lose the lock while renewing it, so that for some
   * time afterwards only a look at the epoch is proof. `now`: what `elapsed` says. No system call.
   */
  isSteady(now: number): boolean {
    return now >= this.#steadyFrom && now - this.#renewedAt < this.#staleMs / 2
  }

  /** Stops renewing, and removes the directory if it is certainly ours. Idempotent. */
  async release(): Promise<void> {
    // When proper-lockfile gave the lock up before, it renews no more, and our removal is still due.
    await this.#stop().catch(() => this.#removeOwn())
  }

  /** Stops renewing and leaves the directory alone. */
  abandon(): void {
    this.#mayRemove = false
    this.#stop().catch(() => undefined) // given up before: there is nothing to stop
  }

  /** Rejects only when proper-lockfile gave the lock up before. */
  async #stop(): Promise<void> {
    const release = this.#release
    this.#release = undefined
    await release?.()
  }

  #lose(error: Error): void {
    this.#onLost?.(error) // who asks why still finds the directory, if it is there
    this.#isLost = true
  }

  /** The calls proper-lockfile makes, answered through `FileSystem`; its exit hook, which would make another, is left out of the build. */
  #adapter(): object {
    return {
      mkdir: (_path: string, done: Callback<void>) => answer(done, () => this.#make()),
      stat: (_path: string, done: Callback<{ mtime: Date }>) => answer(done, () => ({ mtime: this.#timeShown() })),
      utimes: (_path: string, _access: Date, time: Date, done: Callback<void>) => answer(done, () => this.#renew(time)),
      rmdir: (_path: string, done: Callback<void>) => answer(done, () => this.#remove()),
    }
  }

  #make(): void {
    const { files } = this.#environment
    files.makeDirectory(this.path)
    const made = files.stat(this.path)
    if (made === undefined) throw systemError('ENOENT', 'stat', this.path)
    this.#own = made
    this.#renewedAt = this.#environment.elapsed()
  }

  /** Own directory: the time that was set. Another: ages ago if it is to be replaced, else this moment. */
  #timeShown(): Date {
    if (this.#own !== undefined) {
      if (!this.isThere() || !this.#mayRenew()) throw systemError('ENOENT', 'stat', this.path)
      return this.#believed
    }
    const found = this.#environment.files.stat(this.path)
    if (found === undefined) throw systemError('ENOENT', 'stat', this.path)
    return new Date(isSameLock(found, this.#replaces) ? 0 : wallClock())
  }

  #renew(believed: Date): void {
    const { files } = this.#environment
    if (!this.isThere() || !this.#mayRenew()) throw systemError('ENOENT', 'utime', this.path)
    const time = this.#stamp()
    files.setTimes(this.path, time, time)
    // Not what was set but what is reported counts: some file systems keep whole seconds.
    this.#own = files.stat(this.path) ?? this.#own
    this.#believed = believed
    const now = this.#environment.elapsed()
    if (now - this.#renewedAt >= this.#staleMs / 2) this.#steadyFrom = now + this.#staleMs
    this.#renewedAt = now
  }

  /** Up to a second ago: the time is a signature too, because of inodes that come back. */
  #stamp(): number {
    const random = new Uint16Array(1)
    this.#environment.random(new Uint8Array(random.buffer))
    return Math.floor(this.#environment.now()) - (random[0]! % 1000)
  }

  #remove(): void {
    if (this.#own !== undefined) return this.#removeOwn()
    const { files } = this.#environment
    if (!isSameLock(files.stat(this.path), this.#replaces)) throw systemError('EEXIST', 'rmdir', this.path)
    files.removeDirectory(this.path)
  }

  /** Looking and removing are two steps, and rmdir takes no condition. Who loses its lock in between takes it anew. */
  #removeOwn(): void {
    if (!this.#mayRemove) return
    this.#mayRemove = false
    const { files } = this.#environment
    try {
      if (isSameLock(files.stat(this.path), this.#own)) files.removeDirectory(this.path)
    } catch {
      // Not empty, or not allowed any more: left to the next opener, who will say what to do.
    }
  }
}

/** Returns the directory in the place of the lock, undefined for none. Throws when something else stands there. */
export function lookAtLock(files: FileSystem, path: string): FileStat | undefined {
  const found = files.stat(path)
  if (found === undefined || found.kind === 'directory') return found
  const what = found.kind === 'file' ? 'a file' : 'a link or device'
  throw new AnnalsError('ERR_IO', `Cannot lock the store: ${quote(path)} is ${what} and must be a folder; remove it`)
}

/** Throws, saying what to remove, when a lock that may be replaced cannot be, because it is not empty. */
export function assertReplaceable(files: FileSystem, path: string): void {
  let names: string[]
  try {
    names = files.list(path)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return // somebody else has just replaced it
    throw error
  }
  if (names.length === 0) return
  const contents = quote(names.sort().join(', '))
  throw new AnnalsError(
    'ERR_IO',
    `Cannot lock the store: ${quote(path)} must be empty and holds ${contents}; remove that`,
  )
}

/** Tells whether two looks at a lock, of which at least one found it, saw the same directory, not renewed in between. */
export function isSameLock(a: LockIdentity | undefined, b: LockIdentity | undefined): boolean {
  return a !== undefined && a.inode === b?.inode && a.modificationTime === b.modificationTime
}

/** Calls back outside the try: what the callback throws is not an answer of the file system. */
function answer<T>(done: Callback<T>, call: () => T): void {
  let result: T
  try {
    result = call()
  } catch (error) {
    return done(error)
  }
  done(null, result)
}
