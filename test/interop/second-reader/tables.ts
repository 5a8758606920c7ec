import { crc32c, Fields, sameBytes, utf8 } from './bytes.js'
import { must } from './damage.js'
import { type Header, readHeader } from './header.js'
import { decodeValue } from './values.js'

export interface IndexEntry {
  readonly number: number
  readonly minTime: number
  readonly maxTime: number
  readonly byte: number
  readonly end: number
}

/** Reads a sparse index. */
export function readIndex(
  file: Uint8Array,
  letter: 'P' | 'I',
): { readonly header: Header; readonly entries: IndexEntry[] } {
  const header = readHeader(file, letter)
  const entries: IndexEntry[] = []
  const fields = new Fields(file, header.length)
  must(fields.left % 36 === 0, 'an index that ends within an entry')
  while (fields.left > 0) {
    const covered = file.subarray(fields.at, fields.at + 32)
    const entry = {
      number: fields.u64(),
      minTime: fields.f64(),
      maxTime: fields.f64(),
      byte: fields.u32(),
      end: fields.u32(),
    }
    must(fields.u32() === crc32c(header.crcField, covered), 'the checksum of an index entry is wrong')
    must(entry.end > entry.byte, 'an index entry of no bytes')
    const before = entries.at(-1)
    must(
      before === undefined || (before.number < entry.number && before.end === entry.byte),
      'an index entry that does not begin where the one before ends',
    )
    entries.push(entry)
  }
  return { header, entries }
}

interface Row {
  readonly hash: number
  readonly nameStart: number
  readonly eventStart: number
  readonly events: number
  readonly firstOffset: number
}

export interface TableEntry {
  readonly stream: string
  readonly firstOffset: number
  /** Where the frames of the events start. */
  readonly bytes: readonly number[]
}

/** Reads a stream table. */
export function readStreamTable(file: Uint8Array): { readonly header: Header; readonly entries: TableEntry[] } {
  const header = readHeader(file, 'T')
  const content = file.subarray(header.length)
  const fields = new Fields(content)
  const streams = fields.u32()
  const events = fields.u32()
  const names = fields.u32()
  const crc = fields.u32()
  must(crc === crc32c(content.subarray(0, 12), content.subarray(16)), 'the checksum of a stream table is wrong')
  must(content.length === 16 + 24 * streams + 4 * events + names, 'a stream table that is not as long as it says')
  const rows: Row[] = []
  for (let i = 0; i < streams; i++) {
    rows.push({
      hash: fields.u32(),
      nameStart: fields.u32(),
      eventStart: fields.u32(),
      events: fields.u32(),
      firstOffset: fields.u64(),
    })
  }
  const bytes: number[] = []
  for (let i = 0; i < events; i++) bytes.push(fields.u32())
  const text = fields.range(names)
  fields.end()
  const entries = rows.map((row, i) => {
    const next = rows[i + 1] ?? { nameStart: names, eventStart: events, hash: 0xffffffff }
    must(row.nameStart < next.nameStart && next.nameStart <= names, 'names of a stream table')
    must(row.eventStart + row.events === next.eventStart && row.events > 0, 'events of a stream table')
    must(row.hash <= next.hash, 'hashes of a stream table that fall')
    const name = text.subarray(row.nameStart, next.nameStart)
    must(crc32c(name) === row.hash, 'the hash of a name is wrong')
    return {
      stream: utf8(name),
      firstOffset: row.firstOffset,
      bytes: bytes.slice(row.eventStart, row.eventStart + row.events),
    }
  })
  const first = rows[0]
  must(first === undefined || (first.nameStart === 0 && first.eventStart === 0), 'a stream table with a gap')
  must(streams > 0 || (events === 0 && names === 0), 'a stream table with events of no stream')
  return { header, entries }
}

export interface Checkpoint {
  readonly header: Header
  readonly epoch: number
  readonly clean: boolean
  readonly redo: {
    readonly base: number
    readonly epoch: number
    readonly byte: number
    readonly sequence: number
    readonly position: number
  }
  readonly settledPosition: number
  readonly lastTimestamp: number
  /** `undefined` for nil, and in files of earlier writers. */
  readonly keyedFrom: number | undefined
  readonly shapes: readonly { readonly id: number; readonly keys: readonly string[] }[]
}

/** Reads a checkpoint. */
export function readCheckpoint(file: Uint8Array): Checkpoint {
  const header = readHeader(file, 'C')
  const fields = new Fields(file, header.length)
  const length = fields.u32()
  const crc = fields.u32()
  must(length === fields.left, 'a checkpoint that is not as long as it says')
  const body = fields.range(length)
  must(crc === crc32c(body), 'the checksum of the checkpoint is wrong')
  const map = decodeValue(body, new Map(), new Set())
  const redo = field(map, 'redo')
  const shapes = field(map, 'shapes')
  const clean = field(map, 'clean')
  must(typeof clean === 'boolean', 'clean')
  must(Array.isArray(shapes), 'shapes')
  const ids = new Set<number>()
  const epoch = count(map, 'epoch')
  must(epoch === header.epoch, 'a checkpoint of two epochs')
  const lastTimestamp = number(map, 'lastTimestamp')
  must(Math.abs(lastTimestamp) <= 8.64e15, 'a timestamp out of range')
  return {
    header,
    epoch,
    clean,
    redo: {
      base: count(redo, 'base'),
      epoch: count(redo, 'epoch'),
      byte: count(redo, 'byte'),
      sequence: count(redo, 'sequence'),
      position: count(redo, 'position'),
    },
    settledPosition: count(map, 'settledPosition'),
    lastTimestamp,
    keyedFrom: hasNone(map, 'keyedFrom') ? undefined : count(map, 'keyedFrom'),
    shapes: shapes.map((shape: unknown) => {
      const keys = field(shape, 'keys')
      const id = count(shape, 'id')
      must(id >= 1 && id <= 65535 && !ids.has(id), 'the id of a shape')
      ids.add(id)
      must(
        Array.isArray(keys) && keys.length >= 1 && keys.length <= 64 && keys.every((key) => typeof key === 'string'),
        'the keys of a shape',
      )
      must(new Set(keys).size === keys.length, 'a shape that has a key twice')
      must(new TextEncoder().encode(keys.join('')).length <= 2048, 'the keys of a shape are too long')
      return { id, keys }
    }),
  }
}

function field(map: unknown, name: string): unknown {
  must(typeof map === 'object' && map !== null && Object.hasOwn(map, name), `${name} is missing`)
  return (map as Record<string, unknown>)[name]
}

/** Whether an optional field is missing, nil or undefined. */
function hasNone(map: unknown, name: string): boolean {
  return !Object.hasOwn(map as object, name) || (field(map, name) ?? undefined) === undefined
}

function number(map: unknown, name: string): number {
  const value = field(map, name)
  must(typeof value === 'number' && Number.isSafeInteger(value), `${name} is no whole number`)
  return value
}

function count(map: unknown, name: string): number {
  const value = number(map, name)
  must(value >= 0, `${name} is negative`)
  return value
}

export interface EpochFile {
  readonly storeId: Uint8Array
  readonly epoch: number
  readonly since: number
  readonly pid: number
  readonly released: boolean
  readonly host: string
  readonly incarnation: string
}

/** Reads an epoch file. */
export function readEpochFile(file: Uint8Array): EpochFile {
  const fields = new Fields(file)
  must(sameBytes(fields.range(8), new TextEncoder().encode('ANNALSE\n')), 'the magic is not that of an epoch file')
  must(fields.u16() === 1, 'a read version that is not known')
  fields.u16()
  const length = fields.u32()
  must(length === file.length && length >= 66, 'an epoch file that is not as long as it says')
  const crc = fields.u32()
  must(
    crc === crc32c(file.subarray(0, 16), file.subarray(20, 56), file.subarray(64)),
    'the checksum of an epoch file is wrong',
  )
  const storeId = fields.range(16)
  const epoch = fields.u64()
  const since = fields.u64()
  const pid = fields.u32()
  const mark = fields.range(8)
  const letters = new TextEncoder().encode('RELEASED')
  must(
    mark.every((byte, i) => byte === 0 || byte === letters[i]),
    'the mark of an epoch file',
  )
  const host = fields.text(fields.u8())
  const incarnation = fields.text(fields.u8())
  fields.end()
  return { storeId, epoch, since, pid, released: sameBytes(mark, letters), host, incarnation }
}
