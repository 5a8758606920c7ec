/**
 * The event record: an envelope that filters can read without decoding, then metadata and data in MessagePack
 * (`docs/values.md`). The same bytes stand in the log and in the stream's segment.
 *
 * | Offset | Size | Type   | Field          | Meaning                                                             |
 * | ------ | ---- | ------ | -------------- | ------------------------------------------------------------------- |
 * | 0      | 8    |        | length, crc    | frame                                                               |
 * | 8      | 1    | u8     | kind           | 2                                                                   |
 * | 9      | 1    | u8     | flags          | 1 first of its commit, 2 last of its commit, 4 has metadata, 8 correlation, 16 causation, 32 commit id, 64 tags, 128 timestamp assigned by the store |
 * | 10     | 2    | u16    | schema version |                                                                     |
 * | 12     | 2    | u16    | stream bytes   | S                                                                   |
 * | 14     | 2    | u16    | type bytes     | T                                                                   |
 * | 16     | 8    | u64    | position       | place in the store                                                  |
 * | 24     | 8    | u64    | offset         | place in the stream                                                 |
 * | 32     | 8    | f64    | timestamp      | milliseconds since the epoch                                        |
 * | 40     | 16   | bytes  | id             | UUID                                                                |
 * | 56     | 4    | u32    | metadata bytes | M, 0 without metadata                                               |
 * | 60     | 2    | u16    | shapes         | N: how many shapes metadata and data use                            |
 * | 62     | 2    | u16    | option bytes   | O                                                                   |
 * | 64     | S    | UTF-8  | stream         |                                                                     |
 * | …      | T    | UTF-8  | type           |                                                                     |
 * | …      | O    |        | options        | in this order, each when its flag is set: correlation (u16 start in metadata, u8 bytes), causation (the same), commit id (u8 bytes, UTF-8), tags (u8 count, each u8 bytes, UTF-8) |
 * | …      | M    |        | metadata       | one MessagePack value                                               |
 * | …      | …    |        | data           | one MessagePack value                                               |
 * | …      | 2·N  | u16    | shape ids      | in order of first use; all of them are defined earlier in the file  |
 * | −4     | 4    | u32    | length         | frame                                                               |
 */
import { InvalidEventError, TooLargeError } from '../errors.js'
import type { NewEvent, StoredEvent } from '../types/event.js'
import { MAX_NAME_BYTES, MAX_TYPE_BYTES } from '../limits.js'
import type { ByteWriter } from './byte-writer.js'
import { FRAME_EVENT, FRAME_TRAILER_BYTES, frameAround, readU64, writeU64, type Window } from './frame.js'
import { eachTag, encodeTags, NO_BYTES, NO_TAGS, TagDecoder } from './event-options.js'
import { InternedStrings } from './interned-strings.js'
import { parseUuid, UuidFormatter, type UuidSource } from './uuid.js'
import type { StreamKey } from './names.js'
import type { ValueDecoder } from './value-decoder.js'
import type { ValueEncoder } from './value-encoder.js'
import { ValueFormatError } from './value-format.js'

export const EVENT_FIXED_BYTES = 64
export const FLAG_FIRST = 1
export const FLAG_LAST = 2
export const FLAG_METADATA = 4
export const FLAG_CORRELATION = 8
export const FLAG_CAUSATION = 16
export const FLAG_COMMIT_ID = 32
export const FLAG_TAGS = 64
export const FLAG_ASSIGNED = 128

const POINTER_BYTES = 3
const MAX_POINTED_BYTES = 255
const MAX_TIMESTAMP = 8.64e15
const EVENT_KEYS = new Set(['type', 'data', 'metadata', 'id', 'timestamp', 'schemaVersion', 'tags'])

/** Field access by byte, for code that must not decode. `start` is where the frame starts. */
export const eventFlags = (w: Window, start: number): number => w.bytes[start + 9]!
export const eventPosition = (w: Window, start: number): number => readU64(w.view, start + 16)
export const eventOffset = (w: Window, start: number): number => readU64(w.view, start + 24)
export const eventTimestamp = (w: Window, start: number): number => w.view.getFloat64(start + 32, true)
export const eventStreamBytes = (w: Window, start: number): number => w.view.getUint16(start + 12, true)
export const eventShapeCount = (w: Window, start: number): number => w.view.getUint16(start + 60, true)
/** The n-th shape id of an event of `length` bytes. */
export function eventShapeId(w: Window, start: number, length: number, n: number): number {
  return w.view.getUint16(start + length - FRAME_TRAILER_BYTES - 2 * (eventShapeCount(w, start) - n), true)
}

/** Tells whether the envelope's lengths fit the frame. A frame with a right checksum that does not is hostile or a bug. */
export function eventFits(w: Window, start: number, length: number): boolean {
  const { bytes, view } = w
  if (length < EVENT_FIXED_BYTES + FRAME_TRAILER_BYTES + 1 || bytes[start + 8] !== FRAME_EVENT) return false
  const streamBytes = view.getUint16(start + 12, true)
  const typeBytes = view.getUint16(start + 14, true)
  if (streamBytes === 0 || streamBytes > MAX_NAME_BYTES || typeBytes === 0 || typeBytes > MAX_TYPE_BYTES) return false
  const used =
    streamBytes +
    typeBytes +
    view.getUint16(start + 62, true) +
    view.getUint32(start + 56, true) +
    2 * view.getUint16(start + 60, true)
  return EVENT_FIXED_BYTES + used + FRAME_TRAILER_BYTES < length
}

/** Where the options of an event start and end; `eventFits` must hold. */
export const eventOptionsStart = ({ view }: Window, start: number): number =>
  start + EVENT_FIXED_BYTES + view.getUint16(start + 12, true) + view.getUint16(start + 14, true)
export const eventOptionsEnd = (w: Window, start: number): number =>
  eventOptionsStart(w, start) + w.view.getUint16(start + 62, true)

/** Returns where the text of an event's commit id stands, if it has one. */
export function eventCommitId(w: Window, start: number): { readonly start: number; readonly end: number } | undefined {
  const flags = eventFlags(w, start)
  if ((flags & FLAG_COMMIT_ID) === 0) return undefined
  const at = commitIdAt(flags, eventOptionsStart(w, start))
  return { start: at + 1, end: Math.min(at + 1 + w.bytes[at]!, eventOptionsEnd(w, start)) }
}

/** Calls back with where each tag of an event starts and ends, until it returns false. */
export function eachEventTag(w: Window, start: number, visit: (start: number, end: number) => unknown): void {
  const flags = eventFlags(w, start)
  if ((flags & FLAG_TAGS) === 0) return
  eachTag(w.bytes, tagsAt(w.bytes, flags, eventOptionsStart(w, start)), eventOptionsEnd(w, start), visit)
}

function commitIdAt(flags: number, options: number): number {
  return (
    options +
    ((flags & FLAG_CORRELATION) === 0 ? 0 : POINTER_BYTES) +
    ((flags & FLAG_CAUSATION) === 0 ? 0 : POINTER_BYTES)
  )
}

function tagsAt(bytes: Uint8Array, flags: number, options: number): number {
  const at = commitIdAt(flags, options)
  return (flags & FLAG_COMMIT_ID) === 0 ? at : at + 1 + bytes[at]!
}

/** Where an event goes: what the caller of `append` does not say. */
export interface EventPlace {
  readonly stream: StreamKey
  readonly position: number
  readonly offset: number
  /** FLAG_FIRST and FLAG_LAST. */
  readonly marks: number
  /** For events without a timestamp. */
  readonly now: number
  /** `encodeCommitId` of the id of the commit. */
  readonly commitId?: Buffer | undefined
}

/** Encodes events, one after another, into a writer. */
export class EventEncoder {
  /** Set by events with a commit id or tags. */
  keyed = false
  readonly #values: ValueEncoder
  readonly #ids: UuidSource
  /** Event types recur: their UTF-8 is kept, bounded by starting over. */
  readonly #types = new Map<string, Buffer>()

  constructor(values: ValueEncoder, ids: UuidSource) {
    this.#values = values
    this.#ids = ids
  }

  /**
   * Appends the frame of an event, without its checksum. Throws InvalidEventError or TooLargeError; the caller then
   * takes back what was written. Returns the timestamp stored.
   */
  encode(writer: ByteWriter, event: NewEvent, place: EventPlace, maxBytes: number): number {
    let start = writer.length
    // What is not finished moves when the buffer is full: places are kept relative to the mark across encoding values.
    const unit = start - writer.mark
    if (!isObject(event)) throw new InvalidEventError('event', 'it is no object')
    for (const key in event) if (!EVENT_KEYS.has(key)) throw new InvalidEventError(key, 'an event has no such field')
    const type = this.#typeBytes(event.type)
    const { metadata } = event
    const correlation = pointable(metadata, 'correlationId')
    const causation = pointable(metadata, 'causationId')
    const { commitId = NO_BYTES } = place
    const tags = event.tags === undefined ? NO_BYTES : encodeTags(event.tags)
    const pointerBytes = (correlation === undefined ? 0 : POINTER_BYTES) + (causation === undefined ? 0 : POINTER_BYTES)
    const options = pointerBytes + commitId.length + tags.length
    const timestamp = timestampOf(event.timestamp, place.now)
    const { stream } = place

    writer.ensure(EVENT_FIXED_BYTES + stream.byteLength + type.length + options)
    start = writer.mark + unit
    const { bytes, view } = writer
    view.setUint16(start + 10, schemaVersionOf(event.schemaVersion), true)
    view.setUint16(start + 12, stream.byteLength, true)
    view.setUint16(start + 14, type.length, true)
    writeU64(view, start + 16, place.position)
    writeU64(view, start + 24, place.offset)
    view.setFloat64(start + 32, timestamp, true)
    if (event.id === undefined) this.#ids.write(bytes, start + 40)
    else if (typeof event.id !== 'string' || !parseUuid(event.id, bytes, start + 40)) {
      throw new InvalidEventError('id', 'not a UUID in canonical lower-case form')
    }
    view.setUint16(start + 62, options, true)
    stream.write(bytes, start + EVENT_FIXED_BYTES)
    const at = put(bytes, start + EVENT_FIXED_BYTES + stream.byteLength, type)
    const pointers = at - start
    writer.length = at + options

    this.#values.begin()
    let flags = event.timestamp === undefined ? place.marks | FLAG_ASSIGNED : place.marks
    if (options > pointerBytes) {
      this.keyed = true
      if (commitId.length > 0) flags |= FLAG_COMMIT_ID
      if (tags.length > 0) flags |= FLAG_TAGS
      put(bytes, put(bytes, at + pointerBytes, commitId), tags)
    }
    if (metadata !== undefined) {
      if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) {
        throw new InvalidEventError('metadata', 'metadata is a plain object')
      }
      flags |= FLAG_METADATA
      this.#values.encode(writer, metadata, 'metadata')
    }
    const metadataBytes = writer.length - writer.mark - unit - pointers - options
    this.#values.encode(writer, event.data, 'data')

    const used = this.#values.used
    writer.ensure(2 * used.length + FRAME_TRAILER_BYTES)
    start = writer.mark + unit
    const metadataStart = start + pointers + options
    if (correlation !== undefined) {
      flags |= FLAG_CORRELATION
      pointAt(writer, start + pointers, metadataStart, metadataBytes, correlation)
    }
    if (causation !== undefined) {
      flags |= FLAG_CAUSATION
      pointAt(writer, start + pointers + pointerBytes - POINTER_BYTES, metadataStart, metadataBytes, causation)
    }
    const after = writer.view
    for (const id of used) {
      after.setUint16(writer.length, id, true)
      writer.length += 2
    }
    writer.length += FRAME_TRAILER_BYTES
    const length = writer.length - start
    if (length > maxBytes) {
      throw new TooLargeError(
        `Cannot append the event: encoded it has ${length} bytes, the limit is ${maxBytes}`,
        maxBytes,
        length,
      )
    }
    frameAround(after, start, length, FRAME_EVENT)
    after.setUint8(start + 9, flags)
    after.setUint32(start + 56, metadataBytes, true)
    after.setUint16(start + 60, used.length, true)
    return timestamp
  }

  #typeBytes(type: unknown): Buffer {
    const known = this.#types.get(type as string)
    if (known !== undefined) return known
    if (typeof type !== 'string' || type.length === 0) throw new InvalidEventError('type', 'not a non-empty string')
    if (!type.isWellFormed()) throw new InvalidEventError('type', 'it contains a lone surrogate')
    const bytes = Buffer.from(type, 'utf8')
    if (bytes.length > MAX_TYPE_BYTES) {
      throw new TooLargeError(
        `Cannot append the event: its type has ${bytes.length} bytes, the limit is ${MAX_TYPE_BYTES}`,
        MAX_TYPE_BYTES,
        bytes.length,
      )
    }
    if (this.#types.size >= 1024) this.#types.clear()
    this.#types.set(type, bytes)
    return bytes
  }
}

function put(target: Uint8Array, at: number, source: Uint8Array): number {
  if (source.length > 32) target.set(source, at)
  else for (let i = 0; i < source.length; i++) target[at + i] = source[i]!
  return at + source.length
}

function timestampOf(timestamp: unknown, now: number): number {
  if (timestamp === undefined) return now
  const value = timestamp instanceof Date ? timestamp.getTime() : timestamp
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || Math.abs(value) > MAX_TIMESTAMP) {
    throw new InvalidEventError('timestamp', 'not a valid Date or a whole number of milliseconds since the epoch')
  }
  return value === 0 ? 0 : value
}

function schemaVersionOf(version: unknown): number {
  if (version === undefined) return 1
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 0 || version > 0xffff) {
    throw new InvalidEventError('schemaVersion', 'not a whole number from 0 to 65,535')
  }
  return version
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** The string a pointer may stand for: short ASCII, as ids are. Others are found by decoding the metadata. */
function pointable(metadata: unknown, key: 'correlationId' | 'causationId'): string | undefined {
  if (typeof metadata !== 'object' || metadata === null) return undefined
  let value: unknown
  try {
    value = (metadata as Record<string, unknown>)[key]
  } catch {
    return undefined // a getter that throws: encoding the metadata meets it again and names it
  }
  if (typeof value !== 'string' || value.length === 0 || value.length > MAX_POINTED_BYTES) return undefined
  return value
}

/** Finds an id in the encoded metadata and writes where it is; an absent pointer is written as no bytes at 0. */
function pointAt(writer: ByteWriter, at: number, metadataStart: number, metadataBytes: number, text: string): void {
  const found = find(writer.bytes, metadataStart, metadataStart + metadataBytes, text)
  const start = found < 0 ? 0x10000 : found - metadataStart
  writer.view.setUint16(at, start > 0xffff ? 0 : start, true)
  writer.bytes[at + 2] = start > 0xffff ? 0 : text.length
}

function find(bytes: Uint8Array, start: number, end: number, text: string): number {
  const first = text.charCodeAt(0)
  if (first > 0x7f) return -1
  search: for (let at = start; at <= end - text.length; at++) {
    if (bytes[at] !== first) continue
    for (let i = 1; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code !== bytes[at + i] || code > 0x7f) continue search
    }
    return at
  }
  return -1
}

/** Decodes event frames whose checksum is right. */
export class EventDecoder {
  readonly #values: ValueDecoder
  readonly #strings = new InternedStrings()
  readonly #uuids = new UuidFormatter()
  readonly #tags = new TagDecoder()

  constructor(values: ValueDecoder) {
    this.#values = values
  }

  get values(): ValueDecoder {
    return this.#values
  }

  /** Decodes the frame at `start`. Throws ValueFormatError when metadata or data are malformed. The frame must fit (`eventFits`). */
  decode(window: Window, start: number, length: number, stream?: string): StoredEvent {
    const { bytes, view } = window
    const streamEnd = start + EVENT_FIXED_BYTES + view.getUint16(start + 12, true)
    const typeEnd = streamEnd + view.getUint16(start + 14, true)
    const metadataStart = typeEnd + view.getUint16(start + 62, true)
    const dataStart = metadataStart + view.getUint32(start + 56, true)
    const dataEnd = start + length - FRAME_TRAILER_BYTES - 2 * view.getUint16(start + 60, true)
    const flags = bytes[start + 9]!
    if (!partsAreThere(bytes, flags, typeEnd, metadataStart, dataStart)) {
      throw new ValueFormatError('the flags of the event do not say what it has', start + 9)
    }
    const name = stream ?? this.#strings.get(bytes, start + EVENT_FIXED_BYTES, streamEnd)
    const offset = readU64(view, start + 24)
    const position = readU64(view, start + 16)
    const id = this.#uuids.format(bytes, start + 40)
    const type = this.#strings.get(bytes, streamEnd, typeEnd)
    const timestamp = view.getFloat64(start + 32, true)
    const schemaVersion = view.getUint16(start + 10, true)
    const tags =
      (flags & FLAG_TAGS) === 0 ? NO_TAGS : this.#tags.decode(bytes, tagsAt(bytes, flags, typeEnd), metadataStart)
    const values = this.#values
    let metadata: unknown
    let data: unknown
    if ((flags & FLAG_METADATA) === 0) data = values.decode(bytes, dataStart, dataEnd)
    else {
      metadata = values.decode(bytes, metadataStart, dataStart, dataEnd)
      data = values.decodeNext(dataEnd)
    }
    if ((flags & FLAG_COMMIT_ID) === 0) {
      return { stream: name, offset, position, id, type, timestamp, schemaVersion, tags, data, metadata }
    }
    const at = commitIdAt(flags, typeEnd)
    const commitId = bytes.toString('utf8', at + 1, Math.min(at + 1 + bytes[at]!, metadataStart))
    // All fields at once: to copy an event and add one makes each an object of a kind of its own, which whoever reads it is slow with too.
    return { stream: name, offset, position, id, type, timestamp, schemaVersion, tags, data, metadata, commitId }
  }

  /** Decodes the metadata alone; undefined where there are none. Throws ValueFormatError when they are malformed. */
  metadata(window: Window, start: number): unknown {
    const { bytes, view } = window
    if ((bytes[start + 9]! & FLAG_METADATA) === 0) return undefined
    const texts = view.getUint16(start + 12, true) + view.getUint16(start + 14, true)
    const from = start + EVENT_FIXED_BYTES + texts + view.getUint16(start + 62, true)
    return this.#values.decode(bytes, from, from + view.getUint32(start + 56, true))
  }

  /** Returns the name of the stream an event belongs to. */
  stream(window: Window, start: number): string {
    const end = start + EVENT_FIXED_BYTES + window.view.getUint16(start + 12, true)
    return this.#strings.get(window.bytes, start + EVENT_FIXED_BYTES, end)
  }
}

const FLAGS_OF_OPTIONS = FLAG_CORRELATION | FLAG_CAUSATION | FLAG_COMMIT_ID | FLAG_TAGS

/** Tells whether metadata and options are where their flags say, and nothing else is. */
function partsAreThere(bytes: Buffer, flags: number, options: number, metadata: number, data: number): boolean {
  if (((flags & FLAG_METADATA) !== 0) !== data > metadata) return false
  if ((flags & FLAGS_OF_OPTIONS) === 0) return metadata === options
  let at = commitIdAt(flags, options)
  if ((flags & FLAG_COMMIT_ID) !== 0) at += 1 + bytes[at]!
  if ((flags & FLAG_TAGS) !== 0) {
    for (let left = bytes[at++]!; left > 0 && at < metadata; left--) at += 1 + bytes[at]!
  }
  return at === metadata
}
