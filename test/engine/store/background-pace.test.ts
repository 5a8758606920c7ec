import t from 'tap'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { defaultLimits } from '../../../engine/limits.js'
import { BackgroundPace } from '../../../engine/store/background-pace.js'
import { turn } from '../../../engine/store/write-behind.js'

const limits = { ...defaultLimits, flushSliceMs: 2, backgroundShare: 20, backgroundDelayMs: 1000 }

/** A pace with a clock, timers and reads that the test says. */
class Paced {
  now = 0
  isUrgent = false
  readonly activity = { reads: 0 }
  /** Pauses asked for; those that are not over. */
  readonly pauses: number[] = []
  readonly waiting: (() => void)[] = []
  readonly pace: BackgroundPace

  constructor() {
    const environment = {
      ...memoryEnvironment(),
      elapsed: () => this.now,
      after: (delay: number, callback: () => void) => {
        this.pauses.push(delay)
        this.waiting.push(callback)
        return { cancel: () => void this.waiting.splice(this.waiting.indexOf(callback), 1) }
      },
    }
    this.pace = new BackgroundPace({ environment, limits, activity: this.activity, urgent: () => this.isUrgent })
  }

  work(milliseconds: number): void {
    this.pace.step(() => (this.now += milliseconds))
  }

  /** Rests as long as it is to; returns the pause. */
  async rest(): Promise<number> {
    const before = this.pauses.length
    const resting = this.pace.rest()
    const pause = this.pauses[before] ?? 0
    this.now += pause
    this.waiting.splice(0).forEach((callback) => callback())
    await resting
    return pause
  }
}

t.test('while nothing is read work goes on after a turn', async (t) => {
  const at = new Paced()
  at.activity.reads = 0
  at.work(1)
  t.notOk(at.pace.due)
  at.work(1)
  t.ok(at.pace.due)
  t.equal(await at.rest(), 0)
  t.notOk(at.pace.due, 'the next slice begins')
})

t.test('while something is read it takes its share of the time, and when the read is over all of it', async (t) => {
  const at = new Paced()
  for (let n = 0; n < 10; n++) {
    at.activity.reads++
    at.work(n)
    t.equal(await at.rest(), 4 * n, 'a fifth of the time')
  }
  at.work(2)
  t.equal(await at.rest(), 0)
})

t.test('a step counts also when it throws', async (t) => {
  const at = new Paced()
  at.activity.reads++
  t.throws(
    () =>
      at.pace.step(() => {
        at.now += 3
        throw new Error('no')
      }),
    { message: 'no' },
  )
  t.equal(await at.rest(), 12)
})

t.test('urgent work does not pause, and what pauses is woken', async (t) => {
  const at = new Paced()
  at.pace.wake()
  at.activity.reads++
  at.work(2)
  const resting = at.pace.rest()
  t.same([at.pauses, at.waiting.length], [[8], 1])
  at.isUrgent = true
  at.pace.wake()
  await resting
  t.equal(at.waiting.length, 0, 'its timer is given back')
  at.activity.reads++
  at.work(2)
  t.equal(await at.rest(), 0)
})

t.test('after some time it waits for no reads any more', async (t) => {
  const at = new Paced()
  at.now = 900
  at.activity.reads++
  at.work(50)
  t.equal(await at.rest(), 50, 'no longer than until then')
  for (let n = 0; n < 3; n++) {
    at.activity.reads++
    at.work(50)
    t.equal(await at.rest(), 0)
  }
})

t.test('parts of one work rest together', async (t) => {
  const at = new Paced()
  at.activity.reads++
  at.work(2)
  const resting = at.pace.rest()
  t.ok(at.pace.due, 'who comes meanwhile rests too')
  t.equal(at.pace.rest(), resting)
  t.same(at.pauses, [8])
  at.waiting.splice(0).forEach((callback) => callback())
  await resting
  t.notOk(at.pace.due)
})

t.test('each rests after every slice and stops where it is told to', async (t) => {
  const at = new Paced()
  const done: number[] = []
  const work = (item: number): boolean => {
    at.activity.reads++
    at.now++
    done.push(item)
    return item < 5
  }
  const all = at.pace.each([1, 2, 3, 4, 5, 6], work)
  t.same([done, at.pauses], [[1, 2], [8]])
  at.waiting.splice(0).forEach((callback) => callback())
  await turn()
  t.same([done, at.pauses], [[1, 2, 3, 4], [8, 8]]) // prettier-ignore
  at.waiting.splice(0).forEach((callback) => callback())
  t.equal(await all, false)
  t.same(done, [1, 2, 3, 4, 5])
  t.equal(await at.pace.each([1], work), true)
})

t.test('getting at the next item counts', async (t) => {
  const at = new Paced()
  at.activity.reads++
  const slow = (function* (): Generator<number> {
    at.now += 10
    yield 1
  })()
  const all = at.pace.each(slow, () => true)
  t.same(at.pauses, [40])
  at.pace.wake()
  t.equal(await all, true)
})
