import { LogDirectory, type LogSegment } from '../../engine/commit-log/log-directory.js'
import { LogHeads } from '../../engine/commit-log/log-heads.js'
import { logFileName } from '../../engine/format/names.js'
import { KEY_COMMIT_ID, KEY_TAG, KEY_TYPE, type KeyKind } from '../../engine/format/key-hash.js'
import { windowOf } from '../../engine/format/frame.js'
import type { Environment } from '../../engine/io/file-system.js'
import { memoryEnvironment } from '../../engine/io/memory-environment.js'
import { KeyBuilder } from '../../engine/keys/key-builder.js'
import { KeyIndex, type KeyIndexParts } from '../../engine/keys/key-index.js'
import type { SegmentSource } from '../../engine/keys/key-source.js'
import { defaultLimits, type Limits } from '../../engine/limits.js'
import { ReadHandles } from '../../engine/segment/read-handles.js'
import { FaultyFileSystem } from './faulty-file-system.js'
import { Forge, logSegment, STORE_ID } from './forge.js'

export const FOLDER = '/store/log'

/** What matters of an event. Each is a commit of its own, unless its marks say otherwise. */
export interface KeyedEvent {
  readonly type?: string
  readonly tags?: readonly string[]
  readonly commitId?: string
  readonly marks?: number
  readonly data?: unknown
  readonly timestamp?: number
}

export const never = (): boolean => false

/** A log of forged segments, and what makes and asks the index of its keys. */
export class KeyedLog {
  readonly environment: Environment = memoryEnvironment()
  readonly files = new FaultyFileSystem(this.environment.files)
  readonly handles = new ReadHandles(this.files, 16)
  readonly segments: readonly LogSegment[]
  readonly directory: LogDirectory
  /** Position behind the last event. */
  readonly end: number
  /** Bytes of each segment that count, where it is not all of them. */
  readonly counting = new Map<string, number>()
  readonly forge = new Forge()

  constructor(segments: readonly (readonly KeyedEvent[])[]) {
    this.files.makeDirectories(FOLDER)
    let position = 0
    let previousBase = 0
    this.segments = segments.map((events) => {
      const base = position
      const frames = events.map((event) => this.record(event, position++))
      const path = `${FOLDER}/${logFileName(base, 1, '.log')}`
      this.write(path, logSegment([frames], { base, sequence: base, previousBase }))
      previousBase = base
      return { base, epoch: 1, path }
    })
    this.end = position
    ;({ directory: this.directory } = LogDirectory.read(this.files, FOLDER))
  }

  /** Its record. Offsets in the one stream there is are positions. */
  record({ type = 'T', tags = [], data, timestamp = 1000, ...place }: KeyedEvent, position: number): Buffer {
    return this.forge.event({ stream: 's', offset: position, position, ...place }, { type, tags, data, timestamp })
  }

  write(path: string, bytes: Uint8Array): void {
    const { files } = this.environment
    const handle = files.open(path, files.stat(path) === undefined ? 'create' : 'write')
    handle.truncate(0)
    handle.writeSync(bytes, 0, bytes.length, 0)
    handle.close()
  }

  contents(path: string): Buffer {
    const handle = this.environment.files.open(path, 'read')
    const bytes = Buffer.alloc(handle.size())
    handle.readSync(bytes, 0, bytes.length, 0)
    handle.close()
    return bytes
  }

  /** Names of the key files, finished or not. */
  keyFiles(): string[] {
    return this.environment.files.list(FOLDER).filter((name) => name.includes('.key')).sort() // prettier-ignore
  }

  endOf = ({ path }: { readonly path: string }): number => this.counting.get(path) ?? this.handles.get(path).size()

  /** An index of all segments, as a store that was opened just now has it. */
  index(changes: Partial<KeyIndexParts> = {}): KeyIndex {
    return new KeyIndex({
      files: this.files,
      directory: this.directory,
      handles: this.handles,
      heads: new LogHeads(this.handles, STORE_ID),
      storeId: STORE_ID,
      cachedBlocks: 16,
      cachedTables: 8,
      position: this.end,
      keyedFrom: 0,
      endOf: this.endOf,
      ...changes,
    })
  }

  /** Throws once the store has another writer. */
  fence: () => void = () => undefined

  builder(index: KeyIndex, environment: Partial<Environment> = {}, limits: Partial<Limits> = {}): KeyBuilder {
    return new KeyBuilder({
      environment: { ...this.environment, files: this.files, ...environment },
      limits: { ...defaultLimits, ...limits },
      storeId: STORE_ID,
      handles: this.handles,
      index,
      endOf: this.endOf,
      fence: this.fence,
    })
  }

  /** Makes the key files that an index lacks. */
  async make(index: KeyIndex, sources: readonly SegmentSource[] = index.missing()): Promise<void> {
    const builder = this.builder(index)
    for (const source of sources) index.made(source, (await builder.build(source, never))!)
  }

  /** An event is appended behind all others. */
  append(index: KeyIndex, event: KeyedEvent, position: number): void {
    index.add(windowOf(this.record(event, position)), 0, position)
  }
}

/** Positions of everything an index has of a key, in the order of its sources. */
export function positionsOf(index: KeyIndex, kind: KeyKind, text: string): number[] {
  index.hasher.hashText(kind, text)
  const { high, low } = index.hasher
  return index.sources().flatMap((source) => {
    const range = source.range(high, low, source.from, source.end)
    return Array.from({ length: range.count }, (_, i) => range.at(i).position)
  })
}

export const taggedWith = (index: KeyIndex, tag: string): number[] => positionsOf(index, KEY_TAG, tag)
export const ofCommit = (index: KeyIndex, id: string): number[] => positionsOf(index, KEY_COMMIT_ID, id)
export const ofType = (index: KeyIndex, type: string): number[] => positionsOf(index, KEY_TYPE, type)

/** What each source of an index is: whether it has a key file, or none, or is memory; its tier, where it has one, and its stretch. */
export function shapeOf(index: KeyIndex): string[] {
  return index.sources().map((source) => {
    const { from, end } = source
    const kind = source.constructor.name.replace('Source', '').toLowerCase()
    const known = source as Partial<SegmentSource>
    const file = known.segments === undefined ? '' : known.file === undefined ? ' log' : ` tier ${known.tier}`
    return `${kind}${file} ${from}-${end}`
  })
}
