import type { Done, FileHandle, FileStat, FileSystem, OpenMode, Watch } from './file-system.js'
import { MemoryFile, MemoryHandle } from './memory-file.js'
import { systemError } from './system-error.js'

export interface MemoryFileSystemOptions {
  /** Returns the time for modification times, milliseconds since the epoch. Default: Date.now. */
  readonly now?: (() => number) | undefined
}

/** Longest name in a folder, in bytes, as on nearly every disk. */
const MAX_NAME_BYTES = 255

class MemoryDirectory {
  readonly inode: number
  readonly entries = new Map<string, MemoryFile | MemoryDirectory>()
  modificationTime: number

  constructor(inode: number, modificationTime: number) {
    this.inode = inode
    this.modificationTime = modificationTime
  }
}

/** A place in the tree: the folder, the name in it, and what stands there. */
interface Place {
  readonly parent: MemoryDirectory
  readonly name: string
  readonly entry: MemoryFile | MemoryDirectory | undefined
}

/**
 * A file system in memory, for stores that are to vanish with the process. Every call has the results and the error codes of a
 * POSIX disk. There is one root, `/`, and neither links nor permissions nor a limit of space.
 *
 * Callbacks come in a later turn of the event loop: a store that commits in groups sees one group where many appends
 * are made in one turn, as it does on a disk.
 */
export class MemoryFileSystem implements FileSystem {
  readonly #now: () => number
  readonly #root: MemoryDirectory
  #inodes = 1
  #openHandles = 0

  constructor(options: MemoryFileSystemOptions = {}) {
    this.#now = options.now ?? Date.now
    this.#root = new MemoryDirectory(this.#inodes++, this.#now())
  }

  /** Number of handles that were opened and not closed. */
  get openHandles(): number {
    return this.#openHandles
  }

  realPath(path: string): string {
    this.#require(path, 'realpath')
    return `/${split(path).join('/')}`
  }

  makeDirectories(path: string): void {
    let directory = this.#root
    const names = split(path)
    for (const [depth, name] of names.entries()) {
      assertName(name, 'mkdir', path)
      const entry = directory.entries.get(name)
      if (entry instanceof MemoryFile) {
        throw systemError(depth === names.length - 1 ? 'EEXIST' : 'ENOTDIR', 'mkdir', path)
      }
      directory = entry ?? this.#addDirectory(directory, name)
    }
  }

  makeDirectory(path: string): void {
    const place = this.#find(path, 'mkdir')
    if (place.entry !== undefined) throw systemError('EEXIST', 'mkdir', path)
    this.#addDirectory(place.parent, place.name)
  }

  removeDirectory(path: string): void {
    const { parent, name } = this.#find(path, 'rmdir')
    if (this.#requireDirectory(path, 'rmdir').entries.size > 0) throw systemError('ENOTEMPTY', 'rmdir', path)
    parent.entries.delete(name)
    this.#touch(parent)
  }

  list(path: string): string[] {
    return [...this.#requireDirectory(path, 'scandir').entries.keys()]
  }

  stat(path: string): FileStat | undefined {
    const entry = this.#peek(path)
    if (entry === undefined) return undefined
    const { inode, modificationTime } = entry
    if (entry instanceof MemoryFile) return { kind: 'file', size: entry.size, modificationTime, inode }
    return { kind: 'directory', size: 0, modificationTime, inode }
  }

  setTimes(path: string, _accessTime: number, modificationTime: number): void {
    this.#require(path, 'utime').modificationTime = modificationTime
  }

  rename(from: string, to: string): void {
    const source = this.#find(from, 'rename')
    const target = this.#find(to, 'rename')
    if (source.entry === undefined) throw systemError('ENOENT', 'rename', from)
    if (source.entry === target.entry) return
    if (source.entry instanceof MemoryFile) {
      if (target.entry instanceof MemoryDirectory) throw systemError('EISDIR', 'rename', from)
    } else {
      if (target.entry instanceof MemoryFile) throw systemError('ENOTDIR', 'rename', from)
      if (this.#isBelow(to, source.entry)) throw systemError('EINVAL', 'rename', from)
      if (target.entry !== undefined && target.entry.entries.size > 0) throw systemError('ENOTEMPTY', 'rename', from)
    }
    source.parent.entries.delete(source.name)
    target.parent.entries.set(target.name, source.entry)
    this.#touch(source.parent)
    this.#touch(target.parent)
  }

  remove(path: string): void {
    const { parent, name, entry } = this.#find(path, 'unlink')
    if (entry === undefined) throw systemError('ENOENT', 'unlink', path)
    if (entry instanceof MemoryDirectory) throw systemError('EISDIR', 'unlink', path)
    parent.entries.delete(name)
    this.#touch(parent)
  }

  syncDirectory(path: string, done: Done): void {
    let failure: NodeJS.ErrnoException | null = null
    try {
      this.#requireDirectory(path, 'open')
    } catch (error) {
      failure = error as NodeJS.ErrnoException
    }
    setImmediate(done, failure)
  }

  open(path: string, mode: OpenMode): FileHandle {
    let file: MemoryFile | MemoryDirectory
    if (mode === 'create') {
      const place = this.#find(path, 'open')
      if (place.entry !== undefined) throw systemError('EEXIST', 'open', path)
      file = new MemoryFile(this.#inodes++, this.#now)
      place.parent.entries.set(place.name, file)
      this.#touch(place.parent)
    } else {
      file = this.#require(path, 'open')
      if (file instanceof MemoryDirectory) throw systemError('EISDIR', 'open', path)
    }
    this.#openHandles++
    return new MemoryHandle(file, path, mode, () => this.#openHandles--)
  }

  kindOf(path: string): 'local' {
    this.#require(path, 'statfs')
    return 'local'
  }

  watch(path: string, changed: () => void): Watch {
    const file = this.#peek(path)
    return { close: file instanceof MemoryFile ? file.watch(changed) : () => undefined }
  }

  #addDirectory(parent: MemoryDirectory, name: string): MemoryDirectory {
    const directory = new MemoryDirectory(this.#inodes++, this.#now())
    parent.entries.set(name, directory)
    this.#touch(parent)
    return directory
  }

  #touch(directory: MemoryDirectory): void {
    directory.modificationTime = this.#now()
  }

  #isBelow(path: string, directory: MemoryDirectory): boolean {
    let entry: MemoryFile | MemoryDirectory | undefined = this.#root
    for (const name of split(path)) {
      if (entry === directory) return true
      entry = entry instanceof MemoryDirectory ? entry.entries.get(name) : undefined
    }
    return false
  }

  /** Returns what stands at a path, or undefined, without an error for what is missing on the way there. */
  #peek(path: string): MemoryFile | MemoryDirectory | undefined {
    let entry: MemoryFile | MemoryDirectory | undefined = this.#root
    for (const name of split(path)) {
      assertName(name, 'lstat', path)
      if (!(entry instanceof MemoryDirectory)) return undefined
      entry = entry.entries.get(name)
    }
    return entry
  }

  /** Returns the place a path names. Throws ENOENT or ENOTDIR when its folder is none. */
  #find(path: string, syscall: string): Place {
    const names = split(path)
    const name = names.pop()
    if (name === undefined) return { parent: this.#root, name: '', entry: this.#root }
    let parent = this.#root
    for (const above of names) {
      assertName(above, syscall, path)
      const entry = parent.entries.get(above)
      if (entry === undefined) throw systemError('ENOENT', syscall, path)
      if (entry instanceof MemoryFile) throw systemError('ENOTDIR', syscall, path)
      parent = entry
    }
    assertName(name, syscall, path)
    return { parent, name, entry: parent.entries.get(name) }
  }

  #require(path: string, syscall: string): MemoryFile | MemoryDirectory {
    const { entry } = this.#find(path, syscall)
    if (entry === undefined) throw systemError('ENOENT', syscall, path)
    return entry
  }

  #requireDirectory(path: string, syscall: string): MemoryDirectory {
    const entry = this.#require(path, syscall)
    if (entry instanceof MemoryFile) throw systemError('ENOTDIR', syscall, path)
    return entry
  }
}

/** Returns the names on the way from the root. Both slashes separate on Windows, where `join` makes backslashes. */
function split(path: string): string[] {
  const names: string[] = []
  for (const name of path.split(process.platform === 'win32' ? /[\\/]/ : '/')) {
    if (name === '..') names.pop()
    else if (name !== '' && name !== '.') names.push(name)
  }
  return names
}

function assertName(name: string, syscall: string, path: string): void {
  // 255 UTF-16 units are at most 765 bytes: only long names are worth counting exactly.
  if (name.length * 3 > MAX_NAME_BYTES && Buffer.byteLength(name) > MAX_NAME_BYTES) {
    throw systemError('ENAMETOOLONG', syscall, path)
  }
}
