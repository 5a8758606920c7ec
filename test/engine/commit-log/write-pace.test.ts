import t from 'tap'
import { WritePace } from '../../../engine/commit-log/write-pace.js'

/** A pace whose clock the test turns, with writes that take 10 ms. */
function setUp(): { pace: WritePace; clock: { now: number }; write: (ms: number, durable?: boolean) => void } {
  const clock = { now: 0 }
  const pace = new WritePace(() => clock.now)
  const write = (ms: number, durable = true): void => {
    const began = pace.begin()
    clock.now += ms
    pace.end(began, durable)
  }
  return { pace, clock, write }
}

/** Tells at which of the next appends it is time to write. */
const times = (pace: WritePace, bytes: number, durable: boolean): number[] =>
  Array.from({ length: 16 }, (_, i) => i + 1).filter(() => pace.isTime(bytes, durable))

t.test('[F5] a group is written once the disk was idle for half as long as a write takes', (t) => {
  const { pace, clock, write } = setUp()
  for (let i = 0; i < 100; i++) write(10)
  clock.now += 4.9
  t.same(times(pace, 1e6, true), [])
  clock.now += 0.2
  t.same(times(pace, 1e6, true), [8, 16], 'the clock is looked at with every eighth append')
  write(10)
  t.same(times(pace, 1e6, true), [], 'not right after a write')
  t.end()
})

t.test('[F5] a small group waits for more, a relaxed one for more still', (t) => {
  const { pace, clock } = setUp()
  clock.now = 1000
  t.same(times(pace, 8 * 1024 - 1, true), [])
  t.same(times(pace, 8 * 1024, true), [8, 16])
  t.same(times(pace, 64 * 1024 - 1, false), [])
  t.same(times(pace, 64 * 1024, false), [8, 16])
  t.end()
})

t.test('[F5] a disk that becomes slower is noticed', (t) => {
  const { pace, clock, write } = setUp()
  write(1)
  write(100)
  clock.now += 2
  t.same(times(pace, 1e6, true), [8, 16], 'one slow write says nothing')
  for (let i = 0; i < 200; i++) write(100)
  clock.now += 2
  t.same(times(pace, 1e6, true), [])
  t.end()
})

t.test('[F5] figures are kept of synced writes, a bounded number, the newest last', (t) => {
  const { pace, write } = setUp()
  write(7, false)
  t.same(pace.synced, [])
  for (let i = 1; i <= 5000; i++) write(i % 2 === 0 ? 4 : 2)
  t.equal(pace.syncs, 5000)
  t.ok(pace.synced.length <= 1024)
  t.ok(pace.synced.length >= 512)
  t.same(pace.synced.slice(-3), [4, 2, 4])
  t.end()
})
