import t from 'tap'
import { EVENT_FIXED_BYTES, FLAG_FIRST, FLAG_LAST } from '../../../engine/format/event-record.js'
import { HEADER_FIXED_BYTES } from '../../../engine/format/file-header.js'
import { FRAME_EVENT, FRAME_KIND, windowOf } from '../../../engine/format/frame.js'
import { GROUP_BYTES } from '../../../engine/format/group.js'
import { KEY_COMMIT_ID, KEY_TAG, KEY_TYPE, KeyHasher, type KeyKind } from '../../../engine/format/key-hash.js'
import { encodeShape } from '../../../engine/format/shape-record.js'
import { addKeys, eventsOf, KeyCollector } from '../../../engine/keys/key-scan.js'
import { KeyTable } from '../../../engine/keys/key-table.js'
import { ReadHandles } from '../../../engine/segment/read-handles.js'
import { Forge, logSegment, resealed, STORE_ID } from '../../support/forge.js'
import { keyDisk } from './key-support.js'

const forge = new Forge()
const hasher = new KeyHasher(STORE_ID)
const LOG = '/keys/0000000000000000-0000000001.log'

function placesIn(table: KeyTable, kind: KeyKind, text: string): (readonly [position: number, byte: number])[] {
  hasher.hashText(kind, text)
  return table.find(hasher.high, hasher.low, 0, Infinity).map(({ position, byte }) => [position, byte] as const)
}

/** A disk with one log segment. */
function diskWith(bytes: Buffer): { handles: ReadHandles; files: ReturnType<typeof keyDisk> } {
  const files = keyDisk()
  const handle = files.open(LOG, 'create')
  handle.writeSync(bytes, 0, bytes.length, 0)
  handle.close()
  return { handles: new ReadHandles(files, 4), files }
}

interface Seen {
  readonly position: number
  readonly byte: number
  readonly length: number
}

function eventsIn(handles: ReadHandles, from: number, end: number): { seen: Seen[]; steps: number } {
  const seen: Seen[] = []
  let steps = 0
  const visit = (window: ReturnType<typeof windowOf>, at: number, byte: number, length: number): void => {
    seen.push({ position: Number(window.bytes.readBigUInt64LE(at + 16)), byte, length })
  }
  for (const _ of eventsOf(handles, LOG, from, end, visit)) steps++
  return { seen, steps }
}

t.test('[C2] an event is entered under its tags, the first of a commit under the commit id', (t) => {
  const table = new KeyTable()
  const place = { stream: 's', offset: 0, position: 7, commitId: 'c1' }
  addKeys(hasher, table, windowOf(forge.event({ ...place, marks: FLAG_FIRST }, { tags: ['a', 'b'] })), 0, 100)
  addKeys(hasher, table, windowOf(forge.event({ ...place, position: 8, marks: FLAG_LAST }, { tags: ['b'] })), 0, 200)
  addKeys(hasher, table, windowOf(forge.event({ stream: 's', offset: 2, position: 9 })), 0, 300)
  t.same(placesIn(table, KEY_COMMIT_ID, 'c1'), [[7, 100]], 'what is not the first of its commit is not its place')
  t.same(placesIn(table, KEY_TAG, 'a'), [[7, 100]])
  t.same(placesIn(table, KEY_TAG, 'b'), [
    [8, 200],
    [7, 100],
  ])
  t.same(placesIn(table, KEY_TAG, 'c1'), [], 'a commit id is no tag')
  t.equal(table.size, 4, 'an event without either has no entry')
  t.end()
})

t.test('keys are taken from where the record starts in its window', (t) => {
  const table = new KeyTable()
  const first = forge.event({ stream: 'long-name', offset: 0, position: 1, commitId: 'one' }, { tags: ['x'] })
  const second = forge.event({ stream: 's', offset: 0, position: 2, commitId: 'two' }, { tags: ['y'] })
  addKeys(hasher, table, windowOf(Buffer.concat([first, second])), first.length, 5)
  t.same(placesIn(table, KEY_COMMIT_ID, 'two'), [[2, 5]])
  t.same(placesIn(table, KEY_TAG, 'y'), [[2, 5]])
  t.equal(table.size, 2)
  t.end()
})

t.test('[C2] a collector enters the last event of each type, when it is finished', (t) => {
  const table = new KeyTable()
  const collector = new KeyCollector(hasher, table)
  for (const [position, type] of ['A', 'B', 'A', 'Ä', 'A'].entries()) {
    const record = forge.event({ stream: 's', offset: position, position }, { type, tags: position === 1 ? ['t'] : [] })
    collector.add(windowOf(record), 0, 1000 + position)
  }
  t.same(placesIn(table, KEY_TYPE, 'A'), [], 'a later one may come')
  t.same(placesIn(table, KEY_TAG, 't'), [[1, 1001]])
  collector.finish()
  t.same(placesIn(table, KEY_TYPE, 'A'), [[4, 1004]])
  t.same(placesIn(table, KEY_TYPE, 'B'), [[1, 1001]])
  t.same(placesIn(table, KEY_TYPE, 'Ä'), [[3, 1003]])
  t.same(placesIn(table, KEY_TAG, 'A'), [], 'a type is no tag')
  t.equal(table.size, 4)
  t.end()
})

t.test('the events of a stretch are visited with their bytes, and nothing else is', (t) => {
  const events = [0, 1, 2].map((position) => forge.event({ stream: 's', offset: position, position }))
  const shape = encodeShape({ id: 1, keys: ['k'] })
  const { handles } = diskWith(logSegment([[events[0]!, shape, events[1]!], [events[2]!]]))
  const first = HEADER_FIXED_BYTES + GROUP_BYTES
  const second = first + events[0]!.length + shape.length
  const third = second + events[1]!.length + GROUP_BYTES
  const expected = [first, second, third].map((byte, i) => ({ position: i, byte, length: events[i]!.length }))
  const end = third + events[2]!.length
  t.same(eventsIn(handles, HEADER_FIXED_BYTES, end).seen, expected)
  t.same(eventsIn(handles, second, end).seen, expected.slice(1), 'from any frame on')
  t.same(eventsIn(handles, HEADER_FIXED_BYTES, third - GROUP_BYTES).seen, expected.slice(0, 2), 'not beyond the end')
  t.same(eventsIn(handles, end, end), { seen: [], steps: 0 })
  t.end()
})

t.test('others have their turn between two windows, and no event is lost or repeated there', (t) => {
  const count = 40
  const records = Array.from({ length: count }, (_, position) =>
    forge.event({ stream: 's', offset: position, position }, { data: 'x'.repeat(20_000) }),
  )
  const bytes = logSegment(records.map((record) => [record]))
  const { seen, steps } = eventsIn(diskWith(bytes).handles, HEADER_FIXED_BYTES, bytes.length)
  t.ok(steps >= 3, `${steps} steps`)
  t.same(
    seen.map(({ position }) => position),
    records.map((_, i) => i),
  )
  for (const { byte, length, position } of seen) {
    if (!bytes.subarray(byte, byte + length).equals(records[position]!)) t.fail(`event ${position} stands elsewhere`)
  }
  t.end()
})

t.test('[U3] a record whose lengths do not fit it is damage, named by its byte, though its checksum is right', (t) => {
  const sound = forge.event({ stream: 's', offset: 0, position: 0 })
  const wrong = resealed(forge.event({ stream: 's', offset: 1, position: 1 }), (record) => {
    record.writeUInt16LE(0xffff, EVENT_FIXED_BYTES - 52) // the length of its stream name
  })
  const bytes = logSegment([[sound, wrong]])
  const { handles } = diskWith(bytes)
  t.throws(() => eventsIn(handles, HEADER_FIXED_BYTES, bytes.length), {
    code: 'ERR_CORRUPT',
    file: LOG,
    byte: bytes.length - wrong.length,
  })
  t.equal(wrong[FRAME_KIND], FRAME_EVENT)
  t.end()
})

t.test('[U3] damage and what the disk refuses are told, not passed over', (t) => {
  const bytes = logSegment([0, 1].map((position) => [forge.event({ stream: 's', offset: position, position })]))
  const damaged = Buffer.from(bytes)
  damaged[damaged.length - 10]! ^= 1
  t.throws(() => eventsIn(diskWith(damaged).handles, HEADER_FIXED_BYTES, bytes.length), {
    code: 'ERR_CORRUPT',
    file: LOG,
  })
  t.throws(() => eventsIn(diskWith(bytes.subarray(0, -5)).handles, HEADER_FIXED_BYTES, bytes.length), {
    code: 'ERR_CORRUPT',
  })
  const { handles, files } = diskWith(bytes)
  files.setFaults({ only: ({ kind }) => kind === 'read', failAt: 1, code: 'EIO' })
  t.throws(() => eventsIn(handles, HEADER_FIXED_BYTES, bytes.length), { code: 'EIO' })
  t.end()
})
