import t from 'tap'
import { cancelDeadline, type DeadlineTime, setDeadline } from '../../../kit/index.js'
import { isDeadlineOrder } from '../../../kit/reactor/deadline.js'

t.test('a deadline is over so long behind its input, or at a time', (t) => {
  t.equal(setDeadline('d', { afterMs: 500 }).dueAt(1000), 1500)
  t.equal(setDeadline('d', { afterMs: 0.5 }).dueAt(1000), 1001, 'not before')
  t.equal(setDeadline('d', { at: 700 }).dueAt(1000), 700)
  t.equal(setDeadline('d', { at: new Date(700) }).dueAt(1000), 700)
  t.equal(setDeadline('d', { afterMs: Infinity }).dueAt(1000), 8.64e15, 'never')
  t.same(setDeadline('d', { afterMs: 1 }, { n: 1 }).data, { n: 1 })
  t.ok(isDeadlineOrder(cancelDeadline('d')))
  t.notOk(isDeadlineOrder({ name: 'd', time: { afterMs: 1 } }))
  t.end()
})

t.test('what is no name or no time is refused', (t) => {
  const refused = { code: 'ERR_INVALID_ARGUMENT' }
  for (const name of ['', 'x'.repeat(256), 'ü'.repeat(128), '\ud800', 1, undefined] as string[]) {
    t.throws(() => setDeadline(name, { afterMs: 1 }), { ...refused, message: /deadline .*1 to 255 bytes/ })
    t.throws(() => cancelDeadline(name), refused)
  }
  t.ok(cancelDeadline('ü'.repeat(127)))
  const times = [
    ...[{}, undefined, null, { afterMs: 1, at: 1 }, { afterMs: -1 }, { afterMs: NaN }, { afterMs: '1' }],
    ...[{ at: 'tomorrow' }, { at: NaN }, { at: new Date(NaN) }, { at: 9e15 }, { at: Infinity }],
  ]
  for (const time of times as DeadlineTime[]) {
    t.throws(() => setDeadline('d', time), { ...refused, message: /Cannot set deadline "d"/ })
  }
  t.end()
})
