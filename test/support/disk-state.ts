import type { SeededRandom } from './random.js'

/** What a power cut may leave of what was not synced. `kill`: the machine lives on, so everything is there. */
export type CrashMode = 'kill' | 'minimal' | 'strict' | 'ordered'

export const SECTOR_BYTES = 512
const PAGE_BYTES = 4096
const ROOT = 0

/** A change to the disk or the completion of a sync; nodes are files and folders by number. */
export type Step =
  | {
      readonly kind: 'write'
      readonly node: number
      readonly at: number
      readonly bytes: Buffer
      readonly through: boolean
    }
  | { readonly kind: 'truncate'; readonly node: number; readonly size: number }
  /** A file or folder gets a name. */
  | {
      readonly kind: 'link'
      readonly folder: number
      readonly name: string
      readonly node: number
      readonly isFolder: boolean
    }
  | { readonly kind: 'unlink'; readonly folder: number; readonly name: string }
  | { readonly kind: 'rename'; readonly folder: number; readonly name: string; readonly to: string }
  /** A sync has returned. It covers the steps before `before`: what was written while it ran is not in it. */
  | { readonly kind: 'sync'; readonly node: number; readonly before: number }
  /** A write-through write has returned: that step alone is durable. */
  | { readonly kind: 'through'; readonly node: number; readonly step: number }
  | { readonly kind: 'syncFolder'; readonly node: number; readonly before: number }
  /**
   * A sync has failed: what was to be written is forgotten, though it can still be read. Not so write-through writes under
   * way, which report for themselves.
   */
  | { readonly kind: 'lose'; readonly node: number }

type FileChange =
  | {
      readonly step: number
      readonly kind: 'write'
      readonly at: number
      readonly bytes: Buffer
      readonly through: boolean
    }
  | { readonly step: number; readonly kind: 'truncate'; readonly size: number }

type NameChange = { readonly step: number } & (
  | { readonly kind: 'link'; readonly name: string; readonly node: number }
  | { readonly kind: 'unlink'; readonly name: string }
  | { readonly kind: 'rename'; readonly name: string; readonly to: string; readonly node: number }
)

/** Contents of a file that grows by doubling. */
class Bytes {
  #bytes: Buffer
  size: number

  constructor(bytes: Buffer = Buffer.alloc(0)) {
    this.#bytes = bytes
    this.size = bytes.length
  }

  get contents(): Buffer {
    return this.#bytes.subarray(0, this.size)
  }

  copy(): Bytes {
    return new Bytes(Buffer.from(this.contents))
  }

  write(at: number, bytes: Uint8Array): void {
    this.grow(at + bytes.length)
    this.#bytes.set(bytes, at)
  }

  grow(size: number): void {
    if (size > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(size, this.#bytes.length * 2))
      this.contents.copy(larger)
      this.#bytes = larger
    }
    this.size = Math.max(this.size, size)
  }

  truncate(size: number): void {
    if (size < this.size) this.#bytes.fill(0, size)
    this.grow(size)
    this.size = size
  }

  apply(change: FileChange): void {
    if (change.kind === 'write') this.write(change.at, change.bytes)
    else this.truncate(change.size)
  }
}

class FileNode {
  /** What is on the disk for certain. */
  durable = new Bytes()
  /** What a read sees. */
  seen = new Bytes()
  pending: FileChange[] = []
  /** Pages that a failed sync has left clean though they never reached the disk. */
  readonly lost = new Set<number>()

  copy(steps: number): FileNode {
    const copy = new FileNode()
    copy.durable = this.durable.copy()
    copy.seen = this.seen.copy()
    copy.pending = this.pending.map((change) => ({ ...change, step: change.step - steps }))
    for (const page of this.lost) copy.lost.add(page)
    return copy
  }
}

class FolderNode {
  durable = new Map<string, number>()
  seen = new Map<string, number>()
  pending: NameChange[] = []

  copy(steps: number): FolderNode {
    const copy = new FolderNode()
    copy.durable = new Map(this.durable)
    copy.seen = new Map(this.seen)
    copy.pending = this.pending.map((change) => ({ ...change, step: change.step - steps }))
    return copy
  }
}

/**
 * What a disk holds for certain, and what is on its way there. Files: the durable bytes, and the writes and truncations since,
 * in order. Folders: the durable names, and their changes since. A sync makes durable what came before it began.
 */
export class DiskState {
  readonly nodes = new Map<number, FileNode | FolderNode>([[ROOT, new FolderNode()]])
  /** Some change of a name or size before this step is durable: so are all, where a journal keeps their order. */
  #metadataFloor = -Infinity

  /** Returns a state of its own. Its steps count from `steps` on, so that what is pending now has negative numbers. */
  copy(steps = 0): DiskState {
    const copy = new DiskState()
    for (const [id, node] of this.nodes) copy.nodes.set(id, node.copy(steps))
    copy.#metadataFloor = this.#metadataFloor - steps
    return copy
  }

  file(id: number): FileNode {
    return this.nodes.get(id) as FileNode
  }

  folder(id: number): FolderNode {
    return this.nodes.get(id) as FolderNode
  }

  apply(step: Step, index: number): void {
    switch (step.kind) {
      case 'write':
        return this.#write(this.file(step.node), step, index)
      case 'truncate': {
        const file = this.file(step.node)
        file.seen.truncate(step.size)
        file.pending.push({ step: index, kind: 'truncate', size: step.size })
        return
      }
      case 'link':
        if (!this.nodes.has(step.node)) this.nodes.set(step.node, step.isFolder ? new FolderNode() : new FileNode())
        return this.#name(step.folder, { step: index, kind: 'link', name: step.name, node: step.node })
      case 'unlink':
        return this.#name(step.folder, { step: index, kind: 'unlink', name: step.name })
      case 'rename': {
        const node = this.folder(step.folder).seen.get(step.name)!
        return this.#name(step.folder, { step: index, kind: 'rename', name: step.name, to: step.to, node })
      }
      case 'sync':
        return this.#sync(this.file(step.node), step.before)
      case 'through':
        return this.#through(this.file(step.node), step.step)
      case 'syncFolder': {
        const folder = this.folder(step.node)
        for (const change of folder.pending) {
          if (change.step >= step.before) break
          rename(folder.durable, change)
          this.#metadataFloor = Math.max(this.#metadataFloor, change.step + 1)
        }
        folder.pending = folder.pending.filter((change) => change.step >= step.before)
        return
      }
      case 'lose': {
        const file = this.file(step.node)
        for (const change of file.pending) {
          if (change.kind === 'truncate' || change.through) continue
          for (
            let page = Math.floor(change.at / PAGE_BYTES);
            page * PAGE_BYTES < change.at + change.bytes.length;
            page++
          ) {
            file.lost.add(page)
          }
        }
        file.pending = file.pending.filter((change) => change.kind === 'truncate' || change.through)
      }
    }
  }

  /**
   * Returns a state that a crash after so many steps may leave.
   *
   * - `kill`: the machine lives on. Everything can be read, and nothing is more durable than it was.
   * - `minimal`: what is durable, and nothing else.
   * - `strict` (POSIX): each sector of each unsynced write, each truncation and each change of a name may be there or
   *   not; a file may have grown without its bytes, which are then zeros.
   * - `ordered` (a journal of metadata, as ext4): of all changes of names and sizes a beginning is there; bytes may be
   *   missing, and are zeros then.
   */
  after(mode: CrashMode, random: SeededRandom, steps: number): DiskState {
    if (mode === 'kill') return this.copy(steps)
    const image = new DiskState()
    const cut = mode === 'ordered' ? this.#cut(random) : 0
    const keep = random.pick([0.1, 0.5, 0.9])
    for (const [id, node] of this.nodes) {
      if (node instanceof FolderNode) {
        const names = new Map(node.durable)
        for (const change of node.pending) {
          if (mode === 'ordered' ? change.step < cut : mode === 'strict' && random.chance(keep)) rename(names, change)
        }
        const folder = new FolderNode()
        folder.durable = names
        folder.seen = new Map(names)
        image.nodes.set(id, folder)
      } else {
        const bytes = node.durable.copy()
        if (mode !== 'minimal') survive(bytes, node, mode, cut, random)
        const file = new FileNode()
        file.durable = bytes
        file.seen = bytes.copy()
        image.nodes.set(id, file)
      }
    }
    image.#removeUnnamed()
    return image
  }

  #write(file: FileNode, { at, bytes, through }: Extract<Step, { kind: 'write' }>, step: number): void {
    file.seen.write(at, bytes)
    let from = at
    let to = at + bytes.length
    // The system writes whole pages: writing to a page that a failed sync forgot makes all of it dirty again.
    for (let page = Math.floor(at / PAGE_BYTES); page * PAGE_BYTES < at + bytes.length; page++) {
      if (!file.lost.delete(page)) continue
      from = Math.min(from, page * PAGE_BYTES)
      to = Math.max(to, Math.min((page + 1) * PAGE_BYTES, file.seen.size))
    }
    const whole = from === at && to === at + bytes.length ? bytes : Buffer.from(file.seen.contents.subarray(from, to))
    file.pending.push({ step, kind: 'write', at: from, bytes: whole, through })
  }

  #name(id: number, change: NameChange): void {
    const folder = this.folder(id)
    rename(folder.seen, change)
    folder.pending.push(change)
  }

  #sync(file: FileNode, before: number): void {
    for (const change of file.pending) {
      if (change.step >= before) break
      const { size } = file.durable
      file.durable.apply(change)
      if (file.durable.size !== size) this.#metadataFloor = Math.max(this.#metadataFloor, change.step + 1)
    }
    file.pending = file.pending.filter((change) => change.step >= before)
  }

  /** Only its own bytes, and the size they need; older bytes that it covers can no longer come after it. */
  #through(file: FileNode, step: number): void {
    const index = file.pending.findIndex((change) => change.step === step)
    const change = file.pending[index]
    if (change?.kind !== 'write') return
    const older = file.pending.slice(0, index)
    if (older.some(({ kind }) => kind === 'truncate')) return this.#sync(file, step + 1)
    const { size } = file.durable
    file.durable.apply(change)
    if (file.durable.size !== size) this.#metadataFloor = Math.max(this.#metadataFloor, step + 1)
    const end = change.at + change.bytes.length
    file.pending = [
      ...older.flatMap((write): FileChange[] => (write.kind === 'write' ? without(write, change.at, end) : [write])),
      ...file.pending.slice(index + 1),
    ]
  }

  /** How much of the order of metadata survives. */
  #cut(random: SeededRandom): number {
    const steps = [...this.nodes.values()].flatMap((node): number[] => node.pending.map(({ step }) => step))
    const open = steps.filter((step) => step >= this.#metadataFloor)
    if (open.length === 0) return Infinity
    return random.chance(0.25) ? Math.max(...open) + 1 : random.pick(open)
  }

  #removeUnnamed(): void {
    const named = new Set([ROOT])
    for (const id of named) {
      const node = this.nodes.get(id)
      if (node instanceof FolderNode) for (const child of node.durable.values()) named.add(child)
    }
    for (const id of this.nodes.keys()) if (!named.has(id)) this.nodes.delete(id)
  }

  /** Tells whether a node is a folder. */
  isFolder(id: number): boolean {
    return this.nodes.get(id) instanceof FolderNode
  }
}

function rename(names: Map<string, number>, change: NameChange): void {
  if (change.kind === 'link') names.set(change.name, change.node)
  else if (change.kind === 'unlink') names.delete(change.name)
  else {
    names.delete(change.name)
    names.set(change.to, change.node)
  }
}

/** A write without the bytes from `start` to `end`. */
function without(
  write: Extract<FileChange, { kind: 'write' }>,
  start: number,
  end: number,
): Extract<FileChange, { kind: 'write' }>[] {
  const { at, bytes } = write
  const parts: Extract<FileChange, { kind: 'write' }>[] = []
  if (at < start) parts.push({ ...write, bytes: bytes.subarray(0, Math.min(bytes.length, start - at)) })
  if (at + bytes.length > end) {
    const from = Math.max(at, end)
    parts.push({ ...write, at: from, bytes: bytes.subarray(from - at) })
  }
  return parts
}

/**
 * Applies to the durable bytes of a file what survives of the changes since. A sector is what it was at some moment: the
 * first of its writes that is missing takes the later ones with it.
 */
function survive(bytes: Bytes, file: FileNode, mode: 'strict' | 'ordered', cut: number, random: SeededRandom): void {
  const keep = random.pick([0, 0.1, 0.5, 0.9, 1])
  const frozen = new Set<number>()
  for (const change of file.pending) {
    const metadata = mode === 'ordered' ? change.step < cut : random.chance(keep)
    if (change.kind === 'truncate') {
      if (metadata) bytes.truncate(change.size)
      continue
    }
    const end = change.at + change.bytes.length
    if (metadata) bytes.grow(end) // its size without its bytes
    for (let at = change.at; at < end;) {
      const sector = Math.floor(at / SECTOR_BYTES)
      const next = Math.min(end, (sector + 1) * SECTOR_BYTES)
      if (!random.chance(keep)) frozen.add(sector)
      const stop = mode === 'strict' ? next : Math.min(next, bytes.size)
      if (stop > at && !frozen.has(sector)) bytes.write(at, change.bytes.subarray(at - change.at, stop - change.at))
      at = next
    }
  }
}
