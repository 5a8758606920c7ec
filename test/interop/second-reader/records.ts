import { crc32c, Fields, hex, sameBytes, utf8 } from './bytes.js'
import { Damage, must } from './damage.js'
import { decodeValue, type Shapes } from './values.js'

/** A frame of a log segment or stream segment. */
export interface Frame {
  readonly kind: 'group' | 'event' | 'shape' | 'seal'
  readonly at: number
  readonly end: number
  /** The whole frame, with both lengths. */
  readonly bytes: Uint8Array
}

const kinds = [undefined, 'group', 'event', 'shape', 'seal'] as const

/** Reads the frame that starts at `at`. */
export function readFrame(file: Uint8Array, at: number, end = file.length): Frame {
  const fields = new Fields(file.subarray(0, end), at)
  const length = fields.u32()
  must(length >= 16 && length <= end - at, `a frame of ${length} bytes`)
  const crc = fields.u32()
  must(crc === crc32c(file.subarray(at + 8, at + length)), 'the checksum of a frame is wrong')
  const kind = kinds[fields.u8()]
  must(kind !== undefined, 'a frame of an unknown kind')
  fields.at = at + length - 4
  must(fields.u32() === length, 'the two lengths of a frame are different')
  return { kind, at, end: at + length, bytes: file.subarray(at, at + length) }
}

/** The frame of a group. */
export interface GroupFrame {
  readonly store: Uint8Array
  readonly epoch: number
  readonly sequence: number
  readonly byte: number
  readonly firstPosition: number
  readonly durable: number
  readonly frames: number
  readonly events: number
  readonly bodyBytes: number
  readonly digest: number
}

export function readGroupFrame(frame: Frame): GroupFrame {
  must(frame.kind === 'group' && frame.bytes.length === 84, 'not the frame of a group')
  const fields = new Fields(frame.bytes, 12)
  must(sameBytes(fields.range(4), new TextEncoder().encode('GRP\n')), 'the mark of a group is missing')
  return {
    store: fields.range(8),
    epoch: fields.u64(),
    sequence: fields.u64(),
    byte: fields.u64(),
    firstPosition: fields.u64(),
    durable: fields.u64(),
    frames: fields.u32(),
    events: fields.u32(),
    bodyBytes: fields.u32(),
    digest: fields.u32(),
  }
}

export interface ShapeRecord {
  readonly id: number
  readonly keys: readonly string[]
}

export function readShape(frame: Frame): ShapeRecord {
  const fields = new Fields(frame.bytes.subarray(0, frame.bytes.length - 4), 10)
  const id = fields.u16()
  must(id >= 1, 'a shape with the id 0')
  const count = fields.u16()
  must(count >= 1 && count <= 64, `a shape of ${count} keys`)
  const keys: string[] = []
  let bytes = 0
  for (let i = 0; i < count; i++) {
    const length = fields.u16()
    bytes += length
    keys.push(fields.text(length))
  }
  fields.end()
  must(bytes <= 2048, `the keys of a shape have ${bytes} bytes`)
  must(new Set(keys).size === count, 'a shape that has a key twice')
  return { id, keys }
}

/** Reads a seal: the base of the next segment. */
export function readSeal(frame: Frame): number {
  must(frame.bytes.length === 28, 'a seal has 28 bytes')
  return new Fields(frame.bytes, 16).u64()
}

/** An event as it stands in a record. */
export interface EventRecord {
  readonly first: boolean
  readonly last: boolean
  readonly position: number
  readonly stream: string
  readonly offset: number
  readonly id: string
  readonly type: string
  readonly timestamp: number
  readonly schemaVersion: number
  readonly data: unknown
  /** `undefined` when the event has none. */
  readonly metadata: unknown
  readonly commitId: string | undefined
  readonly tags: readonly string[]
}

const idFields = ['correlationId', 'causationId'] as const

/** Reads the record of an event, all of it. `shapes` are those that stand before it in its file. */
export function readEvent(frame: Frame, shapes: Shapes): EventRecord {
  must(frame.bytes.length >= 68, 'a record of an event that is too short')
  const fields = new Fields(frame.bytes.subarray(0, frame.bytes.length - 4), 9)
  const flags = fields.u8()
  const schemaVersion = fields.u16()
  const streamBytes = fields.u16()
  const typeBytes = fields.u16()
  must(streamBytes >= 1 && streamBytes <= 1000, `a stream name of ${streamBytes} bytes`)
  must(typeBytes >= 1 && typeBytes <= 1000, `a type of ${typeBytes} bytes`)
  const position = fields.u64()
  const offset = fields.u64()
  const timestamp = fields.f64()
  must(Number.isInteger(timestamp) && Math.abs(timestamp) <= 8.64e15, 'a timestamp out of range')
  const id = hex(fields.range(16)).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  const metadataBytes = fields.u32()
  const shapeCount = fields.u16()
  const optionBytes = fields.u16()
  const stream = fields.text(streamBytes)
  const type = fields.text(typeBytes)
  const options = new Fields(fields.range(optionBytes))
  must(
    (flags & 4) !== 0 ? metadataBytes > 0 : metadataBytes === 0,
    'the flag and the length of metadata contradict each other',
  )
  const metadataRange = fields.range(metadataBytes)
  const dataBytes = fields.left - 2 * shapeCount
  must(dataBytes >= 1, 'a record without data')
  const dataRange = fields.range(dataBytes)
  const used = new Set<number>()
  const metadata = metadataBytes > 0 ? decodeValue(metadataRange, shapes, used) : undefined
  const data = decodeValue(dataRange, shapes, used)
  must(used.size === shapeCount, 'not as many shapes as the record says')
  for (const shape of used) must(fields.u16() === shape, 'a shape that the record does not name')

  idFields.forEach((field, i) => checkPointer(field, (flags & (8 << i)) !== 0, options, metadata, metadataRange))
  let commitId: string | undefined
  if ((flags & 32) !== 0) {
    const bytes = options.u8()
    must(bytes > 0, 'a commit id of no bytes')
    commitId = options.text(bytes)
  }
  const tags: string[] = []
  if ((flags & 64) !== 0) {
    const count = options.u8()
    must(count >= 1 && count <= 250, `${count} tags`)
    for (let i = 0; i < count; i++) {
      const bytes = options.u8()
      must(bytes > 0, 'a tag of no bytes')
      tags.push(options.text(bytes))
    }
    must(new Set(tags).size === count, 'a tag twice')
  }
  options.end()
  return {
    first: (flags & 1) !== 0,
    last: (flags & 2) !== 0,
    position,
    stream,
    offset,
    id,
    type,
    timestamp,
    schemaVersion,
    data,
    metadata,
    commitId,
    tags,
  }
}

/** A pointer must point at the string that decoding gives; without one there is no such string. */
function checkPointer(field: string, flag: boolean, options: Fields, metadata: unknown, encoded: Uint8Array): void {
  const plain = typeof metadata === 'object' && metadata !== null && Object.hasOwn(metadata, field)
  const value: unknown = plain ? (metadata as Record<string, unknown>)[field] : undefined
  const indexed = typeof value === 'string' && value.length >= 1 && value.length <= 255
  must(flag === indexed, `the flag of ${field} does not agree with metadata`)
  if (!flag) return
  const start = options.u16()
  const bytes = options.u8()
  if (start === 0 && bytes === 0) return
  must(start + bytes <= encoded.length, `the pointer to ${field} goes beyond metadata`)
  let text: string
  try {
    text = utf8(encoded.subarray(start, start + bytes))
  } catch {
    throw new Damage(`the pointer to ${field} points into the middle of something`)
  }
  must(text === value, `the pointer to ${field} points at something else`)
}
