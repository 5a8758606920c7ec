import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import t from 'tap'
import { MAX_DEPTH } from '../../../engine/limits.js'
import { ValueFormatError } from '../../../engine/format/value-format.js'
import { anyValue, bytesOf, Codec } from './value-support.js'

const SHAPE = { id: 1, keys: ['id', 'name'] }

function codecWithShape(): Codec {
  const codec = new Codec({ learn: false })
  codec.shapes.define(SHAPE)
  return codec
}

/** Bytes that no encoder has written, and a word of the complaint. */
const REFUSED: readonly (readonly [fault: string, name: string, bytes: string, reason: RegExp])[] = [
  ['fault 56', 'array32 of 2^32-1', 'dd ffffffff 01', /count/],
  ['fault 56', 'map32 of 2^32-1', 'df ffffffff a161 01', /count/],
  ['fault 56', 'str32 of 2^32-1', 'db ffffffff 61', /cut short/],
  ['fault 56', 'bin32 of 2^32-1', 'c6 ffffffff 61', /cut short/],
  ['fault 56', 'ext32 of 2^32-1', 'c9 ffffffff 02 80', /longer/],
  ['fault 56', 'key of 2^32-1', '81 db ffffffff 61', /cut short/],
  ['fault 56', 'Map of 2^32-1', 'c9 00000006 02 df ffffffff 01', /count/],
  ['fault 56', 'Set of 2^32-1', 'c9 00000006 03 dd ffffffff 01', /count/],
  ['fault 59', 'unknown extension', 'd4 05 00', /extension type/],
  ['fault 59', 'unknown extension of 16 bytes', `d8 7f ${'00'.repeat(16)}`, /extension type/],
  ['fault 59', 'timestamp of 1 byte', 'd4 ff 00', /timestamp/],
  ['fault 59', 'timestamp of 5 bytes', 'c7 05 ff 0000000000', /timestamp/],
  ['fault 59', 'timestamp beyond Date', 'c70cff 00000000 0000 07db ba82 1801', /Date/],
  ['fault 59', 'timestamp with microseconds', 'd7ff 00000fa0 00000000', /Date/],
  ['fault 59', 'timestamp of 10^9 nanoseconds', 'd7ff ee6b2800 00000000', /Date/],
  ['fault 59', 'timestamp of 2^30-1 nanoseconds', 'd7ff fffffffc 00000000', /Date/],
  ['fault 59', '0xc1 with an unknown id', 'c1 02 01 02', /shape/],
  ['fault 59', '0xc1 with id 0', 'c1 00', /shape/],
  ['fault 59', '0xc1 with a negative id', 'c1 ff', /shape/],
  ['fault 59', '0xc1 with a 32-bit id', 'c1 ce 00000001 01 02', /shape/],
  ['fault 59', '0xc1 without values', 'c1 01', /count/],
  ['fault 59', '0xc1 with too few values', 'c1 01 01', /count/],
  ['fault 59', 'trailing byte', '01 c0', /followed/],
  ['fault 59', 'empty', '', /cut short/],
  ['fault 59', 'undefined with another body', 'd4 00 01', /undefined/],
  ['fault 59', 'undefined of 2 bytes', 'd5 00 0000', /undefined/],
  ['fault 59', 'bigint without magnitude', 'd4 01 00', /bigint/],
  ['fault 59', 'bigint with a leading zero', 'd5 01 0000', /bigint/],
  ['fault 59', 'bigint with sign 2', 'd5 01 0201', /bigint/],
  ['fault 59', 'Map whose body is an array', 'd4 02 90', /Map/],
  ['fault 59', 'Set whose body is a map', 'd4 03 80', /Set/],
  ['fault 59', 'Map that is shorter than its extension', 'd5 02 8000', /length/],
  ['fault 59', 'Map that is longer than its extension', '92 d4 02 81 01 01', /length/],
  ['fault 60', 'invalid UTF-8', 'a2 c328', /UTF-8/],
  ['fault 60', 'surrogate in UTF-8', 'a3 eda080', /UTF-8/],
  ['fault 60', 'overlong UTF-8', 'a2 c080', /UTF-8/],
  ['fault 60', 'cut UTF-8', 'a2 61c3', /UTF-8/],
  ['fault 60', 'invalid UTF-8 in a long string', `da0200 ${'61'.repeat(511)}ff`, /UTF-8/],
  ['fault 60', 'invalid UTF-8 in a key', '81 a1 ff 01', /UTF-8/],
  ['fault 60', 'key twice', '82 a161 01 a161 02', /twice/],
  [
    'fault 60',
    'key __proto__ twice',
    `82 a9${Buffer.from('__proto__').toString('hex')}01 a9${Buffer.from('__proto__').toString('hex')}01`,
    /twice/,
  ],
  ['fault 60', 'number as a key', '81 01 02', /not a string/],
  ['fault 60', 'nil as a key', '81 c0 02', /not a string/],
  ['fault 60', 'Map key twice', 'c9 00000005 02 82 01 02 01 03', /twice/],
  ['fault 60', 'Set value twice', 'c9 00000003 03 92 01 01', /twice/],
]

for (const [fault, name, text, reason] of REFUSED) {
  t.test(`[${fault}] refused: ${name}`, async (t) => {
    const codec = codecWithShape()
    const error = thrownBy(() => codec.decode(bytesOf(text)))
    t.ok(error instanceof ValueFormatError)
    t.match((error as Error).message, reason)
    t.same(codec.decode(bytesOf('c1 01 01 a178')), { id: 1, name: 'x' }, 'the decoder goes on')
  })
}

t.test('[fault 59] accepted though no encoder of ours writes it', async (t) => {
  const codec = codecWithShape()
  t.equal(codec.decode(bytesOf('cd 0001')), 1, 'an integer longer than needed')
  t.equal(codec.decode(bytesOf('ca 3fc00000')), 1.5, 'float 32')
  t.equal(codec.decode(bytesOf('d3 0000000000000001')), 1n, 'a 64-bit integer is always a bigint')
  t.equal(codec.decode(bytesOf('db 00000001 61')), 'a', 'a length longer than needed')
  t.same(codec.decode(bytesOf('de 0001 d901 61 01')), { a: 1 })
  t.same(codec.decode(bytesOf('c1 cd 0001 01 02')), { id: 1, name: 2 }, 'a shape id longer than needed')
  t.same(
    codec.decode(bytesOf('d5 02 81 01'.replace('d5', 'd4').replace('81 01', '80'))),
    new Map(),
    'a Map with a short header',
  )
  t.same(codec.decode(bytesOf('c70cff 00000000 0000000000000000')), new Date(0), 'a timestamp longer than needed')
  t.equal(codec.decode(bytesOf('d5 01 0001')), 1n, 'a bigint that 64 bits would hold')
  t.equal(codec.decode(bytesOf('a3 efbfbd')), '\ufffd', 'U+FFFD itself')
  t.equal(codec.decode(bytesOf('a3 efbbbf')), '\ufeff', 'a byte order mark is a character')
})

t.test('[fault 57] deep nesting is refused at the first level that is too deep', async (t) => {
  const codec = new Codec()
  t.same(depthOf(codec.decode(Buffer.concat([Buffer.alloc(MAX_DEPTH, 0x91), bytesOf('c0')]))), MAX_DEPTH)
  const hostile: readonly Buffer[] = [
    Buffer.concat([Buffer.alloc(MAX_DEPTH + 1, 0x91), bytesOf('c0')]),
    Buffer.from('dc0001'.repeat(24_000), 'hex'),
    Buffer.from('dcffff'.repeat(24_000), 'hex'),
    Buffer.alloc(5_000_000, 0x91),
    Buffer.from('81a161'.repeat(24_000), 'hex'),
    Buffer.from(`81a9${'5f5f70726f746f5f5f'.repeat(24_000)}`, 'hex'),
  ]
  for (const bytes of hostile) t.ok(thrownBy(() => codec.decode(bytes)) instanceof ValueFormatError)
})

t.test('[fault 56] [fault 57] lies about lengths cost neither time nor memory', async (t) => {
  const codec = codecWithShape()
  const padding = Buffer.alloc(5_000_000, 0xc0)
  const lies = ['ddffffffff', 'dfffffffff', 'dbffffffff', 'c6ffffffff', 'c9ffffffff02', 'dd004c4b40'.repeat(200)]
  for (const lie of lies) {
    const bytes = Buffer.concat([bytesOf(lie), padding])
    const before = process.memoryUsage()
    const start = process.hrtime.bigint()
    t.ok(thrownBy(() => codec.decode(bytes)) instanceof ValueFormatError)
    const elapsed = Number(process.hrtime.bigint() - start) / 1e6
    const after = process.memoryUsage()
    t.ok(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers < 10_000_000, 'memory')
    t.ok(elapsed < 100, `${elapsed} ms`)
  }
})

t.test('[fault 56] an index as a key does not make room for all indexes below', async (t) => {
  const codec = new Codec()
  const count = 20_000
  const bytes = Buffer.concat([bytesOf('dd 00004e20'), Buffer.from('81a43130323300'.repeat(count), 'hex')])
  const before = process.memoryUsage().heapUsed
  const result = codec.decode(bytes) as Record<string, number>[]
  t.ok(process.memoryUsage().heapUsed - before < 40_000_000, 'would be 250 MB')
  t.same(result[count - 1], { 1023: 0 })
  t.same(Object.getOwnPropertyDescriptor(result[0], '1023'), {
    value: 0,
    writable: true,
    enumerable: true,
    configurable: true,
  })
  const many = Object.fromEntries(Array.from({ length: 3000 }, (_, index) => [String(index * 7), index]))
  t.same(codec.roundTrip(many), many)
})

t.test('[fault 59] a valid encoding cut at any byte, or followed by one more, is refused', async (t) => {
  const codec = codecWithShape()
  const encoder = new Codec()
  encoder.shapes.define(SHAPE)
  const value = [
    { id: 'x'.repeat(70), name: undefined },
    new Map([[1n, new Date(1)]]),
    new Set([2n ** 70n, -0]),
    new Uint8Array(300),
    { größe: [1, 300, 70_000, -5, -500, -70_000, true, null], list: new Array(20).fill('é') },
  ]
  const bytes = encoder.encode(value)
  t.same(codec.decode(bytes), value)
  for (let end = 0; end < bytes.length; end++) {
    t.ok(thrownBy(() => codec.decoder.decode(bytes, 0, end)) instanceof ValueFormatError)
    t.ok(thrownBy(() => codec.decode(bytes.subarray(0, end))) instanceof ValueFormatError)
  }
  t.ok(thrownBy(() => codec.decode(Buffer.concat([bytes, bytesOf('c0')]))) instanceof ValueFormatError)
  t.ok(thrownBy(() => codec.decoder.decode(bytes, 0, bytes.length + 1)) instanceof ValueFormatError)
})

t.test('[fault 59] [fault 60] mutated encodings are decoded or refused, never anything else', async () => {
  const codec = new Codec()
  for (let n = 0; n < 20; n++) codec.encode({ id: n, name: 'n' })
  const mutation = fc.tuple(
    fc.nat(),
    fc.constantFrom('set', 'flip', 'insert', 'delete', 'token', 'length'),
    fc.nat(255),
  )
  const tokens = Array.from({ length: 0x60 }, (_, index) => (index < 0x40 ? 0x80 + index : 0xc0 + index - 0x40))
  fc.assert(
    fc.property(anyValue, fc.array(mutation, { minLength: 1, maxLength: 4 }), (value, mutations) => {
      let bytes = codec.encode([value, { id: 1, name: value }])
      for (const [place, kind, byte] of mutations) bytes = mutate(bytes, place % bytes.length, kind, byte, tokens)
      const start = Date.now()
      const error = outcome(() => codec.decode(bytes))
      if (error !== undefined && !(error instanceof ValueFormatError)) throw error as Error
      if (Date.now() - start > 1000) throw new Error('took too long')
    }),
    { numRuns: 4000 },
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const error = outcome(() => codec.decode(Buffer.from(bytes)))
      if (error !== undefined && !(error instanceof ValueFormatError)) throw error as Error
    }),
    { numRuns: 4000 },
  )
})

t.test('[A4] a key is not taken for another one in the same place of the key cache', async (t) => {
  const codec = new Codec({ learn: false })
  const short = codec.encode({ key: 1 })
  let wrong = 0
  for (let n = 0; n < 5000; n++) {
    codec.decode(codec.encode({ [`key${n}`]: 1 }))
    if (Object.keys(codec.decode(short) as object)[0] !== 'key') wrong++
  }
  t.equal(wrong, 0)
})

t.test('ValueFormatError names the byte in the buffer', async (t) => {
  const codec = new Codec()
  const bytes = bytesOf('ffff 92 01 c102')
  t.match(
    thrownBy(() => codec.decoder.decode(bytes, 2, 6)),
    { byte: 6, message: 'shape is not known' },
  )
})

t.test('[K1] what is decoded does not change with the buffer, and holds little of it', async (t) => {
  const codec = new Codec()
  const texts = Array.from({ length: 400 }, (_, index) => `text number ${index} of some length`.padEnd(index, '.'))
  const bytes = codec.encode(texts)
  const result = codec.decode(bytes)
  bytes.fill(0x78)
  t.same(result, texts)
})

t.test('[R8] a short string does not keep the buffer it came from alive', async (t) => {
  const codec = new Codec()
  const kept: unknown[] = []
  const bytes = codec.encode(['x'.repeat(20), 'y'.repeat(1_000_000)])
  const before = process.memoryUsage().heapUsed
  for (let n = 0; n < 100; n++) kept.push((codec.decode(bytes) as string[])[0])
  t.ok(process.memoryUsage().heapUsed - before < 60_000_000)
  t.equal(kept.length, 100)
})

function mutate(bytes: Buffer, place: number, kind: string, byte: number, tokens: readonly number[]): Buffer {
  const result = Buffer.from(bytes)
  switch (kind) {
    case 'set':
      result[place] = byte
      return result
    case 'flip':
      result[place]! ^= 1 << (byte & 7)
      return result
    case 'insert':
      return Buffer.concat([bytes.subarray(0, place), Buffer.from([byte]), bytes.subarray(place)])
    case 'delete':
      return bytes.length === 1 ? result : Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + 1)])
    case 'token':
      result[place] = tokens[byte % tokens.length]!
      return result
    default:
      // A longer or shorter length after what may be a token with one.
      result[place] = 0xc4 + (byte % 0x1c)
      result.fill(byte & 1 ? 0xff : 0, place + 1, Math.min(place + 1 + (byte % 5), result.length))
      return result
  }
}

t.test('decodeNext goes on behind the value decoded last', (t) => {
  fc.assert(
    fc.property(anyValue, anyValue, fc.nat(20), (first, second, before) => {
      const codec = codecWithShape()
      const values = [codec.encode(first), codec.encode(second)]
      const bytes = Buffer.concat([Buffer.alloc(before, 0x78), ...values, Buffer.alloc(10, 0x78)])
      const middle = before + values[0]!.length
      const end = middle + values[1]!.length
      const decoded = [codec.decoder.decode(bytes, before, middle, end), codec.decoder.decodeNext(end)]
      t.same(
        decoded,
        values.map((value) => codec.decode(value)),
      )
    }),
    { numRuns: 100 },
  )
  t.end()
})

t.test('decodeNext sees the bytes as they are, and refuses what is not one value up to the end', (t) => {
  const codec = codecWithShape()
  const texts = [
    'metadata of the first event',
    'data of the first event',
    'the second event has that',
    'and as data this one',
  ]
  const bytes = Buffer.alloc(100)
  for (const pair of [texts.slice(0, 2), texts.slice(2)]) {
    // As a window that is used again is filled: the same buffer, the same places, other bytes.
    const [first, second] = pair.map((text) => codec.encode(text)) as [Buffer, Buffer]
    first.copy(bytes)
    second.copy(bytes, first.length)
    const end = first.length + second.length
    t.equal(codec.decoder.decode(bytes, 0, first.length, end), pair[0])
    t.equal(codec.decoder.decodeNext(end), pair[1])
    codec.decoder.decode(bytes, 0, first.length, end)
    t.throws(() => codec.decoder.decodeNext(end - 1), ValueFormatError)
    codec.decoder.decode(bytes, 0, first.length, end)
    t.throws(() => codec.decoder.decodeNext(end + 1), ValueFormatError)
    t.throws(() => codec.decoder.decode(bytes, 0, first.length - 1, end), ValueFormatError)
  }
  t.end()
})

function depthOf(value: unknown): number {
  let depth = 0
  for (let inner = value; Array.isArray(inner); inner = inner[0]) depth++
  return depth
}

function outcome(run: () => unknown): unknown {
  try {
    run()
    return undefined
  } catch (error) {
    return error
  }
}

function thrownBy(run: () => unknown): unknown {
  return outcome(run) ?? new Error('nothing was thrown')
}
