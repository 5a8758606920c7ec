import { memoryEnvironment } from '../../engine/io/memory-environment.js'
import { GroupScanner } from '../../engine/commit-log/group-scan.js'
import { ByteWriter } from '../../engine/format/byte-writer.js'
import { type Checkpoint, decodeCheckpoint } from '../../engine/format/checkpoint.js'
import { EventDecoder } from '../../engine/format/event-record.js'
import { type FileKind, parseHeader } from '../../engine/format/file-header.js'
import { checkFrame, windowOf } from '../../engine/format/frame.js'
import {
  escapeName,
  parseLogFileName,
  parseStreamFileName,
  streamKey,
  unescapeName,
} from '../../engine/format/names.js'
import { decodeSeal, decodeShape } from '../../engine/format/shape-record.js'
import { ShapeTable } from '../../engine/format/shapes.js'
import { decodeEntries } from '../../engine/format/sparse-index.js'
import { StreamTable } from '../../engine/format/stream-table.js'
import { ValueDecoder } from '../../engine/format/value-decoder.js'
import { ValueEncoder } from '../../engine/format/value-encoder.js'
import { ValueFormatError } from '../../engine/format/value-format.js'
import { MAX_COMMIT_BYTES, MAX_GROUP_BYTES } from '../../engine/limits.js'
import { parseEpochFile } from '../../engine/lock/epoch-file.js'
import { RecordCheck } from '../../engine/recovery/verify-event.js'
import { crc32c } from '../interop/second-reader/bytes.js'
import { asStored } from '../interop/agreement.js'
import { Damage } from '../interop/second-reader/damage.js'
import { type FileLetter, readHeader } from '../interop/second-reader/header.js'
import { evidence, readGroup } from '../interop/second-reader/log.js'
import { streamFile } from '../interop/second-reader/names.js'
import { readEvent, readFrame, readSeal, readShape } from '../interop/second-reader/records.js'
import { readCheckpoint, readEpochFile, readIndex, readStreamTable } from '../interop/second-reader/tables.js'
import { decodeValue } from '../interop/second-reader/values.js'
import type { SeededRandom } from '../support/random.js'
import { equal } from './equal.js'
import { frame, header, mutate, ValueGrammar } from './mutate.js'
import { samples, STORE_ID } from './samples.js'

/** A part of the format layer: how inputs for it are made, and what must be so of each. */
export interface Target {
  /** Share of all inputs. */
  readonly weight: number
  readonly make: (random: SeededRandom) => Buffer
  /** Throws what is wrong; an error of the engine that is not meant for this comes out as it is. */
  readonly check: (bytes: Buffer) => void
}

const SHAPES = [
  { id: 1, keys: ['id', 'name'] },
  { id: 5, keys: ['a'] },
  { id: 300, keys: ['x', '__proto__', '7'] },
]
const shapeKeys = new Map(SHAPES.map(({ id, keys }) => [id, keys]))

function shapeTable(): ShapeTable {
  const table = new ShapeTable()
  for (const shape of SHAPES) table.define(shape)
  return table
}

/** Two readings of the same bytes agree: both refuse, or both give the same. */
function assertSame(engine: unknown, second: unknown): void {
  if ((engine === undefined) !== (second === undefined)) {
    throw new Error(engine === undefined ? 'only the second reader accepts it' : 'only the engine accepts it')
  }
  if (!equal(engine, second)) throw new Error('they read different things')
}

/** What a reading gives; undefined when it refuses with the error that is meant for it. */
function attempt<Result>(read: () => Result, refusal: typeof Damage | typeof ValueFormatError): Result | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof refusal) return undefined
    throw error
  }
}

/** Wraps a value, so that `undefined` is one. */
interface Box {
  readonly value: unknown
}

const valueDecoder = new ValueDecoder(shapeTable())

const value: Target = {
  weight: 40,
  make(random) {
    const made = new ValueGrammar(random).value()
    return random.chance(0.5) ? made : mutate(made, random, samples().values)
  },
  check(bytes) {
    const engine = attempt((): Box => ({ value: valueDecoder.decode(bytes, 0, bytes.length) }), ValueFormatError)
    const second = attempt((): Box => ({ value: decodeValue(bytes, shapeKeys, new Set()) }), Damage)
    assertSame(engine, second)
    if (engine === undefined) return
    const writer = new ByteWriter(Buffer.alloc(bytes.length + 16), (least) => Buffer.alloc(2 * least))
    const encoder = new ValueEncoder(shapeTable(), { learn: false, maxShapes: 0 })
    encoder.begin()
    encoder.encode(writer, engine.value, 'data')
    const encoded = Buffer.from(writer.bytes.subarray(0, writer.length))
    if (!equal(valueDecoder.decode(encoded, 0, encoded.length), engine.value)) {
      throw new Error('it does not come back equal')
    }
    if (!equal(decodeValue(encoded, shapeKeys, new Set()), engine.value)) {
      throw new Error('the second reader reads another value')
    }
  },
}

const eventDecoder = new EventDecoder(new ValueDecoder(shapeTable()))
const recordCheck = new RecordCheck(true)

const event: Target = {
  weight: 20,
  make(random) {
    const { events, values } = samples()
    let record = Buffer.from(random.pick(events))
    if (random.chance(0.5)) {
      // Other data in a sound envelope: what stands between metadata and the shapes.
      const from =
        64 + record.readUInt16LE(12) + record.readUInt16LE(14) + record.readUInt16LE(62) + record.readUInt32LE(56)
      const data = random.chance(0.8) ? new ValueGrammar(random).value() : random.pick(values)
      const used = new Set<number>()
      attempt(() => decodeValue(data, shapeKeys, used), Damage)
      const ids = [...used].flatMap((id) => [id & 255, id >> 8])
      record = Buffer.concat([record.subarray(0, from), data, Buffer.from(ids), Buffer.alloc(4)])
      record.writeUInt16LE(used.size, 60)
      if (random.chance(0.6)) return frame(record, 2)
    }
    const mutated = mutate(record, random, events)
    return random.chance(0.95) ? frame(mutated, 2) : mutated
  },
  check(bytes) {
    const window = windowOf(bytes)
    const length = checkFrame(window, 0, bytes.length, MAX_COMMIT_BYTES)
    const second = attempt(() => readEvent(ofKind(readFrame(bytes, 0), 'event'), shapeKeys), Damage)
    if (typeof length !== 'number' || bytes[8] !== 2) return assertSame(undefined, second)
    recordCheck.beginFile()
    for (const shape of samples().shapeFrames) recordCheck.shape(windowOf(shape), 0, shape.length)
    const wrong = recordCheck.event(window, 0, length)
    if (wrong !== undefined) return assertSame(undefined, second)
    const engine = eventDecoder.decode(window, 0, length)
    assertSame(engine, second && asStored({ event: second, bytes, at: 0 }))
  },
}

function ofKind(frame: ReturnType<typeof readFrame>, kind: string): ReturnType<typeof readFrame> {
  if (frame.kind !== kind) throw new Damage(`it is no ${kind}`)
  return frame
}

const frames: Target = {
  weight: 6,
  make(random) {
    const mutated = mutate(random.pick(samples().frames), random, samples().frames)
    return random.chance(0.5) ? frame(mutated) : mutated
  },
  check(bytes) {
    const length = checkFrame(windowOf(bytes), 0, bytes.length, MAX_COMMIT_BYTES)
    const second = attempt(() => readFrame(bytes, 0), Damage)
    assertSame(typeof length === 'number' ? length : undefined, second?.end)
    if (typeof length !== 'number') return
    const shape = bytes[8] === 3 ? attempt(() => readShape(second!), Damage) : undefined
    if (bytes[8] === 3) {
      assertSame(
        attempt(() => decodeShape(windowOf(bytes), 0, length), ValueFormatError),
        shape,
      )
    }
    if (shape !== undefined) new ShapeTable().define(shape)
    if (bytes[8] === 4) {
      assertSame(
        decodeSeal(windowOf(bytes), 0, length),
        attempt(() => readSeal(second!), Damage),
      )
    }
  },
}

const shapeFrame: Target = {
  weight: 3,
  make: (random) => frame(mutate(random.pick(samples().shapeFrames), random, samples().frames), 3),
  check: frames.check,
}

const LETTERS: readonly (FileKind & FileLetter)[] = ['H', 'L', 'P', 'T', 'S', 'I', 'C']

const headers: Target = {
  weight: 5,
  make(random) {
    const mutated = mutate(random.pick(samples().headers), random, samples().headers)
    return random.chance(0.8) ? header(mutated) : mutated
  },
  check(bytes) {
    const letter = LETTERS.find((one) => bytes[6] === one.charCodeAt(0)) ?? 'H'
    const verdict = parseHeader(windowOf(bytes), bytes.length, letter)
    const second = attempt(() => readHeader(bytes, letter), Damage)
    if (verdict.kind !== 'header') return assertSame(undefined, second)
    const { storeId, shapes, name, kind, ...fields } = verdict.header
    // A field of 2^53 and more fails every comparison, and so does a name that is not UTF-8, once they are used.
    const usable =
      Object.values(fields).every((field) => !Number.isNaN(field)) && Buffer.from(name.toString()).equals(name)
    if (second === undefined && !usable) return
    const engine = {
      ...fields,
      length: verdict.length,
      letter: kind,
      mayUseShapes: shapes,
      name: name.toString(),
      storeId: new Uint8Array(storeId),
    }
    const { crcField: _crc, writeVersion: _version, ...read } = second ?? { crcField: 0, writeVersion: 0 }
    assertSame(engine, second && { ...read, storeId: new Uint8Array(second.storeId) })
  },
}

const index: Target = {
  weight: 4,
  make(random) {
    const made = mutate(random.pick(samples().indexes), random, samples().indexes)
    if (random.chance(0.7) && made.length > 96) {
      header(made)
      for (let at = 96; at + 36 <= made.length; at += 36) {
        made.writeUInt32LE(crc32c(made.subarray(16, 20), made.subarray(at, at + 32)), at + 32)
      }
    }
    return made
  },
  check(bytes) {
    const letter = bytes[6] === 0x49 ? 'I' : 'P'
    const second = attempt(() => readIndex(bytes, letter), Damage)
    const verdict = parseHeader(windowOf(bytes), bytes.length, letter)
    if (verdict.kind !== 'header') return assertSame(undefined, second)
    const entries = decodeEntries(windowOf(bytes), verdict.length, bytes.length, bytes.readUInt32LE(16))
    if (second === undefined && attempt(() => readHeader(bytes, letter), Damage) === undefined) return
    assertSame(entries, second?.entries)
  },
}

const table: Target = {
  weight: 4,
  make(random) {
    const made = mutate(random.pick(samples().tables), random, samples().tables)
    if (random.chance(0.8) && made.length > 112) {
      header(made)
      made.writeUInt32LE(crc32c(made.subarray(96, 108), made.subarray(112)), 108)
    }
    return made
  },
  check(bytes) {
    const second = attempt(() => readStreamTable(bytes), Damage)
    const verdict = parseHeader(windowOf(bytes), bytes.length, 'T')
    const parsed =
      verdict.kind === 'header' ? StreamTable.parse(windowOf(bytes), verdict.length, bytes.length) : undefined
    if (parsed === undefined) return assertSame(undefined, second)
    // The engine looks at a stream when it is asked for: what it says then is compared with the records.
    const names = [...parsed.names()]
    for (const name of names.slice(0, 100)) if (name.length > 0 && name.length < 300) parsed.lookup(streamKey(name))
    if (second === undefined) return
    assertSame(
      names,
      second.entries.map(({ stream }) => stream),
    )
    for (const { stream, firstOffset, bytes: places } of second.entries) {
      if (Buffer.byteLength(stream) <= 1000) {
        assertSame(parsed.lookup(streamKey(stream)), { firstOffset, bytes: places })
      }
    }
  },
}

const checkpoint: Target = {
  weight: 6,
  make(random) {
    const made = mutate(random.pick(samples().checkpoints), random, [...samples().checkpoints, ...samples().values])
    if (random.chance(0.9) && made.length > 104) {
      header(made)
      made.writeUInt32LE(made.length - 104, 96)
      made.writeUInt32LE(crc32c(made.subarray(104)), 100)
    }
    return made
  },
  check(bytes) {
    const verdict = decodeCheckpoint(bytes, STORE_ID)
    const second = attempt(() => readCheckpoint(bytes), Damage)
    const engine = verdict.kind === 'checkpoint' ? verdict.checkpoint : undefined
    if (second !== undefined && Buffer.compare(second.header.storeId, STORE_ID) !== 0) {
      return assertSame(engine, undefined)
    }
    const { header: _header, ...read } = second ?? { header: 0 }
    if (second === undefined && attempt(() => readHeader(bytes, 'C'), Damage) === undefined) return
    assertSame(engine && known(engine), second && read)
  },
}

/** The fields of a checkpoint that this version has. */
function known({ epoch, clean, redo, settledPosition, lastTimestamp, keyedFrom, shapes }: Checkpoint): unknown {
  const { base, epoch: of, byte, sequence, position } = redo
  return {
    epoch,
    clean,
    redo: { base, epoch: of, byte, sequence, position },
    settledPosition,
    lastTimestamp,
    keyedFrom: keyedFrom ?? undefined,
    shapes: shapes.map(({ id, keys }) => ({ id, keys: [...keys] })),
  }
}

const epoch: Target = {
  weight: 3,
  make(random) {
    const made = mutate(random.pick(samples().epochs), random, samples().epochs)
    if (random.chance(0.8) && made.length >= 66) {
      if (random.chance(0.8)) made.writeUInt32LE(made.length, 12)
      made.writeUInt32LE(crc32c(made.subarray(0, 16), made.subarray(20, 56), made.subarray(64)), 16)
    }
    return made
  },
  check(bytes) {
    const verdict = parseEpochFile(bytes)
    const second = attempt(() => readEpochFile(bytes), Damage)
    if (verdict.kind !== 'holder') return assertSame(undefined, second)
    const { holder, storeId, released } = verdict
    // Host and incarnation are for people, and numbers that cannot be are those of nobody.
    if (second === undefined) return
    assertSame({ ...holder, storeId, released }, { ...second, storeId: new Uint8Array(second.storeId) })
  },
}

const groups: Target = {
  weight: 6,
  make(random) {
    const made = mutate(random.pick(samples().logs), random, samples().logs)
    if (random.chance(0.7)) sealGroups(made)
    return made
  },
  check(bytes) {
    const { files } = memory
    files.remove('/log')
    const handle = files.open('/log', 'create')
    handle.writeSync(bytes, 0, bytes.length, 0)
    let events = 0
    const scanner = new GroupScanner(handle, STORE_ID, MAX_GROUP_BYTES)
    const expected = { sequence: 0, position: 0, epoch: 1 }
    const stop = scanner.scan(96, Infinity, expected, (group) => (events += group.events))
    const { behind } = scanner.behind(stop)
    handle.close()

    let at = 96
    let next = expected
    const shapes = new Map<number, readonly string[]>()
    let reason: string
    for (;;) {
      try {
        const group = readGroup(bytes, at, STORE_ID, next, { mayUseShapes: true, epoch: 1 }, shapes)
        at = group.end
        next = { sequence: next.sequence + 1, position: next.position + group.frame.events, epoch: group.frame.epoch }
      } catch (error) {
        if (!(error instanceof Damage)) throw error
        reason = error.message
        break
      }
    }
    if (at > stop.byte) {
      throw new Error(`the second reader goes on to byte ${at}, the engine stops at ${stop.byte}: ${stop.reason}`)
    }
    // The engine looks into records when they are read, or by verify; recovery needs to know which groups count.
    if (at < stop.byte) return assertSame(wrongRecord(bytes, at) ?? `nothing: ${reason}`, wrongRecord(bytes, at))
    assertSame(events, next.position)
    assertSame(behind, evidence(bytes, at, STORE_ID, next))
  },
}

const memory = memoryEnvironment()
memory.files.open('/log', 'create').close()

/** What verify says of the records of the group at a byte. */
function wrongRecord(bytes: Buffer, at: number): string | undefined {
  const check = new RecordCheck(true)
  check.beginFile()
  const window = windowOf(bytes)
  for (let byte = 96; byte < bytes.length;) {
    const length = checkFrame(window, byte, bytes.length, MAX_COMMIT_BYTES)
    if (typeof length !== 'number') return undefined
    const kind = bytes[byte + 8]
    const wrong =
      kind === 3 ? check.shape(window, byte, length) : kind === 2 ? check.event(window, byte, length) : undefined
    if (wrong !== undefined && byte >= at) return wrong.message
    if (kind === 4 && byte >= at) return 'a seal'
    byte += length
  }
  return undefined
}

/** Makes checksums, digests and lengths of all groups right, as far as frames can be told. */
function sealGroups(bytes: Buffer): void {
  for (let at = 96; at + 84 <= bytes.length && bytes.readUInt32LE(at) === 84;) {
    let end = at + 84
    const crcs: Buffer[] = []
    while (end + 16 <= bytes.length && bytes[end + 8] !== 1) {
      const length = bytes.readUInt32LE(end)
      if (length < 16 || end + length > bytes.length) break
      frame(bytes.subarray(end, end + length))
      crcs.push(bytes.subarray(end + 4, end + 8))
      end += length
    }
    bytes.writeUInt32LE(crc32c(...crcs), at + 76)
    frame(bytes.subarray(at, at + 84))
    at = end
  }
}

const names: Target = {
  weight: 3,
  make(random) {
    const text = random.pick([
      'cart-1',
      'A/b',
      '..',
      '%2e',
      'é\u0301',
      '\u{1f600}',
      'x'.repeat(179),
      'X'.repeat(60),
      '~@%',
    ])
    return mutate(Buffer.from(random.chance(0.5) ? text : `${text}@0000000000000012.seg`), random, samples().epochs)
  },
  check(bytes) {
    const text = bytes.toString()
    parseStreamFileName(text)
    parseLogFileName(text)
    unescapeName(text)
    if (text.length === 0 || Buffer.byteLength(text) > 1000) return
    const key = streamKey(text)
    assertSame(`streams/${key.path}@0000000000000007`, streamFile(text, 7))
    const file = parseStreamFileName(`${escapeName(text, key.bytes)}@0000000000000007.seg`)
    assertSame(file?.base, 7)
    assertSame(unescapeName(file!.escaped) ?? text, text)
  },
}

export const targets: Readonly<Record<string, Target>> = {
  value,
  event,
  frame: frames,
  shape: shapeFrame,
  header: headers,
  index,
  table,
  checkpoint,
  epoch,
  group: groups,
  name: names,
}
