import fs from 'node:fs'
import type { Counted, Done, FileHandle, FileStat, FileSystem, OpenMode, Watch } from './file-system.js'
import { fileSystemKind } from './file-system-kind.js'
import { isSystemError, systemError } from './system-error.js'

/** The calls of node:fs that annals uses. */
export type NodeCalls = Pick<
  typeof fs,
  | 'closeSync'
  | 'fdatasync'
  | 'fstatSync'
  | 'fsync'
  | 'ftruncateSync'
  | 'lstatSync'
  | 'mkdirSync'
  | 'openSync'
  | 'read'
  | 'readdirSync'
  | 'readSync'
  | 'realpathSync'
  | 'renameSync'
  | 'rmdirSync'
  | 'statfsSync'
  | 'unlinkSync'
  | 'utimesSync'
  | 'watch'
  | 'write'
  | 'writeSync'
>

/** What nobody but the owner may read: events hold secrets (the umask can only take more away). */
const FILE_MODE = 0o600
const DIRECTORY_MODE = 0o700

/** How often a call that the system asks to repeat (EINTR, EAGAIN) is made before its error counts. */
const MAX_ATTEMPTS = 16

/** Not every platform has these flags; where one is missing its promise is missing too. */
// eslint-disable-next-line @typescript-eslint/no-useless-default-assignment -- the types describe Linux only
const { O_NOFOLLOW = 0, O_NONBLOCK = 0, O_DIRECTORY = 0, O_DSYNC = 0 } = fs.constants
const NO_FOLLOW = O_NOFOLLOW
/** Opening a FIFO must not wait for somebody at its other end. */
const NO_WAIT = O_NONBLOCK
const DIRECTORY = O_DIRECTORY
/** Only Linux is known to wait for the disk, and not for its cache, on each write of such a descriptor. */
const WRITE_THROUGH = process.platform === 'linux' ? O_DSYNC : 0

const OPEN_FLAGS: Readonly<Record<OpenMode, number>> = {
  read: fs.constants.O_RDONLY | NO_FOLLOW,
  write: fs.constants.O_RDWR | NO_FOLLOW,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL | NO_FOLLOW,
  'write-through': fs.constants.O_RDWR | WRITE_THROUGH | NO_FOLLOW,
}

const UNLESS_MISSING = { throwIfNoEntry: false } as const

/**
 * Returns the file system of this machine.
 *
 * `calls` replaces single calls of node:fs, for tests of what the system does too rarely to wait for.
 */
export function nodeFileSystem(calls: NodeCalls = fs): FileSystem {
  return new NodeFileSystem(calls)
}

class NodeFileSystem implements FileSystem {
  readonly #calls: NodeCalls

  constructor(calls: NodeCalls) {
    this.#calls = calls
  }

  realPath(path: string): string {
    return this.#calls.realpathSync(path)
  }

  makeDirectories(path: string): void {
    this.#calls.mkdirSync(path, { recursive: true, mode: DIRECTORY_MODE })
  }

  makeDirectory(path: string): void {
    this.#calls.mkdirSync(path, DIRECTORY_MODE)
  }

  removeDirectory(path: string): void {
    this.#calls.rmdirSync(path)
  }

  list(path: string): string[] {
    return this.#calls.readdirSync(path)
  }

  stat(path: string): FileStat | undefined {
    let found: fs.Stats | undefined
    try {
      found = this.#calls.lstatSync(path, UNLESS_MISSING)
    } catch (error) {
      // Whether Node throws for a file in the middle of the path depends on its version.
      if (isSystemError(error, 'ENOTDIR')) return undefined
      throw error
    }
    if (found === undefined) return undefined
    return {
      kind: found.isFile() ? 'file' : found.isDirectory() ? 'directory' : 'other',
      size: found.size,
      // utimes takes seconds in floating point: unrounded, 123 ms would come back as 122.9999.
      modificationTime: Math.round(found.mtimeMs),
      inode: found.ino,
    }
  }

  setTimes(path: string, accessTime: number, modificationTime: number): void {
    this.#calls.utimesSync(path, accessTime / 1000, modificationTime / 1000)
  }

  rename(from: string, to: string): void {
    this.#calls.renameSync(from, to)
  }

  remove(path: string): void {
    this.#calls.unlinkSync(path)
  }

  syncDirectory(path: string, done: Done): void {
    if (process.platform === 'win32') {
      // Windows opens no folder for flushing (EPERM, EISDIR or EINVAL by version); NTFS journals its names by itself.
      setImmediate(done, null)
      return
    }
    const calls = this.#calls
    let fd: number
    try {
      fd = calls.openSync(path, fs.constants.O_RDONLY | DIRECTORY)
    } catch (error) {
      setImmediate(done, error as NodeJS.ErrnoException)
      return
    }
    // Only the sync is worth the way to another thread and back.
    calls.fsync(fd, (syncError) => {
      try {
        calls.closeSync(fd)
      } catch (closeError) {
        return done(withPath(syncError ?? closeError, path))
      }
      done(syncError === null ? null : withPath(syncError, path))
    })
  }

  open(path: string, mode: OpenMode): FileHandle {
    const calls = this.#calls
    const fd = this.#openDescriptor(path, OPEN_FLAGS[mode])
    if (mode === 'create') return new NodeFileHandle(calls, path, fd, false) // nothing was there: this is a file
    try {
      // A folder opens for reading, and a FIFO or a device opens and then behaves like no file.
      const found = calls.fstatSync(fd)
      if (!found.isFile()) throw systemError(found.isDirectory() ? 'EISDIR' : 'EINVAL', 'open', path)
    } catch (error) {
      calls.closeSync(fd)
      throw error
    }
    return new NodeFileHandle(calls, path, fd, mode === 'write-through' && WRITE_THROUGH !== 0)
  }

  #openDescriptor(path: string, flags: number): number {
    try {
      return this.#calls.openSync(path, flags | NO_WAIT, FILE_MODE)
    } catch (error) {
      if (!isSystemError(error, 'EAGAIN')) throw error
      // A file server has a lease on the file and is now asked to give it back: a regular file, safe to wait for.
      return this.#calls.openSync(path, flags, FILE_MODE)
    }
  }

  kindOf(path: string): 'local' | 'network' | 'unknown' {
    return fileSystemKind(this.#calls.statfsSync(path).type, process.platform)
  }

  watch(path: string, changed: () => void): Watch {
    let watcher: fs.FSWatcher | undefined
    const close = (): void => {
      watcher?.close()
      watcher = undefined
    }
    try {
      watcher = this.#calls.watch(path, { persistent: false }, changed)
      watcher.on('error', close)
    } catch {
      // Too many watches, a file system without them, no such file: nothing is told then.
    }
    return { close }
  }
}

/**
 * An open descriptor. `close` while calls are under way waits for the last of them: the system would give the number
 * to the next file that is opened, and a late write would land there.
 */
class NodeFileHandle implements FileHandle {
  readonly writesThrough: boolean
  readonly #calls: NodeCalls
  readonly #path: string
  readonly #fd: number
  #closed = false
  #underWay = 0

  constructor(calls: NodeCalls, path: string, fd: number, writesThrough: boolean) {
    this.#calls = calls
    this.#path = path
    this.#fd = fd
    this.writesThrough = writesThrough
  }

  size(): number {
    this.#assertOpen('fstat')
    return this.#now(() => this.#calls.fstatSync(this.#fd).size)
  }

  readSync(target: Uint8Array, offset: number, length: number, position: number): number {
    this.#assertOpen('read')
    for (let attempt = 1; ; attempt++) {
      try {
        return this.#calls.readSync(this.#fd, target, offset, length, position)
      } catch (error) {
        if (attempt === MAX_ATTEMPTS || !isTransient(error)) throw withPath(error, this.#path)
      }
    }
  }

  read(target: Uint8Array, offset: number, length: number, position: number, done: Counted): void {
    if (this.#closed) return this.#refuse('read', done)
    let attempt = 1
    const finish: Counted = (error, bytes) => {
      if (error !== null && isTransient(error) && attempt++ < MAX_ATTEMPTS) {
        this.#calls.read(this.#fd, target, offset, length, position, finish)
        return
      }
      const failure = this.#finished(error)
      done(failure, failure === null ? bytes : 0)
    }
    this.#calls.read(this.#fd, target, offset, length, position, finish)
    this.#underWay++
  }

  writeSync(source: Uint8Array, offset: number, length: number, position: number): number {
    this.#assertOpen('write')
    for (let attempt = 1; ; attempt++) {
      try {
        return this.#calls.writeSync(this.#fd, source, offset, length, position)
      } catch (error) {
        if (attempt === MAX_ATTEMPTS || !isTransient(error)) throw withPath(error, this.#path)
      }
    }
  }

  write(source: Uint8Array, offset: number, length: number, position: number, done: Counted): void {
    if (this.#closed) return this.#refuse('write', done)
    let attempt = 1
    const finish: Counted = (error, bytes) => {
      if (error !== null && isTransient(error) && attempt++ < MAX_ATTEMPTS) {
        this.#calls.write(this.#fd, source, offset, length, position, finish)
        return
      }
      const failure = this.#finished(error)
      done(failure, failure === null ? bytes : 0)
    }
    this.#calls.write(this.#fd, source, offset, length, position, finish)
    this.#underWay++
  }

  sync(done: Done): void {
    if (this.#closed) return this.#refuse('fdatasync', done)
    let attempt = 1
    const finish: Done = (error) => {
      if (error && isTransient(error) && attempt++ < MAX_ATTEMPTS) {
        this.#calls.fdatasync(this.#fd, finish)
        return
      }
      done(this.#finished(error ?? null))
    }
    // On macOS Node (libuv) answers this with fcntl(F_FULLFSYNC): fsync alone stops at the cache of the drive there.
    this.#calls.fdatasync(this.#fd, finish)
    this.#underWay++
  }

  truncate(size: number): void {
    this.#assertOpen('ftruncate')
    this.#now(() => this.#calls.ftruncateSync(this.#fd, size))
  }

  close(): void {
    if (this.#closed) return
    // Closed even if the call fails: the descriptor is gone then too, and its number may already be another file's.
    this.#closed = true
    if (this.#underWay === 0) this.#now(() => this.#calls.closeSync(this.#fd))
  }

  /** Counts a call as done, closes what waited for it, and returns the error to report. */
  #finished(error: NodeJS.ErrnoException | null): NodeJS.ErrnoException | null {
    let failure = error === null ? null : withPath(error, this.#path)
    if (--this.#underWay === 0 && this.#closed) {
      try {
        this.#calls.closeSync(this.#fd)
      } catch (closeError) {
        failure ??= withPath(closeError, this.#path)
      }
    }
    return failure
  }

  #now<T>(call: () => T): T {
    try {
      return call()
    } catch (error) {
      throw withPath(error, this.#path)
    }
  }

  #assertOpen(syscall: string): void {
    if (this.#closed) throw systemError('EBADF', syscall, this.#path)
  }

  #refuse(syscall: string, done: Counted): void {
    setImmediate(done, systemError('EBADF', syscall, this.#path), 0)
  }
}

/**
 * Returns the pid namespace of this process, '' where there is none to see. Not in `FileSystem`, because the answer is the
 * target of a link that leads to no file.
 */
export function processNamespace(): string {
  try {
    return /^pid:\[(\d+)\]$/.exec(fs.readlinkSync('/proc/self/ns/pid'))?.[1] ?? ''
  } catch {
    return ''
  }
}

/** Tells whether the system asks for the same call again. libuv repeats most calls after EINTR, but not reads. */
function isTransient(error: unknown): boolean {
  return isSystemError(error, 'EINTR') || isSystemError(error, 'EAGAIN')
}

/** Names the file in the error of a call on a descriptor, where Node cannot. */
function withPath(error: unknown, path: string): NodeJS.ErrnoException {
  const failure = error as NodeJS.ErrnoException
  if (failure.syscall !== undefined && failure.path === undefined) {
    failure.path = path
    failure.message += ` '${path}'`
  }
  return failure
}
