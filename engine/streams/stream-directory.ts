import { join } from 'node:path'
import { AnnalsError, quote } from '../errors.js'
import { encodeHeader } from '../format/file-header.js'
import {
  parseStreamFileName,
  shardName,
  SHARDS,
  type StreamKey,
  streamFileName,
  unescapeName,
} from '../format/names.js'
import type { Done, FileHandle, FileSystem } from '../io/file-system.js'
import { isSystemError, systemError } from '../io/system-error.js'

const NONE: ReadonlySet<string> = new Set()

/** A stream as its file names tell of it. */
export interface FoundStream {
  /** As `StreamKey.path`. */
  readonly stem: string
  /** Undefined when the file name holds only the beginning of it. */
  readonly name: string | undefined
  /** Path of one of its segments. */
  readonly segment: string
}

/** Where stream files are: `streams/<shard>/<escaped name>@<base>.seg`, and `.idx` for the index. */
export class StreamDirectory {
  readonly path: string
  readonly storeId: Buffer
  readonly shapes: boolean
  readonly files: FileSystem
  /** A copy of the log alone has no such folder, and needs none. */
  readonly #wasThere: boolean
  /** Shards in which files were created since the folder was last synced. */
  readonly #dirtyShards = new Set<string>()
  readonly #checkedShards = new Set<string>()
  /** Of the shards that were listed: paths of streams that have files, and no first segment. Empty for sound shards. */
  readonly #headless = new Map<string, ReadonlySet<string>>()

  constructor(files: FileSystem, path: string, storeId: Buffer, shapes: boolean) {
    this.files = files
    this.path = path
    this.storeId = storeId
    this.shapes = shapes
    this.#wasThere = files.stat(path) !== undefined
  }

  /**
   * To be asked by readers of a stream without events: when the store was moved or unmounted while it is open, no stream is found any
   * more, and each would seem to have none. Writers need not, their lock is gone too. Throws ENOENT.
   */
  assertStillThere(): void {
    if (this.#wasThere && this.files.stat(this.path) === undefined) throw systemError('ENOENT', 'lstat', this.path)
  }

  /** Refuses a shard that is a link: what it leads to is not part of the store. Looks once at each. Throws ERR_IO. */
  checkShard(key: StreamKey): void {
    const shard = key.path.slice(0, 2)
    if (this.#checkedShards.has(shard)) return
    this.#isThere(join(this.path, shard))
    this.#checkedShards.add(shard)
  }

  /** Tells whether a shard is there. Throws ERR_IO when it is no folder. */
  #isThere(path: string): boolean {
    const found = this.files.stat(path)
    if (found !== undefined && found.kind !== 'directory') {
      throw new AnnalsError(
        'ERR_IO',
        `Cannot use ${quote(path)}: it is no folder but a link or a file; put the folder back`,
      )
    }
    return found !== undefined
  }

  segmentPath(key: StreamKey, base: number): string {
    // Joined by hand: `path.join` is a noticeable part of reading a small stream.
    return `${this.path}/${streamFileName(key.path, base, '.seg')}`
  }

  indexPath(key: StreamKey, base: number): string {
    return join(this.path, streamFileName(key.path, base, '.idx'))
  }

  /** The header of a segment. Holds nothing that depends on when it is written, so a rebuilt segment is the same. */
  segmentHeader(key: StreamKey, base: number, previousBase: number): Buffer {
    return encodeHeader({ kind: 'S', storeId: this.storeId, base, previousBase, shapes: this.shapes, name: key.bytes })
  }

  indexHeader(key: StreamKey, base: number): Buffer {
    return encodeHeader({ kind: 'I', storeId: this.storeId, base, name: key.bytes })
  }

  /** Lists the bases of a stream's segments, oldest first: reads the whole shard, so only for streams that have several. */
  bases(key: StreamKey): number[] {
    const [shard, escaped] = key.path.split('/') as [string, string]
    const bases: number[] = []
    for (const name of this.files.list(join(this.path, shard))) {
      const parsed = parseStreamFileName(name)
      if (parsed?.escaped === escaped && parsed.suffix === '.seg') bases.push(parsed.base)
    }
    return bases.sort((a, b) => a - b)
  }

  /**
   * Tells whether a stream whose first segment is not there has other files, so that it was there once. To be asked only of streams
   * whose events are all settled or that have none. The first question in a shard lists it, those that follow cost nothing:
   * a shard is listed once, however many streams are created in it.
   */
  isHeadless(key: StreamKey): boolean {
    const shard = key.path.slice(0, 2)
    let headless = this.#headless.get(shard)
    if (headless === undefined) this.#headless.set(shard, (headless = this.#findHeadless(shard)))
    // Looked at again: another process may have been writing while the shard was listed.
    return headless.size > 0 && headless.has(key.path) && this.files.stat(this.segmentPath(key, 0)) === undefined
  }

  #findHeadless(shard: string): ReadonlySet<string> {
    const path = join(this.path, shard)
    if (this.files.stat(path) === undefined) return NONE
    const whole = new Set<string>()
    const later: string[] = []
    for (const name of this.files.list(path)) {
      const parsed = parseStreamFileName(name)
      if (parsed === undefined) continue
      if (parsed.suffix === '.seg' && parsed.base === 0) whole.add(`${shard}/${parsed.escaped}`)
      else later.push(`${shard}/${parsed.escaped}`)
    }
    const headless = later.filter((stream) => !whole.has(stream))
    return headless.length === 0 ? NONE : new Set(headless)
  }

  /** Bases of all streams of a shard that have a segment beyond their first: few do. By escaped name, in no order. */
  laterBases(shard: string): Map<string, number[]> {
    const found = new Map<string, number[]>()
    for (const name of listOrNothing(this.files, join(this.path, shard))) {
      const parsed = parseStreamFileName(name)
      if (parsed === undefined || parsed.suffix !== '.seg' || parsed.base === 0) continue
      const bases = found.get(parsed.escaped)
      if (bases === undefined) found.set(parsed.escaped, [parsed.base])
      else bases.push(parsed.base)
    }
    return found
  }

  /** Removes a segment that is none of its stream's, and its index. */
  removeSegment(key: StreamKey, base: number): void {
    this.files.remove(this.segmentPath(key, base))
    const index = this.indexPath(key, base)
    if (this.files.stat(index) !== undefined) this.files.remove(index)
    this.#dirtyShards.add(key.path.slice(0, 2))
  }

  /** Opens a file to write to it, creating it and its shard where they are missing. */
  openForWriting(key: StreamKey, path: string, create: boolean): FileHandle {
    if (!create) return this.files.open(path, 'write')
    const shard = key.path.slice(0, 2)
    this.#dirtyShards.add(shard)
    try {
      return this.files.open(path, 'create')
    } catch (error) {
      if (isSystemError(error, 'EEXIST')) {
        // Left over by a flush that a crash cut short: its bytes were never counted.
        this.files.remove(path)
        return this.files.open(path, 'create')
      }
      if (!isSystemError(error, 'ENOENT')) throw error
      this.files.makeDirectories(join(this.path, shard))
      this.#dirtyShards.add('')
      return this.files.open(path, 'create')
    }
  }

  /** An earlier session may have created files of this stream and not synced their names. */
  noteCreated(key: StreamKey): void {
    this.#dirtyShards.add(key.path.slice(0, 2)).add('')
  }

  /** Makes the names of all files created so far durable. */
  syncNames(done: Done): void {
    const shards = [...this.#dirtyShards]
    this.#dirtyShards.clear()
    const next = (): void => {
      const shard = shards.pop()
      if (shard === undefined) return done(null)
      this.files.syncDirectory(join(this.path, shard), (error) => {
        if (error === null) return next()
        for (const left of [shard, ...shards]) this.#dirtyShards.add(left)
        done(error)
      })
    }
    next()
  }

  /** Lists the streams with files in a shard. Throws ERR_IO. */
  streamsIn(shard: number): Iterable<FoundStream> {
    const folder = join(this.path, shardName(shard))
    const found = new Map<string, FoundStream>()
    if (!this.#isThere(folder)) {
      this.assertStillThere()
      return []
    }
    for (const file of this.files.list(folder)) {
      const parsed = parseStreamFileName(file)
      if (parsed?.suffix !== '.seg' || found.has(parsed.escaped)) continue
      const { escaped } = parsed
      const stem = `${shardName(shard)}/${escaped}`
      found.set(escaped, { stem, name: unescapeName(escaped), segment: join(folder, file) })
    }
    return found.values()
  }

  /** Names of the shards that exist. */
  shards(): string[] {
    const wanted = new Set(Array.from({ length: SHARDS }, (_, shard) => shardName(shard)))
    return this.files
      .list(this.path)
      .filter((name) => wanted.has(name))
      .sort()
  }
}

function listOrNothing(files: FileSystem, path: string): string[] {
  try {
    return files.list(path)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return []
    throw error
  }
}
