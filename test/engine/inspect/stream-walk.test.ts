import t from 'tap'
import { FRAME_KIND } from '../../../engine/format/frame.js'
import { encodeSeal, encodeShape } from '../../../engine/format/shape-record.js'
import { Forge, resealed, streamSegment } from '../../support/forge.js'
import { inspected, problemsOf } from './inspect-support.js'

const NAME = 'a@0000000000000000.seg'
const AT = 97
const forge = new Forge()
const event = (offset: number, stream = 'a'): Buffer => forge.event({ stream, offset, position: offset })
const SIZE = event(0).length

function found(...frames: readonly Buffer[]): string[] {
  return problemsOf(NAME, streamSegment('a', frames))
}

t.test('[U3] records of a stream segment must belong where they stand', (t) => {
  const shape = encodeShape({ id: 1, keys: ['x'] })
  const malformed = resealed(shape, (record) => record.writeUInt16LE(0, 12))
  const misfit = resealed(event(0), (record) => record.writeUInt16LE(9999, 12))
  const group = resealed(shape, (record) => (record[FRAME_KIND] = 1))
  const nobody = resealed(encodeSeal(1), (record) => record.fill(0xff, 16, 24))
  const timeless = resealed(event(0), (record) => record.writeDoubleLE(0.5, 32))
  t.same(found(event(0), event(1), encodeSeal(2)), [])
  const cases: readonly (readonly [string, readonly Buffer[], string])[] = [
    ['another stream', [event(0, 'b')], `I7 ${AT} the event belongs to another stream`],
    ['an offset that is not the next', [event(0), event(2)], `I6 ${AT + SIZE} the event has offset 2 instead of 1`],
    ['a shape that is none', [malformed], `I8 ${AT} a shape definition is malformed`],
    ['an event that does not fit', [misfit], `I9 ${AT} an event is malformed`],
    ['a group', [group], `I3 ${AT} a record of a kind that does not belong here`],
    [
      'a time that is none',
      [timeless],
      `I9 ${AT} the timestamp is no whole number of milliseconds that a Date can have`,
    ],
    ['a seal of another offset', [event(0), encodeSeal(2)], `I6 ${AT + SIZE} the seal names another offset`],
    ['a seal of no offset', [event(0), nobody], `I6 ${AT + SIZE} the seal names another offset`],
    ['a record behind the seal', [event(0), encodeSeal(1), event(1)], `I6 ${AT + SIZE + 28} a record follows the seal`],
  ]
  for (const [what, frames, problem] of cases) t.same(found(...frames), [problem], what)
  t.end()
})

t.test('[U3] behind damage offsets may be missing, and what is found must fit', (t) => {
  const endless = event(1)
  endless.writeUInt32LE(0x7fffffff, 0)
  const nobody = resealed(encodeSeal(1), (record) => record.fill(0xff, 16, 24))
  const shape = encodeShape({ id: 1, keys: ['x'] })
  const first = new RegExp(`^I3 ${AT + SIZE} `)
  const told = found(event(0), endless, event(0), event(3, 'b'), nobody, event(3), shape, encodeSeal(4))
  t.equal(told.length, 1)
  t.match(told, [first])
  t.match(found(event(0), endless, encodeSeal(3)), [first], 'the seal tells the end')
  t.match(found(event(0), endless, encodeSeal(0)), [first, /the seal names another offset/])
  t.match(found(event(2), endless, nobody, event(0)).at(-1), first, 'nothing behind it fits')

  const { summary } = inspected(NAME, streamSegment('a', [event(0), endless]))
  t.match(summary.problems, [{ severity: 'open', atEnd: true }], 'at the end the log may stand for what is missing')
  const sealed = inspected(NAME, streamSegment('a', [encodeSeal(0), endless])).summary.problems
  t.ok(sealed.some(({ severity, invariant }) => severity === 'damage' && invariant === 'I3'))
  t.end()
})

t.test('[U3] without a header the records tell what they can', (t) => {
  const headerless = Buffer.concat([Buffer.alloc(96, 1), event(4), event(5), encodeSeal(6)])
  t.match(problemsOf(NAME, headerless), [/^I1 0 the header is damaged/])
  const unnamed = streamSegment('a', [event(0)], { name: Buffer.alloc(0) })
  t.match(problemsOf(NAME, unnamed), [/^I1 0 the header is of stream "", whose files have another name/])
  const mixed = Buffer.concat([Buffer.alloc(96, 1), event(4), encodeSeal(2)])
  t.match(problemsOf(NAME, mixed).at(-1), /the seal names another offset/)
  t.end()
})
