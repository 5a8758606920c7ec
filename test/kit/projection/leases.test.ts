import t from 'tap'
import { memoryProjections } from '../../../kit/index.js'
import { LeaseKeeper } from '../../../kit/projection/lease-keeper.js'
import { leases } from '../../../kit/projection/leases.js'
import { TestClock, until } from './projection-support.js'

t.test('a lease is held by one until it is given back or over', (t) => {
  const held = leases()
  t.equal(held.claim('a', 'one', 0, 10), true)
  t.equal(held.claim('a', 'two', 9, 20), false)
  t.equal(held.claim('b', 'two', 9, 20), true, 'another lease')
  t.equal(held.claim('a', 'one', 9, 20), true, 'kept')
  t.equal(held.claim('a', 'two', 20, 30), true, 'over')
  t.throws(() => held.check('a', 'one'), { code: 'ERR_PROJECTION_MOVED' })
  held.check('a', 'two')
  held.check('a', undefined)
  held.release('a', 'one')
  t.equal(held.claim('a', 'one', 21, 30), false, 'only its holder gives it back')
  held.release('a', 'two')
  t.equal(held.claim('a', 'one', 21, 30), true)
  t.end()
})

t.test('a keeper renews in time, and notices when it was too late', async (t) => {
  const clock = new TestClock()
  const store = memoryProjections()
  const keepers = ['one', 'two'].map((holder) => new LeaseKeeper(store, 'a', holder, clock, 30))
  const [one, two] = keepers as [LeaseKeeper, LeaseKeeper]
  const held = await one.claim()
  t.equal(held?.aborted, false)
  t.equal(await two.claim(), undefined)
  for (let turn = 0; turn < 10; turn++) {
    clock.go(10)
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.equal(await two.claim(), undefined, 'kept for longer than it lasts')
  t.equal(await one.claim(), held)

  // As if the process had been stopped for a while: the other looks before this one wakes.
  await store.release('a', 'one')
  const taken = await two.claim()
  t.equal(taken?.aborted, false)
  clock.go(10)
  await until(() => held?.aborted === true)
  t.equal(await one.claim(), undefined)
  await two.release()
  t.equal(taken?.aborted, true)
  t.not(await one.claim(), undefined)
  await one.release()
})
