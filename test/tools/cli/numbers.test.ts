import t from 'tap'
import { bytes, count, duration, plural, time } from '../../../tools/cli/numbers.js'

t.test('numbers as people read them', (t) => {
  t.same([0, 999, 1000, 1234567].map(count), ['0', '999', '1,000', '1,234,567'])
  t.same(
    [plural(0, 'event'), plural(1, 'event'), plural(1200, 'event'), plural(2, 'copy', 'copies')],
    ['0 events', '1 event', '1,200 events', '2 copies'],
  )
  t.end()
})

t.test('bytes have three digits and the unit that fits', (t) => {
  const cases: readonly (readonly [number, string])[] = [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1280, '1.25 KiB'],
    [1536, '1.5 KiB'],
    [12.34 * 1024, '12.3 KiB'],
    [1023.6 * 1024, '1 MiB'],
    [64 * 1024 ** 2, '64 MiB'],
    [999 * 1024 ** 5, '999 PiB'],
    [2 ** 63, '8192 PiB'],
  ]
  for (const [value, text] of cases) t.equal(bytes(value), text)
  t.end()
})

t.test('a duration goes from milliseconds to hours, and never shows 60 of anything', (t) => {
  const cases: readonly (readonly [number, string])[] = [
    [0, '0 ms'],
    [85.4, '85 ms'],
    [999.4, '999 ms'],
    [999.5, '1.0 s'],
    [1400, '1.4 s'],
    [12_400, '12 s'],
    [187_000, '3:07 min'],
    [3_599_400, '59:59 min'],
    [3_599_600, '1:00:00 h'],
    [7_509_000, '2:05:09 h'],
  ]
  for (const [milliseconds, text] of cases) t.equal(duration(milliseconds), text)
  t.notMatch(duration(9_960), /10\.0/)
  t.notMatch(duration(59_700), /60 s/)
  t.end()
})

t.test('a time that no Date has is its number', (t) => {
  t.equal(time(0), '1970-01-01T00:00:00.000Z')
  t.equal(time(-8.64e15), '-271821-04-20T00:00:00.000Z')
  t.equal(time(8.64e15 + 1), '8640000000000001')
  t.end()
})
