import t from 'tap'
import { isThenable, plainCopy, roughBytes } from '../../kit/plain-value.js'

t.test('a copy is equal and shares nothing', (t) => {
  const value = {
    list: [1, undefined, -0, { deep: new Date(5) }],
    map: new Map<unknown, unknown>([[{ k: 1 }, new Set([1n])]]),
    bytes: new Uint8Array([1, 2]),
    ['__proto__']: 'data',
    text: 'x',
  }
  const copy = plainCopy(value) as typeof value
  t.strictSame(copy, value)
  t.not(copy.list, value.list)
  t.not(copy.list[3], value.list[3])
  t.not(copy.bytes.buffer, value.bytes.buffer)
  t.equal(copy.map.keys().next().value === value.map.keys().next().value, false)
  const hostile = plainCopy(JSON.parse('{"__proto__":{"a":1}}')) as object
  t.same(Object.keys(hostile), ['__proto__'])
  t.equal(Object.getPrototypeOf(hostile), Object.prototype)
  t.end()
})

t.test('what would come back as something else is refused', (t) => {
  const circle: unknown[] = []
  circle.push(circle)
  for (const value of [() => 1, Symbol('s'), new (class X {})(), [/x/], { deep: new Error('x') }, circle]) {
    t.throws(() => plainCopy(value), TypeError)
  }
  t.end()
})

t.test('bytes are counted roughly', (t) => {
  t.equal(roughBytes('abc'), 3)
  t.equal(roughBytes({ ab: 1, c: null }), 2 + 8 + 1 + 8)
  t.equal(roughBytes([new Date(), new Uint8Array(5), undefined]), 8 + 5 + 8)
  t.equal(roughBytes(new Map([['a', new Set(['bc'])]])), 3)
  t.end()
})

t.test('promises and their likes are told from data', (t) => {
  const like = (): unknown => Object.assign(() => 1, { then: () => 1 })
  for (const value of [Promise.resolve(), like(), { then: () => 1 }]) t.ok(isThenable(value))
  for (const value of [null, undefined, 1, 'then', {}, { then: 1 }, () => 1]) t.notOk(isThenable(value))
  t.end()
})
