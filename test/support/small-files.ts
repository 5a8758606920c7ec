import type { Counted, Done, FileHandle, FileStat, FileSystem, OpenMode, Watch } from '../../engine/io/file-system.js'
import { systemError } from '../../engine/io/system-error.js'

/** A file: its bytes are shared with the image it came from until it is written to. */
class SmallFile {
  bytes: Buffer
  shared: boolean
  modificationTime = 1_700_000_000_000
  readonly inode: number

  constructor(bytes: Buffer, shared: boolean, inode: number) {
    this.bytes = bytes
    this.shared = shared
    this.inode = inode
  }

  write(source: Uint8Array, at: number): void {
    if (this.shared || at + source.length > this.bytes.length) {
      const larger = Buffer.alloc(Math.max(this.bytes.length, at + source.length))
      this.bytes.copy(larger)
      this.bytes = larger
      this.shared = false
    }
    this.bytes.set(source, at)
  }
}

/** The files and folders of a disk, by path. Nobody changes them. */
export interface FilesImage {
  readonly files: ReadonlyMap<string, Buffer>
  readonly folders: readonly string[]
}

/**
 * A file system for a hundred thousand openings of one small store: a copy costs next to nothing, and every call comes back in
 * the same turn of the event loop. Paths are taken as they are; it knows as much of files as the engine asks for.
 */
export class SmallFiles implements FileSystem {
  readonly #files = new Map<string, SmallFile>()
  readonly #folders = new Map<string, Set<string>>()
  #inodes = 1

  constructor({ files, folders }: FilesImage = { files: new Map(), folders: ['/'] }) {
    for (const folder of folders) this.#folders.set(folder, new Set())
    for (const folder of folders) if (folder !== '/') this.#above(folder).add(nameOf(folder))
    for (const [path, bytes] of files) {
      this.#files.set(path, new SmallFile(bytes, true, this.#inodes++))
      this.#above(path).add(nameOf(path))
    }
  }

  /** What is there now. */
  image(): FilesImage {
    return {
      files: new Map([...this.#files].map(([path, { bytes }]) => [path, Buffer.from(bytes)])),
      folders: [...this.#folders.keys()],
    }
  }

  realPath(path: string): string {
    if (!this.#files.has(path) && !this.#folders.has(path)) throw systemError('ENOENT', 'realpath', path)
    return path
  }

  makeDirectories(path: string): void {
    if (this.#folders.has(path)) return
    this.makeDirectories(aboveOf(path))
    this.makeDirectory(path)
  }

  makeDirectory(path: string): void {
    if (this.#folders.has(path) || this.#files.has(path)) throw systemError('EEXIST', 'mkdir', path)
    this.#above(path).add(nameOf(path))
    this.#folders.set(path, new Set())
  }

  removeDirectory(path: string): void {
    if (this.#folder(path).size > 0) throw systemError('ENOTEMPTY', 'rmdir', path)
    this.#folders.delete(path)
    this.#above(path).delete(nameOf(path))
  }

  list(path: string): string[] {
    return [...this.#folder(path)]
  }

  stat(path: string): FileStat | undefined {
    const file = this.#files.get(path)
    if (file !== undefined) {
      return { kind: 'file', size: file.bytes.length, modificationTime: file.modificationTime, inode: file.inode }
    }
    return this.#folders.has(path)
      ? { kind: 'directory', size: 0, modificationTime: 1_700_000_000_000, inode: 0 }
      : undefined
  }

  setTimes(): void {
    // Nobody looks at the time of a lock here: its holder is known to be dead.
  }

  rename(from: string, to: string): void {
    const file = this.#file(from, 'rename')
    this.#files.delete(from)
    this.#above(from).delete(nameOf(from))
    this.#files.set(to, file)
    this.#above(to).add(nameOf(to))
  }

  remove(path: string): void {
    this.#file(path, 'unlink')
    this.#files.delete(path)
    this.#above(path).delete(nameOf(path))
  }

  syncDirectory(path: string, done: Done): void {
    process.nextTick(done, this.#folders.has(path) ? null : systemError('ENOENT', 'open', path))
  }

  open(path: string, mode: OpenMode): FileHandle {
    if (this.#folders.has(path)) throw systemError('EISDIR', 'open', path)
    if (mode !== 'create') return new SmallHandle(this.#file(path, 'open'))
    if (this.#files.has(path)) throw systemError('EEXIST', 'open', path)
    const file = new SmallFile(Buffer.alloc(0), false, this.#inodes++)
    this.#above(path).add(nameOf(path))
    this.#files.set(path, file)
    return new SmallHandle(file)
  }

  kindOf(): 'local' {
    return 'local'
  }

  watch(): Watch {
    return { close: () => undefined }
  }

  #file(path: string, call: string): SmallFile {
    const file = this.#files.get(path)
    if (file === undefined) throw systemError('ENOENT', call, path)
    return file
  }

  #folder(path: string): Set<string> {
    const folder = this.#folders.get(path)
    if (folder === undefined) throw systemError(this.#files.has(path) ? 'ENOTDIR' : 'ENOENT', 'scandir', path)
    return folder
  }

  #above(path: string): Set<string> {
    return this.#folder(aboveOf(path))
  }
}

function aboveOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')))
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

class SmallHandle implements FileHandle {
  readonly writesThrough = false
  readonly #file: SmallFile

  constructor(file: SmallFile) {
    this.#file = file
  }

  size(): number {
    return this.#file.bytes.length
  }

  readSync(target: Uint8Array, offset: number, length: number, position: number): number {
    const end = Math.min(this.#file.bytes.length, position + length)
    if (end <= position) return 0
    target.set(this.#file.bytes.subarray(position, end), offset)
    return end - position
  }

  read(target: Uint8Array, offset: number, length: number, position: number, done: Counted): void {
    process.nextTick(done, null, this.readSync(target, offset, length, position))
  }

  writeSync(source: Uint8Array, offset: number, length: number, position: number): number {
    this.#file.write(source.subarray(offset, offset + length), position)
    return length
  }

  write(source: Uint8Array, offset: number, length: number, position: number, done: Counted): void {
    process.nextTick(done, null, this.writeSync(source, offset, length, position))
  }

  sync(done: Done): void {
    process.nextTick(done, null)
  }

  truncate(size: number): void {
    const bytes = Buffer.alloc(size)
    this.#file.bytes.copy(bytes)
    this.#file.bytes = bytes
    this.#file.shared = false
  }

  close(): void {
    // There is nothing to give back.
  }
}
