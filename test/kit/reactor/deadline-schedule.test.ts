import t from 'tap'
import { DeadlineSchedule, isBefore, type PendingDeadline } from '../../../kit/reactor/deadline-schedule.js'
import { SeededRandom } from '../../support/random.js'

const pending = (dueAt: number, offset: number): PendingDeadline => ({ dueAt, offset, key: String(offset) })

/** Takes them out one by one, looking up what was forgotten in all of them. */
function drain(schedule: DeadlineSchedule, all: readonly PendingDeadline[], look: () => void): number[] {
  const offsets: number[] = []
  for (;;) {
    const { missing } = schedule
    if (missing !== undefined) {
      schedule.lookedUp()
      look()
      for (const deadline of all) if (!isBefore(deadline, missing)) schedule.add(deadline)
    }
    const first = schedule.first()
    if (first === undefined) return offsets
    offsets.push(first.offset)
    schedule.remove(first.key)
  }
}

t.test(
  'they come by when they are due, those at once in the order in which they were set, whatever is kept of them',
  (t) => {
    const random = new SeededRandom(7)
    for (const most of [1, 2, 10, 99, 100, 1000]) {
      const all = Array.from({ length: 100 }, (_, offset) => pending(random.below(20), offset))
      const schedule = new DeadlineSchedule(most)
      for (const deadline of all) {
        schedule.add(deadline)
        t.ok(schedule.size <= most)
      }
      const expected = all.toSorted((a, b) => a.dueAt - b.dueAt || a.offset - b.offset)
      t.equal(schedule.nextAt, expected[0]!.dueAt)
      let looks = 0
      const offsets = drain(schedule, all, () => looks++)
      t.same(
        offsets,
        expected.map(({ offset }) => offset),
      )
      t.equal(looks, Math.ceil(100 / most) - 1)
      t.equal(schedule.nextAt, undefined)
    }
    t.end()
  },
)

t.test('those that were removed do not come, and make room', (t) => {
  const schedule = new DeadlineSchedule(10)
  for (let offset = 0; offset < 1000; offset++) {
    schedule.add(pending(5000 - offset, offset))
    if (offset >= 4) schedule.remove(String(offset))
    t.ok(schedule.size <= 11)
  }
  t.equal(schedule.missing, undefined)
  t.same(
    drain(schedule, [], () => t.fail('nothing was forgotten')),
    [3, 2, 1, 0],
  )
  t.end()
})

t.test('one that was set late comes first, one behind what is kept is looked up', (t) => {
  const schedule = new DeadlineSchedule(2)
  for (const [offset, dueAt] of [10, 20, 30].entries()) schedule.add(pending(dueAt, offset))
  schedule.add(pending(5, 3))
  schedule.add(pending(40, 4))
  t.equal(schedule.first()!.dueAt, 5)
  schedule.remove('3')
  schedule.remove('0')
  t.equal(schedule.nextAt, 20, 'it has to be looked up')
  t.match(schedule.missing, { dueAt: 20, offset: 1 })
  t.end()
})
