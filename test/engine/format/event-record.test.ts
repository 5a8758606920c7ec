import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { ByteWriter } from '../../../engine/format/byte-writer.js'
import {
  EVENT_FIXED_BYTES,
  EventDecoder,
  EventEncoder,
  eventCommitId,
  eventFits,
  eventFlags,
  eventOffset,
  eventPosition,
  eventShapeCount,
  eventShapeId,
  eventStreamBytes,
  eventTimestamp,
  FLAG_ASSIGNED,
  FLAG_CAUSATION,
  FLAG_COMMIT_ID,
  FLAG_CORRELATION,
  FLAG_FIRST,
  FLAG_LAST,
  FLAG_METADATA,
  FLAG_TAGS,
} from '../../../engine/format/event-record.js'
import { encodeCommitId } from '../../../engine/format/event-options.js'
import { checkFrame, sealFrame, windowOf, type Window } from '../../../engine/format/frame.js'
import { streamKey } from '../../../engine/format/names.js'
import { type ShapeDefinition, ShapeTable } from '../../../engine/format/shapes.js'
import { UuidSource } from '../../../engine/format/uuid.js'
import { ValueDecoder } from '../../../engine/format/value-decoder.js'
import { ValueEncoder } from '../../../engine/format/value-encoder.js'
import type { NewEvent } from '../../../engine/index.js'

const ID = '0188d1b2-0001-7000-8000-00000000abcd'
const place = { stream: streamKey('orders'), position: 2 ** 40, offset: 77, marks: FLAG_FIRST, now: 5000 }

class Codec {
  readonly #encoder: EventEncoder
  readonly decoder: EventDecoder

  constructor(...definitions: ShapeDefinition[]) {
    const shapes = new ShapeTable()
    for (const definition of definitions) shapes.define(definition)
    const ids = new UuidSource((target) => target.fill(0xab))
    this.#encoder = new EventEncoder(new ValueEncoder(shapes, { learn: false, maxShapes: 0 }), ids)
    this.decoder = new EventDecoder(new ValueDecoder(shapes))
  }

  encode(event: NewEvent, changes: object = {}, maxBytes = 100_000): Window {
    const writer = new ByteWriter(Buffer.alloc(64), (bytes) => Buffer.alloc(2 * bytes))
    this.#encoder.encode(writer, event, { ...place, ...changes }, maxBytes)
    const window = windowOf(Buffer.from(writer.bytes.subarray(0, writer.length)))
    sealFrame(window, 0, writer.length)
    return window
  }
}

t.test('[F2] every field of an event stands where the table says', (t) => {
  const codec = new Codec({ id: 300, keys: ['x'] })
  const metadata = { correlationId: 'corr', user: 'u', causationId: 'cause' }
  const window = codec.encode({ type: 'Né', data: { x: 1 }, metadata, id: ID, timestamp: 1234, schemaVersion: 7 })
  const { bytes } = window
  t.equal(checkFrame(window, 0, bytes.length, bytes.length), bytes.length)
  t.equal(bytes[8], 2)
  t.equal(bytes[9], FLAG_FIRST | FLAG_METADATA | FLAG_CORRELATION | FLAG_CAUSATION)
  t.equal(bytes.readUInt16LE(10), 7)
  t.equal(bytes.readUInt16LE(12), 6)
  t.equal(bytes.readUInt16LE(14), 3)
  t.equal(bytes.readBigUInt64LE(16), 2n ** 40n)
  t.equal(bytes.readBigUInt64LE(24), 77n)
  t.equal(bytes.readDoubleLE(32), 1234)
  t.equal(bytes.toString('hex', 40, 56), ID.replaceAll('-', ''))
  const metadataBytes = bytes.readUInt32LE(56)
  t.equal(bytes.readUInt16LE(60), 1)
  t.equal(bytes.readUInt16LE(62), 6)
  t.equal(bytes.toString('utf8', 64, 73), 'ordersNé')
  const start = 73 + 6
  const pointed = (at: number): string => {
    const from = start + bytes.readUInt16LE(at)
    return bytes.toString('utf8', from, from + bytes[at + 2]!)
  }
  t.equal(pointed(73), 'corr')
  t.equal(pointed(76), 'cause')
  t.equal(bytes.toString('hex', start + metadataBytes, bytes.length - 6), 'c1cd012c01', 'data')
  t.equal(bytes.readUInt16LE(bytes.length - 6), 300)
  t.equal(bytes.readUInt32LE(bytes.length - 4), bytes.length)
  t.same(
    [eventFlags, eventPosition, eventOffset, eventTimestamp, eventStreamBytes, eventShapeCount].map((f) =>
      f(window, 0),
    ),
    [29, 2 ** 40, 77, 1234, 6, 1],
  )
  t.equal(eventShapeId(window, 0, bytes.length, 0), 300)
  t.ok(eventFits(window, 0, bytes.length))
  t.end()
})

t.test('[A3] [K5] an event comes back as it was, with what was assigned', (t) => {
  const codec = new Codec()
  const event = fc.record(
    {
      type: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
      data: fc.oneof(
        fc.string(),
        fc.integer(),
        fc.constant(undefined),
        fc.dictionary(fc.string(), fc.double(), { noNullPrototype: true }),
      ),
      metadata: fc.option(
        fc.dictionary(fc.constantFrom('correlationId', 'causationId', 'x'), fc.string({ maxLength: 300 }), {
          noNullPrototype: true,
        }),
        { nil: undefined },
      ),
      id: fc.option(fc.uuid(), { nil: undefined }),
      timestamp: fc.option(fc.integer({ min: -8.64e15, max: 8.64e15 }), { nil: undefined }),
      schemaVersion: fc.option(fc.integer({ min: 0, max: 65_535 }), { nil: undefined }),
      tags: fc.option(fc.uniqueArray(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), { maxLength: 12 }), {
        nil: undefined,
      }),
    },
    { requiredKeys: ['type'], noNullPrototype: true },
  )
  fc.assert(
    fc.property(event, fc.option(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })), (event, id) => {
      const window = codec.encode(event, { commitId: id === null ? undefined : encodeCommitId(id) })
      t.ok(eventFits(window, 0, window.bytes.length))
      assert.deepStrictEqual(codec.decoder.decode(window, 0, window.bytes.length), {
        stream: 'orders',
        offset: 77,
        position: 2 ** 40,
        id: event.id ?? 'abababab-abab-4bab-abab-abababababab',
        type: event.type,
        timestamp: event.timestamp ?? 5000,
        schemaVersion: event.schemaVersion ?? 1,
        tags: event.tags ?? [],
        data: event.data,
        metadata: event.metadata,
        ...(id === null ? {} : { commitId: id }),
      })
      t.equal((eventFlags(window, 0) & FLAG_TAGS) !== 0, (event.tags ?? []).length > 0)
      t.equal((eventFlags(window, 0) & FLAG_ASSIGNED) !== 0, event.timestamp === undefined)
    }),
    { numRuns: 100 },
  )
  t.end()
})

t.test('only short ids are pointed at; what a pointer cannot reach has none', (t) => {
  const codec = new Codec()
  const flagsOf = (metadata: Record<string, unknown>): number =>
    eventFlags(codec.encode({ type: 'T', metadata }), 0) & (FLAG_CORRELATION | FLAG_CAUSATION)
  t.equal(flagsOf({ correlationId: 'x'.repeat(255) }), FLAG_CORRELATION)
  for (const correlationId of ['', 7, undefined, 'x'.repeat(256)]) t.equal(flagsOf({ correlationId }), 0)
  const far = codec.encode({ type: 'T', metadata: { long: 'y'.repeat(70_000), causationId: 'far' } })
  t.equal(far.bytes[EVENT_FIXED_BYTES + 'ordersT'.length + 2], 0, 'beyond 64 KiB: a pointer to nothing')
  t.equal((codec.decoder.decode(far, 0, far.bytes.length).metadata as { causationId: string }).causationId, 'far')
  t.end()
})

t.test('[F7] an event is refused above the limit, with the bytes it has', (t) => {
  const codec = new Codec()
  const { length } = codec.encode({ type: 'T', data: 'x'.repeat(500) }).bytes
  t.equal(codec.encode({ type: 'T', data: 'x'.repeat(500) }, {}, length).bytes.length, length)
  t.throws(() => codec.encode({ type: 'T', data: 'x'.repeat(500) }, {}, length - 1), {
    code: 'ERR_TOO_LARGE',
    limit: length - 1,
    actual: length,
  })
  t.end()
})

t.test('[fault 50] eventFits refuses every envelope whose lengths go beyond the frame', (t) => {
  const codec = new Codec()
  const whole = codec.encode({ type: 'T', data: 1, metadata: { a: 1 } }, { marks: FLAG_FIRST | FLAG_LAST }).bytes
  for (const [at, size] of [
    [12, 2],
    [14, 2],
    [56, 4],
    [60, 2],
    [62, 2],
  ] as const) {
    for (const value of [size === 2 ? 0xffff : 0xffffffff, whole.length]) {
      const bytes = Buffer.from(whole)
      bytes.writeUIntLE(value, at, size)
      t.notOk(eventFits(windowOf(bytes), 0, bytes.length), `${value} at byte ${at}`)
    }
  }
  for (let length = 0; length < EVENT_FIXED_BYTES + 5; length++) {
    t.notOk(eventFits(windowOf(Buffer.alloc(80, 2)), 0, length))
  }
  t.notOk(eventFits(windowOf(Buffer.alloc(80)), 0, 80), 'another kind')
  t.end()
})

t.test('an event without commit id or metadata has none', (t) => {
  const codec = new Codec()
  const window = codec.encode({ type: 'T', data: 1 })
  t.equal(eventCommitId(window, 0), undefined)
  t.equal(codec.decoder.metadata(window, 0), undefined)
  const both = codec.encode({ type: 'T', metadata: { a: 1 } }, { commitId: encodeCommitId('é1') })
  const { start, end } = eventCommitId(both, 0)!
  t.equal(both.bytes.toString('utf8', start, end), 'é1')
  t.same(codec.decoder.metadata(both, 0), { a: 1 })
  t.end()
})

t.test('[fault 50] an event whose flags do not say what it has is not decoded', (t) => {
  const codec = new Codec()
  const events: readonly NewEvent[] = [
    { type: 'T', data: 1 },
    { type: 'T', metadata: { a: 1 } },
    { type: 'T', metadata: { correlationId: 'c' }, tags: ['x', 'y'] },
  ]
  for (const event of events) {
    const whole = codec.encode(event, { commitId: event.tags && encodeCommitId('id') })
    const { length } = whole.bytes
    codec.decoder.decode(whole, 0, length)
    for (const flag of [FLAG_METADATA, FLAG_CORRELATION, FLAG_CAUSATION, FLAG_COMMIT_ID, FLAG_TAGS]) {
      const bytes = Buffer.from(whole.bytes)
      bytes[9]! ^= flag
      t.throws(() => codec.decoder.decode(windowOf(bytes), 0, length), { message: /flags/ }, `${event.type} ${flag}`)
    }
  }
  t.end()
})

t.test('more types than are remembered are written as well', (t) => {
  const codec = new Codec()
  for (let n = 0; n < 2100; n++) {
    const window = codec.encode({ type: `T${n % 1050}` })
    if (codec.decoder.decode(window, 0, window.bytes.length).type !== `T${n % 1050}`) t.fail(`type ${n % 1050}`)
  }
  t.end()
})

t.test('[fault 61] metadata whose ids cannot be read are refused with their path', (t) => {
  const codec = new Codec()
  const metadata = {
    get correlationId(): string {
      throw new Error('boom')
    },
  }
  t.throws(() => codec.encode({ type: 'T', metadata }), { code: 'ERR_INVALID_EVENT', path: 'metadata.correlationId' })
  t.end()
})
