import { join } from 'node:path'
import { eventFits, eventOffset, eventTimestamp } from '../format/event-record.js'
import { encodeHeader, HEADER_FIXED_BYTES, parseHeader } from '../format/file-header.js'
import { FRAME_EVENT, FRAME_KIND, FRAME_SEAL, FRAME_SHAPE, type Window, windowOf } from '../format/frame.js'
import { type StreamKey, streamFileName, streamKey, unescapeName } from '../format/names.js'
import { decodeSeal } from '../format/shape-record.js'
import type { FileHandle } from '../io/file-system.js'
import { reasonOf } from '../segment/frame-reader.js'
import { faultOfEvent } from '../streams/segment-scan.js'
import { INDEXED_FROM_BYTES } from '../streams/stream-loader.js'
import type { OpenFinding } from './findings.js'
import type { Copies } from './verify-copies.js'
import { readHead, report, type VerifyContext } from './verify-context.js'
import { readDerived } from './verify-derived.js'
import { FrameWalk } from './verify-frames.js'
import { IndexCheck } from './verify-index.js'
import type { Invariant } from './invariants.js'

/** A stream segment and what must be in it. */
export interface SegmentToRead {
  /** `<shard>/<escaped name>`. */
  readonly path: string
  readonly base: number
  readonly previousBase: number
  /** Offset of its first event, as the segments before say. */
  readonly expected: number
  readonly last: boolean
  /** Name of the stream, where a segment before has told it. */
  readonly name: string | undefined
  readonly indexed: boolean
}

/** What a stream segment has told. */
export interface SegmentEnd {
  /** Name of the stream, where it can be told. */
  readonly name: string | undefined
  /** Offset behind its last event. */
  readonly version: number
  /** What follows is in another segment. */
  readonly sealed: boolean
}

interface Reading {
  readonly segment: SegmentToRead
  readonly file: string
  readonly key: StreamKey
  index: IndexCheck | undefined
  version: number
  sealed: number | undefined
  damaged: boolean
  /** A fault whose first lost offset is not known yet to be one. */
  open: OpenFinding | undefined
}

/** Reads one stream segment and checks every record of it. */
export class StreamSegmentVerifier {
  readonly #context: VerifyContext
  readonly #copies: Copies
  readonly #structure: boolean

  constructor(context: VerifyContext, copies: Copies, structure: boolean) {
    this.#context = context
    this.#copies = copies
    this.#structure = structure
  }

  async read(segment: SegmentToRead): Promise<SegmentEnd> {
    const { environment, streamsPath, pace, records } = this.#context
    const file = join(streamsPath, streamFileName(segment.path, segment.base, '.seg'))
    const handle = environment.files.open(file, 'read')
    try {
      records.beginFile()
      const size = handle.size()
      pace.begin(size)
      const head = this.#head(handle, segment, file)
      const pause = pace.spend(Math.min(size, HEADER_FIXED_BYTES))
      if (pause !== undefined) await pause
      if (head.key === undefined) return { name: undefined, version: segment.base, sealed: false }
      const reading: Reading = {
        segment,
        file,
        key: head.key,
        index: segment.indexed && this.#structure ? this.#index(segment, head.key) : undefined,
        version: segment.base,
        sealed: undefined,
        damaged: head.damaged,
        open: undefined,
      }
      if (segment.base !== segment.expected) this.#gap(reading)
      if (head.start <= size) await this.#frames(reading, handle, head.start, size)
      this.#end(reading, size)
      return { name: head.key.name, version: reading.version, sealed: reading.sealed !== undefined }
    } finally {
      handle.close()
    }
  }

  /** Checks the header, and finds out whose segment it is where that is damaged. */
  #head(
    handle: FileHandle,
    segment: SegmentToRead,
    file: string,
  ): { readonly key: StreamKey | undefined; readonly start: number; readonly damaged: boolean } {
    const bytes = readHead(handle, HEADER_FIXED_BYTES + 4096)
    const verdict = parseHeader(windowOf(bytes), bytes.length, 'S')
    const byName = keyOf(segment.name ?? unescapeName(segment.path.slice(3)))
    let key = byName?.path === segment.path ? byName : undefined
    let wrong: string
    if (verdict.kind === 'header') {
      const { header, length } = verdict
      const own = keyOf(header.name.toString('utf8'))
      const owned = own !== undefined && own.path === segment.path && own.bytes.equals(header.name)
      if (owned) key = own
      if (!header.storeId.equals(this.#context.storeId)) wrong = 'the stream segment belongs to another store'
      else if (!owned) wrong = 'the stream segment belongs to another stream'
      else if (header.base !== segment.base) {
        wrong = `the stream segment starts at offset ${header.base}, its name says ${segment.base}`
      } else if (header.previousBase !== segment.previousBase && segment.base === segment.expected) {
        wrong = 'the stream segment hangs on another one than the one before it'
      } else return { key, start: length, damaged: false }
    } else if (verdict.kind === 'version') {
      wrong = `the stream segment needs format version ${verdict.readVersion}, this annals reads version 1`
    } else if (verdict.kind === 'damaged') wrong = `the header of the stream segment is damaged: ${verdict.reason}`
    else {
      wrong = verdict.kind === 'empty' ? 'the header of the stream segment is missing' : 'the file is no stream segment'
    }
    key ??= firstEventKey(handle, segment)
    this.#context.records.noteDamage()
    const severity = key !== undefined && this.#copies.isUnproven(key.name, segment.base) ? 'derived' : 'damage'
    this.#report(severity, 'I1', file, 0, wrong, key?.name, segment.base)
    return { key, start: HEADER_FIXED_BYTES + (key?.bytes.length ?? 0), damaged: true }
  }

  #gap({ segment, key, file }: Reading): void {
    if (this.#context.findings.knowsStream(key.name)) return
    const missing = join(this.#context.streamsPath, streamFileName(segment.path, segment.expected, '.seg'))
    const message =
      segment.base > segment.expected
        ? `the stream segment is missing: it held the events from offset ${segment.expected} to ${segment.base - 1}`
        : 'the stream segment starts before the end of the one before'
    this.#report(
      this.#copies.isUnproven(key.name, segment.expected) ? 'derived' : 'damage',
      'I6',
      segment.base > segment.expected ? missing : file,
      0,
      message,
      key.name,
      segment.expected,
    )
  }

  async #frames(reading: Reading, handle: FileHandle, start: number, size: number): Promise<void> {
    const { pace, records } = this.#context
    const accept = (window: Window, at: number, length: number): boolean => {
      const kind = window.bytes[at + FRAME_KIND]
      if (kind === FRAME_EVENT) {
        const offset = eventFits(window, at, length) ? eventOffset(window, at) : -1
        return offset >= reading.version && faultOfEvent(window, at, length, reading.key, offset) === undefined
      }
      return kind === FRAME_SHAPE || (kind === FRAME_SEAL && decodeSeal(window, at, length) !== undefined)
    }
    const walk = new FrameWalk(handle, start, size, accept)
    for (let step = walk.next(); step !== 'end'; step = walk.next()) {
      const pause = pace.spend(step === 'fault' ? walk.faultEnd - walk.byte : walk.length)
      if (pause !== undefined) await pause
      if (step === 'fault') {
        if (!this.#fault(reading, walk)) return
        continue
      }
      const { window, at, length, byte } = walk
      if (reading.sealed !== undefined) this.#wrong(reading, 'I6', byte, 'a record follows the seal')
      const kind = window.bytes[at + FRAME_KIND]
      if (kind === FRAME_EVENT) {
        this.#event(reading, window, at, length, byte)
      } else if (kind === FRAME_SHAPE) {
        const wrong = records.shape(window, at, length)
        if (wrong !== undefined) this.#wrong(reading, wrong.invariant, byte, wrong.message)
      } else if (kind === FRAME_SEAL) this.#seal(reading, window, at, length, byte)
      else this.#wrong(reading, 'I3', byte, 'a record of a kind that does not belong here')
    }
  }

  /** Returns false when what follows never counted: the log stands for it. */
  #fault(reading: Reading, walk: FrameWalk): boolean {
    const { key, version } = reading
    const unproven = this.#copies.isUnproven(key.name, version)
    const message = unproven
      ? `${reasonOf(walk.fault)}; the log stands for the events from here on`
      : reasonOf(walk.fault)
    this.#context.records.noteDamage()
    reading.damaged = true
    reading.open = this.#report(
      unproven ? 'derived' : 'damage',
      'I3',
      reading.file,
      walk.byte,
      message,
      key.name,
      version,
    )
    return !unproven
  }

  #event(reading: Reading, window: Window, at: number, length: number, byte: number): void {
    const { key } = reading
    const offset = eventFits(window, at, length) ? eventOffset(window, at) : NaN
    const fault = faultOfEvent(window, at, length, key, offset)
    if (fault !== undefined) {
      this.#wrong(reading, Number.isNaN(offset) ? 'I9' : 'I7', byte, fault)
      return
    }
    if (offset !== reading.version) {
      if (reading.open === undefined && !(reading.damaged && offset > reading.version)) {
        this.#wrong(reading, 'I6', byte, `the event has offset ${offset} instead of ${reading.version}`)
      }
      if (offset < reading.version) return
    }
    reading.open = undefined
    reading.version = offset + 1
    reading.index?.add(offset, byte, eventTimestamp(window, at), length)
    if (this.#structure) {
      const wrong = this.#context.records.event(window, at, length)
      if (wrong !== undefined) {
        this.#report('damage', wrong.invariant, reading.file, byte, wrong.message, key.name, offset)
      }
    }
    this.#copies.fromSegment(window, at, reading.file, byte, key.name, offset)
  }

  #seal(reading: Reading, window: Window, at: number, length: number, byte: number): void {
    const next = decodeSeal(window, at, length)
    if (next === reading.version) reading.sealed = next
    else if (next !== undefined && next > reading.version && reading.damaged) {
      reading.sealed = next
      reading.version = next
    } else this.#wrong(reading, 'I6', byte, 'the seal names another offset')
  }

  #end(reading: Reading, size: number): void {
    const { segment, key, file } = reading
    const unproven = this.#copies.isUnproven(key.name, reading.version)
    if (!segment.last && reading.sealed === undefined && !reading.damaged && !unproven) {
      this.#report(
        'damage',
        'I6',
        file,
        size,
        'the segment is not sealed and yet another follows',
        key.name,
        reading.version,
      )
    }
    if (reading.damaged || !this.#structure) return
    const indexPath = join(this.#context.streamsPath, streamFileName(segment.path, segment.base, '.idx'))
    const sealed = reading.sealed !== undefined
    if (reading.index !== undefined) {
      const wrong = reading.index.verdict(sealed)
      if (wrong !== undefined) this.#report('derived', 'I11', indexPath, 0, wrong, key.name)
    } else if (!segment.indexed && size >= 2 * INDEXED_FROM_BYTES) {
      this.#report('derived', 'I11', indexPath, 0, 'the index is missing', key.name)
    }
  }

  #index(segment: SegmentToRead, key: StreamKey): IndexCheck | undefined {
    const { storeId, limits, streamsPath } = this.#context
    const bytes = readDerived(this.#context, join(streamsPath, streamFileName(segment.path, segment.base, '.idx')))
    const header = encodeHeader({ kind: 'I', storeId, base: segment.base, name: key.bytes })
    return bytes && new IndexCheck(bytes, header, limits.indexIntervalBytes)
  }

  #wrong(reading: Reading, invariant: Invariant, byte: number, message: string): void {
    reading.damaged = true
    this.#context.records.noteDamage()
    const severity = this.#copies.isUnproven(reading.key.name, reading.version) ? 'derived' : 'damage'
    this.#report(severity, invariant, reading.file, byte, message, reading.key.name, reading.version)
  }

  #report(
    severity: 'damage' | 'derived',
    invariant: Invariant,
    file: string,
    byte: number,
    message: string,
    stream: string | undefined,
    offset?: number,
  ): OpenFinding | undefined {
    if (severity === 'damage' && stream !== undefined) this.#context.findings.noteStream(stream)
    if (!this.#structure) return undefined
    return report(this.#context, severity, invariant, file, byte, message, { stream, offset })
  }
}

function keyOf(name: string | undefined): StreamKey | undefined {
  try {
    return name === undefined ? undefined : streamKey(name)
  } catch {
    return undefined
  }
}

/** Whose segment a file with a damaged header is, when its name is not whole in the name of the file: the first event says it. */
function firstEventKey(handle: FileHandle, segment: SegmentToRead): StreamKey | undefined {
  const walk = new FrameWalk(handle, HEADER_FIXED_BYTES, handle.size(), (window, at, length) => {
    return window.bytes[at + FRAME_KIND] === FRAME_EVENT && eventKey(window, at, length)?.path === segment.path
  })
  for (let step = walk.next(); step !== 'end'; step = walk.next()) {
    if (step !== 'frame' || walk.window.bytes[walk.at + FRAME_KIND] !== FRAME_EVENT) continue
    const key = eventKey(walk.window, walk.at, walk.length)
    if (key?.path === segment.path) return key
  }
  return undefined
}

function eventKey(window: Window, at: number, length: number): StreamKey | undefined {
  if (!eventFits(window, at, length)) return undefined
  const from = at + 64
  return keyOf(window.bytes.toString('utf8', from, from + window.view.getUint16(at + 12, true)))
}
