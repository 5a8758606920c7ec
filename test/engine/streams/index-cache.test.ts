import t from 'tap'
import { type StreamKey, streamKey } from '../../../engine/format/names.js'
import type { IndexEntries, IndexEntry } from '../../../engine/format/sparse-index.js'
import { MemoryFileSystem } from '../../../engine/io/memory-file-system.js'
import { defaultLimits } from '../../../engine/limits.js'
import { ReadHandles } from '../../../engine/segment/read-handles.js'
import { IndexCache } from '../../../engine/streams/index-cache.js'
import { writeIndex } from '../../../engine/streams/segment-index.js'
import { StreamDirectory } from '../../../engine/streams/stream-directory.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'
import { sized, TestMachine } from '../store/test-machine.js'

const A = streamKey('a')
const B = streamKey('b')

function entriesOf(count: number): IndexEntry[] {
  return Array.from({ length: count }, (_, i) => ({ number: i, byte: 100 + i, end: 101 + i, minTime: 0, maxTime: 0 }))
}

/** All of them, each checked. */
function listed(entries: IndexEntries): IndexEntry[] {
  return Array.from({ length: entries.length }, (_, i) => entries.at(i)!)
}

function setUp() {
  const files = new FaultyFileSystem(new MemoryFileSystem())
  files.makeDirectories('/streams')
  const directory = new StreamDirectory(files, '/streams', Buffer.from('0123456789abcdef'), true)
  const cache = new IndexCache(directory, new ReadHandles(files, 4), defaultLimits)
  /** How many files were opened for it. */
  const opens = (key: StreamKey, base: number): number => {
    const before = files.counts.open ?? 0
    cache.get(key, base)
    return (files.counts.open ?? 0) - before
  }
  return { files, directory, cache, opens }
}

t.test('[F3] an index is read at its first use, and then from memory', (t) => {
  const { directory, cache, opens } = setUp()
  writeIndex(directory, A, 0, entriesOf(5), 0)
  writeIndex(directory, A, 50, entriesOf(3), 0)
  t.same(listed(cache.get(A, 0)), entriesOf(5))
  t.same(listed(cache.get(A, 50)), entriesOf(3))
  t.equal(opens(A, 0) + opens(A, 50), 0)
  t.end()
})

t.test(
  '[R8] entries in memory are bounded: the least recently used go first, one that is larger than all stays alone',
  (t) => {
    const { directory, opens } = setUp()
    const half = 60 * 1024
    for (const base of [0, 1, 2]) writeIndex(directory, A, base, entriesOf(half), 0)
    t.equal(opens(A, 0), 1)
    t.equal(opens(A, 1), 1)
    t.equal(opens(A, 0), 0, 'both fit')
    t.equal(opens(A, 2), 1)
    t.equal(opens(A, 0), 0, 'used more recently')
    t.equal(opens(A, 1), 1, 'had to go')
    writeIndex(directory, B, 0, entriesOf(200 * 1024), 0)
    t.equal(opens(B, 0), 1)
    t.equal(opens(B, 0), 0)
    t.equal(opens(A, 0), 1)
    t.end()
  },
)

t.test('[F3] [fault 49] one that is missing or wrong is made from its segment, once', async (t) => {
  const machine = new TestMachine()
  const store = await machine.open({ durability: 'os' })
  await store.append(
    'a',
    Array.from({ length: 300 }, () => sized(600)),
  )
  await store.checkpoint()
  await store.close()
  const files = new FaultyFileSystem(machine.environment.files)
  const storeId = Buffer.from(machine.contents('/store/annals').subarray(20, 36))
  const directory = new StreamDirectory(files, '/store/streams', storeId, true)
  const entries = (): readonly IndexEntry[] =>
    listed(new IndexCache(directory, new ReadHandles(files, 4), defaultLimits).get(A, 0))
  const path = directory.indexPath(A, 0)
  const right = machine.contents(path)
  const written = entries()
  t.ok(written.length > 10)
  for (const contents of [undefined, Buffer.alloc(0), right.subarray(0, -5), Buffer.alloc(right.length)]) {
    if (contents === undefined) machine.remove(path)
    else machine.write(path, contents)
    t.same(entries().slice(0, written.length), written)
  }
  const cache = new IndexCache(directory, new ReadHandles(files, 4), defaultLimits)
  cache.get(A, 0)
  files.record()
  cache.get(A, 0)
  t.same(files.trace, [])
})
