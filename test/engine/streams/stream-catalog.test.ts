import t from 'tap'
import { defaultLimits } from '../../../engine/limits.js'
import { StreamCatalog } from '../../../engine/streams/stream-catalog.js'
import { StreamState } from '../../../engine/streams/stream-state.js'

function setUp(cachedStreams: number): { catalog: StreamCatalog; loads: Map<string, number> } {
  const loads = new Map<string, number>()
  const catalog = new StreamCatalog({ ...defaultLimits, cachedStreams }, (key) => {
    loads.set(key.name, (loads.get(key.name) ?? 0) + 1)
    return new StreamState(key, 0)
  })
  return { catalog, loads }
}

t.test('[N1] a stream is loaded once while it is in memory, and no more are than a few beyond the limit', async (t) => {
  const { catalog, loads } = setUp(64)
  const state = catalog.get('a')
  t.equal(catalog.get('a'), state)
  t.equal(loads.get('a'), 1)
  for (let n = 0; n < 1000; n++) {
    catalog.get(`s${n}`)
    catalog.get('a')
  }
  t.equal(catalog.get('a'), state, 'what is used stays')
  t.ok(catalog.size <= 70, `${catalog.size} in memory`)
  t.equal(catalog.peek('s0'), undefined)
})

t.test('[N1] streams with unflushed events stay beyond the limit, and go once they are flushed', async (t) => {
  const { catalog } = setUp(16)
  const dirty = Array.from({ length: 500 }, (_, n) => catalog.get(`dirty${n}`))
  for (const state of dirty) {
    state.tail = [1]
    state.nextOffset = 1
    state.version = 1
  }
  for (let n = 0; n < 100; n++) catalog.get(`s${n}`)
  for (const [n, state] of dirty.entries()) {
    const kept = catalog.peek(`dirty${n}`)
    if (kept !== undefined) t.equal(kept, state)
  }
  for (const state of dirty) {
    state.tail = []
    state.flushed = 1
  }
  for (let n = 0; n < 1000; n++) catalog.get(`t${n}`)
  t.ok(catalog.size <= 40, `${catalog.size} in memory`)
})
