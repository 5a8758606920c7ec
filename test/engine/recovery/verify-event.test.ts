import t from 'tap'
import { FLAG_CAUSATION, FLAG_COMMIT_ID, FLAG_CORRELATION, FLAG_METADATA } from '../../../engine/format/event-record.js'
import { windowOf } from '../../../engine/format/frame.js'
import { encodeShape } from '../../../engine/format/shape-record.js'
import type { NewEvent } from '../../../engine/index.js'
import { RecordCheck, type Wrong } from '../../../engine/recovery/verify-event.js'
import { Forge, resealed } from '../../support/forge.js'

const PLACE = { stream: 'orders', offset: 3, position: 7 }
const SHAPE = { id: 5, keys: ['x', 'y'] }
/** Of `orders` and `Forged` in an event. */
const STREAM_AT = 64
const TYPE_AT = 70
const OPTIONS_AT = 76

type Change = (record: Buffer) => void

function check(records: RecordCheck, record: Buffer): Wrong | undefined {
  return records.event(windowOf(record), 0, record.length)
}

/** What is found wrong with an event in which a change was made. */
function found(event: Partial<NewEvent>, change: Change, place = PLACE): Wrong | undefined {
  return check(new RecordCheck(true), resealed(new Forge().event(place, event), change))
}

function ofEnvelope(message: string): Wrong {
  return { invariant: 'I9', message }
}

t.test('[U3] an envelope that no store writes is named by what is wrong with it', (t) => {
  const none: Change = () => undefined
  t.equal(found({}, none), undefined, 'as it was written')
  t.equal(found({ timestamp: -8.64e15 }, none), undefined, 'the earliest of all dates')
  const cases: readonly (readonly [Change, string])[] = [
    [(record) => record.writeUInt16LE(9999, 12), 'the lengths of the event do not fit it'],
    [(record) => record.writeUInt16LE(0, 14), 'the lengths of the event do not fit it'],
    [(record) => (record[STREAM_AT + 1] = 0xff), 'the stream name is not UTF-8'],
    [(record) => (record[TYPE_AT] = 0xc0), 'the event type is not UTF-8'],
    [(record) => record.fill(0xff, 16, 24), 'the position or offset is beyond all numbers'],
    [(record) => record.fill(0xff, 24, 32), 'the position or offset is beyond all numbers'],
    [(record) => record.writeDoubleLE(1.5, 32), 'the timestamp is no whole number'],
    [(record) => record.writeDoubleLE(8.64e15 + 1, 32), 'the timestamp is no whole number'],
    [(record) => (record[9]! |= FLAG_METADATA), 'both that it is there and that it is not'],
    [(record) => (record[9]! |= FLAG_COMMIT_ID), 'the options of the event do not fit their length'],
  ]
  for (const [change, message] of cases) {
    t.match(found({}, change), { invariant: 'I9', message: new RegExp(message) }, message)
  }
  t.end()
})

t.test('[U3] ids that filters read must be those of the metadata', (t) => {
  const metadata = { correlationId: 'corr', causationId: 'cause' }
  t.equal(
    found({ metadata }, () => undefined),
    undefined,
  )
  for (const [flag, key] of [
    [FLAG_CORRELATION, 'correlationId'],
    [FLAG_CAUSATION, 'causationId'],
  ] as const) {
    const silent = ofEnvelope(`the flag of the ${key} does not say what metadata has`)
    // A flag that is missing: its pointer is then too much. Of the one that is left the bytes are the first three.
    t.same(
      found({ metadata: { [key]: 'id' } }, (record) => {
        record[9]! ^= flag
      }),
      ofEnvelope('the options of the event do not fit their length'),
    )
    t.same(
      found({ metadata: { other: 'id', [key]: 7 }, tags: ['t'] }, (record) => {
        record[9]! |= flag
        record[9]! &= ~64
      }),
      silent,
      'a flag for what is no text',
    )
  }
  const elsewhere = ofEnvelope('the pointer to the correlationId points elsewhere')
  const pointer = (start: number, bytes: number) => (record: Buffer) => {
    record.writeUInt16LE(start, OPTIONS_AT)
    record[OPTIONS_AT + 2] = bytes
  }
  const one = { metadata: { correlationId: 'corr' } }
  t.same(found(one, pointer(0, 4)), elsewhere, 'other bytes')
  t.same(found(one, pointer(9, 0)), elsewhere, 'no bytes, and a place')
  t.same(found(one, pointer(60_000, 4)), elsewhere, 'behind the metadata')
  t.equal(found(one, pointer(0, 0)), undefined, 'not found while it was written: nothing is claimed')
  t.equal(
    found({ metadata: { correlationId: 'x'.repeat(300), causationId: '' } }, () => undefined),
    undefined,
    'ids that are too long or empty have no pointer',
  )
  t.end()
})

t.test('[U3] shapes must be defined before they are used, in the same file', (t) => {
  const records = new RecordCheck(true)
  const event = new Forge(SHAPE).event(PLACE, { data: { x: 1, y: 2 } })
  const undefinedShape = { invariant: 'I8', message: 'the event uses shape 5, which its file has not defined before' }
  const define = (shape: { id: number; keys: string[] }): Wrong | undefined => {
    const record = encodeShape(shape)
    return records.shape(windowOf(record), 0, record.length)
  }
  t.same(check(records, event), undefinedShape)
  t.equal(define(SHAPE), undefined)
  t.equal(define(SHAPE), undefined, 'again')
  t.equal(check(records, event), undefined)
  records.beginFile()
  t.same(check(records, event), undefinedShape, 'another file knows nothing of it')
  t.same(define({ id: 5, keys: ['y', 'x'] }), {
    invariant: 'I8',
    message: 'shape id is defined twice with different keys',
  })
  const malformed = resealed(encodeShape(SHAPE), (record) => record.writeUInt16LE(0, 12))
  t.same(records.shape(windowOf(malformed), 0, malformed.length), {
    invariant: 'I8',
    message: 'a shape definition is malformed',
  })
  t.end()
})

t.test('[U3] the shapes that an event lists are those it uses', (t) => {
  const records = new RecordCheck(true)
  for (const shape of [SHAPE, { id: 6, keys: ['z'] }]) {
    const record = encodeShape(shape)
    records.shape(windowOf(record), 0, record.length)
  }
  const event = new Forge(SHAPE, { id: 6, keys: ['z'] }).event(PLACE, { data: [{ z: 1 }, { x: 1, y: 2 }] })
  t.equal(check(records, event), undefined)
  const lists = { invariant: 'I8', message: 'the shapes listed in the event are not those it uses' }
  const end = event.length - 4
  t.same(
    check(
      records,
      resealed(event, (record) => {
        record.writeUInt16LE(5, end - 4)
        record.writeUInt16LE(6, end - 2)
      }),
    ),
    lists,
    'in another order',
  )
  const plain = new Forge().event(PLACE, { data: ['x'.repeat(4)] })
  const one = resealed(plain, (record) => {
    // An array of one nil, and the two bytes behind it are an id.
    record.writeUInt16LE(1, 60)
    record[OPTIONS_AT] = 0x93
    record.fill(0xc0, OPTIONS_AT + 1, OPTIONS_AT + 4)
    record.writeUInt16LE(5, record.length - 6)
  })
  t.same(check(records, one), lists, 'one that is not used')
  t.end()
})

t.test('[U3] values that cannot be decoded are wrong, unless the definition they need may be lost', (t) => {
  const broken = found({ data: [1] }, (record) => (record[OPTIONS_AT] = 0x92))
  t.match(broken, { invariant: 'I9' })
  t.ok(broken!.message.length > 0)
  t.equal(
    check(
      new RecordCheck(false),
      resealed(new Forge().event(PLACE, { data: [1] }), (record) => (record[OPTIONS_AT] = 0x92)),
    ),
    undefined,
    'who does not decode does not see it',
  )

  const records = new RecordCheck(true)
  const event = new Forge(SHAPE).event(PLACE, { data: { x: 1, y: 2 } })
  // It uses a shape and lists none: nil where the id would stand is data that is too much.
  const silent = resealed(new Forge().event(PLACE, { data: ['xxx'] }), (record) => {
    record.fill(0xc0, OPTIONS_AT, OPTIONS_AT + 5)
    record.set([0xc1, 0xcd, 0, 5], OPTIONS_AT)
  })
  t.match(check(records, silent), { invariant: 'I9' }, 'a shape that nobody knows')
  records.noteDamage()
  t.equal(check(records, event), undefined, 'the definition may have stood where the damage is')
  const worse = resealed(new Forge().event(PLACE, { data: [1] }), (record) => (record[OPTIONS_AT] = 0x92))
  t.match(check(records, worse), { invariant: 'I9' }, 'what needs no definition must be right all the same')
  records.beginFile()
  t.match(check(records, event), { invariant: 'I8' })
  t.end()
})
