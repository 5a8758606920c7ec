import { FRAME_CRC, isZero } from '../format/frame.js'
import {
  eventFlags,
  eventOffset,
  eventPosition,
  eventTimestamp,
  FLAG_FIRST,
  FLAG_LAST,
} from '../format/event-record.js'
import { crc32c } from '../format/crc32c.js'
import type { FileHeader } from '../format/file-header.js'
import { decodeShape } from '../format/shape-record.js'
import type { FileHandle } from '../io/file-system.js'
import { readFullySync } from '../io/transfer.js'
import type { FrameWalk } from '../recovery/verify-frames.js'
import { RecordCheck } from '../recovery/verify-event.js'
import { defaultLimits } from '../limits.js'
import { reasonOf } from '../segment/frame-reader.js'
import type { InspectedRecord } from './records.js'

const CHUNK = 1024 * 1024

/** What walking a segment needs of it. */
export interface SegmentFile {
  readonly handle: FileHandle
  readonly size: number
  /** Undefined: it is damaged. */
  readonly header: FileHeader | undefined
  /** Where the records begin. */
  readonly start: number
  readonly storeId: Buffer
}

/** What one walk through a segment remembers from record to record. */
export class SegmentWalk {
  readonly checks = new RecordCheck(true)
  /** Where the event of the last index entry starts, as the rule of the index has it. */
  #lastPoint = -Infinity
  #number = 0

  constructor() {
    this.checks.beginFile()
  }

  /** What there is to say of a sound event. */
  event({ window, at, length, byte }: FrameWalk): InspectedRecord {
    const { bytes, view } = window
    const typeAt = at + 64 + view.getUint16(at + 12, true)
    const flags = eventFlags(window, at)
    const first = (flags & FLAG_FIRST) !== 0
    const last = (flags & FLAG_LAST) !== 0
    const isIndexPoint = byte - this.#lastPoint >= defaultLimits.indexIntervalBytes
    if (isIndexPoint) this.#lastPoint = byte
    return {
      ...this.record({ window, at, length, byte }, 'event'),
      position: eventPosition(window, at),
      offset: eventOffset(window, at),
      stream: bytes.toString('utf8', at + 64, typeAt),
      type: bytes.toString('utf8', typeAt, typeAt + view.getUint16(at + 14, true)),
      timestamp: eventTimestamp(window, at),
      commit: first ? (last ? 'only' : 'first') : last ? 'last' : 'inside',
      isIndexPoint,
    }
  }

  /** What there is to say of a record whose checksum is right. */
  record(walk: Pick<FrameWalk, 'window' | 'at' | 'length' | 'byte'>, kind: InspectedRecord['kind']): InspectedRecord {
    const { window, at, length, byte } = walk
    const crc = window.view.getUint32(at + FRAME_CRC, true)
    return { what: 'record', number: this.#number++, byte, length, kind, crc }
  }

  shape(walk: FrameWalk): InspectedRecord {
    const shape = decodeShape(walk.window, walk.at, walk.length)
    const detail = shape && `shape ${shape.id}: ${shape.keys.map((key) => JSON.stringify(key)).join(', ')}`
    return { ...this.record(walk, 'shape'), detail }
  }

  /** Bytes that are no record. */
  damage(walk: FrameWalk, handle: FileHandle): InspectedRecord {
    const length = walk.faultEnd - walk.byte
    const crcs = walk.fault === 'crc' ? crcsAt(handle, walk.byte, length) : undefined
    const { byte } = walk
    return {
      what: 'record',
      number: this.#number++,
      byte,
      length,
      kind: 'damage',
      detail: reasonOf(walk.fault),
      ...crcs,
    }
  }

  zeros(byte: number, length: number): InspectedRecord {
    return { what: 'record', number: -1, byte, length, kind: 'zeros' }
  }
}

/** The checksum of a record as it stands and as it should be. */
function crcsAt(handle: FileHandle, byte: number, length: number): { crc: number; rightCrc: number } | undefined {
  const bytes = Buffer.allocUnsafe(length)
  if (readFullySync(handle, bytes, 0, length, byte) < length || length < 16) return undefined
  return { crc: bytes.readUInt32LE(FRAME_CRC), rightCrc: crc32c(bytes, 8, length) }
}

/**
 * Where records may still end: behind the last byte that is not zero, and up to three more, since a record ends with a number
 * whose high bytes are zeros.
 */
export function writtenEnd(handle: FileHandle, size: number): number {
  const bytes = Buffer.allocUnsafe(Math.min(CHUNK, size))
  for (let end = size; end > 0;) {
    const from = Math.max(0, end - CHUNK)
    readFullySync(handle, bytes, 0, end - from, from)
    if (!isZero(bytes, 0, end - from)) {
      let last = end - from - 1
      while (bytes[last] === 0) last--
      return Math.min(size, from + last + 4)
    }
    end = from
  }
  return 0
}

/** Tells whether a stretch holds nothing but zeros. */
export function allZeros(handle: FileHandle, from: number, to: number): boolean {
  const bytes = Buffer.allocUnsafe(Math.min(CHUNK, Math.max(0, to - from)))
  for (let at = from; at < to; at += CHUNK) {
    const length = Math.min(CHUNK, to - at)
    readFullySync(handle, bytes, 0, length, at)
    if (!isZero(bytes, 0, length)) return false
  }
  return true
}
