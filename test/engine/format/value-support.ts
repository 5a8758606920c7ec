import fc from 'fast-check'
import { ByteWriter } from '../../../engine/format/byte-writer.js'
import { ShapeTable } from '../../../engine/format/shapes.js'
import { ValueDecoder } from '../../../engine/format/value-decoder.js'
import { ValueEncoder } from '../../../engine/format/value-encoder.js'

/** Encoder and decoder over one table of shapes, and a writer that starts small, so that overflow is part of every test. */
export class Codec {
  readonly shapes = new ShapeTable()
  readonly encoder: ValueEncoder
  readonly decoder = new ValueDecoder(this.shapes)
  readonly writer = new ByteWriter(Buffer.alloc(8), (least) => Buffer.alloc(least + (least >> 1)))

  constructor(options?: { readonly learn?: boolean; readonly maxShapes?: number }) {
    this.encoder = new ValueEncoder(this.shapes, { learn: options?.learn ?? true, maxShapes: options?.maxShapes ?? 64 })
  }

  encode(value: unknown, root = 'data'): Buffer {
    const { writer, encoder } = this
    if (encoder.proposed.length > 0) encoder.adopt()
    encoder.begin()
    writer.mark = writer.length
    try {
      encoder.encode(writer, value, root)
    } catch (error) {
      writer.length = writer.mark
      throw error
    }
    return Buffer.from(writer.bytes.subarray(writer.mark, writer.length))
  }

  decode(bytes: Buffer): unknown {
    return this.decoder.decode(bytes, 0, bytes.length)
  }

  roundTrip(value: unknown): unknown {
    return this.decode(this.encode(value))
  }
}

export function hex(bytes: Buffer): string {
  return bytes.toString('hex')
}

/** Bytes from hexadecimal text with spaces. */
export function bytesOf(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex')
}

const KEYS = ['id', 'name', '__proto__', 'constructor', 'then', 'toString', '0', '1023', 'größe', '', 'a.b'] as const

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: 'grapheme-ascii', minLength: 60, maxLength: 70 }),
)

const scalar = fc.oneof(
  { weight: 4, arbitrary: text },
  fc.double(),
  fc.integer(),
  fc.integer({ min: -200, max: 70_000 }),
  fc.maxSafeInteger(),
  fc.constantFrom(-0, 0, NaN, Infinity, -Infinity, 2 ** 32 - 1, 2 ** 32, -(2 ** 31), -(2 ** 31) - 1),
  fc.boolean(),
  fc.constantFrom(null, undefined),
  fc.bigInt(),
  fc.constantFrom(2n ** 64n - 1n, 2n ** 64n, -(2n ** 63n), -(2n ** 63n) - 1n),
  fc.date({ noInvalidDate: true }),
  fc.uint8Array({ maxLength: 300 }),
)

const key = fc.oneof(fc.constantFrom(...KEYS), fc.string({ unit: 'grapheme', maxLength: 12 }))

function plainObject(entries: readonly (readonly [string, unknown])[]): object {
  const result = {}
  for (const [name, value] of entries) {
    Object.defineProperty(result, name, { value, writable: true, enumerable: true, configurable: true })
  }
  return result
}

/** Every kind of value that can be stored, nested. */
export const anyValue: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    scalar,
    fc.array(tie('value'), { maxLength: 20 }),
    fc.uniqueArray(fc.tuple(key, tie('value')), { maxLength: 20, selector: ([name]) => name }).map(plainObject),
    fc.tuple(tie('value'), tie('value')).map(([id, name]) => ({ id, name })),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 6 }).map((entries) => new Map(entries)),
    fc.array(tie('value'), { maxLength: 6 }).map((values) => new Set(values)),
  ),
})).value

/** Values that standard MessagePack has, with string keys that every decoder keeps. */
export const standardValue: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    text,
    fc.double().filter((number) => !Object.is(number, -0)),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(2 ** 34 * 1000 - 1) }),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(
      fc.string({ unit: 'grapheme', maxLength: 40 }).filter((name) => name !== '__proto__'),
      tie('value'),
      {
        noNullPrototype: true,
      },
    ),
  ),
})).value
