import type { Counted, Done, FileHandle, OpenMode } from './file-system.js'
import { systemError } from './system-error.js'

/** Smallest room a file with contents gets, in bytes. */
const MIN_CAPACITY = 256

const NOTHING = Buffer.alloc(0)

/** The contents of a file in memory. Room beyond `size` is always zero, so that growing needs no filling. */
export class MemoryFile {
  readonly inode: number
  modificationTime: number
  readonly #now: () => number
  #bytes = NOTHING
  #size = 0
  readonly #watchers = new Set<() => void>()
  #telling = false

  constructor(inode: number, now: () => number) {
    this.inode = inode
    this.#now = now
    this.modificationTime = now()
  }

  get size(): number {
    return this.#size
  }

  read(target: Uint8Array, offset: number, length: number, position: number): number {
    const bytes = Math.min(length, Math.max(0, this.#size - position))
    target.set(this.#bytes.subarray(position, position + bytes), offset)
    return bytes
  }

  write(source: Uint8Array, offset: number, length: number, position: number): number {
    if (length === 0) return 0
    const end = position + length
    this.#makeRoom(end)
    this.#bytes.set(source.subarray(offset, offset + length), position)
    this.#size = Math.max(this.#size, end)
    this.modificationTime = this.#now()
    this.#tell()
    return length
  }

  /** Calls back in a later turn after writes. Returns how to end it. */
  watch(changed: () => void): () => void {
    const watcher = (): void => changed()
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  #tell(): void {
    if (this.#watchers.size === 0 || this.#telling) return
    this.#telling = true
    setImmediate(() => {
      this.#telling = false
      for (const watcher of this.#watchers) watcher()
    })
  }

  truncate(size: number): void {
    this.#makeRoom(size)
    if (size < this.#size) this.#bytes.fill(0, size, this.#size)
    this.#size = size
    this.modificationTime = this.#now()
    this.#tell()
  }

  /** Grows by at least half, so that many small writes copy each byte a few times only. Throws ENOSPC. */
  #makeRoom(size: number): void {
    if (size <= this.#bytes.length) return
    const capacity = Math.max(size, MIN_CAPACITY, Math.ceil(this.#bytes.length * 1.5))
    let grown: Buffer<ArrayBuffer>
    try {
      grown = Buffer.alloc(capacity)
    } catch (cause) {
      throw Object.assign(systemError('ENOSPC', 'write'), { cause })
    }
    this.#bytes.copy(grown, 0, 0, this.#size)
    this.#bytes = grown
  }
}

/** A handle on a file in memory. The file stays readable through it after it was removed or replaced. */
export class MemoryHandle implements FileHandle {
  readonly writesThrough: boolean
  readonly #file: MemoryFile
  readonly #path: string
  readonly #writable: boolean
  readonly #onClose: () => void
  #closed = false

  constructor(file: MemoryFile, path: string, mode: OpenMode, onClose: () => void) {
    this.#file = file
    this.#path = path
    this.#writable = mode !== 'read'
    this.writesThrough = mode === 'write-through'
    this.#onClose = onClose
  }

  size(): number {
    this.#assertOpen('fstat')
    return this.#file.size
  }

  readSync(target: Uint8Array, offset: number, length: number, position: number): number {
    this.#assertOpen('read')
    assertRange(target, offset, length, position)
    return this.#file.read(target, offset, length, position)
  }

  read(target: Uint8Array, offset: number, length: number, position: number, done: Counted): void {
    assertRange(target, offset, length, position)
    this.#later(done, () => this.readSync(target, offset, length, position))
  }

  writeSync(source: Uint8Array, offset: number, length: number, position: number): number {
    this.#assertOpen('write')
    assertRange(source, offset, length, position)
    if (!this.#writable && length > 0) throw systemError('EBADF', 'write', this.#path)
    return this.#file.write(source, offset, length, position)
  }

  write(source: Uint8Array, offset: number, length: number, position: number, done: Counted): void {
    assertRange(source, offset, length, position)
    this.#later(done, () => this.writeSync(source, offset, length, position))
  }

  sync(done: Done): void {
    setImmediate(done, this.#closed ? systemError('EBADF', 'fdatasync', this.#path) : null)
  }

  truncate(size: number): void {
    this.#assertOpen('ftruncate')
    if (!this.#writable) throw systemError('EINVAL', 'ftruncate', this.#path)
    this.#file.truncate(size)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#onClose()
  }

  /** Does the work at once, so that a later close cannot hinder it, and tells of it in a later turn. */
  #later(done: Counted, work: () => number): void {
    let bytes = 0
    let failure: NodeJS.ErrnoException | null = null
    try {
      bytes = work()
    } catch (error) {
      failure = error as NodeJS.ErrnoException
    }
    setImmediate(done, failure, bytes)
  }

  #assertOpen(syscall: string): void {
    if (this.#closed) throw systemError('EBADF', syscall, this.#path)
  }
}

/** Refuses what Node refuses: a range that is not in the buffer, or no place in a file. */
function assertRange(buffer: Uint8Array, offset: number, length: number, position: number): void {
  const inside = offset >= 0 && length >= 0 && offset + length <= buffer.byteLength
  if (inside && position >= 0 && Number.isSafeInteger(position + length)) return
  const range = `offset ${offset}, length ${length} of ${buffer.byteLength} bytes, position ${position}`
  throw Object.assign(new RangeError(`Cannot transfer bytes: range is out of bounds (${range})`), {
    code: 'ERR_OUT_OF_RANGE',
  })
}
