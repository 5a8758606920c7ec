import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { CHECKPOINT_FILE, decodeCheckpoint, encodeCheckpoint } from '../../engine/format/checkpoint.js'
import { encodeHeader, READ_VERSION, WRITE_VERSION } from '../../engine/format/file-header.js'
import {
  FRAME_EVENT,
  FRAME_GROUP,
  FRAME_SEAL,
  FRAME_SHAPE,
  MIN_FRAME_BYTES,
  windowOf,
} from '../../engine/format/frame.js'
import { encodeGroup, GROUP_BYTES } from '../../engine/format/group.js'
import { streamKey } from '../../engine/format/names.js'
import { encodeSeal, encodeShape, SEAL_BYTES } from '../../engine/format/shape-record.js'
import { ShapeTable } from '../../engine/format/shapes.js'
import { encodeEntries, INDEX_ENTRY_BYTES } from '../../engine/format/sparse-index.js'
import { StreamTableBuilder } from '../../engine/format/stream-table.js'
import { ValueDecoder } from '../../engine/format/value-decoder.js'
import {
  emptyWatermarks,
  encodeWatermark,
  WATERMARK_RECORD_BYTES,
  watermarkSeed,
} from '../../engine/format/watermark.js'
import { memoryEnvironment } from '../../engine/io/memory-environment.js'
import type { Environment } from '../../engine/io/file-system.js'
import {
  defaultLimits,
  MAX_COMMIT_ID_BYTES,
  MAX_DEPTH,
  MAX_NAME_BYTES,
  MAX_SHAPE_ID,
  MAX_SHAPE_KEY_BYTES,
  MAX_SHAPE_KEYS,
  MAX_TAG_BYTES,
  MAX_TAGS,
  MAX_TYPE_BYTES,
} from '../../engine/limits.js'
import { encodeEpochFile, RELEASED } from '../../engine/lock/epoch-file.js'
import { type Behind, type Found, type Successor, verdictOf } from '../../engine/recovery/verdict.js'
import { openStore } from '../../engine/store/open-store.js'
import { codeBlocks } from './markdown.js'

type Row = readonly string[]
type Table = readonly Row[]

/** The files whose header comments draw layouts, and how many tables each has. */
const LAYOUTS: Record<string, number> = {
  'engine/format/file-header.ts': 1,
  'engine/format/frame.ts': 1,
  'engine/format/group.ts': 1,
  'engine/format/event-record.ts': 1,
  'engine/format/shape-record.ts': 2,
  'engine/format/sparse-index.ts': 1,
  'engine/format/stream-table.ts': 2,
  'engine/format/key-file.ts': 3,
  'engine/format/watermark.ts': 1,
  'engine/lock/epoch-file.ts': 1,
}
const STORE_ID = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')

const text = readFileSync('segments-format.md', 'utf8')
const blocks = codeBlocks('segments-format.md', text).filter(({ language }) => language === 'hex')

t.test('the layout tables are those of the code, each of them and no others', (t) => {
  const inCode = Object.entries(LAYOUTS).flatMap(([file, count]) => {
    const tables = tablesOf(commentsOf(readFileSync(file, 'utf8'))).filter(isLayout)
    t.equal(tables.length, count, file)
    return tables
  })
  t.same(tablesOf(text).filter(isLayout), inCode)
  t.end()
})

t.test('real records have their fields where the tables say', (t) => {
  const header = encodeHeader({
    kind: 'L',
    storeId: STORE_ID,
    epoch: 0x1122334455,
    base: 2,
    previousBase: 3,
    previousEpoch: 4,
    previousEnd: 5,
    sequence: 6,
    durable: 7,
    shapes: true,
    name: Buffer.from('name'),
  })
  t.equal(header.length, 96 + 4)
  t.match(text, /A header has 96 bytes and the name/)
  t.same(fieldsOf(layoutIn('File header'), header), {
    magic: Buffer.from('ANNALSL\n').toString('hex'),
    'read version': READ_VERSION,
    'write version': WRITE_VERSION,
    'header length': 100,
    crc: referenceCrc(header.subarray(0, 16), header.subarray(20)),
    'store id': STORE_ID.toString('hex'),
    epoch: 0x1122334455,
    base: 2,
    'previous base': 3,
    'previous epoch': 4,
    'previous end': 5,
    sequence: 6,
    durable: 7,
    flags: 1,
    'name length': 4,
  })

  const group = Buffer.alloc(GROUP_BYTES)
  encodeGroup(windowOf(group), 0, STORE_ID, {
    epoch: 1,
    sequence: 2,
    byte: 3,
    firstPosition: 4,
    durable: 5,
    frames: 6,
    events: 7,
    bodyBytes: 8,
    digest: 9,
  })
  t.same(fieldsOf(layoutIn('Group'), group), {
    kind: FRAME_GROUP,
    flags: 0,
    '–': 0,
    mark: Buffer.from('GRP\n').toString('hex'),
    store: STORE_ID.subarray(0, 8).toString('hex'),
    epoch: 1,
    sequence: 2,
    byte: 3,
    'first position': 4,
    durable: 5,
    frames: 6,
    events: 7,
    'body bytes': 8,
    digest: 9,
    length: 84,
  })
  t.match(text, new RegExp(`The group frame has ${GROUP_BYTES} bytes`))
  t.match(text, new RegExp(`A frame has at least ${MIN_FRAME_BYTES} bytes`))
  t.match(text, new RegExp(`Entries of ${INDEX_ENTRY_BYTES} bytes`))

  const [shapeLayout, sealLayout] = tablesOf(section('Shape and seal')).filter(isLayout)
  t.same(fieldsOf(shapeLayout!, encodeShape({ id: 300, keys: ['a', 'b'] })), {
    kind: FRAME_SHAPE,
    '–': 0,
    id: 300,
    keys: 2,
    length: 14 + 2 * 3 + 4,
  })
  t.same(fieldsOf(sealLayout!, encodeSeal(77)), {
    kind: FRAME_SEAL,
    '–': '00'.repeat(7),
    'next base': 77,
    length: SEAL_BYTES,
  })

  const entry = encodeEntries([{ number: 1, minTime: -2.5, maxTime: 3, byte: 4, end: 5 }], 0, 0xaabbccdd)
  t.same(fieldsOf(layoutIn('Sparse index'), entry), {
    number: 1,
    'min time': -2.5,
    'max time': 3,
    byte: 4,
    end: 5,
    crc: referenceCrc(Buffer.from('ddccbbaa', 'hex'), entry.subarray(0, 32)),
  })

  const builder = new StreamTableBuilder()
  builder.add('ä', 9, 5, 96)
  builder.add('ä', 9, 6, 200)
  const table = builder.encode()
  const [tableLayout, entryLayout] = tablesOf(section('Stream table')).filter(isLayout)
  t.same(fieldsOf(tableLayout!, table), {
    streams: 1,
    events: 2,
    names: 2,
    crc: referenceCrc(table.subarray(0, 12), table.subarray(16)),
  })
  t.same(fieldsOf(entryLayout!, table.subarray(16)), {
    hash: 9,
    'name start': 0,
    'event start': 0,
    events: 2,
    'first offset': 5,
  })
  t.equal(table.subarray(40).toString('hex'), `60000000c8000000${Buffer.from('ä').toString('hex')}`)

  const watermark = windowOf(Buffer.alloc(WATERMARK_RECORD_BYTES))
  const watermarks = emptyWatermarks(STORE_ID)
  const place = { base: 4, epoch: 5, byte: 6, sequence: 2, position: 3 }
  encodeWatermark(watermark, watermarkSeed(watermarks), { writer: 1, place })
  t.same(fieldsOf(layoutIn('Watermark'), watermark.bytes), {
    epoch: 1,
    sequence: 2,
    position: 3,
    base: 4,
    'segment epoch': 5,
    byte: 6,
    '–': '00'.repeat(12),
    crc: referenceCrc(watermarks.subarray(16, 20), watermark.bytes.subarray(0, 60)),
  })
  t.equal(watermarks.length, 96 + 16 * 64)

  const holder = { pid: 1, host: 'h', incarnation: 'i', since: 2, epoch: 3 }
  const epoch = encodeEpochFile(holder, STORE_ID)
  t.same(fieldsOf(layoutIn('Epoch and lock'), epoch), {
    magic: Buffer.from('ANNALSE\n').toString('hex'),
    'read version': 1,
    'write version': 1,
    length: epoch.length,
    crc: referenceCrc(epoch.subarray(0, 16), epoch.subarray(20, 56), epoch.subarray(64)),
    'store id': STORE_ID.toString('hex'),
    epoch: 3,
    since: 2,
    pid: 1,
    released: '00'.repeat(8),
    'host length': 1,
  })
  t.ok(section('Epoch and lock').includes(`\`${RELEASED.toString()}\``))
  t.end()
})

t.test('the letters of the magic, the versions and the limits are those of the code', (t) => {
  const letters = tableAfter('Letters of the magic:').map(([letter]) => letter)
  const source = readFileSync('engine/format/file-header.ts', 'utf8')
  const kinds = /export type FileKind = ([^\n]+)/.exec(source)?.[1]?.match(/[A-Z]/g)
  t.same(letters, kinds)
  t.same([READ_VERSION, WRITE_VERSION], [1, 1])
  t.match(section('Versions'), /Both are 1\./)

  const limits = Object.fromEntries(tableAfter('## Limits').map(([what, bound]) => [what!, bound!]))
  const bytes = (value: number): string => value.toLocaleString('en-US')
  t.same(limits, {
    'stream name': `1 to ${bytes(MAX_NAME_BYTES)} bytes of UTF-8`,
    'event type': `1 to ${bytes(MAX_TYPE_BYTES)} bytes of UTF-8`,
    'nesting of data and metadata': `${MAX_DEPTH} levels`,
    'keys of a shape': `1 to ${MAX_SHAPE_KEYS}, together ${bytes(MAX_SHAPE_KEY_BYTES)} bytes`,
    'shape id': `1 to ${bytes(MAX_SHAPE_ID)}`,
    'commit id': `1 to ${MAX_COMMIT_ID_BYTES} bytes of UTF-8`,
    'tags of an event': `${MAX_TAGS}, each 1 to ${MAX_TAG_BYTES} bytes of UTF-8`,
    'events of one commit': `1 to ${bytes(defaultLimits.commitEvents)} (by default, can be lowered)`,
    'bytes of one commit': bytes(2 ** 26),
    'bytes of one event': `${bytes(defaultLimits.eventBytes)} by default, at most those of a commit`,
    'positions, offsets, sequences, epochs': 'below 2^53; epochs below 10^10',
    'byte in a segment that an index or stream table can name': 'below 2^32',
  })
  t.match(text, new RegExp(`\`limits\\.indexIntervalBytes\`, ${bytes(defaultLimits.indexIntervalBytes)}\\)`))
  t.end()
})

t.test('the checksum is CRC-32C, and the test vectors are right', (t) => {
  t.equal(referenceCrc(Buffer.from('123456789')).toString(16), 'e3069283')
  t.match(text, /`123456789`\) is `e3069283`/)
  const shape = encodeShape({ id: 5, keys: ['id', 'name'] })
  t.equal(shape.readUInt32LE(4), referenceCrc(shape.subarray(8)))
  t.same(bytesOf(blocks[0]!.code), shape)
  t.same(bytesOf(blocks[1]!.code), encodeSeal(3))
  t.end()
})

t.test('the example of a shape means what it says', (t) => {
  const shapes = new ShapeTable()
  shapes.define({ id: 5, keys: ['id', 'name'] })
  const [, withShape, without] = /`\{ id: 1, name: 'x' \}` is `([0-9a-f ]+)`, and without it `([0-9a-f ]+)`/.exec(text)!
  for (const hex of [withShape!, without!]) {
    const bytes = bytesOf(hex)
    t.same(new ValueDecoder(shapes).decode(bytes, 0, bytes.length), { id: 1, name: 'x' }, hex)
  }
  t.end()
})

t.test('the tables of values are those of docs/values.md', (t) => {
  const theirs = tablesOf(readFileSync('docs/values.md', 'utf8'))
  const [values, extensions] = tablesOf(section('Values'))
  const encoding = theirs.find((table) => table[0]?.[1] === 'Bytes')!
  t.same(
    values!.slice(1).map(([value, bytes]) => [value, bytes]),
    encoding.slice(1).map(([value, bytes]) => [value, bytes]),
  )
  const bodies = theirs.find((table) => table[0]?.[2] === 'Body')!
  t.same(extensions!.slice(1, -1), bodies.slice(1, -1))
  t.end()
})

t.test('the names are escaped as they are', (t) => {
  const rows = tableAfter('which a reader must compare.')
  t.ok(rows.length >= 6)
  for (const [name, file] of rows) {
    const stream = name!.startsWith('`x repeated') ? 'x'.repeat(181) : name!.slice(1, -1)
    t.equal(file, `\`${streamKey(stream).path}@0000000000000000.seg\``)
  }
  t.end()
})

t.test('the fields of a checkpoint are those that are written', (t) => {
  const checkpoint = {
    epoch: 1,
    clean: true,
    redo: { base: 0, epoch: 1, byte: 2 ** 40, sequence: 2, position: 3 },
    settledPosition: 3,
    lastTimestamp: 1_700_000_000_000,
    keyedFrom: 7,
    shapes: [{ id: 1, keys: ['a'] }],
  }
  const verdict = decodeCheckpoint(encodeCheckpoint(STORE_ID, checkpoint), STORE_ID)
  const read = verdict.kind === 'checkpoint' ? verdict.checkpoint : undefined
  t.same(read, checkpoint)
  const rows = tablesOf(section('Checkpoint'))[0]!.slice(1)
  t.same(
    rows.map(([field]) => field!.slice(1, -1)),
    Object.keys(read ?? {}),
  )
  const redo = rows.find(([field]) => field === '`redo`')![2]!
  for (const field of Object.keys(checkpoint.redo)) t.ok(redo.includes(`\`${field}\``), field)
  t.ok(text.includes(`\`${CHECKPOINT_FILE}\``))
  t.end()
})

t.test('the table of verdicts is that of the code', (t) => {
  const rows = tableAfter('`beyond` it says that more counts.')
  t.equal(rows.length, 9)
  for (const [successor, found, ...verdicts] of rows) {
    t.same(
      verdicts,
      (['none', 'silent', 'durable'] satisfies Behind[]).map((behind) =>
        verdictOf(found as Found, behind, successor as Successor),
      ),
      `${successor}, ${found}`,
    )
  }
  t.end()
})

t.test('the invariants are those that verify knows', (t) => {
  const file = 'engine/recovery/invariants.ts'
  const rows = tablesOf(section('Invariants'))[0]!.slice(1)
  t.ok(rows.length > 0)
  t.same(
    rows.map(([name]) => name),
    rows.map((_, i) => `I${i + 1}`),
  )
  if (existsSync(file)) {
    const inCode = [...readFileSync(file, 'utf8').matchAll(/^ {2}(I\d+):\s+'(.*)',$/gm)].map(([, name, says]) => [
      name,
      says,
    ])
    t.same(rows, inCode)
  }
  t.end()
})

t.test('the worked example is what a store with this id and clock writes, byte by byte', async (t) => {
  const environment = fixedEnvironment()
  const store = await openStore(environment, '/store', {})
  const id = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
  const data = { sku: 'tea', n: 2 }
  await Promise.all([
    store.append('cart-1', [{ type: 'Opened', id: id(1), data: null, metadata: { correlationId: 'c7' } }]),
    store.appendMany([
      { stream: 'cart-1', events: [{ type: 'Added', id: id(2), data }] },
      { stream: 'Stock', events: [{ type: 'Reserved', id: id(3), data, timestamp: 1_699_999_999_500 }] },
    ]),
  ])
  await store.close()

  const names = [...section('Worked example').matchAll(/`((?:log|streams)\/[^`]+)`:|`(streams\/[^`]+)`\./g)]
  t.same(
    names.map(([, log, stream]) => log ?? stream),
    ['log/0000000000000000-0000000001.log', 'streams/4d/cart-1@0000000000000000.seg'],
  )
  for (const [i, [, log, stream]] of names.entries()) {
    const name = log ?? stream!
    const file = contentsOf(environment, `/store/${name}`)
    t.equal(dumpOf(blocks[2 + i]!.code).toString('hex'), file.toString('hex'), name)
  }
  const segment = contentsOf(environment, '/store/log/0000000000000000-0000000001.log')
  const digest = fieldsOf(layoutIn('Group'), segment.subarray(96)).digest as number
  t.match(section('Worked example'), new RegExp(`Its digest is \`${digest.toString(16)}\``))
  const crcs = [180, 282, 373].map((at) => segment.subarray(at + 4, at + 8))
  t.equal(referenceCrc(...crcs), digest)
  const event = fieldsOf(layoutIn('Event'), segment.subarray(180, 282))
  t.same(event, {
    kind: FRAME_EVENT,
    flags: 1 + 2 + 4 + 8 + 128,
    'schema version': 1,
    'stream bytes': 6,
    'type bytes': 6,
    position: 0,
    offset: 0,
    timestamp: 1_700_000_000_000,
    id: id(1).replaceAll('-', ''),
    'metadata bytes': 18,
    shapes: 0,
    'option bytes': 3,
    length: 102,
  })
})

/** Returns the text between a heading and the next one of its level or above. */
function section(heading: string): string {
  const found = new RegExp(`^(#+) ${heading}$`, 'm').exec(text)
  if (found === null) throw new Error(`There is no heading ${heading}`)
  const rest = text.slice(found.index + found[0].length)
  const end = new RegExp(`^#{1,${found[1]!.length}} `, 'm').exec(rest)
  return end === null ? rest : rest.slice(0, end.index)
}

function layoutIn(heading: string): Table {
  const [layout] = tablesOf(section(heading)).filter(isLayout)
  if (layout === undefined) throw new Error(`There is no layout under ${heading}`)
  return layout
}

/** Returns the rows of the first table behind some words, without its head. */
function tableAfter(words: string): Table {
  const at = text.indexOf(words)
  if (at < 0) throw new Error(`There is no ${words}`)
  return tablesOf(text.slice(at))[0]!.slice(1)
}

/** Returns all tables of a Markdown text, their cells without the space around, without the line below the head. */
function tablesOf(markdown: string): Table[] {
  const tables: Row[][] = []
  let open: Row[] | undefined
  for (const line of markdown.split('\n')) {
    if (!/^\|.*\|$/.test(line.trim())) {
      open = undefined
      continue
    }
    const cells = line
      .trim()
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim())
    if (open === undefined) tables.push((open = []))
    if (!cells.every((cell) => /^:?-+:?$/.test(cell))) open.push(cells)
  }
  return tables
}

function isLayout(table: Table): boolean {
  return table[0]?.join() === 'Offset,Size,Type,Field,Meaning'
}

/** Returns the text of all doc comments of a source file. */
function commentsOf(source: string): string {
  return (source.match(/\/\*\*[\s\S]*?\*\//g) ?? []).map((comment) => comment.replace(/^ *\* ?/gm, '')).join('\n\n')
}

/** Reads the fields that a table places at fixed bytes, from the start or from the end. */
function fieldsOf(layout: Table, bytes: Buffer): Record<string, unknown> {
  const fields: Record<string, unknown> = {}
  for (const [offset, size, type, name] of layout.slice(1)) {
    if (type === '' || type === 'UTF-8') continue
    const length = Number(size)
    const at = offset!.startsWith('−') ? bytes.length - Number(offset!.slice(1)) : Number(offset)
    if (!Number.isInteger(at) || !Number.isInteger(length)) continue
    fields[name!] = readField(bytes.subarray(at, at + length), type!)
  }
  return fields
}

function readField(bytes: Buffer, type: string): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const sizes: Record<string, number> = { u8: 1, u16: 2, u32: 4, u64: 8, f64: 8 }
  if (type in sizes && sizes[type] !== bytes.length) throw new Error(`${type} of ${bytes.length} bytes`)
  switch (type) {
    case 'u8':
      return view.getUint8(0)
    case 'u16':
      return view.getUint16(0, true)
    case 'u32':
      return view.getUint32(0, true)
    case 'u64':
      return Number(view.getBigUint64(0, true))
    case 'f64':
      return view.getFloat64(0, true)
    case 'bytes':
      return bytes.toString('hex')
    default:
      throw new Error(`The table has a type ${type}`)
  }
}

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replace(/\s/g, ''), 'hex')
}

/** Returns the bytes of a dump with addresses and remarks; the addresses must be right. */
function dumpOf(dump: string): Buffer {
  const pieces: Buffer[] = []
  let at = 0
  for (const line of dump.split('\n').filter((line) => line !== '')) {
    const [, address, hex] = /^([0-9a-f]{4}) {2}((?:[0-9a-f]{2} )*[0-9a-f]{2})(?: {2}|$)/.exec(line)!
    if (Number.parseInt(address!, 16) !== at) throw new Error(`The address ${address!} should be ${at.toString(16)}`)
    const piece = bytesOf(hex!)
    pieces.push(piece)
    at += piece.length
  }
  return Buffer.concat(pieces)
}

/** CRC-32C bit by bit, from its definition. */
function referenceCrc(...ranges: Buffer[]): number {
  let crc = 0xffffffff
  for (const byte of Buffer.concat(ranges)) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) === 1 ? 0x82f63b78 : 0)
  }
  return (crc ^ 0xffffffff) >>> 0
}

/** A file system in memory, a clock that stands still, and randomness that counts. */
function fixedEnvironment(): Environment {
  let next = 0
  return {
    ...memoryEnvironment(),
    now: () => 1_700_000_000_000,
    random: (target) => {
      for (let i = 0; i < target.length; i++) target[i] = next++ & 0xff
    },
  }
}

function contentsOf({ files }: Environment, path: string): Buffer {
  const handle = files.open(path, 'read')
  const contents = Buffer.alloc(handle.size())
  handle.readSync(contents, 0, contents.length, 0)
  handle.close()
  return contents
}
