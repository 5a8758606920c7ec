import t, { type Test } from 'tap'
import { type EventCriteria, EventFilter } from '../../../engine/format/event-filter.js'
import { EventDecoder, eventOptionsStart } from '../../../engine/format/event-record.js'
import { windowOf } from '../../../engine/format/frame.js'
import { ShapeTable } from '../../../engine/format/shapes.js'
import { ValueDecoder } from '../../../engine/format/value-decoder.js'
import { ValueFormatError } from '../../../engine/format/value-format.js'
import type { NewEvent } from '../../../engine/index.js'
import { Forge, resealed } from '../../support/forge.js'

const ID = '0188d1b2-0001-7000-8000-00000000abcd'
const forge = new Forge()
const decoder = new EventDecoder(new ValueDecoder(new ShapeTable()))

const record = (event: Partial<NewEvent>, stream = 'account-1'): Buffer =>
  forge.event({ stream, offset: 0, position: 0 }, event)

/** A decoder that must not be asked: what is passed over is not decoded. */
const unused = new Proxy(decoder, {
  get() {
    throw new Error('the decoder was asked')
  },
})

function matches(criteria: EventCriteria, bytes: Buffer, by: EventDecoder = unused): boolean {
  return new EventFilter(criteria, by).matches(windowOf(bytes), 0)
}

function same(t: Test, criteria: EventCriteria, wanted: readonly Buffer[], others: readonly Buffer[]): void {
  for (const [i, bytes] of wanted.entries()) t.ok(matches(criteria, bytes), `${JSON.stringify(criteria)} wants ${i}`)
  for (const [i, bytes] of others.entries()) t.notOk(matches(criteria, bytes), `${JSON.stringify(criteria)}, not ${i}`)
}

t.test('[R11] who asks for nothing special gets every event', (t) => {
  same(t, {}, [record({}), record({ type: 'x' }, '-'), record({ metadata: { correlationId: 'c' } })], [])
  t.end()
})

t.test('[R11] [N2] types are compared whole, byte by byte', (t) => {
  const all = ['Opened', 'Opener', 'Open', 'Closed', 'Ähnlich', 'Ahnlich'].map((type) => record({ type }))
  same(t, { types: ['Opened'] }, [all[0]!], all.slice(1))
  same(t, { types: ['Open', 'Ähnlich', 'Open'] }, [all[2]!, all[4]!], all.toSpliced(4, 1).toSpliced(2, 1))
  same(t, { types: ['Opened', 'Closed', 'Opener'] }, [all[0]!, all[1]!, all[3]!], [all[2]!])
  same(t, { types: [] }, [], all)
  same(t, { types: ['Opened'] }, [record({ type: 'Opened' }, 'another-name')], [record({ type: 'T' }, 'Opened')])
  t.end()
})

t.test('[N2] a category is what stands before the first dash that ends it', (t) => {
  const streams = ['account-1', 'account-', 'account-eu-1', 'account', 'accounts-1', 'Account-1', 'my-account-1', 'a']
  const all = streams.map((stream) => record({}, stream))
  same(t, { category: 'account' }, all.slice(0, 3), all.slice(3))
  same(t, { category: 'account-eu' }, [all[2]!], all.toSpliced(2, 1))
  same(t, { category: 'käse' }, [record({}, 'käse-1')], [record({}, 'kase-1')])
  // The bytes behind a short name are those of the type.
  same(t, { category: 'a' }, [], [record({ type: '-x' }, 'a')])
  t.end()
})

t.test('times are those of the envelope, both ends included', (t) => {
  const all = [99, 100, 101, 200, 201].map((timestamp) => record({ timestamp }))
  same(t, { times: { from: 100, to: 200 } }, all.slice(1, 4), [all[0]!, all[4]!])
  same(t, { times: { from: 100, to: 100 } }, [all[1]!], all.toSpliced(1, 1))
  same(t, { times: { from: -Infinity, to: Infinity } }, all, [])
  same(t, { times: { from: 200, to: 100 } }, [], all)
  t.same(new EventFilter({ times: { from: 1, to: 2 } }, decoder).times, { from: 1, to: 2 })
  t.equal(new EventFilter({}, decoder).times, undefined)
  const broken = resealed(record({}), (bytes) => bytes.writeDoubleLE(NaN, 32))
  same(t, { times: { from: -Infinity, to: Infinity } }, [], [broken])
  t.end()
})

t.test('an id is compared as its bytes', (t) => {
  const other = `${ID.slice(0, -1)}e`
  same(t, { id: ID }, [record({ id: ID })], [record({ id: other }), record({})])
  t.end()
})

t.test('each criterion that is given must be met', (t) => {
  const event = { type: 'A', id: ID, timestamp: 5, metadata: { correlationId: 'c' } }
  const wanted = { types: ['A'], id: ID, category: 'account', correlationId: 'c', times: { from: 5, to: 5 } }
  same(t, wanted, [record(event)], [
    record({ ...event, type: 'B' }),
    record({ ...event, id: ID.replace('a', 'b') }),
    record({ ...event, timestamp: 6 }),
    record({ ...event, metadata: { correlationId: 'd' } }),
    record(event, 'other-1'),
  ]) // prettier-ignore
  t.end()
})

t.test('an event is looked at where it starts in its window', (t) => {
  const [a, b] = [record({ type: 'A' }, 'x-1'), record({ type: 'B', timestamp: 3, id: ID }, 'account-1')]
  const window = windowOf(Buffer.concat([a, b]))
  const filter = new EventFilter({ types: ['B'], category: 'account', id: ID, times: { from: 3, to: 3 } }, unused)
  t.same([filter.matches(window, 0), filter.matches(window, a.length)], [false, true])
  t.end()
})

t.test('[B4] a correlation id is found by its pointer, and its metadata are not decoded', (t) => {
  const of = (metadata: unknown): Buffer => record({ metadata })
  const all = [{ correlationId: 'c1' }, { note: 'c1', correlationId: 'c1' }, { correlationId: 'c1', causationId: 'x' }]
  const others = [{ correlationId: 'c2' }, { correlationId: 'c11' }, { correlationId: 'c' }, { causationId: 'c1' }]
  const without = [undefined, {}, { note: 'c1' }, { inner: { correlationId: 'c1' } }, { correlationId: 1 }]
  same(t, { correlationId: 'c1' }, all.map(of), [...others, ...without].map(of))
  t.end()
})

t.test('[B4] ids that the envelope does not point to are found in the metadata', (t) => {
  const far = { filler: 'x'.repeat(70_000), correlationId: 'far' }
  for (const [correlationId, metadata, other] of [
    ['', { correlationId: '' }, { correlationId: null }],
    ['c'.repeat(256), { correlationId: 'c'.repeat(256) }, { correlationId: 'c'.repeat(257) }],
    ['é'.repeat(200), { correlationId: 'é'.repeat(200) }, { correlationId: `${'é'.repeat(199)}e` }],
    ['é', { correlationId: 'é' }, { correlationId: 'e' }],
    ['far', far, { ...far, correlationId: 'fax' }],
  ] as const) {
    const name = `${correlationId.slice(0, 3)} of ${correlationId.length}`
    t.ok(matches({ correlationId }, record({ metadata }), decoder), name)
    t.notOk(matches({ correlationId }, record({ metadata: other }), decoder), `not ${name}`)
  }
  t.notOk(matches({ correlationId: '' }, record({})), 'an event without metadata is not decoded')
  // No store writes metadata that are no object.
  for (const byte of [0xc0, 0x90, 0xa0, 0x07]) {
    const strange = resealed(record({ metadata: {} }), (bytes) => {
      bytes[eventOptionsStart(windowOf(bytes), 0) + bytes.readUInt16LE(62)] = byte
    })
    t.notOk(matches({ correlationId: '' }, strange, decoder), `metadata ${byte}`)
  }
  t.end()
})

t.test('a pointer that leads out of the metadata is not followed', (t) => {
  const sound = record({ metadata: { correlationId: 'c1' }, data: 'c1' })
  const pointer = eventOptionsStart(windowOf(sound), 0)
  for (const at of [0xffff, sound.readUInt32LE(56) - 1]) {
    const wrong = resealed(sound, (bytes) => bytes.writeUInt16LE(at, pointer))
    t.ok(matches({ correlationId: 'c1' }, wrong, decoder), `the metadata say it, ${at}`)
    t.notOk(matches({ correlationId: 'c2' }, wrong, decoder))
  }
  t.end()
})

t.test('[U3] malformed metadata that must be decoded are an error, and no answer', (t) => {
  const metadata = { correlationId: '' }
  const broken = resealed(record({ metadata }), (bytes) => {
    const at = eventOptionsStart(windowOf(bytes), 0) + bytes.readUInt16LE(62)
    bytes[at] = 0xc1 // never used in MessagePack
  })
  t.throws(() => matches({ correlationId: '' }, broken, decoder), ValueFormatError)
  t.notOk(matches({ correlationId: 'c' }, broken), 'who asks for another one does not meet it')
  t.end()
})
