import t from 'tap'
import { openMemoryStore } from '../../engine/index.js'
import { endOf, ProgressMeter } from '../../kit/progress.js'
import { TestClock } from './projection/projection-support.js'

t.test('[P2] events per second and time left', (t) => {
  const clock = new TestClock()
  const meter = new ProgressMeter(clock, 100)
  t.match(meter.progress(100, 200), { done: 0, msLeft: undefined, eventsPerSecond: 0 })
  clock.go(500)
  meter.count(10)
  t.same(meter.progress(125, 200), {
    position: 125,
    endPosition: 200,
    events: 10,
    elapsedMs: 500,
    eventsPerSecond: 20,
    done: 0.25,
    msLeft: 1500,
  })
  t.match(meter.progress(200, 200), { done: 1, msLeft: 0 })
  t.match(new ProgressMeter(clock, 100).progress(100, 100), { done: 1, msLeft: 0 }, 'nothing to do')
  t.end()
})

t.test('the end of a store is the position of the next commit', async (t) => {
  const store = await openMemoryStore()
  t.equal(endOf(store), 0)
  await store.append('a', [{ type: 'A' }, { type: 'A' }])
  t.equal(endOf(store), 2)
  await store.close()
})
