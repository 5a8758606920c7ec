import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { JsonValueError, valueFromJson, valueToJson } from '../../kit/json-values.js'
import { anyValue } from '../engine/format/value-support.js'

const back = (value: unknown): unknown => valueFromJson(JSON.parse(valueToJson(value)))

t.test('[A4] every value that can be stored comes back from JSON as it was', (t) => {
  const tagged = fc.dictionary(fc.constantFrom('$date', '$object', '$map', '$x', '__proto__', 'a'), anyValue, {
    maxKeys: 2,
    noNullPrototype: true,
  })
  fc.assert(
    fc.property(fc.oneof(anyValue, tagged), (value) => {
      assert.deepStrictEqual(back(value), value)
    }),
    { numRuns: 500 },
  )
  t.end()
})

t.test('JSON is as it is, the rest has one key', (t) => {
  const written = (value: unknown): string => valueToJson(value)
  t.equal(written({ a: [1, 'x', null, true, { b: 1.5 }] }), '{"a":[1,"x",null,true,{"b":1.5}]}')
  t.equal(written({ at: new Date(0) }), '{"at":{"$date":"1970-01-01T00:00:00.000Z"}}')
  t.equal(written([2n ** 64n, -0, NaN]), '[{"$bigint":"18446744073709551616"},-0,{"$number":"NaN"}]')
  t.equal(written({ b: Uint8Array.of(1, 255), u: undefined }), '{"b":{"$bytes":"Af8="},"u":{"$undefined":true}}')
  t.equal(written(new Map<unknown, unknown>([['k', new Set([1])]])), '{"$map":[["k",{"$set":[1]}]]}')
  t.equal(written({ $date: 'no date' }), '{"$object":{"$date":"no date"}}')
  t.equal(written({ $date: 'no date', more: 1 }), '{"$date":"no date","more":1}', 'two keys are nothing special')
  t.same(valueFromJson({ $oid: 'x' }), { $oid: 'x' }, 'nor is a key that nobody knows')
  t.end()
})

t.test('what cannot be meant is refused', (t) => {
  for (const json of [
    '{"$date":5}',
    '{"$date":"soon"}',
    '{"$bigint":1}',
    '{"$bigint":"0x1"}',
    '{"$bytes":"%%%%"}',
    '{"$bytes":[1]}',
    '{"$number":"1"}',
    '{"$number":"toString"}',
    '{"$undefined":false}',
    '{"$map":[[1,2,3]]}',
    '{"$map":{}}',
    '{"$set":1}',
    '{"$object":[]}',
    `${'['.repeat(5000)}${']'.repeat(5000)}`,
  ]) {
    t.throws(() => valueFromJson(JSON.parse(json)), JsonValueError, json.slice(0, 30))
  }
  const polluted = valueFromJson(JSON.parse('{"__proto__":{"admin":true}}')) as { admin?: boolean }
  t.equal(polluted.admin, undefined, 'no prototype is changed')
  t.end()
})
