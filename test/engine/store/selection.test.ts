import t from 'tap'
import { EventFilter } from '../../../engine/format/event-filter.js'
import { EventDecoder } from '../../../engine/format/event-record.js'
import { windowOf } from '../../../engine/format/frame.js'
import { ShapeTable } from '../../../engine/format/shapes.js'
import { ValueDecoder } from '../../../engine/format/value-decoder.js'
import { EVENTS_A_TURN, type EventSource } from '../../../engine/store/event-iterator.js'
import { FirstOf, Selection } from '../../../engine/store/selection.js'
import type { StoredEvent } from '../../../engine/types/event.js'
import { Forge } from '../../support/forge.js'
import { drained, positionsIn } from './log-reading.js'

const decoder = new EventDecoder(new ValueDecoder(new ShapeTable()))
const filter = new EventFilter({ types: ['A'] }, decoder)
const forge = new Forge()
const window = windowOf(
  Buffer.concat(['A', 'B'].map((type) => forge.event({ stream: 's', offset: 0, position: 0 }, { type }))),
)
const second = window.view.getUint32(0, true)

t.test('a selection takes what its filter takes', (t) => {
  const selection = new Selection(filter, () => Promise.resolve())
  t.equal(selection.filter, filter)
  t.same([selection.takes(window, 0), selection.takes(window, second)], [true, false])
  t.end()
})

t.test('[R10] others have their turn after so many events looked at, taken or not', async (t) => {
  let pauses = 0
  const selection = new Selection(filter, () => {
    pauses++
    return Promise.resolve()
  })
  for (let n = 0; n < EVENTS_A_TURN; n++) {
    if (selection.due) t.fail(`due after ${n}`)
    selection.takes(window, n % 2 === 0 ? 0 : second)
  }
  t.ok(selection.due)
  await selection.pause()
  t.equal(pauses, 1)
  t.notOk(selection.due, 'and the count begins anew')
  selection.spend(EVENTS_A_TURN - 1)
  t.notOk(selection.due)
  selection.spend(1)
  t.ok(selection.due, 'other work counts too')
  t.end()
})

t.test('[R10] a read that was ended meanwhile ends at its pause', async (t) => {
  const enough = new Error('enough')
  await t.rejects(new Selection(filter, () => Promise.reject(enough)).pause(), enough)
})

/** Hands out events with these positions, at once or later. */
function sourceOf(count: number, later: boolean): EventSource & { asked: number[] } {
  let next = 0
  return {
    asked: [],
    next(most) {
      this.asked.push(most)
      const events: StoredEvent[] = []
      for (; events.length < Math.min(most, 3) && next < count; next++) events.push({ position: next } as StoredEvent)
      return later ? Promise.resolve(events) : events
    },
  }
}

t.test('the first events of a source are handed out, and no more are asked for', async (t) => {
  for (const later of [false, true]) {
    const source = sourceOf(20, later)
    const first = new FirstOf(source, 7)
    t.same(positionsIn(await drained(first, 5)), [0, 1, 2, 3, 4, 5, 6])
    t.same(source.asked, [5, 4, 1], 'never more than are left')
    t.same(await first.next(5), [])
    t.equal(source.asked.length, 3, 'it is not asked again')
    t.same(positionsIn(await drained(new FirstOf(sourceOf(2, later), 7))), [0, 1], 'a source that has fewer')
    const none = sourceOf(2, later)
    t.same(await new FirstOf(none, 0).next(5), [])
    t.same(none.asked, [])
  }
})

t.test('a source that fails is asked again for as many', async (t) => {
  const source = sourceOf(9, true)
  const failing: EventSource = {
    next: (most) =>
      source.asked.length === 1 ? (source.asked.push(0), Promise.reject(new Error('x'))) : source.next(most),
  }
  const first = new FirstOf(failing, 4)
  t.equal((await first.next(9)).length, 3)
  await t.rejects(async () => first.next(9), { message: 'x' })
  t.same(positionsIn(await first.next(9)), [3])
})
