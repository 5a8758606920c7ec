import assert from 'node:assert/strict'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { Packr } from 'msgpackr'
import t from 'tap'
import { variants } from '../../../bench/events.js'
import { anyValue, bytesOf, Codec, hex, standardValue } from './value-support.js'

/** Value and the bytes that `docs/values.md` gives for it. */
const TABLE: readonly (readonly [unknown, string])[] = [
  [null, 'c0'],
  [false, 'c2'],
  [true, 'c3'],
  [undefined, 'd40000'],
  [0, '00'],
  [127, '7f'],
  [128, 'cc80'],
  [255, 'ccff'],
  [256, 'cd0100'],
  [65_535, 'cdffff'],
  [65_536, 'ce00010000'],
  [2 ** 31 - 1, 'ce7fffffff'],
  [2 ** 31, 'ce80000000'],
  [2 ** 32 - 1, 'ceffffffff'],
  [2 ** 32, 'cb41f0000000000000'],
  [Number.MAX_SAFE_INTEGER, 'cb433fffffffffffff'],
  [-1, 'ff'],
  [-32, 'e0'],
  [-33, 'd0df'],
  [-128, 'd080'],
  [-129, 'd1ff7f'],
  [-32_768, 'd18000'],
  [-32_769, 'd2ffff7fff'],
  [-(2 ** 31), 'd280000000'],
  [-(2 ** 31) - 1, 'cbc1e0000000200000'],
  [1.5, 'cb3ff8000000000000'],
  [-0, 'cb8000000000000000'],
  [NaN, 'cb7ff8000000000000'],
  [Infinity, 'cb7ff0000000000000'],
  [-Infinity, 'cbfff0000000000000'],
  [0n, 'cf0000000000000000'],
  [2n ** 64n - 1n, 'cfffffffffffffffff'],
  [-1n, 'd3ffffffffffffffff'],
  [-(2n ** 63n), 'd38000000000000000'],
  [2n ** 64n, 'c70a0100010000000000000000'],
  [-(2n ** 63n) - 1n, 'c70901018000000000000001'],
  [2n ** 2024n - 1n, `c7fe0100${'ff'.repeat(253)}`],
  [2n ** 2040n - 1n, `c801000100${'ff'.repeat(255)}`],
  ['', 'a0'],
  ['é', 'a2c3a9'],
  ['é'.repeat(16), `d920${'c3a9'.repeat(16)}`],
  ['x'.repeat(31), `bf${'78'.repeat(31)}`],
  ['x'.repeat(32), `d920${'78'.repeat(32)}`],
  ['x'.repeat(63), `d93f${'78'.repeat(63)}`],
  ['日'.repeat(63), `d9bd${'e697a5'.repeat(63)}`],
  ['x'.repeat(256), `da0100${'78'.repeat(256)}`],
  [new Uint8Array([1, 2]), 'c4020102'],
  [new Uint8Array(256), `c50100${'00'.repeat(256)}`],
  [new Date(0), 'd6ff00000000'],
  [new Date(4_294_967_295_000), 'd6ffffffffff'],
  [new Date(1), 'd7ff003d090000000000'],
  [new Date(4_294_967_296_000), 'd7ff0000000100000000'],
  [new Date(-1), 'c70cff3b8b87c0ffffffffffffffff'],
  [new Date(8.64e15), 'c70cff00000000000007dba8218000'],
  [[], '90'],
  [[1, [2]], '92019102'],
  [new Array(16).fill(1), `dc0010${'01'.repeat(16)}`],
  [{}, '80'],
  [{ a: 1, b: undefined }, '82a16101a162d40000'],
  [new Map<unknown, unknown>([[1, 'x']]), 'c900000004028101a178'],
  [new Set([1, 2]), 'c90000000303920102'],
  [{ id: 1, name: 'x' }, '82a2696401a46e616d65a178'],
  [{ a: [1, undefined, -0], t: new Date(0) }, '82a1619301d40000cb8000000000000000a174d6ff00000000'],
]

t.test('[A4] each value has the bytes that docs/values.md gives', async (t) => {
  const codec = new Codec({ learn: false })
  for (const [value, expected] of TABLE) {
    t.equal(hex(codec.encode(value)), expected)
    assert.deepStrictEqual(codec.decode(bytesOf(expected)), value)
  }
})

t.test('[A4] [fault 61] any supported value comes back equal, with shapes and without', async () => {
  for (const learn of [true, false]) {
    const codec = new Codec({ learn })
    fc.assert(
      fc.property(anyValue, (value) => {
        const result = codec.roundTrip(value)
        assert.deepStrictEqual(result, value)
        assert.deepStrictEqual(order(result), order(value))
      }),
      { numRuns: 1500 },
    )
  }
})

t.test('[A4] the benchmark events come back equal before and after their shapes are known', async () => {
  const codec = new Codec()
  for (const variant of variants) {
    for (let n = 0; n < 40; n++) {
      const { data, metadata } = variant.event(n)
      assert.deepStrictEqual(codec.roundTrip(data), data)
      assert.deepStrictEqual(codec.roundTrip(metadata), metadata)
    }
  }
})

t.test(
  '[A4] -0 and NaN come back inside of containers, and the order of Map, Set and object keys is kept',
  async (t) => {
    const codec = new Codec()
    const value = {
      b: [-0, NaN],
      a: new Map([
        ['z', -0],
        ['y', 1],
      ]),
      2: new Set([3, 1, 2]),
    }
    const result = codec.roundTrip(value) as typeof value
    t.ok(Object.is(result.b[0], -0))
    t.ok(Object.is(result.b[1], NaN))
    t.ok(Object.is(result.a.get('z'), -0))
    t.same([...result.a.keys()], ['z', 'y'])
    t.same([...result[2]], [3, 1, 2])
    t.same(Object.keys(result), ['2', 'b', 'a'])
  },
)

t.test('[A4] bytes come back as a Uint8Array of their own, also when a Buffer was given', async (t) => {
  const codec = new Codec()
  const encoded = codec.encode(Buffer.from('xabcx').subarray(1, 4))
  const result = codec.decode(encoded) as Uint8Array
  t.equal(Object.getPrototypeOf(result), Uint8Array.prototype)
  t.same([...result], [97, 98, 99])
  t.equal(result.buffer.byteLength, 3)
  encoded.fill(0)
  t.same([...result], [97, 98, 99])
})

t.test('[A4] standard values are read by msgpackr, and what msgpackr writes is read', async () => {
  const codec = new Codec({ learn: false })
  const packr = new Packr({ useRecords: false })
  fc.assert(
    fc.property(standardValue, (value) => {
      assert.deepStrictEqual(packr.unpack(codec.encode(value)), value)
      assert.deepStrictEqual(codec.decode(packr.pack(value)), value)
    }),
    { numRuns: 1500 },
  )
})

t.test('[A4] plain data of another realm is plain data', async (t) => {
  const codec = new Codec()
  const value: unknown = runInNewContext(
    '({ a: [1, new Date(5)], b: new Map([[1, new Set([2])]]), c: new Uint8Array([3]) })',
  )
  assert.deepStrictEqual(codec.roundTrip(value), {
    a: [1, new Date(5)],
    b: new Map([[1, new Set([2])]]),
    c: new Uint8Array([3]),
  })
  t.throws(() => codec.encode(runInNewContext('new (class A { a = 1 })')), { code: 'ERR_INVALID_EVENT' })
  t.throws(() => codec.encode(runInNewContext('new (class extends Map {})')), { code: 'ERR_INVALID_EVENT' })
})

t.test('[A4] [fault 58] hostile keys stay plain data', async (t) => {
  const names = [
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'hasOwnProperty',
    'then',
    'valueOf',
    '__defineGetter__',
  ]
  const before = Reflect.ownKeys(Object.prototype)
  for (const learn of [true, false]) {
    const codec = new Codec({ learn })
    for (const name of names) {
      const value: unknown = JSON.parse(`{ "before": 1, ${JSON.stringify(name)}: { "polluted": true }, "after": 2 }`)
      // Often enough for a shape, and for its reader to be compiled.
      for (let n = 0; n < 60; n++) {
        const result = codec.roundTrip(value) as object
        t.ok(Object.hasOwn(result, name))
        t.equal(Object.getPrototypeOf(result), Object.prototype)
        assert.deepStrictEqual(result, value)
      }
    }
  }
  t.same(Reflect.ownKeys(Object.prototype), before)
  t.notOk('polluted' in {})
})

t.test('[A4] a getter is stored as its value, and what it changes meanwhile has no effect', async (t) => {
  const codec = new Codec()
  const value = {
    get a() {
      return 1
    },
    b: 2,
  }
  assert.deepStrictEqual(codec.roundTrip(value), { a: 1, b: 2 })
  t.same(codec.roundTrip(new Proxy({ a: 1 }, {})), { a: 1 })
  t.same(codec.roundTrip(Object.freeze({ a: 1 })), { a: 1 })
  t.same(codec.roundTrip(Object.create(null, { a: { value: 1, enumerable: true } })), { a: 1 })
})

/** Key and element order, which deep equality does not look at. */
function order(value: unknown): unknown {
  if (value instanceof Map) return [...value].map(([key, element]) => [order(key), order(element)])
  if (value instanceof Set || Array.isArray(value)) return [...(value as Iterable<unknown>)].map(order)
  if (value === null || typeof value !== 'object' || value instanceof Date || value instanceof Uint8Array) return value
  return Object.entries(value).map(([key, element]) => [key, order(element)])
}
