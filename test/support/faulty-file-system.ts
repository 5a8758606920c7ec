import type { Counted, Done, FileHandle, FileStat, FileSystem, OpenMode, Watch } from '../../engine/io/file-system.js'
import { systemError } from '../../engine/io/system-error.js'

/** One call to the file system or to one of its handles. */
export interface Operation {
  /** Counts from 1, over all operations since the wrapper was made. */
  readonly index: number
  /** Name of the method; the two of reading and the two of writing are `read` and `write`. */
  readonly kind: OperationKind
  /** Path of the call, or that its handle was opened with. For `rename` the old one. */
  readonly path: string
  /** New path of a `rename`. */
  readonly to?: string
  /** Bytes asked for, of a `read` or `write`; the new size of a `truncate`. */
  readonly length?: number
  readonly position?: number
}

export type OperationKind = keyof FileSystem | 'size' | 'read' | 'write' | 'sync' | 'truncate' | 'close'

/** What goes wrong, and where. Everything but `freezeAfter` concerns only the operations that `only` selects. */
export interface Faults {
  /** Selects operations. Default: all. */
  readonly only?: ((operation: Operation) => boolean) | undefined
  /** The n-th selected operation fails, without effect; counted from 1, from when these faults were set. */
  readonly failAt?: number | undefined
  /** Code of the error. Default: `EIO`. */
  readonly code?: string | undefined
  /**
   * What the operation has done when it fails: nothing; of a write a part, as on a disk that fills up; or all of it, as when the
   * system reports late. Default: none.
   */
  readonly effect?: 'none' | 'part' | 'whole' | undefined
  /** A read or write at `failAt` does not fail, and moves only a part of its bytes. Default: false. */
  readonly short?: boolean | undefined
  /** All selected operations from `failAt` on fail. Default: false. */
  readonly sticky?: boolean | undefined
  /** Called with each operation that fails by order, before it does. */
  readonly onFailure?: ((operation: Operation) => void) | undefined
  /** Most bytes that one read or write moves. */
  readonly shortenTo?: number | undefined
  /** Milliseconds by which callbacks come late. */
  readonly delay?: number | undefined
  /** After so many operations, counted from when these faults were set, the process is as if killed: see `freeze`. */
  readonly freezeAfter?: number | undefined
}

/**
 * A file system that counts what is asked of another one, and goes wrong on demand.
 *
 * ```ts
 * const files = new FaultyFileSystem(new MemoryFileSystem(), { failAt: 3, code: 'ENOSPC', only: ({ kind }) => kind === 'write' })
 * ```
 *
 * A `close` that fails has closed the inner handle all the same, as the system does.
 */
export class FaultyFileSystem implements FileSystem {
  /** Operations since the start. */
  operations = 0
  /** Bytes that reads delivered. */
  bytesRead = 0
  /** Bytes that writes took. */
  bytesWritten = 0
  /** Operations that failed by order. */
  failures = 0
  /** Handles that were opened here and not closed. */
  openHandles = 0
  /** Operations since the start by kind. */
  readonly counts: Partial<Record<OperationKind, number>> = {}
  /** All operations, once `record` was called. */
  trace: Operation[] | undefined
  readonly #inner: FileSystem
  readonly #handles = new Map<FileHandle, string>()
  #faults: Faults
  #selected = 0
  #sinceFaults = 0
  #frozen = false
  #held: (() => void)[] | undefined

  constructor(inner: FileSystem, faults: Faults = {}) {
    this.#inner = inner
    this.#faults = faults
  }

  /** Sets other faults and counts `failAt` and `freezeAfter` anew. Without argument nothing goes wrong any more. */
  setFaults(faults: Faults = {}): void {
    this.#faults = faults
    this.#selected = 0
    this.#sinceFaults = 0
  }

  /** Starts to record operations in `trace`. */
  record(): this {
    this.trace = []
    return this
  }

  /**
   * From now on nothing reaches the inner file system, as if the process were killed: synchronous calls throw EFROZEN, callbacks
   * never come. Then open the inner file system again, through another wrapper, to see what the next process sees.
   */
  freeze(): void {
    this.#frozen = true
  }

  /** From now on no call that takes its time comes back, as if the process were stopped; those come when it goes on. */
  pause(): void {
    this.#held ??= []
  }

  /** The process goes on. */
  resume(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const call of held) call()
  }

  /** Paths and modes of the handles that are open. */
  get openFiles(): string[] {
    return [...this.#handles.values()]
  }

  get frozen(): boolean {
    return this.#frozen
  }

  /** Closes the inner handles that a frozen or failed test left open. */
  release(): void {
    for (const handle of this.#handles.keys()) handle.close()
    this.#handles.clear()
  }

  realPath(path: string): string {
    return this.#run('realPath', path, () => this.#inner.realPath(path))
  }

  makeDirectories(path: string): void {
    this.#run('makeDirectories', path, () => this.#inner.makeDirectories(path))
  }

  makeDirectory(path: string): void {
    this.#run('makeDirectory', path, () => this.#inner.makeDirectory(path))
  }

  removeDirectory(path: string): void {
    this.#run('removeDirectory', path, () => this.#inner.removeDirectory(path))
  }

  list(path: string): string[] {
    return this.#run('list', path, () => this.#inner.list(path))
  }

  stat(path: string): FileStat | undefined {
    return this.#run('stat', path, () => this.#inner.stat(path))
  }

  setTimes(path: string, accessTime: number, modificationTime: number): void {
    this.#run('setTimes', path, () => this.#inner.setTimes(path, accessTime, modificationTime))
  }

  rename(from: string, to: string): void {
    const fault = this.begin('rename', from, { to })
    if (fault.error && fault.effect !== 'whole') throw fault.error
    this.#inner.rename(from, to)
    if (fault.error) throw fault.error
  }

  remove(path: string): void {
    this.#run('remove', path, () => this.#inner.remove(path))
  }

  syncDirectory(path: string, done: Done): void {
    const fault = this.begin('syncDirectory', path)
    if (fault.error && fault.effect !== 'whole') return this.end(fault, done, fault.error)
    this.#inner.syncDirectory(path, (error) => this.end(fault, done, fault.error ?? error))
  }

  open(path: string, mode: OpenMode): FileHandle {
    const fate = this.begin('open', path)
    if (fate.error && fate.effect !== 'whole') throw fate.error
    const inner = this.#inner.open(path, mode)
    if (fate.error) {
      inner.close() // a file may have been created all the same
      throw fate.error
    }
    this.#handles.set(inner, `${path} (${mode})`)
    this.openHandles++
    return new FaultyHandle(this, inner, path, () => {
      this.#handles.delete(inner)
      this.openHandles--
    })
  }

  kindOf(path: string): 'local' | 'network' | 'unknown' {
    return this.#run('kindOf', path, () => this.#inner.kindOf(path))
  }

  watch(path: string, changed: () => void): Watch {
    return this.#inner.watch(path, changed)
  }

  /** @internal Counts an operation and decides its fate. */
  begin(kind: OperationKind, path: string, details: Pick<Operation, 'to' | 'length' | 'position'> = {}): Fate {
    if (this.#frozen) return { error: systemError('EFROZEN', kind, path) }
    const { only, failAt, code = 'EIO', effect, short, sticky = false, shortenTo, delay, freezeAfter } = this.#faults
    if (freezeAfter !== undefined && this.#sinceFaults >= freezeAfter) {
      this.freeze()
      return { error: systemError('EFROZEN', kind, path) }
    }
    this.#sinceFaults++
    const operation: Operation = { index: ++this.operations, kind, path, ...details }
    this.counts[kind] = (this.counts[kind] ?? 0) + 1
    this.trace?.push(operation)
    if (only !== undefined && !only(operation)) return {}
    this.#selected++
    const fate: Fate = { delay, shortenTo }
    if (failAt === undefined || this.#selected < failAt || (this.#selected > failAt && !sticky)) return fate
    this.failures++
    this.#faults.onFailure?.(operation)
    const { length = 0 } = details
    if (short === true) return { ...fate, shortenTo: Math.max(1, Math.floor(length / 2)) }
    if (effect === 'part' && kind === 'write') {
      return { ...fate, shortenTo: Math.floor(length / 2), effect, error: systemError(code, kind, path) }
    }
    return { ...fate, effect: effect === 'whole' ? effect : 'none', error: systemError(code, kind, path) }
  }

  /** @internal Calls back in a later turn, when its time has come; never after a freeze. */
  end(fate: Fate, done: Counted, error: NodeJS.ErrnoException | null, bytes = 0): void {
    const call = () => {
      if (this.#held !== undefined) this.#held.push(call)
      else if (!this.#frozen) done(error, bytes)
    }
    if (fate.delay !== undefined) setTimeout(call, fate.delay)
    else if (fate.error) setImmediate(call)
    else call()
  }

  #run<T>(kind: OperationKind, path: string, call: () => T): T {
    const fate = this.begin(kind, path)
    if (fate.error && fate.effect !== 'whole') throw fate.error
    const result = call()
    if (fate.error) throw fate.error
    return result
  }
}

interface Fate {
  readonly error?: NodeJS.ErrnoException | undefined
  /** What it has done all the same when it fails. Default: none. */
  readonly effect?: Faults['effect']
  readonly shortenTo?: number | undefined
  readonly delay?: number | undefined
}

function hasEffect({ effect }: Fate): boolean {
  return effect === 'part' || effect === 'whole'
}

class FaultyHandle implements FileHandle {
  readonly #files: FaultyFileSystem
  readonly #inner: FileHandle
  readonly #path: string
  readonly #onClose: () => void
  #closed = false

  constructor(files: FaultyFileSystem, inner: FileHandle, path: string, onClose: () => void) {
    this.#files = files
    this.#inner = inner
    this.#path = path
    this.#onClose = onClose
  }

  get writesThrough(): boolean {
    return this.#inner.writesThrough
  }

  size(): number {
    this.#begin('size')
    return this.#inner.size()
  }

  readSync(target: Uint8Array, offset: number, length: number, position: number): number {
    const { shortenTo = length } = this.#begin('read', { length, position })
    const bytes = this.#inner.readSync(target, offset, Math.min(length, shortenTo), position)
    this.#files.bytesRead += bytes
    return bytes
  }

  read(target: Uint8Array, offset: number, length: number, position: number, done: Counted): void {
    const fate = this.#files.begin('read', this.#path, { length, position })
    if (fate.error) return this.#files.end(fate, done, fate.error)
    this.#inner.read(target, offset, Math.min(length, fate.shortenTo ?? length), position, (error, bytes) => {
      this.#files.bytesRead += bytes
      this.#files.end(fate, done, error, bytes)
    })
  }

  writeSync(source: Uint8Array, offset: number, length: number, position: number): number {
    const fate = this.#files.begin('write', this.#path, { length, position })
    if (fate.error && !hasEffect(fate)) throw fate.error
    const bytes = this.#inner.writeSync(source, offset, Math.min(length, fate.shortenTo ?? length), position)
    this.#files.bytesWritten += bytes
    if (fate.error) throw fate.error
    return bytes
  }

  write(source: Uint8Array, offset: number, length: number, position: number, done: Counted): void {
    const fate = this.#files.begin('write', this.#path, { length, position })
    if (fate.error && !hasEffect(fate)) return this.#files.end(fate, done, fate.error)
    this.#inner.write(source, offset, Math.min(length, fate.shortenTo ?? length), position, (error, bytes) => {
      this.#files.bytesWritten += bytes
      this.#files.end(fate, done, fate.error ?? error, fate.error ? 0 : bytes)
    })
  }

  sync(done: Done): void {
    const fate = this.#files.begin('sync', this.#path)
    if (fate.error && !hasEffect(fate)) return this.#files.end(fate, done, fate.error)
    this.#inner.sync((error) => this.#files.end(fate, done, fate.error ?? error))
  }

  truncate(size: number): void {
    const fate = this.#files.begin('truncate', this.#path, { length: size })
    if (fate.error && !hasEffect(fate)) throw fate.error
    this.#inner.truncate(size)
    if (fate.error) throw fate.error
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    const fate = this.#files.begin('close', this.#path)
    if (this.#files.frozen) return
    this.#onClose()
    this.#inner.close()
    if (fate.error) throw fate.error
  }

  #begin(kind: OperationKind, details?: Pick<Operation, 'length' | 'position'>): Fate {
    const fate = this.#files.begin(kind, this.#path, details)
    if (fate.error) throw fate.error
    return fate
  }
}
