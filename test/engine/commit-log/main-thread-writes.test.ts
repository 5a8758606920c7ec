import t from 'tap'
import { MainThreadWrites } from '../../../engine/commit-log/main-thread-writes.js'

/** Writes that take some milliseconds of a clock that the test turns. */
function setUp() {
  const clock = { now: 1000 }
  const writes = new MainThreadWrites(() => clock.now)
  const write = (ms = 0): void => {
    const began = clock.now
    clock.now += ms
    writes.wrote(began)
  }
  return { clock, writes, write }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

t.test('[F6] small groups are written on the main thread, large ones are not', (t) => {
  const { writes } = setUp()
  t.ok(writes.allows(1))
  t.ok(writes.allows(16 * 1024))
  t.notOk(writes.allows(16 * 1024 + 1))
  t.end()
})

t.test('[F6] after 64 of them, or 4 ms, the event loop turns', async (t) => {
  const { clock, writes, write } = setUp()
  for (let i = 0; i < 64; i++) {
    t.ok(writes.allows(100))
    write()
  }
  t.notOk(writes.allows(100), 'enough of them')
  await turn()
  t.ok(writes.allows(100), 'it has turned')
  write()
  clock.now += 3.9
  t.ok(writes.allows(100))
  clock.now += 0.2
  t.notOk(writes.allows(100), 'enough time')
  await turn()
  t.ok(writes.allows(100))
})

t.test('[F6] after a slow one the next 256 go through the thread pool', async (t) => {
  const { writes, write } = setUp()
  write(2)
  t.ok(writes.allows(100), 'not slow yet')
  write(2.1)
  await turn()
  for (let i = 0; i < 256; i++) t.notOk(writes.allows(100))
  t.ok(writes.allows(100))
})
