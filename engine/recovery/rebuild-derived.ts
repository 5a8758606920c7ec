import { basename, dirname, join } from 'node:path'
import { LogDirectory, type LogSegment } from '../commit-log/log-directory.js'
import { LogEnds } from '../commit-log/log-ends.js'
import { LogHeads } from '../commit-log/log-heads.js'
import { CHECKPOINT_FILE, type Checkpoint, encodeCheckpoint } from '../format/checkpoint.js'
import { HEADER_FIXED_BYTES, parseHeader } from '../format/file-header.js'
import { windowOf } from '../format/frame.js'
import { parseLogFileName, parseStreamFileName, streamFileName } from '../format/names.js'
import { WATERMARK_FILE } from '../format/watermark.js'
import { completion, readFullySync, replaceFile } from '../io/transfer.js'
import { KeyBuilder } from '../keys/key-builder.js'
import { KeyIndex } from '../keys/key-index.js'
import { parseKeyFileName } from '../keys/key-names.js'
import { MAX_NAME_BYTES } from '../limits.js'
import { ReadHandles } from '../segment/read-handles.js'
import { INDEXED_FROM_BYTES } from '../streams/stream-loader.js'
import { checkpointOfLog, logIndex, streamIndex, streamTable } from './derived-files.js'
import type { VerifyContext } from './verify-context.js'
import { listOf } from './verify-streams.js'

/** What an earlier rebuild that was killed was about to replace a file by. */
const LEFT_OVER = /\.(?:idx|tab|key[1-8]?)\.new$/

/** Derived files that were made again, by kind, and those that were taken away because nothing wants them. */
export interface RebuiltFiles {
  readonly logIndexes: number
  readonly streamIndexes: number
  readonly streamTables: number
  readonly keyFiles: number
  readonly removed: number
}

export interface RebuildOptions {
  readonly directory: string
  /** Of the writer that does this. */
  readonly epoch: number
  /** The checkpoint so far, if verify finds nothing wrong with it: no other file tells what was synced, and whether all segments are to have key files. */
  readonly before: Pick<Checkpoint, 'settledPosition' | 'keyedFrom'> | undefined
  /** Called before each change: throws when the store is no longer ours, or this is to end. */
  readonly check: () => void
  /** How many bytes of segments were read, of how many. */
  readonly progress: (bytes: number, totalBytes: number) => void
}

/**
 * Makes every derived file of a store again that was closed and is sound, from its log segments and stream segments, whatever stands there.
 * Each file gets its name when its bytes are synced, and the checkpoint last: ended at any moment, it leaves files that are right, or
 * missing, under a checkpoint that is right.
 */
export class Rebuild {
  readonly #context: VerifyContext
  readonly #options: RebuildOptions
  readonly #log: LogDirectory
  readonly #handles: ReadHandles
  readonly #ends: LogEnds
  readonly #rebuilt = { logIndexes: 0, streamIndexes: 0, streamTables: 0, keyFiles: 0, removed: 0 }
  #read = 0
  #total = 0

  constructor(context: VerifyContext, options: RebuildOptions) {
    const { environment, logPath, storeId, limits } = context
    this.#context = context
    this.#options = options
    this.#log = LogDirectory.read(environment.files, logPath).directory
    this.#handles = new ReadHandles(environment.files, limits.openFiles)
    this.#ends = new LogEnds(this.#handles, this.#log, storeId)
  }

  async run(): Promise<RebuiltFiles> {
    try {
      const { segments } = this.#log
      // Read for its index, for the checkpoint, and for its keys.
      this.#total = 3 * segments.reduce((sum, segment) => sum + this.#ends.of(segment), 0)
      const checkpoint = await this.#checkpoint()
      for (const segment of segments) await this.#besideLog(segment, checkpoint)
      await this.#removeFromLog()
      await this.#streamIndexes()
      await this.#keyFiles(checkpoint)
      await this.#takeAway(join(this.#options.directory, WATERMARK_FILE)) // the next writer makes it again
      // The commit point: from here on opening counts on what was made.
      const path = join(this.#options.directory, CHECKPOINT_FILE)
      const temporary = `${CHECKPOINT_FILE}.${this.#options.epoch}.tmp`
      await this.#replace(path, encodeCheckpoint(this.#context.storeId, checkpoint), temporary)
      this.#spend(this.#total)
      return this.#rebuilt
    } finally {
      this.#handles.close()
    }
  }

  async #checkpoint(): Promise<Checkpoint> {
    const { epoch, before } = this.#options
    const made = await checkpointOfLog(this.#context, this.#log, epoch, true)
    this.#spend(this.#total / 3)
    const settledPosition = Math.min(before?.settledPosition ?? 0, made.redo.position)
    const keyedFrom = Math.min(before?.keyedFrom ?? Infinity, made.keyedFrom ?? Infinity)
    return { ...made, settledPosition, keyedFrom: keyedFrom === Infinity ? null : keyedFrom }
  }

  /** The sparse index of a log segment, and its stream table, where events of it are not settled. */
  async #besideLog(segment: LogSegment, { redo, settledPosition }: Checkpoint): Promise<void> {
    const { segments } = this.#log
    const end = this.#ends.of(segment)
    await this.#replace(this.#log.beside(segment, '.idx'), logIndex(this.#context, segment, end))
    this.#rebuilt.logIndexes++
    const next = segments[segments.indexOf(segment) + 1]?.base ?? redo.position
    const table = this.#log.beside(segment, '.tab')
    if (next > Math.max(settledPosition, segment.base)) {
      await this.#replace(table, streamTable(this.#context, this.#log, segment, end))
      this.#rebuilt.streamTables++
    } else await this.#remove(table)
    this.#spend(end)
  }

  /** Takes away what is beside no segment that counts, and the key files, which are made again from nothing. */
  async #removeFromLog(): Promise<void> {
    const { environment, logPath } = this.#context
    for (const name of environment.files.list(logPath)) {
      const parsed = parseLogFileName(name)
      const isOrphan = parsed !== undefined && parsed.suffix !== '.log' && this.#log.find(parsed) < 0
      if (isOrphan || LEFT_OVER.test(name)) await this.#remove(join(logPath, name))
      else if (parseKeyFileName(name) !== undefined) await this.#takeAway(join(logPath, name))
    }
  }

  async #streamIndexes(): Promise<void> {
    const { environment, streamsPath } = this.#context
    for (const shard of listOf(environment.files, streamsPath)) {
      const folder = join(streamsPath, shard)
      if (environment.files.stat(folder)?.kind !== 'directory') continue
      const names = new Set(environment.files.list(folder))
      for (const name of names) {
        const parsed = parseStreamFileName(name)
        if (parsed?.suffix === '.seg') await this.#besideStream(shard, parsed.escaped, parsed.base)
        else if (LEFT_OVER.test(name) || (parsed !== undefined && !names.has(`${name.slice(0, -'.idx'.length)}.seg`))) {
          await this.#remove(join(folder, name))
        }
      }
      await this.#turn()
    }
  }

  async #besideStream(shard: string, escaped: string, base: number): Promise<void> {
    const { environment, streamsPath } = this.#context
    const path = `${shard}/${escaped}`
    const index = join(streamsPath, streamFileName(path, base, '.idx'))
    const segment = join(streamsPath, streamFileName(path, base, '.seg'))
    const { size } = environment.files.stat(segment)!
    const bytes = size < INDEXED_FROM_BYTES ? undefined : this.#nameIn(segment)
    const made = bytes && streamIndex(this.#context, { path, bytes }, base)
    if (made === undefined) return this.#remove(index)
    await this.#replace(index, made)
    this.#rebuilt.streamIndexes++
    this.#total += size
    this.#spend(size)
  }

  /** The name of the stream, which the name of the file may have only the beginning of. */
  #nameIn(segment: string): Buffer | undefined {
    const handle = this.#context.environment.files.open(segment, 'read')
    try {
      const head = Buffer.alloc(HEADER_FIXED_BYTES + MAX_NAME_BYTES)
      const verdict = parseHeader(windowOf(head), readFullySync(handle, head, 0, head.length, 0), 'S')
      return verdict.kind === 'header' ? verdict.header.name : undefined
    } finally {
      handle.close()
    }
  }

  async #keyFiles({ keyedFrom, redo }: Checkpoint): Promise<void> {
    if (keyedFrom === null) return this.#spend(this.#total)
    const { environment, storeId, limits } = this.#context
    const endOf = (segment: LogSegment): number => this.#ends.of(segment)
    const index = new KeyIndex({
      files: environment.files,
      directory: this.#log,
      handles: this.#handles,
      heads: new LogHeads(this.#handles, storeId),
      storeId,
      cachedBlocks: limits.keyBlocks,
      cachedTables: limits.keyTables,
      position: redo.position,
      keyedFrom,
      endOf,
    })
    const fence = this.#options.check
    const builder = new KeyBuilder({ environment, limits, storeId, handles: this.#handles, index, endOf, fence })
    const goesOn = (): boolean => {
      this.#options.check()
      return false
    }
    for (const source of index.missing()) {
      goesOn()
      index.made(source, (await builder.build(source, goesOn))!) // undefined only where it is told to stop
      for (const segment of source.segments) this.#spend(endOf(segment))
    }
    await builder.mergeAll(goesOn)
    this.#rebuilt.keyFiles = index.withFiles().length
  }

  async #replace(path: string, contents: Buffer, temporary = `${basename(path)}.new`): Promise<void> {
    const { check } = this.#options
    check()
    const { files } = this.#context.environment
    await completion((done) => replaceFile(files, dirname(path), basename(path), contents, done, temporary, check))
    this.#handles.drop(path)
    await this.#turn()
  }

  async #remove(path: string): Promise<void> {
    if (await this.#takeAway(path)) this.#rebuilt.removed++
  }

  /** Removes what is made again. Returns whether it was there. */
  async #takeAway(path: string): Promise<boolean> {
    const { files } = this.#context.environment
    if (files.stat(path) === undefined) return false
    this.#options.check()
    this.#handles.drop(path)
    files.remove(path)
    await completion((done) => files.syncDirectory(dirname(path), done))
    return true
  }

  #spend(bytes: number): void {
    this.#read = Math.min(this.#total, this.#read + bytes)
    this.#options.progress(this.#read, this.#total)
  }

  /** Lets everything else in this process go on. */
  #turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve))
  }
}
