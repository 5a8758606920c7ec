import t from 'tap'
import { LogHeads } from '../../../engine/commit-log/log-heads.js'
import { encodeHeader, HEADER_FIXED_BYTES } from '../../../engine/format/file-header.js'
import { MemoryFileSystem } from '../../../engine/io/memory-file-system.js'
import { ReadHandles } from '../../../engine/segment/read-handles.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'

const ID = Buffer.from('0123456789abcdef')
const OTHER = Buffer.from('fedcba9876543210')
const SEGMENT = { base: 0, epoch: 1, path: '/one.log' }

function disk(bytes: Buffer): { readonly files: FaultyFileSystem; readonly heads: LogHeads } {
  const files = new FaultyFileSystem(new MemoryFileSystem())
  const handle = files.open(SEGMENT.path, 'create')
  handle.writeSync(bytes, 0, bytes.length, 0)
  handle.close()
  return { files, heads: new LogHeads(new ReadHandles(files, 2), ID) }
}

t.test('[fault 46] a log segment of another store is told, each time it is to be read', (t) => {
  const { heads } = disk(encodeHeader({ kind: 'L', storeId: OTHER }))
  for (let i = 0; i < 2; i++) {
    t.throws(() => heads.check(SEGMENT), {
      code: 'ERR_CORRUPT',
      file: SEGMENT.path,
      byte: 0,
      reason: 'the segment belongs to another store',
    })
  }
  t.end()
})

t.test('one of this store is looked at once', (t) => {
  const { files, heads } = disk(encodeHeader({ kind: 'L', storeId: ID }))
  heads.check(SEGMENT)
  t.equal(files.bytesRead, HEADER_FIXED_BYTES)
  heads.check(SEGMENT)
  t.equal(files.bytesRead, HEADER_FIXED_BYTES)
  t.end()
})

t.test('[fault 47] a segment that does not go on from the one before tells that one between them is missing', (t) => {
  const { files, heads } = disk(encodeHeader({ kind: 'L', storeId: ID, base: 80, previousBase: 40 }))
  const segment = { ...SEGMENT, base: 80 }
  heads.checkFollows(segment, { base: 40, epoch: 1, path: '/before.log' })
  t.throws(() => heads.checkFollows(segment, { base: 0, epoch: 1, path: '/before.log' }), {
    code: 'ERR_CORRUPT',
    file: SEGMENT.path,
    reason: 'the segment before position 80 is missing',
  })
  t.equal(files.bytesRead, HEADER_FIXED_BYTES, 'looked at once')
  const damaged = disk(Buffer.alloc(96)).heads
  t.doesNotThrow(() => damaged.checkFollows(segment, { base: 0, epoch: 1, path: '/before.log' }), 'it says nothing')
  t.end()
})

t.test('[fault 39] [fault 40] a header that is damaged says nothing against the records behind it', (t) => {
  const header = encodeHeader({ kind: 'L', storeId: OTHER })
  const flipped = Buffer.from(header)
  flipped[25]! ^= 1
  for (const bytes of [flipped, header.subarray(0, 50), Buffer.alloc(0), Buffer.alloc(96)]) {
    t.doesNotThrow(() => disk(bytes).heads.check(SEGMENT))
  }
  t.end()
})

t.test('[fault 52] one of a newer version is no damaged one', (t) => {
  const header = encodeHeader({ kind: 'L', storeId: ID })
  header.writeUInt16LE(2, 8)
  t.throws(() => disk(header).heads.check(SEGMENT), { code: 'ERR_FORMAT' })
  t.end()
})
