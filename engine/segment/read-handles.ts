import type { FileHandle, FileSystem } from '../io/file-system.js'
import { ReadWindows } from './read-windows.js'

interface OpenFile {
  readonly handle: FileHandle
  pins: number
  dropped: boolean
  /** Size of a file that does not grow any more, once it was asked for. */
  size: number | undefined
}

/**
 * Files kept open for reading, the least recently used closed first. Nobody keeps a handle between two turns of the event
 * loop, but for reads under way, which `pin` it: so an iterator holds no file, and leaving one early leaks nothing.
 */
export class ReadHandles {
  readonly #files: FileSystem
  readonly #limit: number
  readonly #open = new Map<string, OpenFile>()
  /** Memory for what is read through them. */
  readonly windows = new ReadWindows()

  constructor(files: FileSystem, limit: number) {
    this.#files = files
    this.#limit = limit
  }

  get size(): number {
    return this.#open.size
  }

  /** Returns a handle to use at once. Throws what `open` throws. */
  get(path: string): FileHandle {
    return this.#entry(path).handle
  }

  /** Returns the size of a file to which nothing is added any more: asks the system once, and `check`, which throws, whether it is the right one. */
  sizeOfFinished(path: string, check?: (handle: FileHandle) => void): number {
    const entry = this.#entry(path)
    if (entry.size !== undefined) return entry.size
    check?.(entry.handle)
    return (entry.size = entry.handle.size())
  }

  /** Returns a handle that stays open until `release` is called. */
  pin(path: string): { readonly handle: FileHandle; readonly release: () => void } {
    const entry = this.#entry(path)
    entry.pins++
    const release = (): void => {
      entry.pins--
      if (entry.dropped && entry.pins === 0) entry.handle.close()
    }
    return { handle: entry.handle, release }
  }

  /** Forgets a file: it was replaced or removed. */
  drop(path: string): void {
    const entry = this.#open.get(path)
    if (entry === undefined) return
    this.#open.delete(path)
    entry.dropped = true
    if (entry.pins === 0) entry.handle.close()
  }

  close(): void {
    for (const path of [...this.#open.keys()]) this.drop(path)
  }

  #entry(path: string): OpenFile {
    const known = this.#open.get(path)
    if (known !== undefined) {
      if (this.#open.size > this.#limit / 2) {
        this.#open.delete(path)
        this.#open.set(path, known)
      }
      return known
    }
    const entry: OpenFile = { handle: this.#files.open(path, 'read'), pins: 0, dropped: false, size: undefined }
    this.#open.set(path, entry)
    if (this.#open.size > this.#limit) this.drop(this.#open.keys().next().value!)
    return entry
  }
}
