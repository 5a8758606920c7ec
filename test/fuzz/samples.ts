import { ByteWriter } from '../../engine/format/byte-writer.js'
import { encodeCheckpoint } from '../../engine/format/checkpoint.js'
import { encodeShape } from '../../engine/format/shape-record.js'
import { hostileStore } from '../support/hostile-store.js'
import { StreamTableBuilder } from '../../engine/format/stream-table.js'
import { ShapeTable } from '../../engine/format/shapes.js'
import { ValueEncoder } from '../../engine/format/value-encoder.js'
import { encodeHeader } from '../../engine/format/file-header.js'
import { readFrame } from '../interop/second-reader/records.js'

export const STORE_ID = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')

/** Sound bytes of each kind, which inputs are made from by changing them. */
export interface Samples {
  readonly values: readonly Buffer[]
  readonly events: readonly Buffer[]
  readonly frames: readonly Buffer[]
  readonly shapeFrames: readonly Buffer[]
  readonly headers: readonly Buffer[]
  readonly indexes: readonly Buffer[]
  readonly tables: readonly Buffer[]
  readonly checkpoints: readonly Buffer[]
  readonly epochs: readonly Buffer[]
  readonly logs: readonly Buffer[]
}

let made: Samples | undefined

/** Returns what `makeSamples` has made. */
export function samples(): Samples {
  if (made === undefined) throw new Error('makeSamples() comes first')
  return made
}

/** Writes small stores and takes them apart. */
export async function makeSamples(): Promise<Samples> {
  if (made !== undefined) return made
  const files: [string, Buffer][] = []
  for (const closed of [true, false]) {
    const { image } = await hostileStore({ closed, commits: 20, storeId: STORE_ID })
    files.push(...image.files)
  }
  const ending = (suffix: string): Buffer[] => files.filter(([path]) => path.endsWith(suffix)).map(([, bytes]) => bytes)
  const logs = ending('.log')
    .filter((bytes) => bytes.readUInt32LE(44) === 0)
    .map((bytes) => bytes.subarray(0, 6000))
  const frames = [...ending('.log'), ...ending('.seg')].flatMap(framesOf)
  const checkpoints = ending('/checkpoint')
  checkpoints.push(
    encodeCheckpoint(STORE_ID, {
      epoch: 2 ** 33,
      clean: false,
      redo: { base: 2 ** 40, epoch: 7, byte: 96, sequence: 2 ** 32, position: 1 },
      settledPosition: 0,
      lastTimestamp: 1_700_000_000_000,
      shapes: [
        { id: 1, keys: ['id', 'name'] },
        { id: 65_535, keys: ['größe', ''] },
      ],
    }),
  )
  const builder = new StreamTableBuilder()
  for (let i = 0; i < 20; i++) builder.add(i % 3 === 0 ? 'ä/b' : `s${i % 5}`, undefined, i, 96 + 100 * i)
  const head = encodeHeader({ kind: 'T', storeId: STORE_ID, epoch: 1, base: 0, previousEnd: 4096 })
  made = {
    values: sampleValues(),
    events: frames.filter((bytes) => bytes[8] === 2 && bytes.readUInt16LE(60) === 0),
    frames,
    shapeFrames: [
      encodeShape({ id: 1, keys: ['id', 'name'] }),
      encodeShape({ id: 5, keys: ['a'] }),
      encodeShape({ id: 300, keys: ['x', '__proto__', '7'] }),
    ],
    headers: files
      .filter(([path]) => !path.includes('/epoch/'))
      .map(([, bytes]) => bytes.subarray(0, bytes.readUInt32LE(12))),
    indexes: ending('.idx'),
    tables: [...ending('.tab'), Buffer.concat([head, builder.encode()])],
    checkpoints,
    epochs: files.filter(([path]) => path.includes('/epoch/')).map(([, bytes]) => bytes),
    logs,
  }
  return made
}

function framesOf(file: Buffer): Buffer[] {
  const frames: Buffer[] = []
  for (let at = file.readUInt32LE(12); at < file.length && file.readUInt32LE(at) > 0;) {
    const frame = readFrame(file, at)
    frames.push(Buffer.from(frame.bytes))
    at = frame.end
  }
  return frames
}

function sampleValues(): Buffer[] {
  const values: unknown[] = [
    null,
    -0,
    NaN,
    2 ** 40,
    -1,
    70_000,
    'text',
    'é'.repeat(40),
    2n ** 64n,
    -(2n ** 63n),
    -(2n ** 100n),
    new Date(0),
    new Date(-1),
    new Date(8.64e15),
    new Uint8Array([1, 2, 3]),
    [1, [2, [3]]],
    { id: 1, name: 'x' },
    { a: undefined, b: [{ c: 1 }] },
    JSON.parse('{"__proto__":{"7":1}}'),
    new Map<unknown, unknown>([
      [1, 'a'],
      [{ a: 1 }, new Set([1, 'x', null])],
    ]),
  ]
  return values.map((value) => {
    const writer = new ByteWriter(Buffer.alloc(64), (least) => Buffer.alloc(2 * least))
    const encoder = new ValueEncoder(new ShapeTable(), { learn: false, maxShapes: 0 })
    encoder.begin()
    encoder.encode(writer, value, 'data')
    return Buffer.from(writer.bytes.subarray(0, writer.length))
  })
}
