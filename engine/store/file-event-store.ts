import { CommitLog } from '../commit-log/commit-log.js'
import type { PendingGroup } from '../commit-log/group.js'
import { LogHeads } from '../commit-log/log-heads.js'
import { LogIndexes, resumeLogIndex } from '../commit-log/log-index.js'
import { LogSegmentFile } from '../commit-log/log-segment-file.js'
import { WatermarkWriter } from '../commit-log/watermark-file.js'
import { failureOfWrite } from '../commit-log/write-failure.js'
import { AnnalsError, named, quote } from '../errors.js'
import { EventDecoder, eventTimestamp } from '../format/event-record.js'
import type { StreamKey } from '../format/names.js'
import { ValueDecoder } from '../format/value-decoder.js'
import type { Environment } from '../io/file-system.js'
import type { Recovered, RecoveryReport } from '../recovery/recover.js'
import type { VerifyReport } from '../recovery/findings.js'
import { Unsettled } from '../recovery/unsettled.js'
import { verify, type VerifyOptions } from '../recovery/verify.js'
import { ReadHandles } from '../segment/read-handles.js'
import { byteOf, Slabs } from '../segment/slabs.js'
import { IndexCache } from '../streams/index-cache.js'
import { StreamCatalog } from '../streams/stream-catalog.js'
import { StreamDirectory } from '../streams/stream-directory.js'
import { StreamLoader } from '../streams/stream-loader.js'
import type { StreamState } from '../streams/stream-state.js'
import type { NewEvent, StoredEvent } from '../types/event.js'
import type {
  AppendManyOptions,
  AppendOptions,
  AppendResult,
  EventReader,
  EventStore,
  ListedStream,
  ListStreamsOptions,
  ReadAllOptions,
  ReadStreamOptions,
  StreamAppend,
  StreamInfo,
} from '../types/event-store.js'
import type { SubscribeOptions, Subscription } from '../types/subscription.js'
import { appendConditions } from './append-conditions.js'
import { Appender } from './appender.js'
import { CommitSignal } from './commit-signal.js'
import { KeyKeeper } from './key-keeper.js'
import { checkMaintenance } from './maintenance-options.js'
import { Maintenance } from './maintenance.js'
import type { StoreParts } from './store-parts.js'
import { percentiles, type StoreStats } from './stats.js'
import { missingBehind, type StoreReading, StoreReader } from './store-reader.js'

/** The file engine. Composition root: knows all layers, holds the order of things, leaves the work to them. */
export class FileEventStore implements EventStore {
  readonly #parts: StoreParts
  readonly #environment: Environment
  readonly #log: CommitLog<StreamState>
  readonly #catalog: StreamCatalog
  readonly #appender: Appender
  readonly #handles: ReadHandles
  readonly #reader: StoreReader
  readonly #maintenance: Maintenance
  readonly #commits: CommitSignal
  readonly #watermark: WatermarkWriter
  /** Position behind the last committed event. */
  #position: number
  /** The segment that was gone on in: what counted of it at opening counts no more. */
  #resumed: string | undefined
  #closing: Promise<void> | undefined
  #closed = false

  constructor(parts: StoreParts) {
    const { environment, settings, recovered, storeId } = parts
    const { files } = environment
    const { limits } = settings
    this.#parts = parts
    this.#environment = environment
    this.#position = recovered.position
    this.#commits = new CommitSignal(recovered.position)
    this.#watermark = new WatermarkWriter(files, parts.directory, storeId, parts.lock.epoch)
    this.#handles = new ReadHandles(files, limits.openFiles)
    const slabs = new Slabs(limits.groupBytes, this.#handles)
    const { resume } = recovered
    this.#log = new CommitLog<StreamState>(
      environment,
      parts.logPath,
      storeId,
      limits,
      slabs,
      settings.shapes,
      {
        epoch: parts.lock.epoch,
        sequence: recovered.sequence,
        previous: recovered.previous,
        resume: resume && { end: resume.end, open: () => this.#resume(resume) },
      },
      {
        shape: (id) => recovered.shapes.get(id)!,
        checkFence: () => parts.lock.check(),
        explain: (error) => parts.lock.explain(error),
        publish: (group, segment, shift) => this.#publish(group, segment, shift),
        created: ({ base, epoch, path }) => recovered.directory.add({ base, epoch, path }),
        rolled: (full, next) => {
          this.#maintenance.rolled(full, next)
        },
        failed: () => this.#maintenance.stop(),
      },
    )
    const streams = new StreamDirectory(files, parts.streamsPath, storeId, settings.shapes)
    // Where the log is damaged, the segments of streams may hold what it has lost.
    const logEnd = (): number => (recovered.report.damage === undefined ? this.#position : Infinity)
    const loader = new StreamLoader(streams, this.#handles, limits, logEnd)
    const unsettled = new Unsettled(loader, this.#handles, slabs)
    unsettled.set(recovered.unsettled)
    /** What a writer that has taken over has written since is not what this one expects there: that is no damage. */
    const load = (key: StreamKey): StreamState => {
      let state: StreamState
      try {
        state = unsettled.load(key)
      } catch (error) {
        throw parts.lock.explain(error as Error)
      }
      const reason = state.damage && parts.lock.explain(state.damage)
      if (reason !== state.damage) throw reason!
      return state
    }
    this.#catalog = new StreamCatalog(limits, (key) => {
      const state = load(key)
      if (recovered.report.damage !== undefined) state.damage = missingBehind(recovered.report.damage, state)
      else if (state.tail.length > 0) this.#maintenance.writeBehind.add(state)
      return state
    })
    const decoder = new EventDecoder(new ValueDecoder(recovered.shapes))
    const heads = new LogHeads(this.#handles, storeId)
    const keys = new KeyKeeper(parts, this.#handles, heads)
    const reading: StoreReading = {
      catalog: this.#catalog,
      keys: keys.index,
      position: () => this.#position,
      commits: this.#commits,
      damage: () => recovered.report.damage,
      closed: () => this.#closed,
      assertOpen: () => this.#assertOpen(),
      unsettled: () => unsettled.segments,
      load,
      streams: {
        directory: streams,
        indexes: new IndexCache(streams, this.#handles, limits),
        handles: this.#handles,
        slabs,
        decoder,
        limits,
      },
      log: {
        directory: recovered.directory,
        heads,
        indexes: new LogIndexes(files, recovered.directory, this.#handles, storeId, limits),
        handles: this.#handles,
        decoder,
        limits,
        active: () => {
          const { segment } = this.#log
          return segment && { path: segment.path, end: segment.end, entries: segment.index.entries }
        },
        lastEnd: (path) => (path === this.#resumed ? undefined : recovered.ends.get(path)),
      },
    }
    this.#reader = new StoreReader(reading)
    this.#maintenance = new Maintenance({
      parts,
      keys,
      log: this.#log,
      streams,
      handles: this.#handles,
      catalog: this.#catalog,
      unsettled,
      activity: this.#reader.activity,
      position: () => this.#position,
      lastTimestamp: () => this.#appender.lastTimestamp,
      assertOpen: () => this.#assertOpen(),
    })
    this.#appender = new Appender({
      conditions: appendConditions(reading, this.#log),
      environment,
      settings,
      shapes: recovered.shapes,
      log: this.#log,
      catalog: this.#catalog,
      assertOpen: () => this.#assertOpen(),
      position: recovered.position,
      lastTimestamp: recovered.lastTimestamp,
    })
  }

  /** What opening found and did. */
  get recovery(): RecoveryReport {
    return this.#parts.report
  }

  /** Secures what was recovered; only then may the store be used. */
  async start(): Promise<void> {
    if (this.recovery.damage === undefined) await this.#maintenance.start()
  }

  /** Tells readers in other processes who writes now, and what was accepted of what an earlier writer left. */
  announce(): void {
    if (this.recovery.damage !== undefined) return
    const { recovered, lock } = this.#parts
    const { previous, position, sequence } = recovered
    const { segment } = this.#log
    const place =
      segment === undefined
        ? { base: previous.previousBase, epoch: previous.previousEpoch, byte: previous.previousEnd }
        : { base: segment.base, epoch: lock.epoch, byte: segment.end }
    this.#watermark.start({ ...place, sequence, position })
  }

  /** Gives back what the start has opened, after a failure of it. Writes nothing more and never rejects. */
  async discard(cause: unknown): Promise<void> {
    this.#log.fail(failureOfWrite(cause))
    await this.close().catch(() => {})
  }

  append(stream: string, events: readonly NewEvent[], options?: AppendOptions): Promise<AppendResult> {
    return this.#appender.append(stream, events, options)
  }

  appendMany(appends: readonly StreamAppend[], options?: AppendManyOptions): Promise<AppendResult[]> {
    return this.#appender.appendMany(appends, options)
  }

  readStream<Event = StoredEvent>(stream: string, options?: ReadStreamOptions): EventReader<Event> {
    return this.#reader.readStream(stream, options)
  }

  readAll<Event = StoredEvent>(options?: ReadAllOptions): EventReader<Event> {
    return this.#reader.readAll(options)
  }

  readCategory<Event = StoredEvent>(category: string, options?: Omit<ReadAllOptions, 'category'>): EventReader<Event> {
    return this.#reader.readCategory(category, options)
  }

  subscribe<Event = StoredEvent>(options?: SubscribeOptions): Subscription<Event> {
    return this.#reader.subscribe(options)
  }

  streamInfo(stream: string): Promise<StreamInfo> {
    return this.#reader.streamInfo(stream)
  }

  listStreams(options?: ListStreamsOptions): AsyncIterable<ListedStream> {
    return this.#reader.listStreams(options)
  }

  /**
   * Reads all files of the store and compares them with each other; changes nothing, and appends go on meanwhile.
   * Rejects with the signal's reason, or with ERR_IO when a file cannot be read.
   */
  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    this.#assertOpen()
    checkMaintenance('verify', [], options)
    const { directory, recovered, settings } = this.#parts
    const known = { limits: settings.limits, ...options, openSince: recovered.position }
    return named('verify the store', verify(this.#environment, directory, known))
  }

  /** Writes everything committed to its stream segment now. */
  async flush(): Promise<void> {
    this.#assertOpen()
    await named('flush', this.#maintenance.writeBehind.flush())
  }

  /**
   * Flushes, syncs the stream segments and writes a checkpoint: the next opening has nothing to catch up with. Closing the store breaks it
   * off: ERR_CLOSED.
   */
  async checkpoint(): Promise<void> {
    this.#assertOpen()
    await named('write a checkpoint', this.#maintenance.checkpoint())
  }

  stats(): StoreStats {
    const { figures, slabs, pace, pendingBytes } = this.#log
    return {
      events: this.#position,
      cachedStreams: this.#catalog.size,
      streams: { hits: this.#catalog.hits, loads: this.#catalog.loads },
      appends: {
        commits: figures.commits,
        groups: figures.groups,
        commitsPerGroup: {
          mean: figures.groups === 0 ? 0 : figures.commits / figures.groups,
          largest: figures.largestGroup,
        },
        bytes: figures.bytes,
        pendingBytes,
      },
      sync: { count: pace.syncs, ...percentiles(pace.synced) },
      writeBehind: { dirtyBytes: slabs.bytes, waitingEvents: slabs.events, ...this.#maintenance.figures() },
      openFiles: this.#handles.size,
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#closed = true
    this.#appender.stop()
    this.#commits.close()
    try {
      await new Promise<void>((resolve) => this.#log.whenIdle(resolve))
      this.#watermark.flush()
      if (this.recovery.damage === undefined) await named('close the store', this.#maintenance.close())
    } finally {
      this.#watermark.close()
      this.#handles.close()
      await this.#parts.lock.release()
    }
  }

  #assertOpen(): void {
    if (this.#closed) {
      throw new AnnalsError('ERR_CLOSED', `Cannot use store ${quote(this.#parts.directory)}: it is closed`)
    }
  }

  /** The group is committed: from here on its events exist. */
  #publish(group: PendingGroup<StreamState>, segment: LogSegmentFile, shift: number): void {
    const { owners, addresses, slab, start } = group
    const { writeBehind } = this.#maintenance
    const { window } = slab
    const { table, path } = segment
    for (let i = 0; i < owners.length; i++) {
      const state = owners[i]!
      const address = addresses[i]!
      const slabByte = byteOf(address)
      const length = window.view.getUint32(slabByte, true)
      segment.index.add(group.firstPosition + i, slabByte + shift, eventTimestamp(window, slabByte), length)
      if (state.logSegment === path) table.addTo(state.ordinal, state.version, slabByte + shift)
      else {
        state.ordinal = table.add(state.key.name, state.key.hash, state.version, slabByte + shift)
        state.logSegment = path
      }
      if (state.tail.length > 0) state.tail.push(address)
      else state.tail = [address] // one that grows has room for many: most streams wait with few
      state.version++
      if (!state.queued) writeBehind.add(state)
    }
    this.#position = group.firstPosition + owners.length
    this.#log.slabs.committed(slab, start, path, shift, owners.length, this.#position)
    writeBehind.afterCommit()
    this.#watermark.committed(group, segment, this.#position)
    this.#commits.published(this.#position, owners)
  }

  #resume({ segment, end }: NonNullable<Recovered['resume']>): LogSegmentFile {
    this.#resumed = segment.path
    const { files } = this.#environment
    const { limits } = this.#parts.settings
    const { recovered, storeId } = this.#parts
    const index = resumeLogIndex(files, recovered.directory, this.#handles, segment, storeId, limits, end)
    return LogSegmentFile.resume(files, segment.path, segment.base, segment.epoch, recovered.sequence, end, index)
  }
}
