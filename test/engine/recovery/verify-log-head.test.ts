import t from 'tap'
import { frameAround, FRAME_EVENT, windowOf } from '../../../engine/format/frame.js'
import { GROUP_BYTES } from '../../../engine/format/group.js'
import type { FileHandle } from '../../../engine/io/file-system.js'
import { MemoryFileSystem } from '../../../engine/io/memory-file-system.js'
import { expectedOf, groupEnd, readLogHead } from '../../../engine/recovery/verify-log-head.js'
import { Forge, groupOf, logSegment, resealed, STORE_ID } from '../../support/forge.js'

const SEGMENT = { base: 4, epoch: 2, path: '/store/log/a.log' }

function fileOf(bytes: Buffer): FileHandle {
  const handle = new MemoryFileSystem().open('/file', 'create')
  handle.writeSync(bytes, 0, bytes.length, 0)
  return handle
}

t.test('[U3] the header of a log segment is that of its store and of its name, or says what is wrong', (t) => {
  const right = logSegment([], { base: 4, epoch: 2 })
  t.match(readLogHead(fileOf(right), SEGMENT, STORE_ID), { header: { base: 4 }, start: 96, wrong: undefined })
  const changed = (at: number, bytes: readonly number[]): Buffer => {
    const copy = Buffer.from(right)
    copy.set(bytes, at)
    return copy
  }
  const cases: readonly (readonly [Buffer, RegExp])[] = [
    [logSegment([], { base: 4, epoch: 2, storeId: Buffer.alloc(16, 1) }), /belongs to another store/],
    [logSegment([], { base: 5, epoch: 2 }), /does not agree with its name/],
    [logSegment([], { base: 4, epoch: 3 }), /does not agree with its name/],
    [logSegment([], { base: 4, epoch: 2, name: Buffer.from('x') }), /the file ends inside its header/],
    [changed(8, [2]), /needs format version 2/],
    [Buffer.alloc(96), /is missing/],
    [changed(6, [0x53]), /is no log segment/],
    [changed(60, [1]), /is damaged: the header checksum is wrong/],
    [right.subarray(0, 50), /is damaged: the file ends inside its header/],
  ]
  for (const [bytes, wrong] of cases) {
    t.match(readLogHead(fileOf(bytes), SEGMENT, STORE_ID), { header: undefined, start: 96, wrong }, `${wrong}`)
  }
  t.end()
})

t.test('groupEnd is where the head of a group says that it ends; the end of the file where there is none', (t) => {
  const event = new Forge().event({ stream: 'a', offset: 0, position: 4 })
  const group = groupOf([event], { byte: 0, sequence: 9, firstPosition: 4, epoch: 2 })
  const bytes = Buffer.concat([group, Buffer.alloc(500)])
  const end = (contents: Buffer, size = contents.length): number => groupEnd(fileOf(contents), 0, size, STORE_ID)
  t.equal(end(bytes), group.length)
  t.equal(end(bytes, group.length - 9), group.length - 9, 'cut short')
  t.equal(end(bytes, GROUP_BYTES - 1), GROUP_BYTES - 1, 'within its head')
  t.equal(groupEnd(fileOf(bytes), 1, 400, STORE_ID), 400, 'nothing sound starts there')
  t.equal(groupEnd(fileOf(bytes), 700, 600, STORE_ID), 600, 'behind the end')
  t.equal(
    end(Buffer.concat([groupOf([event], { byte: 0, sequence: 9, firstPosition: 4 }, Buffer.alloc(16, 1)), event])),
    84 + 2 * event.length,
    'of another store',
  )
  const record = windowOf(Buffer.alloc(GROUP_BYTES))
  frameAround(record.view, 0, GROUP_BYTES, FRAME_EVENT)
  t.equal(end(Buffer.concat([resealed(record.bytes), Buffer.alloc(77)])), GROUP_BYTES + 77, 'a record of that length')
  t.end()
})

t.test('expectedOf takes a group at its word', (t) => {
  const group = {
    epoch: 2,
    sequence: 9,
    byte: 96,
    firstPosition: 4,
    durable: 9,
    frames: 1,
    events: 1,
    bodyBytes: 9,
    digest: 0,
  }
  t.same(expectedOf(group), { sequence: 9, position: 4, epoch: 2 })
  t.end()
})
