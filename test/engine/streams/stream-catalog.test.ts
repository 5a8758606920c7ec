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
    await Promise.resolve()
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
  for (let n = 0; n < 100; n++) {
    catalog.get(`s${n}`)
    await Promise.resolve()
  }
  for (const [n, state] of dirty.entries()) {
    const kept = catalog.peek(`dirty${n}`)
    if (kept !== undefined) t.equal(kept, state)
  }
  for (const state of dirty) {
    state.tail = []
    state.flushed = 1
  }
  for (let n = 0; n < 1000; n++) {
    catalog.get(`t${n}`)
    await Promise.resolve()
  }
  t.ok(catalog.size <= 40, `${catalog.size} in memory`)
})

t.test('[N1] where all streams must stay, each new one costs the same, however many there are', async (t) => {
  let looks = 0
  let mayGo = false
  const limits = { ...defaultLimits, cachedStreams: 1000 }
  const catalog = new StreamCatalog(
    limits,
    (key) => new StreamState(key, 0),
    () => (looks++, mayGo),
  )
  const count = 40_000
  for (let n = 0; n < count; n++) {
    catalog.get(`s${n}`)
    await Promise.resolve()
  }
  t.equal(catalog.size, count)
  t.ok(looks < 30 * count, `${looks} looks`)
  mayGo = true
  looks = 0
  for (let n = 0; n < 1000; n++) {
    catalog.get(`t${n}`)
    await Promise.resolve()
  }
  t.ok(catalog.size < 1100, `${catalog.size} in memory once they may go`)
  t.ok(looks < 3 * count, `${looks} looks`)
})

t.test('[M5] [K2] streams that one call has loaded all stay until its turn is over', async (t) => {
  const { catalog, loads } = setUp(16)
  const states = Array.from({ length: 300 }, (_, n) => catalog.get(`s${n}`))
  for (const [n, state] of states.entries()) if (catalog.get(`s${n}`) !== state) t.fail(`s${n} was loaded again`)
  t.equal(loads.size, 300)
  await Promise.resolve()
  catalog.get('next') // all have had their second chance
  await Promise.resolve()
  t.ok(catalog.size <= 17, `${catalog.size} in memory`)
})
