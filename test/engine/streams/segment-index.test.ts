import t from 'tap'
import { streamKey } from '../../../engine/format/names.js'
import type { IndexEntry } from '../../../engine/format/sparse-index.js'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { readEntries, writeIndex } from '../../../engine/streams/segment-index.js'
import { StreamDirectory } from '../../../engine/streams/stream-directory.js'

const ID = Buffer.from('0123456789abcdef')
const KEY = streamKey('order-1')
const ENTRIES: IndexEntry[] = [0, 1, 2, 3].map((n) => ({
  number: n * 10,
  byte: 100 + n * 1000,
  end: 1100 + n * 1000,
  minTime: 5 + n,
  maxTime: 9 + n,
}))

function setUp(id = ID, files = memoryEnvironment().files): StreamDirectory {
  files.makeDirectories('/streams')
  return new StreamDirectory(files, '/streams', id, true)
}

t.test('[F3] an index comes back as it was written, in one piece or in several', (t) => {
  const directory = setUp()
  t.equal(readEntries(directory, KEY, 0), undefined)
  writeIndex(directory, KEY, 0, ENTRIES.slice(0, 2), 0)
  t.same(readEntries(directory, KEY, 0), ENTRIES.slice(0, 2))
  writeIndex(directory, KEY, 0, ENTRIES, 2)
  t.same(readEntries(directory, KEY, 0), ENTRIES)
  writeIndex(directory, KEY, 0, ENTRIES.slice(0, 1), 0)
  t.same(readEntries(directory, KEY, 0), ENTRIES.slice(0, 1), 'from the start: a new file')
  t.end()
})

t.test('[F3] where the file is gone, all entries are written again', (t) => {
  const directory = setUp()
  writeIndex(directory, KEY, 0, ENTRIES, 2)
  t.same(readEntries(directory, KEY, 0), ENTRIES)
  writeIndex(directory, KEY, 7, ENTRIES.slice(0, 2), 2)
  t.equal(readEntries(directory, KEY, 7), undefined, 'nothing new: nothing written')
  t.end()
})

t.test('[F3] an index of another store, stream or base, or a damaged one, is as good as none', (t) => {
  const directory = setUp()
  const { files } = directory
  writeIndex(directory, KEY, 0, ENTRIES, 0)
  const path = directory.indexPath(KEY, 0)
  const handle = files.open(path, 'write')
  const bytes = Buffer.alloc(handle.size())
  handle.readSync(bytes, 0, bytes.length, 0)
  t.equal(readEntries(setUp(Buffer.alloc(16), files), KEY, 0), undefined)
  for (const other of [
    { key: streamKey('order-2'), base: 0 },
    { key: KEY, base: 5 },
  ]) {
    const copy = directory.openForWriting(other.key, directory.indexPath(other.key, other.base), true)
    copy.writeSync(bytes, 0, bytes.length, 0)
    t.equal(readEntries(directory, other.key, other.base), undefined)
  }
  for (let at = 0; at < bytes.length; at++) {
    handle.writeSync(Uint8Array.of(bytes[at]! ^ 4), 0, 1, at)
    const read = readEntries(directory, KEY, 0)
    if (read !== undefined) t.same(ENTRIES.slice(0, read.length), read, `with byte ${at} changed nothing wrong is told`)
    handle.writeSync(bytes, at, 1, at)
  }
  for (let size = 0; size < bytes.length; size++) {
    handle.truncate(size)
    const read = readEntries(directory, KEY, 0)
    if (read !== undefined) t.same(ENTRIES.slice(0, read.length), read, `cut to ${size} bytes nothing wrong is told`)
    handle.writeSync(bytes, size, bytes.length - size, size)
  }
  t.same(readEntries(directory, KEY, 0), ENTRIES)
  t.end()
})
