import t from 'tap'
import { strideOver } from '../../bench/plan.js'

t.test('each stream is visited once, whatever their number', (t) => {
  for (const streams of [2_000, 7_901, 7_907, 7_919, 15_838, 7_919 * 7_907]) {
    const stride = strideOver(streams)
    const visits = Math.min(streams, 20_000)
    const visited = new Set(Array.from({ length: visits }, (_, n) => (n * stride) % streams))
    t.equal(visited.size, visits, `${streams} streams`)
  }
  t.end()
})
