import { completion } from '../io/transfer.js'
import type { CommitLog } from '../commit-log/commit-log.js'
import { encodeLogIndex, resumeLogIndex, writeDerived } from '../commit-log/log-index.js'
import type { LogSegmentFile } from '../commit-log/log-segment-file.js'
import type { LogSegment } from '../commit-log/log-directory.js'
import type { Checkpoint, LogPlace } from '../format/checkpoint.js'
import { encodeHeader, HEADER_FIXED_BYTES } from '../format/file-header.js'
import type { IndexEntry } from '../format/sparse-index.js'
import type { StreamTableBuilder } from '../format/stream-table.js'
import { rebuildTable, secure } from '../recovery/recover.js'
import { readStreamTable, type Unsettled } from '../recovery/unsettled.js'
import type { ReadHandles } from '../segment/read-handles.js'
import type { StreamCatalog } from '../streams/stream-catalog.js'
import type { StreamDirectory } from '../streams/stream-directory.js'
import { StreamFlusher } from '../streams/stream-flush.js'
import type { StreamState } from '../streams/stream-state.js'
import { failureOfSync, failureOfWrite } from '../commit-log/write-failure.js'
import type { ReadActivity } from './background-pace.js'
import { Checkpointer } from './checkpointer.js'
import type { KeyKeeper } from './key-keeper.js'
import type { StoreParts } from './store-parts.js'
import { removeOrLeave, Settler } from './settler.js'
import type { StoreStats } from './stats.js'
import { turn, WriteBehind } from './write-behind.js'

/** Streams that are synced when a store is closed; if more have changed, their stream table stands for them. */
const SETTLED_AT_CLOSE = 256
const SETTLE_AFTER_MS = 1000
/** A living writer loses its lock only after seconds without a sign of life: looking twice a second is enough. */
const FENCE_MS = 500

export interface MaintenanceParts {
  readonly parts: StoreParts
  readonly keys: KeyKeeper
  readonly log: CommitLog<StreamState>
  readonly streams: StreamDirectory
  readonly handles: ReadHandles
  readonly catalog: StreamCatalog
  readonly unsettled: Unsettled
  readonly activity: Readonly<ReadActivity>
  readonly position: () => number
  readonly lastTimestamp: () => number
  readonly assertOpen: () => void
}

/**
 * Everything that happens behind the appends: seals full log segments, moves events to their stream segments, syncs those, and
 * writes checkpoints. Nothing here is needed for an append to be durable; all of it keeps opening and reading quick.
 */
export class Maintenance {
  readonly writeBehind: WriteBehind
  readonly #m: MaintenanceParts
  readonly #settler: Settler
  readonly #checkpointer: Checkpointer
  #redo: LogPlace
  #settledPosition: number
  /** Seals, one after another. */
  #sealing: Promise<void> = Promise.resolve()
  #stopped = false
  #fencedAt = -Infinity

  constructor(maintenance: MaintenanceParts) {
    this.#m = maintenance
    const { parts, log, streams, handles, catalog, unsettled } = maintenance
    const { environment, settings, recovered } = parts
    const flusher = new StreamFlusher(streams, handles, log.slabs, recovered.shapes, settings.limits, (surely) =>
      this.#fence(surely),
    )
    this.writeBehind = new WriteBehind(environment, settings.limits, flusher, log.slabs, {
      position: maintenance.position,
      busy: () => log.pendingBytes > 0,
      secure: () =>
        log.failure !== undefined ? Promise.reject(log.failure) : log.unsynced ? this.#syncLog() : undefined,
      hold: (held) => log.hold(held),
      flushed: (position) => this.#settler.flushedUpTo(position),
      failed: (error) => log.fail(failureOfWrite(error)),
    })
    this.#settler = new Settler({
      environment,
      activity: maintenance.activity,
      limits: settings.limits,
      log: recovered.directory,
      streams,
      catalog,
      flusher,
      writeBehind: this.writeBehind,
      unsettled,
      inheritedEnd: recovered.position,
      settled: (position) => this.#settled(position),
      fence: () => this.#fence(true),
      failed: (error) => log.fail(failureOfSync(error)),
    })
    this.#checkpointer = new Checkpointer(environment.files, parts.directory, parts.storeId, parts.lock.epoch, () =>
      parts.lock.check(),
    )
    const { previous } = recovered
    this.#redo = {
      base: previous.previousBase,
      epoch: previous.previousEpoch,
      byte: previous.previousEnd,
      sequence: recovered.sequence,
      position: recovered.position,
    }
    this.#settledPosition = recovered.settledPosition
  }

  figures(): Omit<StoreStats['writeBehind'], 'dirtyBytes' | 'waitingEvents'> {
    return {
      runs: this.writeBehind.runs,
      streamsFlushed: this.writeBehind.streamsFlushed,
      unsettledSegments: this.#settler.waiting,
      unsettledEvents: this.#m.position() - this.#settledPosition,
      filesSynced: this.#settler.filesSynced,
      checkpoints: this.#checkpointer.written,
    }
  }

  /**
   * Throws when this writer was fenced. A writer that was stopped wakes up here with the time that has passed on the clock, between
   * opening a file and writing to it; by then the new writer has given the file another inode (`StreamFlusher.renew`).
   * `surely`: whatever was seen half a second ago.
   */
  #fence(surely: boolean): void {
    const { environment, lock } = this.#m.parts
    const now = environment.elapsed()
    if (!surely && now - this.#fencedAt < FENCE_MS && lock.isSteady(now)) return
    lock.check()
    this.#fencedAt = now
  }

  /** Makes durable what recovery accepted, pins it with the header of a new segment, and cuts off what does not count. */
  async start(): Promise<void> {
    const { parts, log } = this.#m
    const { environment, recovered, logPath } = parts
    const { files } = environment
    this.#checkpointer.removeLeftovers()
    this.#m.keys.startSoon()
    if (parts.report.clean) return this.#settleSoon()
    await secure(files, logPath, recovered.redone)
    // An empty log has to be pinned too: a writer before, stopped until now, could still put its first segment there.
    if (recovered.directory.segments.length === 0 && parts.lock.previousEpoch === 0) return
    for (const segment of recovered.empty) recovered.directory.remove(segment)
    await completion((done) => log.startSegment(recovered.position, done))
    const segment = log.segment!
    // Later, when whoever opens the store has it: nothing of this is needed to append or to read.
    this.#sealing = turn().then(() => this.#afterRecovery(segment))
    this.#sealing.catch((error: unknown) => log.fail(failureOfWrite(error)))
  }

  async #afterRecovery(next: LogSegmentFile): Promise<void> {
    if (this.#stopped) return
    const { parts, handles } = this.#m
    const { environment, recovered, settings, storeId } = parts
    const { files } = environment
    for (const { segment, end, table } of recovered.redone) {
      const handle = files.open(segment.path, 'write')
      try {
        if (handle.size() > end) handle.truncate(end)
      } finally {
        handle.close()
      }
      const index = resumeLogIndex(files, recovered.directory, handles, segment, storeId, settings.limits, end)
      index.finish()
      await this.#writeIndex(segment, index.entries)
      if (table.size > 0) await this.#writeTable(segment, table, end)
    }
    for (const { path } of recovered.empty) if (path !== next.path) removeOrLeave(files, path)
    await this.#syncNames()
    this.#redo = placeOf(next)
    await this.#checkpointer.tryWrite(() => this.#state(false))
    this.#settleSoon()
  }

  /** A log segment is full. */
  rolled(full: LogSegmentFile, next: LogSegmentFile): void {
    const { log } = this.#m
    this.#sealing = this.#sealing.then(
      () => (this.#stopped ? full.close() : this.#seal(full, next)),
      (error: unknown) => {
        full.close()
        throw error
      },
    )
    this.#sealing.catch((error: unknown) => log.fail(failureOfWrite(error)))
  }

  async #seal(full: LogSegmentFile, next: LogSegmentFile): Promise<void> {
    await this.#finishSegment(full)
    const segment = { base: full.base, epoch: full.epoch, path: full.path }
    full.index.finish()
    await this.#writeIndex(segment, full.index.entries)
    await this.#writeTable(segment, full.table, full.end)
    await this.#syncNames()
    this.#redo = placeOf(next)
    await this.#checkpointer.tryWrite(() => this.#state(false))
    this.#m.keys.sealed(segment, full.end, next.base)
    this.#settler.add({ segment, end: next.base, names: () => this.#namesOf(segment) })
    this.#settler.startSoon()
  }

  /** Settling what earlier sessions left is not urgent: whoever has just opened the store wants to use it. */
  #settleSoon(): void {
    if (this.#m.unsettled.segments.length > 0) {
      this.#m.parts.environment.after(SETTLE_AFTER_MS, () => this.#settler.startSoon())
    }
  }

  #syncLog(): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#m.log.sync((error) => {
        if (error === null) return resolve()
        this.#m.log.failSync(error) // nobody may sync again what this one has given up
        reject(failureOfSync(error))
      }),
    )
  }

  /** Makes the names in the log's folder durable. */
  #syncNames(): Promise<void> {
    return completion((done) => this.#m.log.syncNames(done))
  }

  /** Cuts a segment to what counts and syncs it. */
  async #finishSegment(segment: LogSegmentFile): Promise<void> {
    await new Promise<void>((resolve) => segment.settle(resolve))
    try {
      segment.truncate()
      segment.unsynced = true
      await new Promise<void>((resolve, reject) =>
        segment.sync((error) => (error === null ? resolve() : reject(failureOfSync(error)))),
      )
    } finally {
      segment.close()
    }
  }

  #namesOf(segment: LogSegment): Iterable<string> {
    const { environment, recovered, storeId } = this.#m.parts
    const { files } = environment
    const table = readStreamTable(files, recovered.directory.beside(segment, '.tab'), segment, storeId)?.table
    return (table ?? rebuildTable(files, recovered.directory, segment, storeId)).names()
  }

  /** Writes the index of a log segment and syncs it: behind the checkpoint nobody would write it again. */
  #writeIndex(segment: LogSegment, entries: readonly IndexEntry[]): Promise<void> {
    const { recovered, storeId } = this.#m.parts
    return this.#writeSynced(recovered.directory.beside(segment, '.idx'), encodeLogIndex(storeId, segment, entries))
  }

  /** Writes a stream table and syncs it: the checkpoint will count on it. */
  async #writeTable(segment: LogSegment, table: StreamTableBuilder, end: number): Promise<void> {
    const { recovered, storeId } = this.#m.parts
    const header = encodeHeader({ kind: 'T', storeId, base: segment.base, epoch: segment.epoch, previousEnd: end })
    await this.#writeSynced(recovered.directory.beside(segment, '.tab'), Buffer.concat([header, table.encode()]))
  }

  async #writeSynced(path: string, contents: Buffer): Promise<void> {
    const { files } = this.#m.parts.environment
    writeDerived(files, path, contents)
    const handle = files.open(path, 'write')
    try {
      await completion((done) => handle.sync(done))
    } finally {
      handle.close()
    }
  }

  #settled(position: number): Promise<boolean> {
    if (this.#m.log.failure !== undefined) return Promise.resolve(false)
    this.#settledPosition = Math.max(this.#settledPosition, position)
    return this.#checkpointer.tryWrite(() => this.#state(false))
  }

  #state(clean: boolean): Checkpoint {
    const { parts, lastTimestamp } = this.#m
    const keys = this.#m.keys.index
    return {
      epoch: parts.lock.epoch,
      clean,
      redo: this.#redo,
      settledPosition: Math.min(this.#settledPosition, this.#redo.position),
      lastTimestamp: lastTimestamp(),
      keyedFrom: keys.keyedFrom ?? null,
      shapes: parts.recovered.shapes.definitions().map(({ id, keys }) => ({ id, keys })),
    }
  }

  /** Flushes, settles and writes a checkpoint. */
  async checkpoint(): Promise<void> {
    const { log, position } = this.#m
    const { segment } = log
    const sequence = log.writtenSequence
    const place = segment && {
      base: segment.base,
      epoch: segment.epoch,
      byte: segment.end,
      sequence,
      position: position(),
    }
    // Also where nothing in it is committed yet: the checkpoint may point to it, so it has to be there.
    if (segment !== undefined) await this.#syncLog()
    await this.writeBehind.flush()
    await this.#sealing
    await this.#settler.start()
    this.#assertSound()
    if (segment !== undefined && place !== undefined && this.#isSettledTo(segment.base)) {
      await this.#settler.settleNow(segment.table.names())
      this.#assertSound()
      if (log.segment === segment) {
        this.#settledPosition = place.position
        this.#redo = place
        return this.#checkpointer.write(() => this.#state(false))
      }
      await this.#sealing // full meanwhile: sealing it moves the checkpoint on
    }
    if (this.#checkpointer.owed) await this.#checkpointer.write(() => this.#state(false))
  }

  /**
   * After a failure events may be missing in stream segments that seem to be complete: nothing counts as settled any more. Nor does it
   * where closing has broken off the syncs, and the last checkpoint is that of the closing.
   */
  #assertSound(): void {
    const { log, assertOpen } = this.#m
    if (log.failure !== undefined) throw log.failure
    assertOpen()
  }

  /** Tells whether everything below the base of a segment is in fsynced stream segments. */
  #isSettledTo(base: number): boolean {
    return this.#settledPosition >= base && this.#settler.waiting === 0
  }

  /** The writer failed: nothing more is written. */
  stop(): void {
    this.#stopped = true
    this.#m.keys.stop()
    this.writeBehind.abandon().catch(() => {})
  }

  /** Ends everything and leaves the files as complete as they can be. Rejects when something could not be written. */
  async close(): Promise<void> {
    const { log } = this.#m
    this.writeBehind.stop()
    await this.#sealing.catch(() => {})
    await this.#settler.stop()
    const { segment, failure } = log
    if (failure !== undefined) {
      await this.writeBehind.abandon()
      segment?.close()
      return this.#m.keys.close(undefined, 0, 0).catch(() => {}) // why the store failed is told already
    }
    try {
      await this.writeBehind.flush()
      await this.#closeSegment(segment)
      await this.#m.keys.close(segment, segment?.end ?? 0, this.#m.position())
      await this.#checkpointer.write(() => this.#state(true))
    } finally {
      segment?.close()
    }
  }

  async #closeSegment(segment: LogSegmentFile | undefined): Promise<void> {
    if (segment === undefined) return
    await this.#syncLog()
    await this.#finishSegment(segment)
    const file = { base: segment.base, epoch: segment.epoch, path: segment.path }
    await this.#writeIndex(file, segment.index.entries)
    const settledSoFar = this.#settledPosition >= this.#redo.position && this.#settler.waiting === 0
    if (settledSoFar && segment.table.size <= SETTLED_AT_CLOSE) {
      await this.#settler.settleNow(segment.table.names())
      this.#settledPosition = this.#m.position()
    } else if (segment.table.size > 0) await this.#writeTable(file, segment.table, segment.end) // nobody needs an empty one, nor would remove it
    await this.#syncNames()
    this.#redo = {
      base: segment.base,
      epoch: segment.epoch,
      byte: segment.end,
      sequence: this.#m.log.sequence,
      position: this.#m.position(),
    }
  }
}

/** Where a new segment begins: nothing in it needs to be read again from before that. */
function placeOf(segment: LogSegmentFile): LogPlace {
  return {
    base: segment.base,
    epoch: segment.epoch,
    byte: HEADER_FIXED_BYTES,
    sequence: segment.sequence,
    position: segment.base,
  }
}
