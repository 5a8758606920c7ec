import t from 'tap'
import { streamKey } from '../../../engine/format/names.js'
import type { FileSystem } from '../../../engine/io/file-system.js'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { StreamDirectory } from '../../../engine/streams/stream-directory.js'

const ID = Buffer.from('0123456789abcdef')
const KEY = streamKey('Order 1')

function setUp(): { directory: StreamDirectory; files: FileSystem; synced: string[]; fail: { next: boolean } } {
  const { files } = memoryEnvironment()
  files.makeDirectories('/streams')
  const synced: string[] = []
  const fail = { next: false }
  files.syncDirectory = (path, done) => {
    const error = fail.next ? new Error('no') : null
    fail.next = false
    if (error === null) synced.push(path)
    done(error)
  }
  return { directory: new StreamDirectory(files, '/streams', ID, true), files, synced, fail }
}

const syncNames = (directory: StreamDirectory): Promise<void> =>
  new Promise((resolve, reject) => directory.syncNames((error) => (error === null ? resolve() : reject(error))))

t.test('[fault 53] segments of a stream are found by name, those of others and foreign files are not', (t) => {
  const { directory, files } = setUp()
  for (const base of [1000, 0, 20]) directory.openForWriting(KEY, directory.segmentPath(KEY, base), true).close()
  directory.openForWriting(KEY, directory.indexPath(KEY, 500), true).close()
  const shard = `/streams/${KEY.path.slice(0, 2)}`
  const name = KEY.path.slice(3)
  for (const foreign of [
    `${name}@7.seg`,
    `${name}@0000000000000007.seg~`,
    `${name}2@0000000000000007.seg`,
    '.DS_Store',
  ]) {
    files.open(`${shard}/${foreign}`, 'create').close()
  }
  t.same(directory.bases(KEY), [0, 20, 1000])
  files.makeDirectories('/streams/lost+found')
  files.makeDirectories('/streams/zz')
  t.same(directory.shards(), [KEY.path.slice(0, 2)])
  t.end()
})

t.test('[F2] what a flush left behind that was cut short is replaced by a new file', (t) => {
  const { directory } = setUp()
  const path = directory.segmentPath(KEY, 0)
  const left = directory.openForWriting(KEY, path, true)
  left.writeSync(Buffer.from('left over'), 0, 9, 0)
  const fresh = directory.openForWriting(KEY, path, true)
  t.equal(fresh.size(), 0)
  t.equal(left.size(), 9, 'who has the old one open harms nobody')
  fresh.writeSync(Buffer.from('new'), 0, 3, 0)
  t.equal(directory.openForWriting(KEY, path, false).size(), 3, 'an existing one is gone on with')
  t.throws(() => directory.openForWriting(KEY, directory.segmentPath(KEY, 9), false), { code: 'ENOENT' })
  t.end()
})

t.test('[F2] names are synced once, and again after a failure', async (t) => {
  const { directory, synced, fail } = setUp()
  const shard = `/streams/${KEY.path.slice(0, 2)}`
  await syncNames(directory)
  t.same(synced, [])
  directory.openForWriting(KEY, directory.segmentPath(KEY, 0), true).close()
  fail.next = true
  await t.rejects(syncNames(directory), { message: 'no' })
  t.same(synced, [])
  await syncNames(directory)
  t.same(synced.splice(0).sort(), ['/streams', shard], 'a new shard has a name too')
  await syncNames(directory)
  t.same(synced, [])
  directory.openForWriting(KEY, directory.segmentPath(KEY, 20), true).close()
  await syncNames(directory)
  t.same(synced.splice(0), [shard])
  directory.noteCreated(KEY)
  await syncNames(directory)
  t.same(synced.sort(), ['/streams', shard])
})
