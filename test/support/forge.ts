import { ByteWriter } from '../../engine/format/byte-writer.js'
import { type Checkpoint, encodeCheckpoint } from '../../engine/format/checkpoint.js'
import { crc32c } from '../../engine/format/crc32c.js'
import { encodeCommitId } from '../../engine/format/event-options.js'
import { EventEncoder, eventShapeCount, eventShapeId, FLAG_FIRST, FLAG_LAST } from '../../engine/format/event-record.js'
import { encodeHeader, type HeaderFields } from '../../engine/format/file-header.js'
import { FRAME_EVENT, FRAME_KIND, sealFrame, windowOf } from '../../engine/format/frame.js'
import { encodeGroup, type Group, GROUP_BYTES } from '../../engine/format/group.js'
import { logFileName, streamFileName, streamKey } from '../../engine/format/names.js'
import { encodeShape } from '../../engine/format/shape-record.js'
import { type ShapeDefinition, ShapeTable } from '../../engine/format/shapes.js'
import { UuidSource } from '../../engine/format/uuid.js'
import { ValueEncoder } from '../../engine/format/value-encoder.js'
import type { NewEvent } from '../../engine/types/event.js'
import { SeededRandom } from './random.js'

/** The store that forged files belong to. */
export const STORE_ID: Buffer = Buffer.from('a forged store!!')

/** Where a forged event stands. */
export interface ForgedPlace {
  readonly stream: string
  readonly offset: number
  readonly position: number
  /** Whether it is the first and the last event of its commit. Default: both. */
  readonly marks?: number
  readonly commitId?: string
}

/** Makes records, groups and segments byte by byte, as no store would: all of it under right checksums. */
export class Forge {
  readonly #encoder: EventEncoder

  /** `shapes`: objects with these keys are written by shape. */
  constructor(...shapes: ShapeDefinition[]) {
    const table = new ShapeTable()
    for (const shape of shapes) table.define(shape)
    const random = new SeededRandom(1)
    const ids = new UuidSource((target) => random.fill(target))
    this.#encoder = new EventEncoder(new ValueEncoder(table, { learn: false, maxShapes: 0 }), ids)
  }

  /** An event record. */
  event(place: ForgedPlace, event: Partial<NewEvent> = {}): Buffer {
    const { stream, marks = FLAG_FIRST | FLAG_LAST, commitId, ...rest } = place
    const id = commitId === undefined ? undefined : encodeCommitId(commitId)
    const writer = new ByteWriter(Buffer.alloc(64), (bytes) => Buffer.alloc(2 * bytes))
    const whole = { type: 'Forged', timestamp: 1_700_000_000_000 + place.position, ...event } as NewEvent
    this.#encoder.encode(writer, whole, { ...rest, stream: streamKey(stream), marks, now: 1, commitId: id }, 2 ** 26)
    return resealed(writer.bytes.subarray(0, writer.length))
  }
}

/** A record with something changed in it, under a right checksum again. */
export function resealed(record: Uint8Array, change: (record: Buffer) => void = () => undefined): Buffer {
  const window = windowOf(Buffer.from(record))
  change(window.bytes)
  sealFrame(window, 0, window.bytes.length)
  return window.bytes
}

/** A group of these frames, as it stands at `byte` of a log segment. */
export function groupOf(
  frames: readonly Buffer[],
  place: Pick<Group, 'byte' | 'sequence' | 'firstPosition'> & Partial<Group>,
  storeId: Buffer = STORE_ID,
): Buffer {
  const body = Buffer.concat(frames)
  const digest = frames.reduce((crc, frame) => crc32c(frame, 4, 8, crc), 0)
  const window = windowOf(Buffer.alloc(GROUP_BYTES))
  encodeGroup(window, 0, storeId, {
    epoch: 1,
    durable: place.sequence,
    frames: frames.length,
    events: frames.filter((frame) => frame[FRAME_KIND] === FRAME_EVENT).length,
    bodyBytes: body.length,
    digest,
    ...place,
  })
  return Buffer.concat([window.bytes, body])
}

type LogFields = Partial<Omit<HeaderFields, 'kind'>>

/** A log segment of these groups, one after the other; epoch 1 unless `fields` say otherwise. */
export function logSegment(groups: readonly (readonly Buffer[])[], fields: LogFields = {}): Buffer {
  const header = { storeId: STORE_ID, epoch: 1, base: 0, sequence: 0, shapes: true, ...fields }
  let bytes: Buffer = encodeHeader({ ...header, kind: 'L' })
  let firstPosition = header.base
  for (const [n, frames] of groups.entries()) {
    const place = { byte: bytes.length, sequence: header.sequence + n, firstPosition, epoch: header.epoch }
    bytes = Buffer.concat([bytes, groupOf(frames, place, header.storeId)])
    firstPosition += frames.filter((frame) => frame[FRAME_KIND] === FRAME_EVENT).length
  }
  return bytes
}

/** A stream segment of these frames. */
export function streamSegment(stream: string, frames: readonly Buffer[], fields: LogFields = {}): Buffer {
  const header = encodeHeader({ storeId: STORE_ID, shapes: true, name: streamKey(stream).bytes, ...fields, kind: 'S' })
  return Buffer.concat([header, ...frames])
}

/** An event of a forged store: its stream, and what it is if that matters. */
export type ForgedEvent = readonly [stream: string, event?: Partial<NewEvent>]

/** A store that nothing is wrong with, to be changed. */
export interface ForgedStore {
  readonly files: Map<string, Buffer>
  /** Paths of the log segments, in order. */
  readonly logs: readonly string[]
  /** Its event records, by position. */
  readonly records: readonly Buffer[]
  /** As its file says. */
  readonly checkpoint: Checkpoint
  /** Path of the one segment of a stream. */
  readonly segment: (stream: string) => string
}

/**
 * Makes a store that was closed: log segments of groups of commits of one event each, and a segment for each stream. Objects are written
 * by shape where `shapes` has their keys; definitions stand before the first use in each file.
 */
export function forgedStore(
  segments: readonly (readonly (readonly ForgedEvent[])[])[],
  { folder = '/store', shapes = [] as readonly ShapeDefinition[] } = {},
): ForgedStore {
  const forge = new Forge(...shapes)
  const files = new Map<string, Buffer>([[`${folder}/annals`, encodeHeader({ kind: 'H', storeId: STORE_ID })]])
  const logs: string[] = []
  const records: Buffer[] = []
  const streams = new Map<string, Buffer[]>()
  let sequence = 0
  let previous: { readonly base: number; readonly epoch: number; readonly bytes: number } | undefined
  for (const groups of segments) {
    const base = records.length
    const link = { previousBase: previous?.base, previousEpoch: previous?.epoch, previousEnd: previous?.bytes }
    const defined = new Set<number>()
    const frames = groups.map((events) =>
      events.flatMap(([stream, event]) => {
        const own = streams.get(stream) ?? []
        streams.set(stream, own)
        const record = forge.event({ stream, offset: own.length, position: records.length }, event)
        own.push(record)
        records.push(record)
        return withDefinitions(record, shapes, defined)
      }),
    )
    const bytes = logSegment(frames, { base, sequence, durable: sequence, ...link } as LogFields)
    const path = `${folder}/log/${logFileName(base, 1, '.log')}`
    logs.push(path)
    files.set(path, bytes)
    sequence += groups.length
    previous = { base, epoch: 1, bytes: bytes.length }
  }
  const segment = (stream: string): string => `${folder}/streams/${streamFileName(streamKey(stream).path, 0, '.seg')}`
  for (const [stream, own] of streams) {
    const defined = new Set<number>()
    const frames = own.flatMap((record) => withDefinitions(record, shapes, defined))
    files.set(segment(stream), streamSegment(stream, frames))
  }
  const position = records.length
  const checkpoint: Checkpoint = {
    epoch: 1,
    clean: true,
    redo: { base: previous?.base ?? 0, epoch: 1, byte: previous?.bytes ?? 0, sequence, position },
    settledPosition: position,
    lastTimestamp: 0,
    keyedFrom: null,
    shapes,
  }
  files.set(`${folder}/checkpoint`, encodeCheckpoint(STORE_ID, checkpoint))
  return { files, logs, records, checkpoint, segment }
}

/** A record, and before it the definitions it needs that its file lacks. */
function withDefinitions(record: Buffer, shapes: readonly ShapeDefinition[], defined: Set<number>): Buffer[] {
  const window = windowOf(record)
  const frames: Buffer[] = []
  for (let n = 0; n < eventShapeCount(window, 0); n++) {
    const id = eventShapeId(window, 0, record.length, n)
    if (!defined.has(id)) frames.push(encodeShape(shapes.find((shape) => shape.id === id)!))
    defined.add(id)
  }
  return [...frames, record]
}
