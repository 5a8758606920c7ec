import { type ExpectedGroup, type GroupVisitor, GroupScanner, type ScanStop } from '../commit-log/group-scan.js'
import type { LogDirectory, LogSegment } from '../commit-log/log-directory.js'
import { CorruptionError, newerVersion } from '../errors.js'
import {
  eventFits,
  eventFlags,
  eventOffset,
  eventPosition,
  eventStreamBytes,
  eventTimestamp,
  EVENT_FIXED_BYTES,
  FLAG_ASSIGNED,
  FLAG_COMMIT_ID,
  FLAG_TAGS,
} from '../format/event-record.js'
import type { Checkpoint } from '../format/checkpoint.js'
import { type FileHeader, HEADER_FIXED_BYTES, parseHeader } from '../format/file-header.js'
import { checkFrame, FRAME_EVENT, FRAME_KIND, FRAME_SHAPE, type Window, windowOf } from '../format/frame.js'
import { GROUP_BYTES } from '../format/group.js'
import { InternedStrings } from '../format/interned-strings.js'
import { decodeShape } from '../format/shape-record.js'
import type { ShapeDefinition, ShapeTable } from '../format/shapes.js'
import { StreamTableBuilder } from '../format/stream-table.js'
import { asValueFault } from '../format/value-format.js'
import type { FileHandle, FileSystem } from '../io/file-system.js'
import { readFullySync, writeFullySync } from '../io/transfer.js'
import { MAX_COMMIT_BYTES, MAX_GROUP_BYTES } from '../limits.js'
import { verdictOf } from './verdict.js'

/** A log segment that was read again, and what it holds behind the checkpoint. */
export interface RedoneSegment {
  readonly segment: LogSegment
  readonly table: StreamTableBuilder
  readonly header: FileHeader | undefined
  /** Bytes that count. */
  readonly end: number
  /** Groups that nobody has said to be durable start here; 0, and with it the header, if that is all of them. */
  readonly unsyncedFrom: number
}

/** What reading the log behind the checkpoint has found. */
export interface Redo {
  readonly segments: readonly RedoneSegment[]
  /** Where the log goes on. */
  readonly next: ExpectedGroup
  readonly lastTimestamp: number
  /** Position of the first event read that has a commit id or tags. */
  readonly keyedFrom: number | undefined
  readonly groups: number
  readonly events: number
  readonly bytes: number
  /** Bytes of torn groups, never acknowledged as durable, that no longer count. */
  readonly tornBytes: number
  /** The log gives an id of a shape to other keys than was known before. */
  readonly shapesDisputed: boolean
  readonly damage: CorruptionError | undefined
}

/** Reads the log from a checkpoint to its end, judging where it ends (D4, D5). Writes nothing. Throws ERR_FORMAT or what the system reports. */
export class RedoReader {
  readonly #files: FileSystem
  readonly #directory: LogDirectory
  readonly #storeId: Buffer
  readonly #shapes: ShapeTable
  readonly #names = new InternedStrings(4096)
  #lastTimestamp: number
  #keyedFrom: number | undefined
  #groups = 0
  #events = 0
  #bytes = 0
  #tornBytes = 0
  #shapesDisputed = false
  #damage: CorruptionError | undefined

  constructor(files: FileSystem, directory: LogDirectory, storeId: Buffer, shapes: ShapeTable, lastTimestamp: number) {
    this.#files = files
    this.#directory = directory
    this.#storeId = storeId
    this.#shapes = shapes
    this.#lastTimestamp = lastTimestamp
  }

  /** `checkpoint` is undefined when there is none that can be used: then the whole log is read. */
  read(checkpoint: Checkpoint | undefined): Redo {
    const all = this.#directory.segments
    const start = checkpoint === undefined ? 0 : this.#directory.find(checkpoint.redo)
    let next: ExpectedGroup = checkpoint === undefined ? { sequence: 0, position: 0, epoch: 0 } : { ...checkpoint.redo }
    const redone: RedoneSegment[] = []
    for (let i = Math.max(0, start); i < all.length; i++) {
      const segment = all[i]!
      const from = i === start && checkpoint !== undefined ? checkpoint.redo.byte : undefined
      const { result, stop, ends } = this.#segment(segment, from, next, all.slice(i + 1))
      redone.push(result)
      next = stop.next
      if (ends) break
    }
    return {
      segments: redone,
      next,
      lastTimestamp: this.#lastTimestamp,
      keyedFrom: this.#keyedFrom,
      groups: this.#groups,
      events: this.#events,
      bytes: this.#bytes,
      tornBytes: this.#tornBytes,
      shapesDisputed: this.#shapesDisputed,
      damage: this.#damage,
    }
  }

  /** Makes the stream table of one segment that counts whole. Throws CorruptionError when it is damaged. */
  readOne(segment: LogSegment): StreamTableBuilder {
    const all = this.#directory.segments
    const handle = this.#files.open(segment.path, 'read')
    let sequence: number
    try {
      sequence = this.#header(handle, segment)?.header.sequence ?? 0
    } finally {
      handle.close()
    }
    const { result } = this.#segment(
      segment,
      undefined,
      { sequence, position: segment.base, epoch: segment.epoch },
      all.slice(all.indexOf(segment) + 1),
    )
    if (this.#damage !== undefined) throw this.#damage
    return result.table
  }

  #segment(
    segment: LogSegment,
    from: number | undefined,
    next: ExpectedGroup,
    later: readonly LogSegment[],
  ): { result: RedoneSegment; stop: ScanStop; ends: boolean } {
    const handle = this.#files.open(segment.path, 'read')
    try {
      const header = this.#header(handle, segment)
      const successor = this.#successor(segment, later)
      const table = new StreamTableBuilder()
      const marks: { readonly sequence: number; readonly byte: number }[] = []
      const scanner = new GroupScanner(handle, this.#storeId, MAX_GROUP_BYTES)
      const begin = from ?? header?.length ?? HEADER_FIXED_BYTES
      const end = successor?.previousEnd ?? Infinity
      const expected = { ...next, epoch: Math.max(next.epoch, segment.epoch) }
      if (
        header === undefined &&
        (begin > HEADER_FIXED_BYTES || // a checkpoint that names a place behind it was written after it was synced
          (successor !== undefined && successor.durable > next.sequence) ||
          isDurableHeader(scanner, begin, expected))
      ) {
        this.#damage ??= new CorruptionError('the header of the log segment is damaged', {
          file: segment.path,
          byte: 0,
        })
      }
      const visit: GroupVisitor = (group, window, start, bodyEnd) => {
        marks.push({ sequence: group.sequence, byte: group.byte })
        this.#groups++
        this.#bytes += bodyEnd - start
        this.#frames(window, start, bodyEnd, group.byte + GROUP_BYTES - start, segment.path, table)
      }
      let stop = scanner.scan(begin, end, expected, visit)
      for (;;) {
        const evidence = stop.byte >= end ? { behind: 'none' as const, nextGroup: undefined } : scanner.behind(stop)
        const durable =
          evidence.behind === 'durable' ||
          (successor !== undefined && stop.byte < end && successor.durable > stop.next.sequence)
        const verdict = verdictOf(
          stop.found,
          durable ? 'durable' : evidence.behind,
          successor === undefined ? 'open' : stop.byte >= end ? 'reached' : 'beyond',
        )
        if (verdict === 'end' || verdict === 'torn') {
          if (verdict === 'torn') this.#tornBytes += Math.max(0, Math.min(handle.size(), end) - stop.byte)
          const firstUnsynced = marks.find((mark) => mark.sequence >= stop.durable)?.byte ?? stop.byte
          // The header was written no earlier than the first group was: a sync that failed may have lost both.
          const unsyncedFrom = firstUnsynced === header?.length && marks.length > 0 ? 0 : firstUnsynced
          const result = { segment, table, header: header?.header, end: stop.byte, unsyncedFrom }
          return { result, stop, ends: verdict === 'torn' && successor !== undefined }
        }
        this.#damage ??= new CorruptionError(stop.reason, { file: segment.path, byte: stop.byte })
        const goOn = evidence.nextGroup
        if (goOn === undefined) {
          // What is missing reaches up to the next segment: its header says where that starts.
          const resumed = {
            ...stop,
            next: { sequence: successor!.sequence, position: later[0]!.base, epoch: segment.epoch },
          }
          return {
            result: { segment, table, header: header?.header, end: stop.byte, unsyncedFrom: stop.byte },
            stop: resumed,
            ends: false,
          }
        }
        this.#salvage(handle, stop.byte, goOn.byte, segment.path, table)
        const { group } = goOn
        stop = scanner.scan(
          goOn.byte,
          end,
          { sequence: group.sequence, position: group.firstPosition, epoch: group.epoch },
          visit,
        )
      }
    } finally {
      handle.close()
    }
  }

  /** Undefined when there is none of this very segment: a block that was another's may hold that one's, checksum and all. */
  #header(
    handle: FileHandle,
    { path, base, epoch }: LogSegment,
  ): { readonly header: FileHeader; readonly length: number } | undefined {
    const bytes = Buffer.alloc(HEADER_FIXED_BYTES)
    const got = readFullySync(handle, bytes, 0, bytes.length, 0)
    const verdict = parseHeader(windowOf(bytes), got, 'L')
    if (verdict.kind === 'version') throw newerVersion(path, verdict.readVersion, verdict.writeVersion)
    if (verdict.kind !== 'header' || !verdict.header.storeId.equals(this.#storeId)) return undefined
    return verdict.header.base === base && verdict.header.epoch === epoch ? verdict : undefined
  }

  /** What the next segment with a sound header says of this one. */
  #successor(segment: LogSegment, later: readonly LogSegment[]): FileHeader | undefined {
    const next = later[0]
    if (next === undefined) return undefined
    const handle = this.#files.open(next.path, 'read')
    try {
      const header = this.#header(handle, next)?.header
      return header !== undefined && header.previousBase === segment.base && header.previousEpoch === segment.epoch
        ? header
        : undefined
    } finally {
      handle.close()
    }
  }

  /** Takes in the frames of a valid group. Byte `start` of the window is byte `start + shift` of the file. */
  #frames(window: Window, start: number, end: number, shift: number, path: string, table: StreamTableBuilder): void {
    for (let at = start; at < end;) {
      const length = window.view.getUint32(at, true)
      this.#frame(window, at, length, at + shift, path, table)
      at += length
    }
  }

  #frame(window: Window, at: number, length: number, byte: number, path: string, table: StreamTableBuilder): void {
    const kind = window.bytes[at + FRAME_KIND]
    if (kind === FRAME_EVENT) {
      const nameStart = at + EVENT_FIXED_BYTES
      const nameEnd = nameStart + eventStreamBytes(window, at)
      const name = this.#names.get(window.bytes, nameStart, nameEnd)
      table.add(name, undefined, eventOffset(window, at), byte)
      const flags = eventFlags(window, at)
      if ((flags & (FLAG_COMMIT_ID | FLAG_TAGS)) !== 0) this.#keyedFrom ??= eventPosition(window, at)
      if ((flags & FLAG_ASSIGNED) !== 0) {
        this.#lastTimestamp = Math.max(this.#lastTimestamp, eventTimestamp(window, at))
      }
      this.#events++
    } else if (kind === FRAME_SHAPE) {
      const shape = decodeShape(window, at, length)
      if (shape !== undefined) this.#define(shape, path, byte)
    }
  }

  #define(shape: ShapeDefinition, file: string, byte: number): void {
    try {
      this.#shapes.define(shape)
    } catch (error) {
      const { message } = asValueFault(error)
      this.#shapesDisputed = true
      this.#shapes.dispute(shape.id)
      this.#damage ??= new CorruptionError(message, { file, byte })
    }
  }

  /** Takes the records that are right out of a stretch that was durable and is damaged: other streams lose nothing. */
  #salvage(handle: FileHandle, from: number, to: number, path: string, table: StreamTableBuilder): void {
    const window = windowOf(Buffer.allocUnsafeSlow(to - from))
    const end = readFullySync(handle, window.bytes, 0, to - from, from)
    let position = -1
    for (let at = 0; at < end;) {
      const length = checkFrame(window, at, end, MAX_COMMIT_BYTES)
      if (typeof length !== 'number') {
        at++
        continue
      }
      if (
        window.bytes[at + FRAME_KIND] !== FRAME_EVENT ||
        (eventFits(window, at, length) && eventPosition(window, at) > position)
      ) {
        if (window.bytes[at + FRAME_KIND] === FRAME_EVENT) position = eventPosition(window, at)
        this.#frame(window, at, length, from + at, path, table)
      }
      at += length
    }
  }
}

/**
 * Tells from the groups of a segment whether its header was once durable: a later one says so of the first group, which was
 * never synced before the header; or the first is right, which stands in the same sector and can have survived only with it.
 */
function isDurableHeader(scanner: GroupScanner, begin: number, first: ExpectedGroup): boolean {
  const stop = scanner.scan(begin, Infinity, first, () => undefined)
  if (stop.byte > begin) return true
  return scanner.behind({ ...stop, byte: begin - 1 }).behind === 'durable'
}

/**
 * Writes again, in place, what nobody has said to be durable, and syncs it: only then may it be served (D5). A sync alone would
 * not do: after a failed one the system holds pages as clean that never reached the disk.
 */
export function rewriteUnsynced(
  files: FileSystem,
  segment: RedoneSegment,
  done: (error: NodeJS.ErrnoException | null) => void,
): void {
  if (segment.unsyncedFrom >= segment.end) return done(null)
  const handle = files.open(segment.segment.path, 'write')
  const finish = (error: NodeJS.ErrnoException | null): void => {
    handle.close()
    done(error)
  }
  try {
    const piece = Buffer.allocUnsafeSlow(Math.min(1024 * 1024, segment.end - segment.unsyncedFrom))
    for (let at = segment.unsyncedFrom; at < segment.end;) {
      const length = readFullySync(handle, piece, 0, Math.min(piece.length, segment.end - at), at)
      if (length === 0) break
      writeFullySync(handle, piece, 0, length, at)
      at += length
    }
  } catch (error) {
    return finish(error as NodeJS.ErrnoException)
  }
  handle.sync(finish)
}
