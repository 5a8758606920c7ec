import { basename, dirname } from 'node:path'
import type { Counted, Done, FileHandle, FileStat, FileSystem, OpenMode, Watch } from '../../engine/io/file-system.js'
import { systemError } from '../../engine/io/system-error.js'
import type { FileNode } from './disk-file.js'
import { type CrashMode, DiskState, FolderNode, type Step } from './disk-state.js'
import { SeededRandom } from './random.js'

const ROOT = 0

export interface CrashDiskOptions {
  /** Time for modification times. Default: one moment for all. */
  readonly now?: () => number
  /** Calls back when a call that takes its time is over: the order of these is the caller's. Default: in the next turn. */
  readonly later?: (callback: () => void) => void
  /** Bytes by which files may grow before the disk is full: a write is then short, and the next one fails. */
  readonly space?: number
}

/**
 * A disk that remembers, for every moment, what was durable and what was not. It records each change and each completed sync
 * as a step; afterwards `crash(mode, seed, k)` returns the disk that a crash right after step k may leave. One recording
 * therefore gives the images of every moment, and the same seed the same image. Images share their bytes until they are
 * written to, so that thousands of them cost little.
 *
 * A disk after a `kill` goes on where the killed process was: what that one had not synced can still be lost by a power cut.
 */
export class CrashDisk implements FileSystem {
  /** What has happened on this disk, oldest first. */
  readonly steps: Step[] = []
  /** Bytes by which files may still grow. */
  space: number
  /** @internal Writes under way, by file. */
  readonly writing = new Map<number, Set<number>>()
  readonly #base: DiskState
  readonly #live: DiskState
  readonly #now: () => number
  readonly #later: (callback: () => void) => void
  #nextNode: number
  #openHandles = 0
  /** The state after so many steps, kept so that going through all moments costs one pass. */
  #cursor: { readonly steps: number; readonly state: DiskState } | undefined

  constructor(base: DiskState = new DiskState(), options: CrashDiskOptions = {}) {
    this.#base = base
    this.#live = base.copy()
    this.#now = options.now ?? (() => 1_700_000_000_000)
    this.#later = options.later ?? setImmediate
    this.space = options.space ?? Infinity
    this.#nextNode = Math.max(...base.nodes.keys()) + 1
  }

  get openHandles(): number {
    return this.#openHandles
  }

  /** What a process sees now: the same for two disks with the same names and contents. */
  digest(): string {
    return this.#live.digest()
  }

  /** Returns the disk as a crash after the first `steps` steps may leave it. */
  crash(mode: CrashMode, seed: number, steps = this.steps.length, options: CrashDiskOptions = {}): CrashDisk {
    const state = this.#stateAt(steps).after(mode, new SeededRandom(seed), steps)
    return new CrashDisk(state, { now: this.#now, ...options })
  }

  /** A sync of this file has failed: what it should have written never reaches the disk. */
  lose(path: string): void {
    const node = this.#find(path)
    if (node !== undefined) this.record({ kind: 'lose', node })
  }

  realPath(path: string): string {
    this.#require(path, 'realpath')
    return `/${namesOf(path).join('/')}`
  }

  makeDirectories(path: string): void {
    const node = this.#find(path)
    if (node !== undefined) {
      if (!this.#live.isFolder(node)) throw systemError('EEXIST', 'mkdir', path)
      return
    }
    this.makeDirectories(dirname(path))
    this.makeDirectory(path)
  }

  makeDirectory(path: string): void {
    if (this.#find(path) !== undefined) throw systemError('EEXIST', 'mkdir', path)
    this.#link(path, true, 'mkdir')
  }

  removeDirectory(path: string): void {
    if (this.#folder(path, 'rmdir').seen.size > 0) throw systemError('ENOTEMPTY', 'rmdir', path)
    this.record({ kind: 'unlink', folder: this.#require(dirname(path), 'rmdir'), name: basename(path) })
  }

  list(path: string): string[] {
    return [...this.#folder(path, 'scandir').seen.keys()]
  }

  stat(path: string): FileStat | undefined {
    const id = this.#find(path)
    if (id === undefined) return undefined
    const node = this.#live.nodes.get(id)!
    const { modificationTime } = node
    if (node instanceof FolderNode) return { kind: 'directory', size: 0, modificationTime, inode: id + 1 }
    return { kind: 'file', size: node.seen.size, modificationTime, inode: id + 1 }
  }

  setTimes(path: string, _accessTime: number, modificationTime: number): void {
    this.#live.nodes.get(this.#require(path, 'utime'))!.modificationTime = modificationTime
  }

  rename(from: string, to: string): void {
    if (dirname(from) !== dirname(to)) throw systemError('EXDEV', 'rename', from)
    this.#require(from, 'rename')
    const target = this.#find(to)
    if (target !== undefined && this.#live.isFolder(target)) throw systemError('EISDIR', 'rename', from)
    const folder = this.#require(dirname(from), 'rename')
    this.record({ kind: 'rename', folder, name: basename(from), to: basename(to) })
  }

  remove(path: string): void {
    if (this.#live.isFolder(this.#require(path, 'unlink'))) throw systemError('EISDIR', 'unlink', path)
    this.record({ kind: 'unlink', folder: this.#require(dirname(path), 'unlink'), name: basename(path) })
  }

  syncDirectory(path: string, done: Done): void {
    const before = this.steps.length
    const node = this.#find(path)
    this.#later(() => {
      if (node === undefined) return done(systemError('ENOENT', 'open', path))
      if (!this.#live.isFolder(node)) return done(systemError('ENOTDIR', 'open', path))
      this.record({ kind: 'syncFolder', node, before })
      done(null)
    })
  }

  open(path: string, mode: OpenMode): FileHandle {
    let node = this.#find(path)
    if (mode === 'create') {
      if (node !== undefined) throw systemError('EEXIST', 'open', path)
      node = this.#link(path, false, 'open')
    } else {
      if (node === undefined) throw systemError('ENOENT', 'open', path)
      if (this.#live.isFolder(node)) throw systemError('EISDIR', 'open', path)
    }
    this.#openHandles++
    return new CrashHandle(this, this.#live.file(node), node, path, mode, this.#later, () => this.#openHandles--)
  }

  kindOf(): 'local' {
    return 'local'
  }

  watch(): Watch {
    return { close: () => undefined }
  }

  /** @internal Does a step; returns its number. */
  record(step: Step): number {
    this.#live.apply(step, this.steps.length)
    return this.steps.push(step) - 1
  }

  /** @internal Takes note of the time of a change, and of the space that it takes; returns how many bytes fit. */
  touch(file: FileNode, end: number, length: number): number {
    file.modificationTime = this.#now()
    const growth = end - file.seen.size
    if (growth <= 0 || this.space === Infinity) return length
    const fits = Math.max(0, Math.min(length, length - growth + this.space))
    this.space -= Math.max(0, growth - (length - fits))
    return fits
  }

  #find(path: string): number | undefined {
    let id = ROOT
    for (const name of namesOf(path)) {
      const node = this.#live.nodes.get(id)
      const child = node instanceof FolderNode ? node.seen.get(name) : undefined
      if (child === undefined) return undefined
      id = child
    }
    return id
  }

  #require(path: string, syscall: string): number {
    const node = this.#find(path)
    if (node === undefined) throw systemError('ENOENT', syscall, path)
    return node
  }

  #folder(path: string, syscall: string): FolderNode {
    const node = this.#live.nodes.get(this.#require(path, syscall))
    if (!(node instanceof FolderNode)) throw systemError('ENOTDIR', syscall, path)
    return node
  }

  #link(path: string, isFolder: boolean, syscall: string): number {
    const folder = this.#require(dirname(path), syscall)
    if (!this.#live.isFolder(folder)) throw systemError('ENOTDIR', syscall, path)
    const node = this.#nextNode++
    this.record({ kind: 'link', folder, name: basename(path), node, isFolder })
    this.#live.nodes.get(node)!.modificationTime = this.#now()
    return node
  }

  #stateAt(steps: number): DiskState {
    if (steps === this.steps.length) return this.#live
    if (this.#cursor === undefined || steps < this.#cursor.steps) {
      this.#cursor = { steps: 0, state: this.#base.copy() }
    }
    const { state } = this.#cursor
    for (let i = this.#cursor.steps; i < steps; i++) state.apply(this.steps[i]!, i)
    this.#cursor = { steps, state }
    return state
  }
}

class CrashHandle implements FileHandle {
  readonly writesThrough: boolean
  readonly #disk: CrashDisk
  readonly #file: FileNode
  readonly #node: number
  readonly #path: string
  readonly #writable: boolean
  readonly #later: (callback: () => void) => void
  readonly #onClose: () => void
  #closed = false

  constructor(
    disk: CrashDisk,
    file: FileNode,
    node: number,
    path: string,
    mode: OpenMode,
    later: (callback: () => void) => void,
    onClose: () => void,
  ) {
    this.#disk = disk
    this.#file = file
    this.#node = node
    this.#path = path
    this.#writable = mode !== 'read'
    this.writesThrough = mode === 'write-through'
    this.#later = later
    this.#onClose = onClose
  }

  size(): number {
    this.#assertOpen('fstat')
    return this.#file.seen.size
  }

  readSync(target: Uint8Array, offset: number, length: number, position: number): number {
    this.#assertOpen('read')
    return this.#file.seen.read(target, offset, length, position)
  }

  read(target: Uint8Array, offset: number, length: number, position: number, done: Counted): void {
    if (this.#closed) return this.#refuse('read', done)
    const bytes = this.#file.seen.read(target, offset, length, position)
    this.#later(() => done(null, bytes))
  }

  writeSync(source: Uint8Array, offset: number, length: number, position: number): number {
    this.#assertOpen('write', true)
    const { bytes, step } = this.#write(source, offset, length, position)
    this.#disk.record({ kind: this.writesThrough ? 'through' : 'wrote', node: this.#node, step })
    return bytes
  }

  write(source: Uint8Array, offset: number, length: number, position: number, done: Counted): void {
    if (this.#closed) return this.#refuse('write', done)
    if (!this.#writable) return this.#later(() => done(systemError('EBADF', 'write', this.#path), 0))
    let written: { readonly bytes: number; readonly step: number }
    try {
      written = this.#write(source, offset, length, position)
    } catch (error) {
      return this.#later(() => done(error as NodeJS.ErrnoException, 0))
    }
    const { bytes, step } = written
    let writing = this.#disk.writing.get(this.#node)
    if (writing === undefined) this.#disk.writing.set(this.#node, (writing = new Set()))
    writing.add(step)
    this.#later(() => {
      writing.delete(step)
      this.#disk.record({ kind: this.writesThrough ? 'through' : 'wrote', node: this.#node, step })
      done(null, bytes)
    })
  }

  sync(done: Done): void {
    if (this.#closed) return this.#refuse('fdatasync', done)
    const before = this.#disk.steps.length
    const writing = this.#disk.writing.get(this.#node)
    const except = writing === undefined ? [] : [...writing]
    this.#later(() => {
      this.#disk.record({ kind: 'sync', node: this.#node, before, except })
      done(null)
    })
  }

  truncate(size: number): void {
    this.#assertOpen('ftruncate', true)
    this.#disk.touch(this.#file, 0, 0)
    this.#disk.record({ kind: 'truncate', node: this.#node, size })
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#onClose()
  }

  #write(source: Uint8Array, offset: number, length: number, position: number): { bytes: number; step: number } {
    const fits = this.#disk.touch(this.#file, position + length, length)
    if (fits === 0 && length > 0) throw systemError('ENOSPC', 'write', this.#path)
    const bytes = Buffer.from(source.subarray(offset, offset + fits))
    const step = this.#disk.record({
      kind: 'write',
      node: this.#node,
      at: position,
      bytes,
      through: this.writesThrough,
    })
    return { bytes: fits, step }
  }

  #refuse(syscall: string, done: Counted): void {
    this.#later(() => done(systemError('EBADF', syscall, this.#path), 0))
  }

  #assertOpen(syscall: string, writing = false): void {
    if (this.#closed || (writing && !this.#writable)) throw systemError('EBADF', syscall, this.#path)
  }
}

/** Paths are few and asked for all the time. */
const split = new Map<string, readonly string[]>()

function namesOf(path: string): readonly string[] {
  let names = split.get(path)
  if (names === undefined) {
    if (split.size > 10_000) split.clear()
    split.set(path, (names = path.split('/').filter((name) => name !== '' && name !== '.')))
  }
  return names
}
