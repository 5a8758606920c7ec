import t from 'tap'
import { ByteWriter } from '../../../engine/format/byte-writer.js'
import { InvalidEventError, TooLargeError } from '../../../engine/errors.js'
import { MAX_DEPTH } from '../../../engine/limits.js'
import { Codec } from './value-support.js'

const boom = new Error('boom')
const thrower = () => {
  throw boom
}

function nested(levels: number): unknown {
  let value: unknown = 1
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value }
  return value
}

const cyclic: { a: { b: unknown[] } } = { a: { b: [] } }
cyclic.a.b.push(1, cyclic.a)

/** What is refused, where, and a word of the reason. */
const REFUSED: readonly (readonly [name: string, value: unknown, path: string, reason: RegExp])[] = [
  ['function', { a: () => 1 }, 'data.a', /function/],
  ['symbol', [Symbol('x')], 'data[0]', /symbol/],
  ['symbol key', { a: { [Symbol('x')]: 1 } }, 'data.a', /symbol/],
  ['invalid Date', { items: [1, { at: new Date(NaN) }] }, 'data.items[1].at', /invalid date/],
  ['RegExp', { a: /x/ }, 'data.a', /RegExp/],
  ['Error', { a: new TypeError('x') }, 'data.a', /Error/],
  ['class instance', { a: new (class Point {})() }, 'data.a', /Point/],
  ['object with a prototype', Object.create({ a: 1 }), 'data', /plain data/],
  ['other typed array', new Float32Array(1), 'data', /Float32Array/],
  ['DataView', new DataView(new ArrayBuffer(1)), 'data', /DataView/],
  ['ArrayBuffer', new ArrayBuffer(1), 'data', /ArrayBuffer/],
  ['boxed number', Object(1), 'data', /Number/],
  ['boxed string', Object('x'), 'data', /String/],
  ['boxed bigint', Object(1n), 'data', /BigInt/],
  ['WeakMap', new WeakMap(), 'data', /WeakMap/],
  ['Promise', { p: Promise.resolve(1) }, 'data.p', /Promise/],
  [
    'arguments',
    (function () {
      // eslint-disable-next-line prefer-rest-params -- the arguments object itself is the value
      return arguments
    })(),
    'data',
    /symbol/,
  ],
  ['object whose class cannot be read', unreadable(), 'data', /plain data/],
  ['class derived from Set', new (class S extends Set {})(), 'data', /plain data/],
  ['class derived from Uint8Array', new (class B extends Uint8Array {})(1), 'data', /plain data/],
  ['array without a prototype', Object.setPrototypeOf([1], null), 'data', /plain data/],
  [
    'bytes that say they are more than 2^32',
    Object.defineProperty(new Uint8Array(1), 'length', { value: 2 ** 32 }),
    'data',
    /4,294,967,295/,
  ],
  ['class derived from Map', new (class M extends Map {})(), 'data', /plain data/],
  ['class derived from Array', new (class L extends Array {})(), 'data', /plain data/],
  ['class derived from Date', new (class D extends Date {})(), 'data', /plain data/],
  ['Date that claims to be plain', Object.setPrototypeOf(new Date(), Object.prototype), 'data', /looks like/],
  ['plain object that claims to be a Map', Object.create(Map.prototype), 'data', /plain data/],
  ['array that claims to be an object', Object.setPrototypeOf([1], Object.prototype), 'data', /plain data/],
  ['Map with a property', Object.assign(new Map(), { x: 1 }), 'data', /lost/],
  ['Set with a property', Object.assign(new Set(), { x: 1 }), 'data', /lost/],
  ['Date with a property', Object.assign(new Date(), { x: 1 }), 'data', /lost/],
  ['array with a property', { a: Object.assign([1], { x: 1 }) }, 'data.a', /besides/],
  ['array with a symbol', { a: Object.assign([1], { [Symbol('x')]: 1 }) }, 'data.a', /symbol/],
  ['sparse array', { a: [1, , 3] }, 'data.a[1]', /hole/], // eslint-disable-line no-sparse-arrays
  ['huge sparse array', new Array(4_000_000_000), 'data[0]', /hole/],
  [
    'getter that throws',
    {
      a: {
        get b() {
          return thrower()
        },
      },
    },
    'data.a.b',
    /reading/,
  ],
  ['Proxy whose keys throw', { a: new Proxy({}, { ownKeys: thrower }) }, 'data.a', /reading/],
  ['Proxy whose values throw', { a: new Proxy({ x: 1 }, { get: thrower }) }, 'data.a.x', /reading/],
  ['Proxy whose prototype throws', { a: new Proxy({ x: 1 }, { getPrototypeOf: thrower }) }, 'data.a', /read/],
  ['revoked Proxy', { a: revoked() }, 'data.a', /read/],
  ['lone high surrogate', { a: 'x\ud800' }, 'data.a', /surrogate/],
  ['lone low surrogate', { a: '\udc00x' }, 'data.a', /surrogate/],
  ['reversed surrogates', { a: '\udc00\ud800' }, 'data.a', /surrogate/],
  ['two low surrogates', { a: '\udc00\udc00' }, 'data.a', /surrogate/],
  ['lone surrogate in a long text', { a: `${'x'.repeat(100)}\ud800` }, 'data.a', /surrogate/],
  ['lone surrogate in a key', { a: { '\ud800': 1 } }, 'data.a["\\ud800"]', /surrogate/],
  ['cycle', cyclic, 'data.a.b[1]', /contains itself.*data\.a$/],
  ['depth 10,000', nested(10_000), '', /levels deep/],
  ['Map value', { m: new Map([['k', Symbol('x')]]) }, 'data.m.get("k")', /symbol/],
  ['Map key', { m: new Map([[Symbol('x'), 1]]) }, 'data.m.keys()[0]', /symbol/],
  ['Map value under an object key', { m: new Map([[{}, Symbol('x')]]) }, 'data.m.values()[0]', /symbol/],
  ['Set value', new Set([1, Symbol('x')]), 'data.values()[1]', /symbol/],
  ['unusual key', { 'a b': { $x1: () => 1 } }, 'data["a b"].$x1', /function/],
]

function unreadable(): object {
  const prototype = {
    get constructor(): never {
      throw boom
    },
  }
  return Object.create(prototype) as object
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

for (const [name, value, path, reason] of REFUSED) {
  t.test(`[A4] [fault 61] refused with its path: ${name}`, async (t) => {
    const codec = new Codec()
    const error = thrownBy(() => codec.encode(value))
    t.ok(error instanceof InvalidEventError)
    t.match((error as Error).message, reason)
    if (path !== '') t.equal((error as InvalidEventError).path, path)
    t.ok((error as InvalidEventError).path.length <= 200)
    t.same(codec.roundTrip({ a: 1 }), { a: 1 }, 'the encoder goes on')
  })
}

t.test(
  '[fault 61] paths and causes are the same in objects of a shape, whose writer is compiled in time',
  async (t) => {
    const codec = new Codec()
    const item = (price: unknown) => ({ sku: 'x', 'unit price': { net: price } })
    for (let n = 0; n < 100; n++) {
      const order = { items: [item(1), item(() => 1)] }
      t.equal((thrownBy(() => codec.encode(order)) as InvalidEventError).path, 'data.items[1]["unit price"].net')
      const getter = {
        sku: 1,
        get 'unit price'() {
          return thrower()
        },
      }
      const error = thrownBy(() => codec.encode(getter)) as InvalidEventError
      t.equal(error.path, 'data["unit price"]')
      t.equal(error.cause, boom)
      t.throws(() => codec.encode(Object.assign(item(1), { [Symbol('x')]: 1 })), /symbol/)
      t.same(codec.roundTrip(item(n)), item(n))
    }
    t.equal(codec.shapes.size, 3)
  },
)

t.test('[fault 61] what a getter threw is the cause', async (t) => {
  const codec = new Codec()
  for (const value of [
    {
      get a() {
        return thrower()
      },
    },
    new Proxy([1], { get: thrower }),
    new Proxy({}, { getPrototypeOf: thrower }),
  ]) {
    t.equal((thrownBy(() => codec.encode(value)) as Error).cause, boom)
  }
  const nothing = {
    get a() {
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- a getter may throw anything
      throw undefined
    },
  }
  t.ok(thrownBy(() => codec.encode(nothing)) instanceof InvalidEventError)
})

t.test(`[fault 61] ${MAX_DEPTH} levels are stored, one more is not`, async (t) => {
  const codec = new Codec()
  t.same(codec.roundTrip(nested(MAX_DEPTH)), nested(MAX_DEPTH))
  t.throws(() => codec.encode(nested(MAX_DEPTH + 1)), { code: 'ERR_INVALID_EVENT' })
  for (const inner of [new Map([[1, 2]]), new Set([1])]) {
    const inside = (levels: number): unknown => {
      let value: unknown = inner
      for (let level = 1; level < levels; level++) value = [value]
      return value
    }
    t.same(codec.roundTrip(inside(MAX_DEPTH)), inside(MAX_DEPTH))
    t.throws(() => codec.encode(inside(MAX_DEPTH + 1)), { code: 'ERR_INVALID_EVENT', message: /levels deep/ })
  }
})

t.test('[fault 61] a value that changes while it is read is refused or stored as it was read', async (t) => {
  const codec = new Codec()
  const map = new Map<unknown, unknown>()
  map.set(1, {
    get x() {
      return map.set(map.size + 1, map.get(1)).size
    },
  })
  t.throws(() => codec.encode(map), /changed/)
  const set = new Set<unknown>()
  set.add({
    get x() {
      return set.add(set.size).size
    },
  })
  t.throws(() => codec.encode(set), /changed/)
  const array: unknown[] = [
    {
      get x() {
        return array.pop()
      },
    },
    2,
  ]
  t.throws(() => codec.encode(array), /hole/)
  const object: Record<string, unknown> = {
    get a() {
      delete object['b']
      return 1
    },
    b: 2,
  }
  t.same(codec.roundTrip(object), { a: 1, b: undefined })
})

t.test('[fault 61] a getter that appends by the same encoder is refused, and the encoder goes on', async (t) => {
  const codec = new Codec()
  const value = {
    get a() {
      return codec.encoder.encode(codec.writer, 1, 'inner')
    },
  }
  t.equal((thrownBy(() => codec.encode(value)) as InvalidEventError).path, 'data.a')
  t.same(codec.roundTrip([1]), [1])
})

t.test('[fault 63] what the writer throws at a limit comes out as it is, also from deep inside', async (t) => {
  const codec = new Codec()
  const limit = new TooLargeError('too large', 1, 2)
  const writer = new ByteWriter(Buffer.alloc(64), () => {
    throw limit
  })
  const shared = { a: { b: [{ c: new Map([[1, new Set(['x'.repeat(100)])]]) }] } }
  t.equal(
    thrownBy(() => codec.encoder.encode(writer, shared, 'data')),
    limit,
  )
  // 2^100 leaves over shared references: bounded by the writer's limit alone.
  let bomb: unknown = 'x'
  for (let level = 0; level < 100; level++) bomb = [bomb, bomb]
  writer.length = 0
  t.equal(
    thrownBy(() => codec.encoder.encode(writer, bomb, 'data')),
    limit,
  )
})

t.test('[A4] positions stay right when the buffer is replaced in the middle of a Map or a Set', async (t) => {
  const codec = new Codec()
  const value = new Map([['a', new Set(['x'.repeat(50), new Map([[1, 'y'.repeat(500)]])])]])
  t.same(codec.roundTrip(value), value)
})

function thrownBy(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  return new Error('nothing was thrown')
}
