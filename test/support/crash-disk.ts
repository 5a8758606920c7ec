import { basename, dirname } from 'node:path'
import type { Counted, Done, FileHandle, FileStat, FileSystem, OpenMode } from '../../engine/io/file-system.js'
import { MemoryFileSystem } from '../../engine/io/memory-file-system.js'
import { type CrashMode, DiskState, type Step } from './disk-state.js'
import { SeededRandom } from './random.js'

const ROOT = 0

/**
 * A disk that remembers, for every moment, what was durable and what was not. It behaves like the file system in memory and
 * records each change and each completed sync as a step; afterwards `crash(k, mode, seed)` returns the disk that a crash
 * right after step k may leave. One recording therefore gives the images of every moment, and the same seed the same image.
 *
 * A disk after a `kill` goes on where the killed process was: what that one had not synced can still be lost by a power cut.
 */
export class CrashDisk implements FileSystem {
  /** What has happened on this disk, oldest first. */
  readonly steps: Step[] = []
  readonly #base: DiskState
  readonly #files: MemoryFileSystem
  /** Nodes by the inode number of the file system in memory. */
  readonly #nodes = new Map<number, number>()
  #nextNode: number
  /** The state after so many steps, kept so that going through all moments costs one pass. */
  #cursor: { readonly steps: number; readonly state: DiskState }

  constructor(base: DiskState = new DiskState(), now: () => number = () => 1_700_000_000_000) {
    this.#base = base
    this.#files = new MemoryFileSystem({ now })
    this.#nextNode = Math.max(...base.nodes.keys()) + 1
    this.#cursor = { steps: 0, state: base.copy() }
    this.#fill(ROOT, '/')
  }

  get openHandles(): number {
    return this.#files.openHandles
  }

  /** Returns the disk as a crash after the first `steps` steps may leave it. */
  crash(mode: CrashMode, seed: number, steps = this.steps.length): CrashDisk {
    return new CrashDisk(this.#stateAt(steps).after(mode, new SeededRandom(seed), steps))
  }

  /** A sync of this file has failed: what it should have written never reaches the disk. */
  lose(path: string): void {
    const stat = this.#files.stat(path)
    if (stat !== undefined) this.steps.push({ kind: 'lose', node: this.#nodes.get(stat.inode)! })
  }

  realPath(path: string): string {
    return this.#files.realPath(path)
  }

  makeDirectories(path: string): void {
    if (path === '/' || this.#files.stat(path) !== undefined) return this.#files.makeDirectories(path)
    this.makeDirectories(dirname(path))
    this.makeDirectory(path)
  }

  makeDirectory(path: string): void {
    this.#files.makeDirectory(path)
    this.#link(path, true)
  }

  removeDirectory(path: string): void {
    this.#files.removeDirectory(path)
    this.steps.push({ kind: 'unlink', folder: this.#node(dirname(path)), name: basename(path) })
  }

  list(path: string): string[] {
    return this.#files.list(path)
  }

  stat(path: string): FileStat | undefined {
    return this.#files.stat(path)
  }

  setTimes(path: string, accessTime: number, modificationTime: number): void {
    this.#files.setTimes(path, accessTime, modificationTime)
  }

  rename(from: string, to: string): void {
    if (dirname(from) !== dirname(to)) throw new Error('CrashDisk renames inside one folder only')
    this.#files.rename(from, to)
    this.steps.push({ kind: 'rename', folder: this.#node(dirname(from)), name: basename(from), to: basename(to) })
  }

  remove(path: string): void {
    this.#files.remove(path)
    this.steps.push({ kind: 'unlink', folder: this.#node(dirname(path)), name: basename(path) })
  }

  syncDirectory(path: string, done: Done): void {
    const before = this.steps.length
    const node = this.#files.stat(path) && this.#node(path)
    this.#files.syncDirectory(path, (error) => {
      if (error === null) this.steps.push({ kind: 'syncFolder', node: node!, before })
      done(error)
    })
  }

  open(path: string, mode: OpenMode): FileHandle {
    const handle = this.#files.open(path, mode)
    if (mode === 'create') this.#link(path, false)
    return new CrashHandle(handle, this.steps, this.#node(path))
  }

  kindOf(path: string): 'local' {
    return this.#files.kindOf(path)
  }

  #node(path: string): number {
    return this.#nodes.get(this.#files.stat(path)!.inode)!
  }

  #link(path: string, isFolder: boolean): void {
    const node = this.#nextNode++
    this.#nodes.set(this.#files.stat(path)!.inode, node)
    this.steps.push({ kind: 'link', folder: this.#node(dirname(path)), name: basename(path), node, isFolder })
  }

  #fill(node: number, path: string): void {
    this.#nodes.set(this.#files.stat(path)!.inode, node)
    for (const [name, child] of this.#base.folder(node).seen) {
      const childPath = path === '/' ? `/${name}` : `${path}/${name}`
      if (this.#base.isFolder(child)) {
        this.#files.makeDirectory(childPath)
        this.#fill(child, childPath)
      } else {
        const handle = this.#files.open(childPath, 'create')
        const { contents } = this.#base.file(child).seen
        handle.writeSync(contents, 0, contents.length, 0)
        handle.close()
        this.#nodes.set(this.#files.stat(childPath)!.inode, child)
      }
    }
  }

  #stateAt(steps: number): DiskState {
    if (steps < this.#cursor.steps) this.#cursor = { steps: 0, state: this.#base.copy() }
    const { state } = this.#cursor
    for (let i = this.#cursor.steps; i < steps; i++) state.apply(this.steps[i]!, i)
    this.#cursor = { steps, state }
    return state
  }
}

class CrashHandle implements FileHandle {
  readonly #handle: FileHandle
  readonly #steps: Step[]
  readonly #node: number

  constructor(handle: FileHandle, steps: Step[], node: number) {
    this.#handle = handle
    this.#steps = steps
    this.#node = node
  }

  get writesThrough(): boolean {
    return this.#handle.writesThrough
  }

  size(): number {
    return this.#handle.size()
  }

  readSync(target: Uint8Array, offset: number, length: number, position: number): number {
    return this.#handle.readSync(target, offset, length, position)
  }

  read(target: Uint8Array, offset: number, length: number, position: number, done: Counted): void {
    this.#handle.read(target, offset, length, position, done)
  }

  writeSync(source: Uint8Array, offset: number, length: number, position: number): number {
    const bytes = this.#handle.writeSync(source, offset, length, position)
    const step = this.#note(source, offset, bytes, position)
    if (this.writesThrough) this.#steps.push({ kind: 'through', node: this.#node, step })
    return bytes
  }

  write(source: Uint8Array, offset: number, length: number, position: number, done: Counted): void {
    const step = this.#note(source, offset, length, position)
    this.#handle.write(source, offset, length, position, (error, bytes) => {
      if (error === null && this.writesThrough) this.#steps.push({ kind: 'through', node: this.#node, step })
      done(error, bytes)
    })
  }

  sync(done: Done): void {
    const before = this.#steps.length
    this.#handle.sync((error) => {
      if (error === null) this.#steps.push({ kind: 'sync', node: this.#node, before })
      done(error)
    })
  }

  truncate(size: number): void {
    this.#handle.truncate(size)
    this.#steps.push({ kind: 'truncate', node: this.#node, size })
  }

  close(): void {
    this.#handle.close()
  }

  #note(source: Uint8Array, offset: number, length: number, position: number): number {
    const bytes = Buffer.from(source.subarray(offset, offset + length))
    const through = this.writesThrough
    return this.#steps.push({ kind: 'write', node: this.#node, at: position, bytes, through }) - 1
  }
}
