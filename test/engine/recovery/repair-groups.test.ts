import t from 'tap'
import { FLAG_FIRST, FLAG_LAST } from '../../../engine/format/event-record.js'
import { HEADER_FIXED_BYTES } from '../../../engine/format/file-header.js'
import { windowOf } from '../../../engine/format/frame.js'
import { encodeShape } from '../../../engine/format/shape-record.js'
import { ShapeTable } from '../../../engine/format/shapes.js'
import { buildGroups, type GroupsToBuild, likest, shapesOf } from '../../../engine/recovery/repair-groups.js'
import { Forge, groupOf, STORE_ID } from '../../support/forge.js'

const SHAPES = [
  { id: 3, keys: ['a'] },
  { id: 4, keys: ['b'] },
]
const forge = new Forge(...SHAPES)
const BYTE = HEADER_FIXED_BYTES

function tableOf(shapes: readonly { id: number; keys: string[] }[]): ShapeTable {
  const table = new ShapeTable()
  for (const shape of shapes) table.define(shape)
  return table
}

/** Commits of one event each, from position 10 on, each with these data. */
function commits(...datas: unknown[]): Buffer[] {
  return datas.map((data, n) => forge.event({ stream: 's', offset: n, position: 10 + n }, { data }))
}

/** Makes what stands behind sequence 5 and position 10 again. */
function build(events: readonly Buffer[], groups: number, more: Partial<GroupsToBuild> = {}): Buffer | undefined {
  return buildGroups({
    storeId: STORE_ID,
    byte: BYTE,
    expected: { sequence: 5, position: 10, epoch: 1 },
    next: { sequence: 5 + groups, position: 10 + events.length, epoch: 1 },
    events,
    shapes: tableOf(SHAPES),
    defined: new Set(),
    present: Buffer.alloc(0),
    ...more,
  })
}

t.test('one lost group becomes what it was, byte by byte, with the definitions its events need', (t) => {
  const events = commits({ a: 1 }, { b: 2 }, { a: 3 })
  const [first, second] = SHAPES.map(encodeShape)
  const place = { byte: BYTE, sequence: 5, firstPosition: 10 }
  t.same(build(events, 1), groupOf([first!, events[0]!, second!, events[1]!, events[2]!], place))
  t.same(build(events, 1, { defined: new Set([3]) }), groupOf([events[0]!, second!, events[1]!, events[2]!], place))
  t.same(
    build(events, 1, { shapes: tableOf([SHAPES[0]!]) }),
    groupOf([first!, ...events], place),
    'a definition that nobody knows any more is left out',
  )
  t.end()
})

t.test('of several groups each has a commit, and the last all that are left', (t) => {
  const events = commits(1, 2, 3)
  const first = groupOf([events[0]!], { byte: BYTE, sequence: 5, firstPosition: 10 })
  const rest = groupOf(events.slice(1), { byte: BYTE + first.length, sequence: 6, firstPosition: 11 })
  t.same(build(events, 2), Buffer.concat([first, rest]))
  t.end()
})

t.test('[M1] events that are not whole commits, or too few for their groups, give nothing', (t) => {
  const event = (position: number, marks: number): Buffer =>
    forge.event({ stream: 's', offset: position - 10, position, marks })
  const whole = [event(10, FLAG_FIRST), event(11, 0), event(12, FLAG_LAST)]
  t.ok(build(whole, 1))
  t.equal(build(whole, 2), undefined, 'one commit cannot be two groups')
  t.equal(build(whole, 0), undefined, 'no group has no place for it')
  t.equal(build(whole.slice(0, 2), 1), undefined, 'its last event is missing')
  t.equal(build(whole.slice(1), 1), undefined, 'its first event is missing')
  t.equal(build([whole[0]!, ...whole], 1), undefined, 'two first events')
  t.equal(build([], 1), undefined, 'no event at all')
  t.end()
})

t.test('what only the head of a group says is believed as far as it is possible', (t) => {
  const events = commits(1)
  /** As it was, but for one bit of what it says of its body. */
  const head = (fields: object): Buffer => {
    const bytes = groupOf(events, { byte: BYTE, sequence: 5, firstPosition: 10, ...fields })
    bytes[76]! ^= 1
    return bytes
  }
  const next = { sequence: 6, position: 11, epoch: 4 }
  for (const fields of [{ epoch: 1 }, { epoch: 3, durable: 2 }, { epoch: 4, durable: 5 }]) {
    const made = build(events, 1, { next, present: head(fields) })
    t.same(made, groupOf(events, { byte: BYTE, sequence: 5, firstPosition: 10, ...fields }))
  }
  const told = (fields: object): [epoch: number, durable: number] => {
    const made = build(events, 1, { next, present: head(fields) })!
    return [made.readUInt32LE(24), made.readUInt32LE(56)]
  }
  t.same(told({ epoch: 1, durable: 77 }), [1, 5], 'a group knows nothing of later ones')
  for (const epoch of [0, 9]) {
    const [made, durable] = told({ epoch, durable: 77 })
    t.ok(made === 1 || made === 4, 'a writer that was not there yet, or no more, is none')
    t.equal(durable, 5, 'and no group knows of later ones')
  }
  t.end()
})

t.test('likest takes the candidate that differs in the fewest bits; bytes that are missing count as zeros', (t) => {
  const [a, b] = [Buffer.of(0xff, 0x00), Buffer.of(0x0f, 0x00)]
  t.equal(likest(Buffer.of(0xfe, 0), [a, b]), a)
  t.equal(likest(Buffer.of(0x1f, 0), [a, b]), b)
  t.equal(likest(Buffer.alloc(0), [a, b]), b)
  t.equal(likest(Buffer.of(0x3f, 0), [a, b]), a, 'the first of two that are as near')
  t.end()
})

t.test('shapesOf lists the ids at the end of an event', (t) => {
  const event = forge.event({ stream: 's', offset: 0, position: 0 }, { data: [{ b: 1 }, { a: 2 }, { b: 3 }] })
  t.same(shapesOf(windowOf(event), event.length), [4, 3])
  t.same(shapesOf(windowOf(commits(1)[0]!), commits(1)[0]!.length), [])
  t.end()
})
