import { join } from 'node:path'
import { LogDirectory, type LogSegment } from '../commit-log/log-directory.js'
import { CorruptionError, newerVersion } from '../errors.js'
import { type Checkpoint, CHECKPOINT_FILE, decodeCheckpoint, MAX_CHECKPOINT_BYTES } from '../format/checkpoint.js'
import { eventFits, eventPosition } from '../format/event-record.js'
import { HEADER_FIXED_BYTES } from '../format/file-header.js'
import { checkFrame, FRAME_TRAILER_BYTES, MIN_FRAME_BYTES, windowOf } from '../format/frame.js'
import { decodeGroup, GROUP_BYTES } from '../format/group.js'
import { ShapeTable } from '../format/shapes.js'
import type { StreamTable, StreamTableBuilder } from '../format/stream-table.js'
import type { Environment, FileSystem } from '../io/file-system.js'
import { completion, readFileSync, readFullySync } from '../io/transfer.js'
import { MAX_COMMIT_BYTES } from '../limits.js'
import { type Redo, RedoReader, type RedoneSegment, rewriteUnsynced } from './redo.js'
import { readStreamTable, type UnsettledSegment } from './unsettled.js'

/** What opening a store found and did. */
export interface RecoveryReport {
  /** The writer before closed the store, or there was none: nothing had to be read. */
  readonly clean: boolean
  /** The checkpoint was missing or could not be used, so the whole log was read. */
  readonly checkpointLost: string | undefined
  /** Groups, events and bytes read from the log behind the checkpoint. */
  readonly groups: number
  readonly events: number
  readonly bytes: number
  /** Bytes at the end of the log that were never acknowledged as durable and do not count. */
  readonly tornBytes: number
  /** Milliseconds opening took. */
  readonly durationMs: number
  /** Damage in what was read. The store is then open for reading only. */
  readonly damage: CorruptionError | undefined
}

export interface Recovered {
  readonly directory: LogDirectory
  readonly shapes: ShapeTable
  /** Where the log goes on. */
  readonly position: number
  readonly sequence: number
  readonly lastTimestamp: number
  readonly settledPosition: number
  /** No event before this position has a commit id or tags; undefined: none at all. */
  readonly keyedFrom: number | undefined
  readonly previous: { readonly previousBase: number; readonly previousEpoch: number; readonly previousEnd: number }
  /** The last segment, when it may be gone on in: it was closed cleanly and all its events are settled. */
  readonly resume: { readonly segment: LogSegment; readonly end: number } | undefined
  /** Bytes that count of the last segments. */
  readonly ends: ReadonlyMap<string, number>
  /** Segments read again, whose stream tables are in memory only. */
  readonly redone: readonly RedoneSegment[]
  readonly unsettled: readonly UnsettledSegment[]
  /** Segments that hold nothing that counts. */
  readonly empty: readonly LogSegment[]
  readonly report: Omit<RecoveryReport, 'durationMs'>
}

/** Reads the state of a store from its files (D5). Writes nothing. `previousEpoch`: the newest epoch before this writer's. */
export function recover(
  environment: Environment,
  directory: string,
  logFolder: string,
  storeId: Buffer,
  previousEpoch: number,
): Recovered {
  const { files } = environment
  const { directory: log } = LogDirectory.read(files, join(directory, logFolder))
  const read = readCheckpoint(files, directory, storeId, log)
  if (read.checkpoint !== undefined && isClean(read.checkpoint, previousEpoch, files, log)) {
    return clean(files, log, storeId, read.checkpoint, shapesOf(read.checkpoint))
  }
  const { checkpoint, lost, loss, shapes, redo } = redoFrom(usable(files, storeId, log, read), (from, table) =>
    new RedoReader(files, log, storeId, table, from?.lastTimestamp ?? 0).read(from),
  )
  const settledPosition = checkpoint?.settledPosition ?? 0
  const last = redo.segments.at(-1)
  if (last !== undefined) log.keepUpTo(last.segment)
  const empty = redo.segments.filter(({ segment }) => segment.base >= redo.next.position).map(({ segment }) => segment)
  const redone = redo.segments.filter(({ segment }) => segment.base < redo.next.position)
  const previous = linkOf(redo.segments, redo.next.position) ?? linkBefore(files, log, redo.segments[0]?.segment)
  return {
    directory: log,
    shapes,
    position: redo.next.position,
    sequence: redo.next.sequence,
    lastTimestamp: redo.lastTimestamp,
    settledPosition,
    keyedFrom: keyedFromOf(checkpoint) ?? redo.keyedFrom,
    previous,
    resume: undefined,
    ends: new Map(redo.segments.map(({ segment, end }) => [segment.path, end])),
    redone,
    unsettled: [
      ...unsettledOf(files, log, storeId, settledPosition, checkpoint?.redo.position ?? 0),
      ...redone.map(({ segment, table }) => ({ segment, table: () => table })),
    ],
    empty,
    report: {
      clean: false,
      checkpointLost: lost,
      groups: redo.groups,
      events: redo.events,
      bytes: redo.bytes,
      tornBytes: redo.tornBytes,
      damage: loss ?? redo.damage,
    },
  }
}

const NO_PLACE = 'it names a place that is none'
const OTHER_SHAPES = 'its shapes are not those of the log'

/** Reads the log from a checkpoint on; all of it, when what is read there contradicts the checkpoint. */
function redoFrom(
  read: CheckpointReading,
  redo: (checkpoint: Checkpoint | undefined, shapes: ShapeTable) => Redo,
): CheckpointReading & { readonly shapes: ShapeTable; readonly redo: Redo } {
  const shapes = shapesOf(read.checkpoint)
  const result = redo(read.checkpoint, shapes)
  if (read.checkpoint === undefined || !result.shapesDisputed) return { ...read, shapes, redo: result }
  return redoFrom({ checkpoint: undefined, lost: OTHER_SHAPES, loss: read.loss }, redo)
}

/** What lay behind the place of a checkpoint may have been lost since: reading the log from there tells. */
export function keyedFromOf(checkpoint: Checkpoint | undefined): number | undefined {
  const { keyedFrom = null, redo } = checkpoint ?? {}
  return keyedFrom !== null && redo !== undefined && keyedFrom < redo.position ? keyedFrom : undefined
}

export function shapesOf(checkpoint: Checkpoint | undefined): ShapeTable {
  const shapes = new ShapeTable()
  for (const shape of checkpoint?.shapes ?? []) shapes.define(shape)
  return shapes
}

/** The checkpoint if it can be used, why it cannot, and what it says to be lost. */
export interface CheckpointReading {
  readonly checkpoint: Checkpoint | undefined
  readonly lost: string | undefined
  readonly loss?: CorruptionError | undefined
}

/** Finds where reading the log can begin: not before what a checkpoint says, where there is one that can be used. Throws ERR_FORMAT. */
export function findCheckpoint(
  files: FileSystem,
  directory: string,
  storeId: Buffer,
  log: LogDirectory,
): CheckpointReading {
  return usable(files, storeId, log, readCheckpoint(files, directory, storeId, log))
}

function usable(files: FileSystem, storeId: Buffer, log: LogDirectory, read: CheckpointReading): CheckpointReading {
  if (read.checkpoint === undefined || isPlace(files, log, read.checkpoint, storeId)) return read
  return { checkpoint: undefined, lost: NO_PLACE }
}

function readCheckpoint(files: FileSystem, directory: string, storeId: Buffer, log: LogDirectory): CheckpointReading {
  const path = join(directory, CHECKPOINT_FILE)
  const bytes = readFileSync(files, path, MAX_CHECKPOINT_BYTES)
  if (bytes === undefined) {
    return { checkpoint: undefined, lost: log.segments.length === 0 ? undefined : 'it is missing' }
  }
  const verdict = decodeCheckpoint(bytes, storeId)
  if (verdict.kind === 'version') throw newerVersion(path, verdict.readVersion, verdict.writeVersion)
  if (verdict.kind === 'unusable') return { checkpoint: undefined, lost: verdict.reason }
  const { redo } = verdict.checkpoint
  if (redo.position === 0) return { checkpoint: verdict.checkpoint, lost: undefined }
  // The segment was empty, and a later recovery put one of its own in its place before it could write a checkpoint.
  const renewed = log.segments.find(({ base, epoch }) => base === redo.base && epoch > redo.epoch)
  if (renewed !== undefined && redo.position === redo.base) {
    return { checkpoint: { ...verdict.checkpoint, redo: { ...redo, epoch: renewed.epoch } }, lost: undefined }
  }
  // What a checkpoint names was durable before it was written: when it is not there, somebody took it away.
  const file = log.beside(redo, '.log')
  const size = files.stat(file)?.size
  if (size === undefined) {
    const loss = new CorruptionError('the log segment is missing', { file, byte: 0 })
    return { checkpoint: undefined, lost: 'it names a log segment that is not there', loss }
  }
  // The start of a segment is named as soon as the one before is sealed: its name was durable then, its header perhaps not.
  const loss =
    size < redo.byte && redo.byte > HEADER_FIXED_BYTES
      ? new CorruptionError('the end of the log segment is missing', { file, byte: size })
      : undefined
  return { checkpoint: verdict.checkpoint, lost: undefined, loss }
}

/**
 * A checkpoint carries no authority: going on at a place that is none would pass for a torn end. Before the place there ends the
 * event before its position, and a group that stands there has its sequence; at the start of a segment its header says both. A group
 * of an earlier writer or of an earlier segment says nothing: it is what the block held before, and a power cut has left.
 */
function isPlace(files: FileSystem, log: LogDirectory, { redo, epoch }: Checkpoint, storeId: Buffer): boolean {
  const path = log.beside(redo, '.log')
  const size = files.stat(path)?.size
  if (size === undefined || redo.byte === 0) return redo.position === 0 || size === undefined
  if (redo.byte > size) return true // cut short, or its start was not durable yet: judged by who reads it
  const handle = files.open(path, 'read')
  try {
    const group = windowOf(Buffer.alloc(GROUP_BYTES))
    const got = readFullySync(handle, group.bytes, 0, GROUP_BYTES, redo.byte)
    const whole = typeof checkFrame(group, 0, got, GROUP_BYTES) === 'number'
    const found = whole ? decodeGroup(group, 0, GROUP_BYTES, storeId) : undefined
    const stale = found === undefined || found.epoch < epoch || found.firstPosition < redo.base
    if (!stale && found.byte === redo.byte && found.sequence !== redo.sequence) return false
    if (redo.byte <= HEADER_FIXED_BYTES) return redo.byte === HEADER_FIXED_BYTES && redo.position === redo.base
    const trailer = Buffer.alloc(FRAME_TRAILER_BYTES)
    readFullySync(handle, trailer, 0, trailer.length, redo.byte - trailer.length)
    const length = trailer.readUInt32LE(0)
    if (length < MIN_FRAME_BYTES || length > Math.min(MAX_COMMIT_BYTES, redo.byte - HEADER_FIXED_BYTES)) return false
    const last = windowOf(Buffer.allocUnsafe(length))
    readFullySync(handle, last.bytes, 0, length, redo.byte - length)
    if (typeof checkFrame(last, 0, length, length) !== 'number') return false
    return eventFits(last, 0, length) && eventPosition(last, 0) === redo.position - 1
  } finally {
    handle.close()
  }
}

/** The newest writer before closed the store, and everything it names is as it says. */
function isClean(checkpoint: Checkpoint, previousEpoch: number, files: FileSystem, log: LogDirectory): boolean {
  if (!checkpoint.clean || checkpoint.epoch !== previousEpoch) return false
  if (log.segments.length === 0) return checkpoint.redo.position === 0
  const last = log.segments.at(-1)!
  return (
    last.base === checkpoint.redo.base &&
    last.epoch === checkpoint.redo.epoch &&
    files.stat(last.path)?.size === checkpoint.redo.byte
  )
}

function clean(
  files: FileSystem,
  log: LogDirectory,
  storeId: Buffer,
  checkpoint: Checkpoint,
  shapes: ShapeTable,
): Recovered {
  const { redo, settledPosition, lastTimestamp } = checkpoint
  const last = log.segments.at(-1)
  // What is unsettled needs a stream table of its own, so it does not share a segment with what comes.
  const free = settledPosition === redo.position || last?.base === redo.position
  return {
    directory: log,
    shapes,
    position: redo.position,
    sequence: redo.sequence,
    lastTimestamp,
    settledPosition,
    keyedFrom: keyedFromOf(checkpoint),
    previous: { previousBase: redo.base, previousEpoch: redo.epoch, previousEnd: redo.byte },
    resume: last !== undefined && free ? { segment: last, end: redo.byte } : undefined,
    ends: last === undefined ? new Map() : new Map([[last.path, redo.byte]]),
    redone: [],
    unsettled: unsettledOf(files, log, storeId, settledPosition, redo.position),
    empty: [],
    report: { clean: true, checkpointLost: undefined, groups: 0, events: 0, bytes: 0, tornBytes: 0, damage: undefined },
  }
}

/** Segments between what is settled and where redo began: their stream tables are on disk, and made again if they are not. */
export function unsettledOf(
  files: FileSystem,
  log: LogDirectory,
  storeId: Buffer,
  from: number,
  to: number,
): UnsettledSegment[] {
  const unsettled: UnsettledSegment[] = []
  for (const [i, segment] of log.segments.entries()) {
    const end = log.segments[i + 1]?.base ?? to
    if (end <= from || segment.base >= to) continue
    let table: StreamTable | StreamTableBuilder | undefined
    // Positions are dense, so their number tells whether a table has them all: what is settled may be missing from it.
    const least = end - Math.max(from, segment.base)
    const load = (): StreamTable | StreamTableBuilder => {
      const read = readStreamTable(files, log.beside(segment, '.tab'), segment, storeId)?.table
      return read !== undefined && read.events >= least ? read : rebuildTable(files, log, segment, storeId)
    }
    unsettled.push({ segment, table: () => (table ??= load()) })
  }
  return unsettled
}

/** Makes the stream table of a log segment again from its records. */
export function rebuildTable(
  files: FileSystem,
  log: LogDirectory,
  segment: LogSegment,
  storeId: Buffer,
): StreamTableBuilder {
  const reader = new RedoReader(files, log, storeId, new ShapeTable(), 0)
  return reader.readOne(segment)
}

/** What the next segment hangs on: the last one that holds something, or what an empty one hangs on. */
function linkOf(segments: readonly RedoneSegment[], position: number): Recovered['previous'] | undefined {
  for (const { segment, header, end } of segments.toReversed()) {
    if (segment.base < position) return { previousBase: segment.base, previousEpoch: segment.epoch, previousEnd: end }
    if (segment.base === position && header !== undefined) {
      return { previousBase: header.previousBase, previousEpoch: header.previousEpoch, previousEnd: header.previousEnd }
    }
  }
  return undefined
}

/** The same, where a crash has taken even the header of the segment that redo began with: the one before it was cut to what counts. */
function linkBefore(files: FileSystem, log: LogDirectory, first: LogSegment | undefined): Recovered['previous'] {
  const before = first && log.segments[log.segments.indexOf(first) - 1]
  return before === undefined
    ? { previousBase: 0, previousEpoch: 0, previousEnd: 0 }
    : { previousBase: before.base, previousEpoch: before.epoch, previousEnd: files.stat(before.path)!.size }
}

/** Makes durable what was accepted from the end of the log: before that, nobody may see it. */
export async function secure(files: FileSystem, directory: string, redone: readonly RedoneSegment[]): Promise<void> {
  for (const segment of redone) {
    await completion((done) => rewriteUnsynced(files, segment, done))
  }
  if (redone.length > 0) {
    await completion((done) => files.syncDirectory(directory, done))
  }
}
