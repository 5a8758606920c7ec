import { crc32c } from '../format/crc32c.js'
import { quote } from '../errors.js'
import { KEY_BLOCK_ENTRIES } from '../format/key-file.js'
import { ShapeTable } from '../format/shapes.js'
import { ValueDecoder } from '../format/value-decoder.js'
import { RELEASED } from '../lock/epoch-file.js'
import { type Field, FieldList, hex32, sayCrc, sayTime } from './fields.js'
import { sayValue } from './say-value.js'

/** Names the fields of an entry of a sparse index. */
export function entryFields(bytes: Buffer, base: number): Field[] {
  const list = new FieldList(bytes, base)
  list.u64('number', 'number')
  list.f64('number', (value) => `min time ${sayTime(value)}`)
  list.f64('number', (value) => `max time ${sayTime(value)}`)
  list.u32('number', (value) => `byte ${value}`)
  list.u32('number', (value) => `end ${value}`)
  list.u32('crc', (crc) => `crc ${hex32(crc)}`)
  return list.fields
}

/** Names the fields of an entry of a stream table. */
export function tableFields(bytes: Buffer, base: number): Field[] {
  const list = new FieldList(bytes, base)
  list.u32('crc', (hash) => `hash ${hex32(hash)}`)
  list.u32('number', (value) => `name start ${value}`)
  list.u32('number', (value) => `event start ${value}`)
  list.u32('length', (value) => `events ${value}`)
  list.u64('number', 'first offset')
  return list.fields
}

/** Names the fields of a block of a key file. */
export function blockFields(bytes: Buffer, base: number): Field[] {
  const list = new FieldList(bytes, base)
  list.u32('crc', (crc) => `crc ${hex32(crc)}`)
  const entries = list.u32('length', (value) => `entries ${value}`)
  for (let i = 0; i < Math.min(entries, KEY_BLOCK_ENTRIES) && list.left >= 20; i++) {
    list.u32('crc', (high) => `high ${hex32(high)}`)
    list.u32('crc', (low) => `low ${hex32(low)}`)
    list.u64('number', 'position')
    list.u32('number', (byte) => `byte ${byte}`)
  }
  list.rest(0, 'fill', (rest) => (rest.every((byte) => byte === 0) ? 'zeros' : 'bytes that should be zeros'))
  return list.fields
}

/** Names the fields of the body of a checkpoint. */
export function checkpointFields(bytes: Buffer, base: number): Field[] {
  const list = new FieldList(bytes, base)
  list.u32('length', (value) => `length ${value}`)
  const right = bytes.length > 8 ? crc32c(bytes, 8, bytes.length) : undefined
  list.u32('crc', (crc) => sayCrc(crc, right))
  list.rest(0, 'value', (body) => {
    try {
      return `body: ${sayValue(new ValueDecoder(new ShapeTable()).decode(body, 0, body.length), 1000)}`
    } catch (error) {
      return `body: cannot be decoded: ${(error as Error).message}`
    }
  })
  return list.fields
}

/** Names the fields of a place of the watermark. */
export function placeFields(bytes: Buffer, base: number): Field[] {
  const list = new FieldList(bytes, base)
  for (const name of ['epoch', 'sequence', 'position', 'base', 'segment epoch', 'byte']) list.u64('number', name)
  list.bytes('fill', 12, () => '0')
  list.u32('crc', (crc) => `crc ${hex32(crc)}`)
  return list.fields
}

/** Names the fields of an epoch file. */
export function epochFields(bytes: Buffer): Field[] {
  const list = new FieldList(bytes, 0)
  list.bytes('mark', 8, (magic) => `magic ${quote(magic.toString('latin1'))}`)
  list.u16('number', (version) => `read version ${version}`)
  list.u16('number', (version) => `write version ${version}`)
  list.u32('length', (value) => `length ${value}`)
  list.u32('crc', (crc) => `crc ${hex32(crc)}`)
  list.bytes('id', 16, (id) => `store id ${id.toString('hex')}`)
  list.u64('number', 'epoch')
  const since = bytes.length >= 52 ? sayTime(Number(bytes.readBigUInt64LE(44))) : ''
  list.bytes('number', 8, () => `since ${since}`)
  list.u32('number', (pid) => `pid ${pid}`)
  list.bytes('mark', 8, (mark) => `released: ${mark.equals(RELEASED) ? 'yes' : 'no'}`)
  for (const name of ['host', 'incarnation']) {
    const size = list.u8('length', (value) => `${name} length ${value}`)
    if (size > 0) list.bytes('text', size, (text) => `${name} ${quote(text.toString('utf8'))}`)
  }
  list.rest(0, 'unknown', (rest) => `${rest.length} bytes that say nothing`)
  return list.fields
}

/** Names the fields between the header and the records of a stream table or key file. */
export function headFields(kind: 'T' | 'K', bytes: Buffer, base: number): Field[] {
  const list = new FieldList(bytes, base)
  if (kind === 'T') {
    for (const name of ['streams', 'events', 'names']) list.u32('length', (value) => `${name} ${value}`)
    list.u32('crc', (crc) => `crc ${hex32(crc)}`)
    return list.fields
  }
  for (const name of ['segments', 'blocks']) list.u32('length', (value) => `${name} ${value}`)
  list.u64('length', 'entries')
  list.u64('number', 'end')
  list.u32('length', (value) => `filter bytes ${value}`)
  list.u32('crc', (crc) => `crc ${hex32(crc)}`)
  return list.fields
}
