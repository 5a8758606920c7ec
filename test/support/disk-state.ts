import { createHash } from 'node:crypto'
import { type FileChange, FileNode, interrupted, PAGE_BYTES, SECTOR_BYTES, survive, without } from './disk-file.js'
import type { SeededRandom } from './random.js'

export { SECTOR_BYTES } from './disk-file.js'

/** What a crash may leave of what was not synced. `kill` and `torn`: the machine lives on. See `DiskState.after`. */
export type CrashMode = 'kill' | 'torn' | 'minimal' | 'strict' | 'ordered'

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
  /** A write has returned. */
  | { readonly kind: 'wrote'; readonly node: number; readonly step: number }
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
  /**
   * A sync has returned. It covers the steps before `before`: what was written while it ran is not in it, nor are writes that
   * were under way when it began.
   */
  | { readonly kind: 'sync'; readonly node: number; readonly before: number; readonly except?: readonly number[] }
  /** A write-through write has returned: that step alone is durable. */
  | { readonly kind: 'through'; readonly node: number; readonly step: number }
  | { readonly kind: 'syncFolder'; readonly node: number; readonly before: number }
  /**
   * A sync has failed: what was to be written is forgotten, though it can still be read. Not so write-through writes under
   * way, which report for themselves.
   */
  | { readonly kind: 'lose'; readonly node: number }

type NameChange = { readonly step: number } & (
  | { readonly kind: 'link'; readonly name: string; readonly node: number }
  | { readonly kind: 'unlink'; readonly name: string }
  | { readonly kind: 'rename'; readonly name: string; readonly to: string; readonly node: number }
)

export class FolderNode {
  durable = new Map<string, number>()
  seen = new Map<string, number>()
  pending: NameChange[] = []
  modificationTime = 0

  copy(steps: number): FolderNode {
    const copy = new FolderNode()
    copy.durable = new Map(this.durable)
    copy.seen = new Map(this.seen)
    copy.pending = this.pending.map((change) => ({ ...change, step: change.step - steps }))
    copy.modificationTime = this.modificationTime
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

  /** What a process can see: the same for two disks with the same names and contents. */
  digest(): string {
    const parts: string[] = []
    const visit = (id: number, path: string): void => {
      const node = this.nodes.get(id)!
      if (node instanceof FileNode) parts.push(path, node.seen.digest)
      else {
        parts.push(path)
        for (const name of [...node.seen.keys()].sort()) visit(node.seen.get(name)!, `${path}/${name}`)
      }
    }
    visit(ROOT, '')
    return createHash('sha1').update(parts.join('\n')).digest('base64')
  }

  apply(step: Step, index: number): void {
    switch (step.kind) {
      case 'write':
        return this.#write(this.file(step.node), step, index)
      case 'truncate': {
        const file = this.file(step.node)
        const change = { step: index, kind: 'truncate', size: step.size } as const
        file.change(change, false)
        file.pending.push(change)
        return
      }
      case 'wrote':
        return this.file(step.node).done(step.step)
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
        return this.#sync(this.file(step.node), step.before, step.except)
      case 'through':
        this.file(step.node).done(step.step)
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
   * - `torn`: the same, but writes that had not returned were stopped at any byte.
   * - `minimal`: what is durable, and nothing else.
   * - `strict` (POSIX): each sector of each unsynced write, each truncation and each change of a name may be there or
   *   not; a file may have grown without its bytes, which are then zeros, or what these blocks held before. A disk writes 512
   *   bytes at once, or 4,096.
   * - `ordered` (a journal of metadata, as ext4): of all changes of names and sizes a beginning is there; bytes may be
   *   missing, and are zeros then.
   */
  after(mode: CrashMode, random: SeededRandom, steps: number): DiskState {
    if (mode === 'kill' || mode === 'torn') {
      const image = this.copy(steps)
      if (mode === 'torn') {
        for (const [id, node] of this.nodes) {
          if (node instanceof FileNode && node.underWay !== undefined) {
            image.nodes.set(id, interrupted(node, steps, random))
          }
        }
      }
      return image
    }
    const image = new DiskState()
    const cut = mode === 'ordered' ? this.#cut(random) : 0
    const keep = random.pick([0.1, 0.5, 0.9])
    const sectorBytes = random.chance(0.75) ? SECTOR_BYTES : PAGE_BYTES
    const stale = mode === 'strict' && random.chance(0.4) ? this.#staleBytes(random) : undefined
    for (const [id, node] of this.nodes) {
      if (node instanceof FolderNode) {
        const names = new Map(node.durable)
        for (const change of node.pending) {
          if (mode === 'ordered' ? change.step < cut : mode === 'strict' && random.chance(keep)) rename(names, change)
        }
        const folder = new FolderNode()
        folder.durable = names
        folder.seen = new Map(names)
        folder.modificationTime = node.modificationTime
        image.nodes.set(id, folder)
      } else {
        const bytes = node.durable.copy()
        if (mode !== 'minimal' && node.pending.length > 0) {
          survive(bytes, node, mode, { cut, sectorBytes, stale }, random)
        }
        const file = new FileNode()
        file.durable = bytes
        file.seen = bytes.copy()
        file.modificationTime = node.modificationTime
        image.nodes.set(id, file)
      }
    }
    image.#removeUnnamed()
    return image
  }

  /** Blocks that files of this disk held before: noise, or what stands in one of its files. */
  #staleBytes(random: SeededRandom): Buffer {
    const stale = Buffer.alloc(PAGE_BYTES)
    const files = [...this.nodes.values()].filter(
      (node) => node instanceof FileNode && node.seen.size > 0,
    ) as FileNode[]
    if (files.length === 0 || random.chance(0.4)) random.fill(stale)
    else {
      const { contents } = random.pick(files).seen
      const from = Math.floor(random.below(contents.length) / SECTOR_BYTES) * SECTOR_BYTES
      contents.copy(stale, 0, from)
    }
    return stale
  }

  #write(file: FileNode, { at, bytes, through }: Extract<Step, { kind: 'write' }>, step: number): void {
    file.change({ step, kind: 'write', at, bytes, through }, true)
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

  #sync(file: FileNode, before: number, except: readonly number[] = []): void {
    for (const change of file.pending) {
      if (change.step >= before) break
      if (except.includes(change.step)) continue
      const { size } = file.durable
      file.durable.apply(change)
      if (file.durable.size !== size) this.#metadataFloor = Math.max(this.#metadataFloor, change.step + 1)
    }
    file.pending = file.pending.filter((change) => change.step >= before || except.includes(change.step))
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
