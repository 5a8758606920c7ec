import { quote } from '../errors.js'
import { crc32c } from '../format/crc32c.js'
import {
  eventFits,
  FLAG_ASSIGNED,
  FLAG_CAUSATION,
  FLAG_COMMIT_ID,
  FLAG_CORRELATION,
  FLAG_FIRST,
  FLAG_LAST,
  FLAG_METADATA,
  FLAG_TAGS,
} from '../format/event-record.js'
import { FRAME_EVENT, FRAME_GROUP, FRAME_SEAL, FRAME_SHAPE, FRAME_TRAILER_BYTES } from '../format/frame.js'
import type { ShapeTable } from '../format/shapes.js'
import { UuidFormatter } from '../format/uuid.js'
import { ValueDecoder } from '../format/value-decoder.js'
import { type Field, FieldList, hex32, sayCrc, sayTime } from './fields.js'
import { sayValue } from './say-value.js'

const KINDS: Readonly<Record<number, string>> = {
  [FRAME_GROUP]: 'group',
  [FRAME_EVENT]: 'event',
  [FRAME_SHAPE]: 'shape',
  [FRAME_SEAL]: 'seal',
}
const FLAGS: readonly (readonly [number, string])[] = [
  [FLAG_FIRST, 'first'],
  [FLAG_LAST, 'last'],
  [FLAG_METADATA, 'metadata'],
  [FLAG_CORRELATION, 'correlation'],
  [FLAG_CAUSATION, 'causation'],
  [FLAG_COMMIT_ID, 'commit id'],
  [FLAG_TAGS, 'tags'],
  [FLAG_ASSIGNED, 'assigned timestamp'],
]

/**
 * Names the fields of a record of a segment, right or wrong. `bytes` is the whole record, or what is left of it; `base` is where it
 * starts in the file, `shapes` what the file has defined before it.
 */
export function recordFields(bytes: Buffer, base: number, shapes: ShapeTable): Field[] {
  const list = new FieldList(bytes, base)
  const length = list.u32('length', (value) => `length ${value}`)
  const whole = length === bytes.length
  const right = whole && bytes.length > 8 ? crc32c(bytes, 8, bytes.length) : undefined
  list.u32('crc', (crc) => sayCrc(crc, right))
  const kind = list.u8('mark', (value) => `kind: ${KINDS[value] ?? `${value}, which is none`}`)
  const trailer = whole ? FRAME_TRAILER_BYTES : 0
  if (kind === FRAME_GROUP) groupBody(list)
  else if (kind === FRAME_EVENT) eventBody(list, bytes, shapes)
  else if (kind === FRAME_SHAPE) shapeBody(list, trailer)
  else if (kind === FRAME_SEAL) {
    list.bytes('fill', 7, () => '0')
    list.u64('number', 'next base')
  }
  list.rest(trailer, 'unknown', (rest) => `${rest.length} bytes that say nothing`)
  if (trailer > 0) list.u32('length', (value) => `length ${value}`)
  return list.fields
}

function groupBody(list: FieldList): void {
  list.u8('mark', (flags) => `flags ${flags}`)
  list.u16('fill', (value) => `${value}`)
  list.bytes('mark', 4, (mark) => {
    const text = mark.toString('latin1')
    return `mark ${text === 'GRP\n' ? 'GRP, line feed' : quote(text)}`
  })
  list.bytes('id', 8, (id) => `store ${id.toString('hex')}`)
  for (const name of ['epoch', 'sequence', 'byte', 'first position', 'durable']) list.u64('number', name)
  for (const name of ['frames', 'events', 'body bytes']) list.u32('length', (value) => `${name} ${value}`)
  list.u32('crc', (digest) => `digest ${hex32(digest)}`)
}

function eventBody(list: FieldList, bytes: Buffer, shapes: ShapeTable): void {
  const flags = list.u8('mark', sayFlags)
  list.u16('number', (version) => `schema version ${version}`)
  const streamBytes = list.u16('length', (value) => `stream bytes ${value}`)
  const typeBytes = list.u16('length', (value) => `type bytes ${value}`)
  list.u64('number', 'position')
  list.u64('number', 'offset')
  list.f64('number', (value) => `timestamp ${sayTime(value)}`)
  list.bytes('id', 16, (id) => `id ${id.length === 16 ? new UuidFormatter().format(id, 0) : id.toString('hex')}`)
  const metadataBytes = list.u32('length', (value) => `metadata bytes ${value}`)
  const shapeCount = list.u16('length', (value) => `shapes ${value}`)
  const optionBytes = list.u16('length', (value) => `option bytes ${value}`)
  if (!eventFits(list.window, 0, bytes.length)) return
  list.bytes('text', streamBytes, (name) => `stream ${quote(name.toString('utf8'))}`)
  list.bytes('text', typeBytes, (type) => `type ${quote(type.toString('utf8'))}`)
  options(list, flags, optionBytes)
  const decoder = new ValueDecoder(shapes)
  if (metadataBytes > 0) list.bytes('value', metadataBytes, (value) => `metadata: ${decode(decoder, value)}`)
  list.rest(FRAME_TRAILER_BYTES + 2 * shapeCount, 'value', (value) => `data: ${decode(decoder, value)}`)
  for (let i = 0; i < shapeCount; i++) list.u16('number', (id) => `shape ${id}`)
}

function sayFlags(flags: number): string {
  const set = FLAGS.filter(([flag]) => (flags & flag) !== 0).map(([, name]) => name)
  return set.length === 0 ? 'flags 0' : `flags: ${set.join(', ')}`
}

function options(list: FieldList, flags: number, optionBytes: number): void {
  const end = list.left - optionBytes
  const room = (): number => list.left - end
  for (const [flag, name] of [
    [FLAG_CORRELATION, 'correlation'],
    [FLAG_CAUSATION, 'causation'],
  ] as const) {
    if ((flags & flag) === 0) continue
    list.bytes('number', Math.min(3, room()), (pointer) =>
      pointer.length < 3
        ? `${name} (cut off)`
        : `${name}: at byte ${pointer.readUInt16LE(0)} of metadata, ${pointer[2]!} bytes`,
    )
  }
  if ((flags & FLAG_COMMIT_ID) !== 0) shortText(list, room(), 'commit id')
  if ((flags & FLAG_TAGS) !== 0 && room() > 0) {
    for (let left = list.u8('length', (value) => `tags ${value}`); left > 0 && room() > 0; left--) {
      shortText(list, room(), 'tag')
    }
  }
  list.bytes('unknown', room(), (rest) => `${rest.length} bytes that say nothing`)
}

function shortText(list: FieldList, room: number, name: string): void {
  if (room < 1) return
  const size = list.u8('length', (value) => `${name} bytes ${value}`)
  list.bytes('text', Math.min(size, room - 1), (text) => `${name} ${quote(text.toString('utf8'))}`)
}

function decode(decoder: ValueDecoder, bytes: Buffer): string {
  try {
    return sayValue(decoder.decode(bytes, 0, bytes.length))
  } catch (error) {
    return `cannot be decoded: ${(error as Error).message}`
  }
}

function shapeBody(list: FieldList, trailer: number): void {
  list.u8('fill', (value) => `${value}`)
  list.u16('number', (id) => `shape ${id}`)
  const keys = list.u16('length', (value) => `keys ${value}`)
  for (let i = 0; i < keys && list.left - trailer >= 2; i++) {
    const size = list.u16('length', (value) => `key bytes ${value}`)
    list.bytes('text', Math.min(size, list.left - trailer), (key) => `key ${quote(key.toString('utf8'))}`)
  }
}
