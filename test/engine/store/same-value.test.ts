import t from 'tap'
import { sameValue } from '../../../engine/store/same-value.js'

t.test('[C2] values are the same when they would come back equal, whatever the order of keys', (t) => {
  const key = { k: 1 }
  const equal: readonly (readonly [unknown, unknown])[] = [
    [1, 1],
    [NaN, NaN],
    [-0, -0],
    [12n, 12n],
    [null, null],
    [undefined, undefined],
    [
      { a: 1, b: [2, 'x'] },
      { b: [2, 'x'], a: 1 },
    ],
    [new Date(5), new Date(5)],
    [new Date(NaN), new Date(NaN)],
    [Uint8Array.of(1, 2), Buffer.of(1, 2)],
    [new Map([['a', 1], ['b', 2]]), new Map([['b', 2], ['a', 1]])], // prettier-ignore
    [new Map([[{ k: 1 }, { v: 1 }]]), new Map([[{ k: 1 }, { v: 1 }]])],
    [new Set([1, 'x', key]), new Set(['x', 1, key])],
    [new Set([{ k: 1 }]), new Set([{ k: 1 }])],
  ]
  for (const [stored, given] of equal) t.ok(sameValue(stored, given))
  t.end()
})

t.test('[C2] values of other kinds, sizes or contents are not the same, either way round', (t) => {
  const kinds = [1, 1n, '1', true, null, undefined, [1], { a: 1 }, new Date(1), Uint8Array.of(1), new Map(), new Set()]
  for (const [i, stored] of kinds.entries()) {
    for (const [n, given] of kinds.entries()) t.equal(sameValue(stored, given), i === n, `${i} and ${n}`)
  }
  const others: readonly (readonly [unknown, unknown])[] = [
    [0, -0],
    [[1, 2], [1]],
    [
      [1, 2],
      [2, 1],
    ],
    [{}, []],
    [{}, new Uint8Array(0)],
    [{}, new Date(0)],
    [{}, new Map()],
    [{}, new Set()],
    [{ a: 1 }, { a: 2 }],
    [{ a: 1 }, { b: 1 }],
    [{ a: undefined }, { b: undefined }],
    [{ a: 1 }, { a: 1, b: 1 }],
    [new Date(5), new Date(6)],
    [Uint8Array.of(1, 2), Uint8Array.of(1, 3)],
    [Uint8Array.of(1, 2), Uint8Array.of(1)],
    [new Map([['a', 1]]), new Map([['a', 2]])],
    [new Map([['a', 1]]), new Map([['b', 1]])],
    [new Map([['a', 1]]), new Map()],
    [new Map([[{ k: 1 }, 1]]), new Map([[{ k: 2 }, 1]])],
    [new Set([1]), new Set([2])],
    [new Set([1]), new Set([1, 2])],
    [new Set([{ k: 1 }]), new Set([{ k: 2 }])],
  ]
  for (const [stored, given] of others) {
    t.notOk(sameValue(stored, given))
    t.notOk(sameValue(given, stored))
  }
  t.end()
})
