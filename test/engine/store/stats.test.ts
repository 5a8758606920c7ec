import t from 'tap'
import { percentiles } from '../../../engine/store/stats.js'

t.test('percentiles: of none, of one, of many, and without changing what they are made of', (t) => {
  t.same(percentiles([]), { p50: 0, p99: 0, max: 0 })
  t.same(percentiles([7]), { p50: 7, p99: 7, max: 7 })
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i)
  t.same(percentiles(hundred), { p50: 51, p99: 100, max: 100 })
  t.equal(hundred[0], 100)
  t.same(percentiles([3, 1, 2]), { p50: 2, p99: 3, max: 3 })
  t.same(percentiles([10, 9, 100]), { p50: 10, p99: 100, max: 100 }, 'as numbers, not as texts')
  t.end()
})
