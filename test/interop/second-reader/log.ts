import { allZero, crc32c, sameBytes } from './bytes.js'
import { Damage, must } from './damage.js'
import { type Header, readHeader } from './header.js'
import { logFile } from './names.js'
import { type EventRecord, type GroupFrame, readEvent, readFrame, readGroupFrame, readShape } from './records.js'

/** An event and its bytes. */
export interface StoredRecord {
  readonly event: EventRecord
  readonly bytes: Uint8Array
  /** Where the record starts in its file. */
  readonly at: number
}

/** What stands where the next group should be. */
export type Found = 'nothing' | 'zeros' | 'invalid'

/** A log segment that counts, and what of it counts. */
export interface LogSegment {
  readonly path: string
  readonly base: number
  readonly epoch: number
  readonly header: Header
  readonly records: readonly StoredRecord[]
  /** Where groups start, and where the last one ends. */
  readonly borders: readonly { readonly byte: number; readonly sequence: number; readonly position: number }[]
  readonly end: number
}

export interface Log {
  readonly segments: readonly LogSegment[]
  readonly shapes: Map<number, readonly string[]>
  /** Of the end of the log: where it is, and the row of the table of verdicts. */
  readonly stop:
    { readonly path: string; readonly byte: number; readonly verdict: 'end' | 'torn' | 'damaged' } | undefined
}

/** A log segment that is there: its name and its bytes. */
export interface LogFile {
  readonly base: number
  readonly epoch: number
  readonly bytes: Uint8Array
}

/** Of the segments that are there, those that count. */
export function countingSegments(files: readonly LogFile[]): LogFile[] {
  const counting: LogFile[] = []
  for (const file of [...files].sort((a, b) => a.base - b.base || a.epoch - b.epoch)) {
    const last = counting.at(-1)
    if (last !== undefined && file.epoch < last.epoch) continue
    if (last !== undefined && file.base === last.base) counting.pop()
    counting.push(file)
  }
  return counting
}

/** Reads the log. Throws where it is not as the format says; a torn end is not such a place. */
export function readLog(files: readonly LogFile[], storeId: Uint8Array): Log {
  const counting = countingSegments(files)
  const shapes = new Map<number, readonly string[]>()
  const segments: LogSegment[] = []
  let next = { sequence: 0, position: 0, epoch: 0 }
  for (const [i, file] of counting.entries()) {
    const path = `${logFile(file.base, file.epoch)}.log`
    const successor = successorOf(file, counting[i + 1])
    let header: Header
    try {
      header = readHeader(file.bytes, 'L')
    } catch (error) {
      // A crash may leave a segment with less than a header: it holds nothing.
      if (i === counting.length - 1 && i > 0) break
      throw error
    }
    must(sameBytes(header.storeId, storeId), `${path} belongs to another store`)
    must(header.base === file.base && header.epoch === file.epoch, `${path} is not what its name says`)
    const before = segments.at(-1)
    const previous = before ?? { base: 0, epoch: 0, end: 0 }
    must(
      header.previousBase === previous.base &&
        header.previousEpoch === previous.epoch &&
        header.previousEnd === previous.end &&
        header.sequence === next.sequence &&
        header.base === next.position,
      `${path} does not go on where the segment before ends`,
    )
    const end = successor?.previousEnd ?? file.bytes.length
    must(end <= file.bytes.length, `${path} is shorter than its successor says`)
    const counts = file.bytes.subarray(0, end)
    const segmentShapes = new Map<number, readonly string[]>()
    const records: StoredRecord[] = []
    const borders: { byte: number; sequence: number; position: number }[] = []
    let at = header.length
    next.epoch = Math.max(next.epoch, header.epoch)
    for (;;) {
      borders.push({ byte: at, sequence: next.sequence, position: next.position })
      if (at === end && successor !== undefined) break
      try {
        const group = readGroup(counts, at, storeId, next, header, segmentShapes)
        records.push(...group.records)
        at = group.end
        next = { sequence: next.sequence + 1, position: next.position + group.frame.events, epoch: group.frame.epoch }
      } catch (error) {
        if (!(error instanceof Damage)) throw error
        if (successor !== undefined) throw new Damage(`${path}, byte ${at}: ${error.message}`)
        const behind = evidence(counts, at, storeId, next)
        if (behind === 'durable') throw new Damage(`${path}, byte ${at}: ${error.message}`)
        const found = foundAt(counts, at)
        const verdict = found === 'invalid' || behind === 'silent' ? 'torn' : 'end'
        define(shapes, segmentShapes)
        segments.push({ path, base: file.base, epoch: file.epoch, header, records, borders, end: at })
        must(i === counting.length - 1, `no later segment names ${path} as the one before it`)
        return { segments, shapes, stop: { path, byte: at, verdict } }
      }
    }
    define(shapes, segmentShapes)
    segments.push({ path, base: file.base, epoch: file.epoch, header, records, borders, end: at })
  }
  const last = segments.at(-1)
  return { segments, shapes, stop: last && { path: last.path, byte: last.end, verdict: 'end' } }
}

/** The header of the next segment, if it names this one. */
function successorOf(file: LogFile, next: LogFile | undefined): Header | undefined {
  if (next === undefined) return undefined
  let header: Header
  try {
    header = readHeader(next.bytes, 'L')
  } catch {
    return undefined
  }
  return header.previousBase === file.base && header.previousEpoch === file.epoch ? header : undefined
}

function define(shapes: Map<number, readonly string[]>, more: ReadonlyMap<number, readonly string[]>): void {
  for (const [id, keys] of more) {
    const known = shapes.get(id)
    must(known === undefined || sameKeys(known, keys), `shape ${id} stands for two lists of keys`)
    shapes.set(id, keys)
  }
}

export function sameKeys(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((key, i) => key === other[i])
}

/** Reads the valid group that starts at `at`. */
export function readGroup(
  bytes: Uint8Array,
  at: number,
  storeId: Uint8Array,
  expected: { readonly sequence: number; readonly position: number; readonly epoch: number },
  segment: Pick<Header, 'mayUseShapes' | 'epoch'>,
  shapes: Map<number, readonly string[]>,
): { readonly frame: GroupFrame; readonly records: StoredRecord[]; readonly end: number } {
  const head = readFrame(bytes, at)
  const group = readGroupFrame(head)
  must(sameBytes(group.store, storeId.subarray(0, 8)), 'a group of another store')
  must(group.byte === at, 'a group that belongs elsewhere in the file')
  must(group.sequence === expected.sequence, `group ${group.sequence} where ${expected.sequence} is next`)
  must(group.firstPosition === expected.position, `position ${group.firstPosition} where ${expected.position} is next`)
  must(group.epoch >= expected.epoch && group.epoch >= segment.epoch, 'a group of an earlier writer')
  must(group.durable <= group.sequence, 'a group that says to be durable before it was written')
  const end = head.end + group.bodyBytes
  must(end <= bytes.length, 'a group that is cut short')

  // First the frames, then what they mean: a shape may only be defined by a group that is whole.
  const frames = []
  const crcs: Uint8Array[] = []
  for (let byte = head.end; byte < end;) {
    const frame = readFrame(bytes, byte, end)
    must(frame.kind === 'event' || frame.kind === 'shape', `a frame of kind ${frame.kind} in a group`)
    frames.push(frame)
    crcs.push(frame.bytes.subarray(4, 8))
    byte = frame.end
  }
  must(frames.length === group.frames, `a group of ${frames.length} frames that names ${group.frames}`)
  must(crc32c(...crcs) === group.digest, 'the digest of a group is wrong')

  const defined = new Map(shapes)
  const records: StoredRecord[] = []
  let inCommit = false
  let commitId: string | undefined
  for (const frame of frames) {
    if (frame.kind === 'shape') {
      must(segment.mayUseShapes, 'a shape in a segment without shapes')
      const shape = readShape(frame)
      const known = defined.get(shape.id)
      must(known === undefined || sameKeys(known, shape.keys), `shape ${shape.id} stands for two lists of keys`)
      defined.set(shape.id, shape.keys)
      continue
    }
    const event = readEvent(frame, defined)
    must(event.position === group.firstPosition + records.length, 'positions of a group are not dense')
    must(event.first === !inCommit, 'a commit that is not whole')
    must(event.first || event.commitId === commitId, 'a commit with two ids')
    commitId = event.commitId
    inCommit = !event.last
    records.push({ event, bytes: frame.bytes, at: frame.at })
  }
  must(!inCommit, 'a commit that is not whole')
  must(records.length === group.events, `a group of ${records.length} events that names ${group.events}`)
  for (const [id, keys] of defined) shapes.set(id, keys)
  return { frame: group, records, end }
}

/** What stands at the place where a group should be. */
export function foundAt(bytes: Uint8Array, at: number): Found {
  if (at >= bytes.length) return 'nothing'
  return allZero(bytes.subarray(at, at + 84)) ? 'zeros' : 'invalid'
}

/** Whether a group behind `at`, or a later one that stands there, says that the one which should be there was durable. */
export function evidence(
  bytes: Uint8Array,
  at: number,
  storeId: Uint8Array,
  expected: { readonly sequence: number; readonly epoch: number },
): 'none' | 'silent' | 'durable' {
  let behind: 'none' | 'silent' = 'none'
  for (let byte = at; byte + 84 <= bytes.length; byte++) {
    if (bytes[byte + 12] !== 0x47 || bytes[byte + 13] !== 0x52 || bytes[byte] !== 84) continue
    let group: GroupFrame
    try {
      group = readGroupFrame(readFrame(bytes, byte))
    } catch {
      continue
    }
    if (!sameBytes(group.store, storeId.subarray(0, 8)) || group.byte !== byte) continue
    if (group.epoch < expected.epoch || group.sequence < expected.sequence + (byte === at ? 1 : 0)) continue
    if (group.durable > expected.sequence) return 'durable'
    behind = 'silent'
  }
  return behind
}
