/**
 * The one interface between annals and the operating system (design D8). The engine calls nothing else, so tests run
 * it whole on a simulated disk.
 *
 * Two kinds of calls. Names and small reads are synchronous: they are short when the page cache answers. Everything
 * that may wait for the disk (`sync`, large reads and writes) takes a callback and leaves the main thread free: a
 * callback and not a promise, because a promise per call is measurable on the commit path.
 *
 * Every failure is thrown, or given to the callback, as the `NodeJS.ErrnoException` the system reported.
 */
export interface FileSystem {
  /** Returns the absolute path with all symbolic links resolved. Throws ENOENT. */
  realPath(path: string): string
  /** Creates a folder and the missing folders above it. An existing folder is fine. */
  makeDirectories(path: string): void
  /** Creates one folder. Throws EEXIST: exactly one of several callers succeeds. */
  makeDirectory(path: string): void
  /** Removes an empty folder. */
  removeDirectory(path: string): void
  /** Returns the names in a folder, in no particular order. Throws ENOENT, ENOTDIR. */
  list(path: string): string[]
  /** Returns what stands at a path, not following a final symbolic link, or undefined when nothing does. */
  stat(path: string): FileStat | undefined
  /** Sets the access and modification time of a file or folder, in milliseconds since the epoch. */
  setTimes(path: string, accessTime: number, modificationTime: number): void
  /** Renames a file, replacing the target in one step. Durable only after `syncDirectory` of the folder. */
  rename(from: string, to: string): void
  /** Removes a file. Durable only after `syncDirectory` of the folder. */
  remove(path: string): void
  /** Makes the names in a folder durable. */
  syncDirectory(path: string, done: Done): void
  /** Opens a file. Does not follow a final symbolic link (throws ELOOP). */
  open(path: string, mode: OpenMode): FileHandle
  /** Returns the kind of file system that holds a path, for refusing network file systems. */
  kindOf(path: string): 'local' | 'network' | 'unknown'
  /**
   * Calls back in a later turn after a file was written to, by whomever; once for several writes, perhaps once too often. Where the system
   * cannot tell, never: whoever must know looks by himself now and then. Does not keep the process alive. Never throws.
   */
  watch(path: string, changed: () => void): Watch
}

/**
 * `read`: existing file, reading only. `write`: existing file, reading and writing. `create`: new file, reading and
 * writing, throws EEXIST. `write-through`: existing file, every write returns only when its bytes are durable (O_DSYNC);
 * only where `FileHandle.writesThrough` then says so, elsewhere the same as `write`. Files are created with mode 0600
 * less the umask.
 */
export type OpenMode = 'read' | 'write' | 'create' | 'write-through'

export type Done = (error: NodeJS.ErrnoException | null) => void
export type Counted = (error: NodeJS.ErrnoException | null, bytes: number) => void

export interface Watch {
  /** No more calls. Closing twice is a no-op. */
  close(): void
}

export interface FileStat {
  readonly kind: 'file' | 'directory' | 'other'
  /** Bytes. */
  readonly size: number
  /** Milliseconds since the epoch. */
  readonly modificationTime: number
  /** Identity of the file on its device: changes when a path is removed and made again. */
  readonly inode: number
}

/** An open file. Positions and lengths are bytes; buffers stay the caller's, who must not touch one before `done`. */
export interface FileHandle {
  /** True when each completed write is already durable. */
  readonly writesThrough: boolean
  /** Returns the size of the file. */
  size(): number
  /** Reads up to `length` bytes; returns how many, 0 at the end of the file. May be short. */
  readSync(target: Uint8Array, offset: number, length: number, position: number): number
  /** As `readSync`, off the main thread. */
  read(target: Uint8Array, offset: number, length: number, position: number, done: Counted): void
  /** Writes up to `length` bytes; returns how many. May be short, for example when the disk fills up. */
  writeSync(source: Uint8Array, offset: number, length: number, position: number): number
  /** As `writeSync`, off the main thread. */
  write(source: Uint8Array, offset: number, length: number, position: number, done: Counted): void
  /** Makes the contents of the file durable (fdatasync), off the main thread. */
  sync(done: Done): void
  /** Sets the size of the file. */
  truncate(size: number): void
  /** Gives the handle back. Closing twice is a no-op. */
  close(): void
}

/** Everything that is not the engine's own: file system, clock, randomness and the machine. */
export interface Environment {
  readonly files: FileSystem
  /** Returns milliseconds since the epoch. May step back. */
  now(): number
  /** Returns milliseconds of a clock that never steps back, for durations. */
  elapsed(): number
  /** Fills the bytes with randomness good enough for ids. */
  random(target: Uint8Array): void
  /** Calls back before anything else happens, but after the promise reactions that are ready now and those they lead to. */
  soon(callback: () => void): void
  /** Calls back once after `delay` milliseconds. The timer does not keep the process alive. */
  after(delay: number, callback: () => void): Timer
  /** Who this process is, for lock files. */
  readonly process: ProcessIdentity
}

export interface Timer {
  cancel(): void
}

export interface ProcessIdentity {
  readonly pid: number
  readonly host: string
  /** What tells this process from an earlier one with the same pid on this host (its start time); '' if unknown. */
  readonly incarnation: string
  /** Tells whether a process of this host is alive. `unknown` where the answer cannot be had. */
  isAlive(pid: number, incarnation: string): 'alive' | 'dead' | 'unknown'
}
