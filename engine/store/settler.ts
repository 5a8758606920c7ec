import type { LogDirectory, LogSegment } from '../commit-log/log-directory.js'
import type { Done, Environment, FileHandle, FileSystem } from '../io/file-system.js'
import { isSystemError } from '../io/system-error.js'
import { readFullySync, writeFullySync, completion } from '../io/transfer.js'
import type { Limits } from '../limits.js'
import type { Unsettled } from '../recovery/unsettled.js'
import type { StreamCatalog } from '../streams/stream-catalog.js'
import type { StreamDirectory } from '../streams/stream-directory.js'
import type { StreamFlusher } from '../streams/stream-flush.js'
import { CorruptionError } from '../errors.js'
import { BackgroundPace, type ReadActivity } from './background-pace.js'
import type { WriteBehind } from './write-behind.js'

/** Bytes written again at a time: flushes may go on in between. */
const REWRITE_BYTES = 256 * 1024
/** Files synced at a time: leaves threads of the pool to the log. */
const SYNCS_AT_ONCE = 2

/** A file to sync. `writeFrom`: an earlier session wrote to it from there on, so it is written again first. */
interface FileToSync {
  readonly path: string
  readonly writeFrom?: number | undefined
}

/** A stretch of the log whose events are in stream segments that nobody has synced yet. */
export interface Stretch {
  readonly segment: LogSegment
  /** Position behind its last event. */
  readonly end: number
  /** Streams with events in it. */
  readonly names: () => Iterable<string>
}

export interface SettlerParts {
  readonly environment: Environment
  readonly limits: Limits
  readonly log: LogDirectory
  readonly streams: StreamDirectory
  readonly catalog: StreamCatalog
  readonly flusher: StreamFlusher
  readonly writeBehind: WriteBehind
  readonly unsettled: Unsettled
  /** A pass that nobody waits for leaves most of the time to reads. */
  readonly activity: Readonly<ReadActivity>
  /** Position behind the last event that earlier sessions left unsettled. */
  readonly inheritedEnd: number
  /** Every event below this position is in fsynced stream segments: to be written to the checkpoint. False when that failed. */
  readonly settled: (position: number) => Promise<boolean>
  /** Throws when this writer may change nothing more: called before a file is removed. */
  readonly fence: () => void
  readonly failed: (error: unknown) => void
}

/**
 * Syncs stream segments, late and together: one pass for all that was written since the last one, each file once. Until
 * then the log and its stream tables stand for them.
 */
export class Settler {
  readonly #parts: SettlerParts
  readonly #waiting: Stretch[] = []
  /** Stream tables that are of no use once the checkpoint says so. */
  readonly #settledTables: string[] = []
  #flushed = 0
  #inherited: boolean
  #running: Promise<void> | undefined
  /** Of the pass under way. */
  #pace: BackgroundPace | undefined
  /** Callers that wait for what runs. */
  #urgent = 0
  #stopped = false
  #blocked = false
  passes = 0
  filesSynced = 0

  constructor(parts: SettlerParts) {
    this.#parts = parts
    this.#inherited = parts.unsettled.segments.length > 0
  }

  /** Stretches that wait to be settled. */
  get waiting(): number {
    return this.#waiting.length
  }

  add(stretch: Stretch): void {
    this.#waiting.push(stretch)
  }

  /** The stream segments are complete up to a position: what is sealed below it can be settled. */
  flushedUpTo(position: number): void {
    this.#flushed = Math.max(this.#flushed, position)
    this.startSoon()
  }

  /** Starts a pass in the background. */
  startSoon(): void {
    this.#begin().catch((error: unknown) => this.#parts.failed(error))
  }

  /** Settles what is ready now, if anything is; nothing is read so much that it waits. Rejects when a sync fails. */
  start(): Promise<void> {
    return this.#urgently(async () => {
      // The pass under way does not have what has become ready since it began.
      await this.#running
      await this.#begin()
    })
  }

  /** Starts nothing more and waits for the pass under way to stop. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#pace?.wake()
    await this.#running?.catch(() => {})
  }

  /** Settles these streams at once, also for who has stopped it before. Not all of them when it is stopped meanwhile. */
  settleNow(names: Iterable<string>): Promise<void> {
    return this.#urgently(async () => {
      const isLast = this.#stopped
      // Not beside a pass: each must know that what it counts on is synced when it ends.
      while (this.#running !== undefined) await this.#running.catch(() => {})
      if (this.#stopped && !isLast) return
      this.#stopped = false
      const work = this.#sync(this.#newPace(), new Set(names)).then(() => undefined)
      this.#running = work.finally(() => {
        this.#running = undefined
      })
      await this.#running
    })
  }

  #begin(): Promise<void> {
    if (this.#running === undefined) {
      if (this.#stopped || this.#blocked || (this.#ready() === 0 && !this.#inherited)) return Promise.resolve()
      this.#running = this.#pass(this.#newPace()).finally(() => {
        this.#running = undefined
      })
    }
    return this.#running
  }

  /** Somebody waits for this work, and for what it waits for. */
  #urgently(work: () => Promise<void>): Promise<void> {
    this.#urgent++
    this.#pace?.wake()
    return work().finally(() => {
      this.#urgent--
    })
  }

  #newPace(): BackgroundPace {
    const { environment, limits, activity } = this.#parts
    const urgent = (): boolean => this.#stopped || this.#urgent > 0 || this.#ready() >= limits.unsettledSegments
    this.#pace = new BackgroundPace({ environment, limits, activity, urgent })
    return this.#pace
  }

  #ready(): number {
    const ready = this.#waiting.findIndex((stretch) => stretch.end > this.#flushed)
    return ready < 0 ? this.#waiting.length : ready
  }

  async #pass(pace: BackgroundPace): Promise<void> {
    const { unsettled, writeBehind, log, settled, environment } = this.#parts
    const inherited = this.#inherited ? unsettled.segments : []
    const tables = inherited.map((earlier) => () => earlier.table().names())
    const older = await this.#gather(pace, tables)
    if (older.size > 0) {
      // Where events are damaged the stream tables are all that is known of them: nothing is settled until a repair.
      if (!(await this.#load(pace, older))) {
        this.#blocked = !this.#stopped
        return
      }
      await writeBehind.flush()
      await this.#renew(pace, older)
      await this.#removeLeftovers(pace, older)
    }
    const stretches = this.#waiting.slice(0, this.#ready())
    const namesOf = stretches.map(({ names }) => names)
    const newer = await this.#gather(pace, namesOf)
    if (this.#stopped || !(await this.#sync(pace, newer, older))) return
    const end = stretches.at(-1)?.end ?? this.#parts.inheritedEnd
    this.#waiting.splice(0, stretches.length)
    if (inherited.length > 0) {
      this.#inherited = false
      unsettled.clear()
    }
    this.#settledTables.push(...[...inherited, ...stretches].map(({ segment }) => log.beside(segment, '.tab')))
    const written = await settled(end)
    this.passes++
    // As long as the checkpoint does not say so, the next opening wants them.
    if (written) for (const path of this.#settledTables.splice(0)) removeOrLeave(environment.files, path)
  }

  /** Collects the names of streams, which may be many. Not all of them when it was stopped. */
  async #gather(pace: BackgroundPace, tables: readonly (() => Iterable<string>)[]): Promise<Set<string>> {
    const all = new Set<string>()
    const names = (function* (): Generator<string> {
      for (const namesOf of tables) yield* namesOf()
    })()
    await pace.each(names, (name) => {
      all.add(name)
      return !this.#stopped
    })
    return all
  }

  /**
   * First use of every stream with unproven events: checks its files and takes from the log what they lack. False: one is damaged, or it
   * was stopped.
   */
  #load(pace: BackgroundPace, names: Iterable<string>): Promise<boolean> {
    const { catalog } = this.#parts
    return pace.each(names, (name) => {
      if (this.#stopped) return false
      try {
        return catalog.get(name).damage === undefined
      } catch (error) {
        if (!(error instanceof CorruptionError)) throw error
        return false
      }
    })
  }

  /**
   * Syncs segments of streams and the folders. Returns false when it was stopped before the end.
   *
   * Flushes go on meanwhile. A segment that one of them seals before its turn has come is no longer the last of its
   * stream but is among the sealed ones, so those come after all the others.
   */
  async #sync(
    pace: BackgroundPace,
    names: ReadonlySet<string>,
    inherited: ReadonlySet<string> = new Set(),
  ): Promise<boolean> {
    const { flusher, streams } = this.#parts
    const sealed: string[] = []
    const filesOf = (name: string): FileToSync[] => this.#filesOf(name, inherited.has(name))
    const files = (function* (): Generator<FileToSync> {
      for (const name of inherited) yield* filesOf(name)
      for (const name of names) if (!inherited.has(name)) yield* filesOf(name)
      while (flusher.sealed.length > 0) {
        const path = flusher.sealed.pop()!
        sealed.push(path)
        yield { path }
      }
    })()
    const worker = async (): Promise<boolean> => {
      for (;;) {
        if (this.#stopped) return false
        const next = pace.step(() => files.next())
        if (next.done === true) return true
        await this.#syncFile(pace, next.value)
        if (pace.due) await pace.rest()
      }
    }
    // All of them, whatever becomes of one: none goes on behind the back of who waits for this.
    const workers = await Promise.allSettled(Array.from({ length: SYNCS_AT_ONCE }, worker))
    const failed = workers.find((result) => result.status === 'rejected')
    if (failed !== undefined || !workers.every((result) => result.status === 'fulfilled' && result.value)) {
      flusher.sealed.push(...sealed)
      if (failed !== undefined) throw failed.reason
      return false
    }
    await this.#durable((done) => streams.syncNames(done))
    return true
  }

  /** The segments of a stream to sync: its last, and of one that an earlier session wrote to every one that it may have written. */
  #filesOf(name: string, inherited: boolean): FileToSync[] {
    const { catalog, streams, unsettled } = this.#parts
    try {
      const state = catalog.get(name)
      const { key, last, bases } = state
      if (!inherited) return last === undefined ? [] : [{ path: streams.segmentPath(key, last.base) }]
      streams.noteCreated(key)
      const unproven = unsettled.unprovenFrom(key)
      return bases
        .filter((_, i) => (bases[i + 1] ?? Infinity) >= unproven)
        .map((base) => ({ path: streams.segmentPath(key, base), writeFrom: unsettled.unprovenByte(key, base) }))
    } catch (error) {
      if (error instanceof CorruptionError) return [] // reported to who reads that stream, and by verify
      throw error
    }
  }

  /** Gives the segments that earlier writers left unfinished files of their own. */
  async #renew(pace: BackgroundPace, names: Iterable<string>): Promise<void> {
    const { catalog, flusher } = this.#parts
    const unfinished: string[] = []
    await pace.each(names, (name) => {
      if (this.#isUnfinished(name)) unfinished.push(name)
      return !this.#stopped
    })
    for (const name of unfinished) {
      if (this.#stopped) return
      try {
        await pace.step(() => flusher.renew(catalog.get(name)))
      } catch (error) {
        if (!(error instanceof CorruptionError)) throw error // reported to who reads that stream, and by verify
      }
      if (pace.due) await pace.rest()
    }
  }

  #isUnfinished(name: string): boolean {
    try {
      return this.#parts.catalog.get(name).last?.unfinished === true
    } catch (error) {
      if (error instanceof CorruptionError) return false
      throw error
    }
  }

  /**
   * Removes segments that a crash has left behind the end of a stream. Segments do not end at the same events when they are written
   * again, so that such a file may stand for ever between or behind the ones that count, and once nothing tells any more which
   * events are not proven, it would be taken for the last one. It holds nothing that the log and the segments that count do not have.
   */
  async #removeLeftovers(pace: BackgroundPace, names: Iterable<string>): Promise<void> {
    const { catalog, streams, fence } = this.#parts
    const shards = new Map<string, ReadonlyMap<string, readonly number[]>>()
    await pace.each(names, (name) => {
      if (this.#stopped) return false
      try {
        const { key, bases } = catalog.get(name)
        const [shard, escaped] = key.path.split('/') as [string, string]
        let later = shards.get(shard)
        if (later === undefined) shards.set(shard, (later = streams.laterBases(shard)))
        for (const base of later.get(escaped) ?? []) {
          if (bases.includes(base)) continue
          fence() // what this writer does not know may be what its successor has begun
          streams.removeSegment(key, base)
        }
      } catch (error) {
        if (!(error instanceof CorruptionError)) throw error // reported to who reads that stream, and by verify
      }
      return true
    })
  }

  /** A sync that fails is the end of this writer, whoever asked for it: a second one might succeed and have nothing left to write. */
  async #durable(sync: (done: Done) => void): Promise<void> {
    try {
      await completion(sync)
    } catch (error) {
      this.#parts.failed(error)
      throw error
    }
  }

  async #syncFile(pace: BackgroundPace, { path, writeFrom }: FileToSync): Promise<void> {
    let handle: FileHandle
    try {
      handle = pace.step(() => this.#parts.environment.files.open(path, 'write'))
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return
      throw error
    }
    try {
      if (writeFrom !== undefined) await writeAgain(pace, handle, writeFrom)
      await this.#durable((done) => handle.sync(done))
      this.filesSynced++
    } finally {
      handle.close()
    }
  }
}

/** Removes a file that is of no use any more, and does no harm either. */
export function removeOrLeave(files: FileSystem, path: string): void {
  try {
    files.remove(path)
  } catch {
    // It takes space, and that is all.
  }
}

/**
 * Writes what stands in a file over itself. The session that wrote it may have failed to sync it: the system tells that once, and from
 * then on holds pages as clean that never reached the disk, so that another sync would succeed and do nothing. Costs a copy within
 * the page cache of what was written since the last settling, which for most streams is a few records; a fresh file for each segment
 * would be a copy of the whole, up to the size of a segment for every stream in use.
 */
async function writeAgain(pace: BackgroundPace, handle: FileHandle, from: number): Promise<void> {
  // What comes to it meanwhile is of this session.
  const end = handle.size()
  const piece = Buffer.allocUnsafe(Math.min(REWRITE_BYTES, Math.max(0, end - from)))
  for (let at = from; at < end; at += piece.length) {
    pace.step(() => {
      const length = readFullySync(handle, piece, 0, Math.min(piece.length, end - at), at)
      writeFullySync(handle, piece, 0, length, at)
    })
    if (pace.due) await pace.rest()
  }
}
