import t from 'tap'
import { nodeClock, randomId } from '../../../kit/io/clock.js'

t.test('sleep lasts as long as it is told, and ends with its signal', async (t) => {
  const before = nodeClock.now()
  await nodeClock.sleep(5)
  t.ok(nodeClock.now() >= before + 4)
  const control = new AbortController()
  const sleeping = nodeClock.sleep(60_000, { signal: control.signal })
  control.abort(new Error('enough'))
  await t.rejects(sleeping, { message: 'enough' })
  await t.rejects(nodeClock.sleep(1, { signal: control.signal }), { message: 'enough' })
  t.not(randomId(), randomId())
})
