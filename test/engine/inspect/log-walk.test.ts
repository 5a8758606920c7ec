import t from 'tap'
import { FLAG_FIRST, FLAG_LAST } from '../../../engine/format/event-record.js'
import { encodeSeal, encodeShape } from '../../../engine/format/shape-record.js'
import { Forge, groupOf, logSegment, resealed } from '../../support/forge.js'
import { inspected, problemsOf } from './inspect-support.js'

const NAME = '0000000000000000-0000000001.log'
const HEADER = logSegment([])
const forge = new Forge()
const event = (position: number, marks = FLAG_FIRST | FLAG_LAST): Buffer =>
  forge.event({ stream: 'a', offset: position, position, marks })
const place = (sequence: number, firstPosition: number, byte = 96) => ({ byte, sequence, firstPosition })

/** What is wrong with a segment of these pieces. */
function found(...pieces: readonly Buffer[]): string[] {
  return problemsOf(NAME, Buffer.concat([HEADER, ...pieces]))
}

t.test('[U3] a group must be what its place and the ones before it say', (t) => {
  t.same(problemsOf(NAME, logSegment([[event(0)], [event(1), event(2)]])), [])
  const one = [event(0)]
  const first = groupOf(one, place(0, 0))
  const byte = 96 + first.length
  const cases: readonly (readonly [readonly Buffer[], readonly string[]])[] = [
    [[groupOf(one, place(0, 0, 97))], ['I2 96 the group says that it starts at byte 97']],
    [
      [groupOf(one, { ...place(0, 0), durable: 1 })],
      ['I2 96 the group says that it was durable before it was written'],
    ],
    [[groupOf(one, place(4, 0))], ['I2 96 the group has sequence 4 instead of 0']],
    [[groupOf([event(3)], place(0, 3))], ['I2 96 the group starts at position 3 instead of 0']],
    [[groupOf(one, { ...place(0, 0), epoch: 0 })], ['I2 96 the group is of epoch 0, behind epoch 1']],
    [[first, groupOf([event(1)], place(0, 1, byte))], [`I2 ${byte} the group has sequence 0 instead of 1`]],
    [
      [groupOf(one, { ...place(0, 0), events: 2, frames: 3 })],
      ['I2 96 the group has 1 records and 1 events, and says 3 and 2'],
    ],
    [[groupOf(one, { ...place(0, 0), digest: 5 })], ['I2 96 the records are not those of the group']],
    [
      [groupOf(one, { ...place(0, 0), bodyBytes: event(0).length + 9 }), groupOf([event(1)], place(1, 1, byte))],
      [`I2 96 the group says that it ends at byte ${byte + 9}, and the next one starts at byte ${byte}`],
    ],
    [
      [groupOf(one, { ...place(0, 0), bodyBytes: 500 })],
      ['I2 258 the group goes on to byte 680, and what was written of it ends here'],
    ],
    [[groupOf(one, place(0, 0), Buffer.alloc(16, 1))], ['I2 96 this is no group of this store']],
  ]
  for (const [pieces, problems] of cases) t.same(found(...pieces), problems, problems[0]!)
  t.end()
})

t.test('[U3] records must belong where they stand in their group', (t) => {
  const shape = encodeShape({ id: 1, keys: ['x'] })
  const malformed = resealed(shape, (record) => record.writeUInt16LE(0, 12))
  const misfit = resealed(event(0), (record) => record.writeUInt16LE(9999, 12))
  const at = 96 + 84
  const cases: readonly (readonly [string, readonly Buffer[], readonly string[]])[] = [
    [
      'a position that is not the next',
      [groupOf([event(0), event(5)], place(0, 0))],
      [`I4 ${at + event(0).length} the event has position 5 instead of 1`],
    ],
    ['an event of no commit', [groupOf([event(0, FLAG_LAST)], place(0, 0))], [`I5 ${at} the event is in no commit`]],
    [
      'a commit within a commit',
      [groupOf([event(0, FLAG_FIRST), event(1)], place(0, 0))],
      [`I5 ${at + event(0).length} a commit starts before the one before it has ended`],
    ],
    [
      'a commit without an end',
      [groupOf([event(0, FLAG_FIRST)], place(0, 0))],
      ['I5 96 the last commit of the group has no end'],
    ],
    [
      'a shape that is none',
      [groupOf([malformed, event(0)], place(0, 0))],
      [`I8 ${at} a shape definition is malformed`],
    ],
    [
      'a seal',
      [groupOf([event(0), encodeSeal(3)], place(0, 0))],
      [`I3 ${at + event(0).length} a record of a kind that does not belong here`],
    ],
    [
      'an event that does not fit',
      [groupOf([misfit], place(0, 0))],
      [
        `I9 ${at} the lengths of the event do not fit it`,
        'I2 96 the group has 1 records and 0 events, and says 1 and 1',
      ],
    ],
    ['no group at all', [event(0)], ['I2 96 the record is in no group']],
  ]
  for (const [what, pieces, problems] of cases) t.same(found(...pieces), problems, what)
  t.end()
})

t.test('[U3] behind damage the numbers of the next group tell what is lost, and they may only rise', (t) => {
  const group = groupOf([event(0)], place(0, 0))
  const headless = Buffer.from(group)
  headless[30]! ^= 1
  const byte = 96 + group.length
  const lost = 'I2 96 no group starts here: checksum is wrong'
  const told = found(headless, groupOf([event(4)], place(3, 4, byte)))
  t.equal(told.length, 1)
  t.match(told[0], /^I2 96 no group starts here: /, lost)
  const back = Buffer.concat([
    logSegment([], { base: 9, sequence: 9 }),
    headless,
    groupOf([event(4)], place(3, 4, byte)),
  ])
  t.same(problemsOf('x.log', back).slice(1), [
    `I2 ${byte} the group has sequence 3 instead of 9`,
    `I2 ${byte} the group starts at position 4 instead of 9`,
  ])

  // Within a group: what is behind the damaged record is looked for, and may skip positions.
  const endless = event(1)
  endless.writeUInt32LE(0x7fffffff, 0)
  const shape = encodeShape({ id: 1, keys: ['x'] })
  const foreign = groupOf([], place(1, 1), Buffer.alloc(16, 5))
  const inside = found(groupOf([event(0), endless, event(0), foreign, encodeSeal(1), event(2), shape], place(0, 0)))
  t.equal(inside.length, 1)
  t.match(inside[0], new RegExp(`^I3 ${96 + 84 + event(0).length} `))
  const before = Buffer.concat([HEADER, endless, event(0)])
  t.same(
    inspected(NAME, before).records.map(({ kind }) => kind),
    ['damage', 'event'],
  )
  const headerless = Buffer.concat([Buffer.alloc(96, 1), group])
  t.match(problemsOf(NAME, headerless), [/^I1 0 the header is damaged/], 'a group says itself whose it is')
  t.end()
})
