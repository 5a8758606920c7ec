import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import t from 'tap'
import { MAX_SHAPE_ID, MAX_SHAPE_KEY_BYTES, MAX_SHAPE_KEYS } from '../../../engine/limits.js'
import { ShapeTable } from '../../../engine/format/shapes.js'
import { ValueDecoder } from '../../../engine/format/value-decoder.js'
import { ValueFormatError } from '../../../engine/format/value-format.js'
import { bytesOf, Codec, hex } from './value-support.js'

t.test('ShapeTable.define is idempotent and refuses other keys for a known id', async (t) => {
  const table = new ShapeTable()
  const shape = table.define({ id: 3, keys: ['a', 'b'] })
  t.equal(table.define({ id: 3, keys: ['a', 'b'] }), shape)
  t.equal(table.size, 1)
  t.equal(table.nextId, 4)
  t.throws(() => table.define({ id: 3, keys: ['b', 'a'] }), ValueFormatError)
  t.throws(() => table.define({ id: 3, keys: ['a'] }), ValueFormatError)
  t.match(table.definitions(), [{ id: 3, keys: ['a', 'b'] }])
})

t.test('an id that is disputed stands for nothing any more, and is not given out again', async (t) => {
  const table = new ShapeTable({ compile: false })
  table.define({ id: 3, keys: ['a'] })
  table.dispute(3)
  t.equal(table.get(3), undefined)
  t.throws(() => table.define({ id: 3, keys: ['a'] }), /defined twice/)
  t.equal(table.nextId, 4)
  table.dispute(9)
  t.throws(() => table.define({ id: 9, keys: ['a'] }), /defined twice/)
})

t.test('[fault 59] ShapeTable.define refuses definitions outside the bounds of the format', async (t) => {
  const table = new ShapeTable()
  const many = Array.from({ length: MAX_SHAPE_KEYS + 1 }, (_, index) => `k${index}`)
  for (const definition of [
    { id: 0, keys: ['a'] },
    { id: MAX_SHAPE_ID + 1, keys: ['a'] },
    { id: 1.5, keys: ['a'] },
    { id: 1, keys: [] },
    { id: 1, keys: ['a', 'a'] },
    { id: 1, keys: many },
    { id: 1, keys: ['x'.repeat(MAX_SHAPE_KEY_BYTES + 1)] },
    { id: 1, keys: ['\ud800'] },
    { id: 1, keys: [1 as unknown as string] },
  ]) {
    t.throws(() => table.define(definition), ValueFormatError)
  }
  t.equal(table.size, 0)
  table.define({ id: MAX_SHAPE_ID, keys: many.slice(1) })
})

t.test('a shape is proposed, then adopted, and used only from then on', async (t) => {
  const { encoder, writer, shapes, decoder } = new Codec()
  const encode = (value: unknown) => {
    encoder.begin()
    writer.mark = writer.length
    encoder.encode(writer, value, 'data')
    return Buffer.from(writer.bytes.subarray(writer.mark, writer.length))
  }
  let sightings = 0
  for (; encoder.proposed.length === 0; sightings++) t.equal(hex(encode({ id: 1 })), '81a2696401')
  t.equal(sightings, 8)
  t.same(encoder.proposed, [{ id: 1, keys: ['id'] }])
  t.equal(hex(encode({ id: 1 })), '81a2696401', 'not in use before its definition is written')
  t.equal(shapes.size, 0)
  for (let n = 0; n < 20; n++) encode({ id: 1 })
  t.equal(encoder.proposed.length, 1, 'not proposed twice')
  encoder.adopt()
  t.same(encoder.proposed, [])
  t.equal(hex(encode({ id: 1 })), 'c10101')
  t.same(encoder.used, [1])
  t.same(decoder.decode(bytesOf('c10101'), 0, 3), { id: 1 })
  t.equal(hex(encode({ id: 1, x: 1 })), '82a2696401a17801', 'another key list')
  t.same(encoder.used, [])
})

t.test('used lists each shape of a record once, in the order of first use', async (t) => {
  const codec = new Codec({ learn: false })
  codec.shapes.define({ id: 7, keys: ['a'] })
  codec.shapes.define({ id: 300, keys: ['b', 'c'] })
  codec.shapes.define({ id: 200, keys: ['d'] })
  const fresh = new Codec({ learn: false })
  for (const shape of codec.shapes.definitions()) fresh.shapes.define(shape)
  t.same(fresh.encoder.used, [])
  const { ValueEncoder } = await import('../../../engine/format/value-encoder.js')
  const encoder = new ValueEncoder(fresh.shapes, { learn: false, maxShapes: 0 })
  encoder.begin()
  fresh.writer.mark = 0
  encoder.encode(fresh.writer, [{ b: 1, c: { a: 1 } }, { a: 2 }, { b: 1, c: { d: 1 } }], 'data')
  t.same(encoder.used, [300, 7, 200])
  t.equal(
    hex(Buffer.from(fresh.writer.bytes.subarray(0, fresh.writer.length))),
    '93c1cd012c01c10701c10702c1cd012c01c1ccc801',
  )
  encoder.begin()
  t.same(encoder.used, [])
})

t.test('nothing is proposed without learning, for empty, large or rare key lists, or beyond the limit', async (t) => {
  const plain = new Codec({ learn: false })
  for (let n = 0; n < 100; n++) plain.encode({ id: n })
  t.same(plain.encoder.proposed, [])
  plain.encoder.adopt()
  t.equal(plain.shapes.size, 0)

  const codec = new Codec({ maxShapes: 2 })
  const wide = Object.fromEntries(Array.from({ length: MAX_SHAPE_KEYS + 1 }, (_, index) => [`k${index}`, 1]))
  const long = { ['x'.repeat(MAX_SHAPE_KEY_BYTES + 1)]: 1 }
  for (let n = 0; n < 5000; n++) {
    codec.encode({})
    codec.encode(wide)
    codec.encode(long)
    codec.encode({ [`dynamic${n}`]: 1 })
  }
  t.equal(codec.shapes.size, 0)
  for (let n = 0; n < 100_000; n++) codec.encode({ [`k${n % 10}`]: 1 })
  t.equal(codec.shapes.size, 2, 'as many as allowed')
  const full = { k0: 1, k1: 2 }
  assert.deepStrictEqual(codec.roundTrip(full), full)
})

t.test(
  'dynamic keys do not grow the memory of the learner, and frequent lists are still found among them',
  async (t) => {
    const codec = new Codec()
    const dynamic = (n: number) => ({ [`user-${n}-${'x'.repeat(200)}`]: 1 })
    for (let n = 0; n < 5000; n++) codec.encode(dynamic(n))
    const before = process.memoryUsage().heapUsed
    for (let n = 5000; n < 50_000; n++) codec.encode(dynamic(n))
    t.ok(process.memoryUsage().heapUsed - before < 40_000_000)
    for (let n = 0; n < 5000; n++) {
      codec.encode(dynamic(n))
      codec.encode({ order: n, amount: 1 })
    }
    t.match(codec.shapes.definitions(), [{ keys: ['order', 'amount'] }])
  },
)

t.test('a key list longer than all that may wait together is not counted', async (t) => {
  const codec = new Codec()
  const long = { ['x'.repeat(300_000)]: 1 }
  for (let n = 0; n < 2000; n++) codec.encode(long)
  t.equal(codec.shapes.size, 0)
  for (let n = 0; n < 64 * 9; n++) codec.encode({ order: n })
  t.match(codec.shapes.definitions(), [{ keys: ['order'] }])
})

t.test('the last places are given only to what is very frequent', async (t) => {
  const sightings = (known: number): number => {
    const codec = new Codec({ maxShapes: 8 })
    for (let id = 1; id <= known; id++) codec.shapes.define({ id, keys: [`known${id}`] })
    let count = 0
    while (codec.encoder.proposed.length === 0) {
      codec.encode({ x: 1 })
      count++
    }
    return count
  }
  t.same([sightings(0), sightings(4), sightings(7)], [8, 128, 1024])
})

t.test('[fault 58] readers of shapes, compiled or not, make the same objects', async (t) => {
  const keys = ['__proto__', 'constructor', '1023', '7', 'a"b\\', '\u2028', '${x}', '', 'then', 'größe']
  for (const compile of [true, false]) {
    const table = new ShapeTable({ compile })
    table.define({ id: 1, keys })
    const decoder = new ValueDecoder(table)
    const bytes = bytesOf('c101 00 01 02 03 04 05 06 07 08 09')
    const first = decoder.decode(bytes, 0, bytes.length) as object
    t.same(Object.keys(first).sort(), [...keys].sort())
    t.equal(Object.getPrototypeOf(first), Object.prototype)
    t.equal((first as Record<string, unknown>)['größe'], 9)
    for (let n = 0; n < 100; n++) assert.deepStrictEqual(decoder.decode(bytes, 0, bytes.length), first)
    t.equal(table.get(1)?.reader.name, compile ? 'anonymous' : '')
  }
})

t.test('values are encoded and decoded where code cannot be made from text', async (t) => {
  const moduleOf = (name: string): string =>
    JSON.stringify(new URL(`../../../engine/format/${name}.js`, import.meta.url).href)
  const program = `
    import { ByteWriter } from ${moduleOf('byte-writer')}
    import { ShapeTable } from ${moduleOf('shapes')}
    import { ValueDecoder } from ${moduleOf('value-decoder')}
    import { ValueEncoder } from ${moduleOf('value-encoder')}
    const table = new ShapeTable()
    table.define({ id: 1, keys: ['a', '__proto__'] })
    const decoder = new ValueDecoder(table)
    const encoder = new ValueEncoder(table, { learn: false, maxShapes: 8 })
    const bytes = Buffer.from('c1010102', 'hex')
    let result, written
    for (let n = 0; n < 100; n++) {
      result = decoder.decode(bytes, 0, 4)
      const writer = new ByteWriter(Buffer.alloc(16), () => undefined)
      encoder.begin()
      encoder.encode(writer, result, 'data')
      written = writer.bytes.toString('hex', 0, writer.length)
    }
    process.stdout.write(JSON.stringify(result) + written)`
  const flags = ['--disallow-code-generation-from-strings', '--input-type=module', '--eval', program]
  t.equal(execFileSync(process.execPath, flags, { encoding: 'utf8' }), '{"a":1,"__proto__":2}c1010102')
})
