import { join } from 'node:path'
import { LogDirectory, type LogSegment } from '../commit-log/log-directory.js'
import { LogEnds } from '../commit-log/log-ends.js'
import { LogHeads } from '../commit-log/log-heads.js'
import { LogIndexes, resumeLogIndex } from '../commit-log/log-index.js'
import { WatermarkReader } from '../commit-log/watermark-file.js'
import { asIoError, CorruptionError } from '../errors.js'
import { CHECKPOINT_FILE, decodeCheckpoint, MAX_CHECKPOINT_BYTES } from '../format/checkpoint.js'
import {
  eventFlags,
  eventOffset,
  eventPosition,
  EventDecoder,
  eventStreamBytes,
  eventTimestamp,
  EVENT_FIXED_BYTES,
  FLAG_COMMIT_ID,
  FLAG_TAGS,
} from '../format/event-record.js'
import { HEADER_FIXED_BYTES } from '../format/file-header.js'
import { FRAME_EVENT, FRAME_KIND, FRAME_SHAPE, type Window } from '../format/frame.js'
import { InternedStrings } from '../format/interned-strings.js'
import { decodeShape } from '../format/shape-record.js'
import type { ShapeTable } from '../format/shapes.js'
import { IndexBuilder } from '../format/sparse-index.js'
import { StreamTableBuilder } from '../format/stream-table.js'
import { ValueDecoder } from '../format/value-decoder.js'
import type { Environment, FileSystem } from '../io/file-system.js'
import { holdProcess } from '../io/machine.js'
import { isSystemError } from '../io/system-error.js'
import { readFileSync } from '../io/transfer.js'
import { KeyIndex } from '../keys/key-index.js'
import { checkpointPlace, lostEnd } from '../recovery/lost-end.js'
import { type CheckpointReading, findCheckpoint, keyedFromOf, shapesOf, unsettledOf } from '../recovery/recover.js'
import { ReadHandles } from '../segment/read-handles.js'
import { Slabs } from '../segment/slabs.js'
import { IndexCache } from '../streams/index-cache.js'
import { StreamCatalog } from '../streams/stream-catalog.js'
import { StreamDirectory } from '../streams/stream-directory.js'
import { CommitSignal } from './commit-signal.js'
import { FollowClock } from './follow-clock.js'
import { FollowedStreams } from './followed-streams.js'
import { LOG_FOLDER, refuseWithoutStreams, STREAMS_FOLDER } from './home-file.js'
import { type FollowHooks, LogFollower } from './log-follower.js'
import type { Settings } from './options.js'
import type { TouchedStream } from './sleepers.js'
import { missingBehind, type StoreReading } from './store-reader.js'
import { turn } from './write-behind.js'

/** Taken in before others have their turn; and at most before a read begins, that is to see all that was committed. */
const SLICE_BYTES = 1024 * 1024
const REFRESH_BYTES = 64 * 1024 * 1024
/** A checkpoint may be replaced while it is read, and what it names with it. */
const ATTEMPTS = 4

/** What is known of a segment that is followed. */
interface Collected {
  readonly table: StreamTableBuilder
  readonly index: IndexBuilder
}

/** The state of a store that another process writes to, kept in step with it: everything that reading needs. */
export class FollowedStore implements FollowHooks {
  readonly reading: StoreReading
  readonly handles: ReadHandles
  readonly #environment: Environment
  readonly #directory: string
  readonly #storeId: Buffer
  readonly #settings: Settings
  readonly #shapes: ShapeTable
  readonly #commits: CommitSignal
  readonly #catalog: StreamCatalog
  readonly #streams: FollowedStreams
  readonly #keys: KeyIndex
  readonly #names = new InternedStrings(4096)
  readonly #watermark: WatermarkReader
  readonly #clock: FollowClock
  readonly #follower: LogFollower
  /** By path, of segments whose events are read from the log. */
  readonly #collected = new Map<string, Collected>()
  #current: Collected | undefined
  /** How much counts of segments in the eyes of the key index: of the one that grows what counted when its files were looked for. */
  readonly #keyedEnds: LogEnds
  #checkpoint = ''
  /** Why nothing can be read any more; what the system reported last. */
  #failure: CorruptionError | undefined
  #trouble: Error | undefined
  #closed = false

  private constructor(
    environment: Environment,
    settings: Settings,
    directory: string,
    storeId: Buffer,
    log: LogDirectory,
    { checkpoint }: CheckpointReading,
    assertOpen: () => void,
  ) {
    const { files } = environment
    const { limits } = settings
    this.#environment = environment
    this.#settings = settings
    this.#directory = directory
    this.#storeId = storeId
    this.#shapes = shapesOf(checkpoint)
    this.handles = new ReadHandles(files, limits.openFiles)
    const slabs = new Slabs(limits.groupBytes, this.handles)
    const directoryOfStreams = new StreamDirectory(files, join(directory, STREAMS_FOLDER), storeId, settings.shapes)
    const redo = checkpoint?.redo
    const position = redo?.position ?? 0
    this.#commits = new CommitSignal(position, (isWaiting) => this.#hold(isWaiting))
    this.#streams = new FollowedStreams({
      streams: directoryOfStreams,
      handles: this.handles,
      slabs,
      limits,
      follower: () => this.#follower,
      unsettled: unsettledOf(files, log, storeId, checkpoint?.settledPosition ?? 0, position),
    })
    const load: StoreReading['load'] = (key) => {
      const state = this.#streams.load(key)
      if (this.damage !== undefined) state.damage = missingBehind(this.damage, state)
      return state
    }
    // Whatever is forgotten is found again where it was.
    this.#catalog = new StreamCatalog(limits, load, () => true)
    this.#keyedEnds = new LogEnds(this.handles, log, storeId)
    const heads = new LogHeads(this.handles, storeId)
    this.#keys = new KeyIndex({
      files,
      directory: log,
      handles: this.handles,
      heads,
      storeId,
      cachedBlocks: limits.keyBlocks,
      cachedTables: limits.keyTables,
      wanted: () => undefined, // the writer makes them, and is asked for them at the next checkpoint
      position,
      keyedFrom: keyedFromOf(checkpoint),
      endOf: (segment) => this.#keyedEnds.of(segment),
    })
    if (redo !== undefined) this.#keyedEnds.set({ path: log.beside(redo, '.log') }, redo.byte)
    const decoder = new EventDecoder(new ValueDecoder(this.#shapes))
    this.reading = {
      catalog: this.#catalog,
      keys: this.#keys,
      position: () => this.#follower.position,
      commits: this.#commits,
      damage: () => this.damage,
      refresh: () => this.#refresh(),
      closed: () => this.#closed,
      assertOpen,
      unsettled: () => this.#streams.tables,
      load,
      streams: {
        directory: directoryOfStreams,
        indexes: new IndexCache(directoryOfStreams, this.handles, limits),
        handles: this.handles,
        slabs,
        decoder,
        limits,
      },
      log: {
        directory: log,
        heads,
        indexes: new LogIndexes(files, log, this.handles, storeId, limits),
        handles: this.handles,
        decoder,
        limits,
        active: () => {
          const { active } = this.#follower
          return active && { ...active, entries: this.#current?.index.entries ?? [] }
        },
        lastEnd: (path) => this.#follower.endOf(path),
      },
    }
    this.#watermark = new WatermarkReader(files, directory, storeId)
    this.#follower = new LogFollower(
      { files, handles: this.handles, storeId, watermark: this.#watermark },
      log,
      redo,
      this,
    )
    this.#clock = new FollowClock(environment, this.#watermark.path, (now) =>
      this.#look(now === 'regular', SLICE_BYTES),
    )
  }

  /** Opens a store and goes on to what is committed. Throws ERR_CORRUPT, ERR_FORMAT and what the system reports. */
  static async open(
    environment: Environment,
    settings: Settings,
    directory: string,
    storeId: Buffer,
    assertOpen: () => void,
  ): Promise<FollowedStore> {
    const { files } = environment
    for (let attempt = 1; ; attempt++) {
      const { directory: log } = LogDirectory.read(files, join(directory, LOG_FOLDER))
      const before = checkpointStamp(files, directory)
      const found = findCheckpoint(files, directory, storeId, log)
      if (found.loss !== undefined) {
        if (attempt === ATTEMPTS) throw found.loss
        continue
      }
      refuseWithoutStreams(files, directory, found.checkpoint?.settledPosition ?? 0)
      // What comes behind the checkpoint is followed; without one everything is.
      const redo = found.checkpoint?.redo
      const segment = redo && log.segments[log.find(redo)]
      if (segment === undefined) log.clear()
      else log.keepUpTo(segment)
      const store = new FollowedStore(environment, settings, directory, storeId, log, found, assertOpen)
      try {
        store.#checkpoint = before
        await store.refresh()
        const lost = found.lost === undefined ? undefined : checkpointPlace(files, directory, storeId)
        if (lost === undefined || lost.position <= store.position) return store
        // It may have been replaced by one that says more meanwhile.
        if (attempt === ATTEMPTS) throw lostEnd({ file: log.beside(lost, '.log'), byte: 0 })
        store.close()
      } catch (error) {
        store.close()
        throw error
      }
    }
  }

  /** What the log lost, or why it cannot be followed any more. */
  get damage(): CorruptionError | undefined {
    return this.#failure ?? this.#follower.damage
  }

  get position(): number {
    return this.#follower.position
  }

  /** Events from here on may not be in the files of their streams. */
  get settledPosition(): number {
    return this.#streams.tables[0]?.segment.base ?? this.position
  }

  /** Goes on to everything that is committed now. Rejects as reads do. */
  async refresh(): Promise<void> {
    // Without a watermark the log itself tells, segment by segment.
    for (let before = -1; before < this.position;) {
      before = this.position
      while (this.#look(true, SLICE_BYTES)) await turn()
      this.#assertSound()
    }
  }

  close(): void {
    this.#closed = true
    this.#clock.close()
    this.#commits.close()
    this.#catalog.clear()
    this.#watermark.close()
    this.handles.close()
  }

  /** What a subscription waits for comes from another process: this one must live to see it. */
  #hold(isWaiting: boolean): void {
    this.#letGo?.()
    this.#letGo = isWaiting ? holdProcess() : undefined
  }
  #letGo: (() => void) | undefined

  began(segment: LogSegment): void {
    const known = this.#collected.get(segment.path)
    if (known === undefined) {
      const table = new StreamTableBuilder()
      this.#current = { table, index: this.#indexOf(segment) }
      this.#collected.set(segment.path, this.#current)
      this.#streams.collect(segment, table)
    } else this.#current = known
  }

  group(segment: LogSegment, window: Window, start: number, end: number, base: number): void {
    const wanted = this.#commits.sleeping > 0
    const touched: TouchedStream[] = []
    for (let at = start; at < end;) {
      const length = window.view.getUint32(at, true)
      const kind = window.bytes[at + FRAME_KIND]
      if (kind === FRAME_EVENT) {
        const name = this.#event(segment, window, at, length, at + base)
        if (wanted && touched.at(-1)?.key.name !== name) touched.push({ key: { name } })
      } else if (kind === FRAME_SHAPE) {
        const shape = decodeShape(window, at, length)
        if (shape !== undefined) this.#shapes.define(shape)
      }
      at += length
    }
    this.#commits.published(this.#committed, touched)
  }
  /** Position behind the last event of the groups taken in. */
  #committed = 0

  left(segment: LogSegment, byte: number, position: number): void {
    this.#keyedEnds.set(segment, byte)
    const source = this.#keys.isKeyed(position) ? this.#keys.sourceOf([segment], position, 0) : undefined
    this.#keys.seal(segment, position, source)
  }

  #event(segment: LogSegment, window: Window, at: number, length: number, byte: number): string {
    const from = at + EVENT_FIXED_BYTES
    const name = this.#names.get(window.bytes, from, from + eventStreamBytes(window, at))
    const offset = eventOffset(window, at)
    const position = eventPosition(window, at)
    const { table, index } = this.#current!
    table.add(name, undefined, offset, byte)
    index.add(position, byte, eventTimestamp(window, at), length)
    if ((eventFlags(window, at) & (FLAG_COMMIT_ID | FLAG_TAGS)) !== 0) this.#keys.add(window, at, position)
    const state = this.#catalog.peek(name)
    if (state?.version === offset) this.#streams.add(state, segment, byte)
    this.#committed = position + 1
    return name
  }

  /** The index of a segment that is gone on in, as far as it counts. */
  #indexOf(segment: LogSegment): IndexBuilder {
    const { limits } = this.#settings
    const end = this.#keyedEnds.known(segment) ?? HEADER_FIXED_BYTES
    if (end <= HEADER_FIXED_BYTES) return new IndexBuilder(limits.indexIntervalBytes)
    const { files } = this.#environment
    return resumeLogIndex(files, this.reading.log.directory, this.handles, segment, this.#storeId, limits, end)
  }

  #refresh(): void {
    if (this.#closed) return
    if (this.#look(false, REFRESH_BYTES)) this.#clock.lookSoon()
    this.#assertSound()
  }

  #assertSound(): void {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#trouble !== undefined) throw asIoError(this.#trouble, 'follow the store')
  }

  /** Takes in what is new. `whole`: looks at everything that may have changed, and not only at the watermark. Returns true when there is more. */
  #look(whole: boolean, bytes: number): boolean {
    if (this.#closed || this.damage !== undefined) return false
    let more = false
    try {
      if (whole) {
        if (this.#watermark.renew()) this.#clock.watch()
        this.#follower.look()
        this.#follower.lookAhead()
        if (checkpointStamp(this.#environment.files, this.#directory) !== this.#checkpoint) this.#recheck()
      } else this.#follower.look()
      more = this.#follower.advance(bytes)
      this.#trouble = undefined
    } catch (error) {
      if (error instanceof CorruptionError) this.#failure = error
      // A file that is gone was one that does not count; the next look finds which one does.
      else if (!isSystemError(error, 'ENOENT')) this.#trouble = error as Error
    }
    if (more) this.#clock.lookSoon()
    this.#tellDamage()
    return more
  }

  /** Who waits is woken, and meets the damage. */
  #tellDamage(): void {
    const { damage } = this
    if (damage === undefined) return
    for (const state of this.#catalog.states()) state.damage = missingBehind(damage, state)
    this.#commits.published(this.position, undefined)
  }

  /** The writer has written a checkpoint: more is settled, and need not be kept in memory here. */
  #recheck(): void {
    const now = checkpointStamp(this.#environment.files, this.#directory)
    const bytes = readFileSync(this.#environment.files, join(this.#directory, CHECKPOINT_FILE), MAX_CHECKPOINT_BYTES)
    const verdict = bytes && decodeCheckpoint(bytes, this.#storeId)
    this.#checkpoint = now
    if (verdict?.kind !== 'checkpoint') return
    const { redo, settledPosition } = verdict.checkpoint
    this.#follower.prove(redo, true)
    this.#keys.forgetFiles()
    if (!this.#streams.settle(settledPosition)) return
    // Reads under way keep what they have: what they read does not change.
    const kept = new Set(this.#streams.tables.map(({ segment }) => segment.path))
    for (const path of this.#collected.keys()) if (!kept.has(path)) this.#collected.delete(path)
    const segment = this.reading.log.directory.segments.at(-1)
    if (kept.size === 0 && this.#current !== undefined && segment !== undefined) {
      this.#current = { ...this.#current, table: new StreamTableBuilder() }
      this.#collected.set(segment.path, this.#current)
      this.#streams.collect(segment, this.#current.table)
    }
    this.#catalog.clear()
    this.handles.close()
  }
}

/** Changes whenever the checkpoint is replaced. */
function checkpointStamp(files: FileSystem, directory: string): string {
  const found = files.stat(join(directory, CHECKPOINT_FILE))
  return found === undefined ? '' : `${found.inode} ${found.modificationTime} ${found.size}`
}
