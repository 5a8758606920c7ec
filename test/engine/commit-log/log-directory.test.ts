import t from 'tap'
import { LogDirectory } from '../../../engine/commit-log/log-directory.js'
import { logFileName } from '../../../engine/format/names.js'
import { MemoryFileSystem } from '../../../engine/io/memory-file-system.js'

function read(...names: (readonly [number, number] | string)[]): ReturnType<typeof LogDirectory.read> {
  const files = new MemoryFileSystem()
  files.makeDirectory('/log')
  for (const name of names) {
    files.open(`/log/${typeof name === 'string' ? name : logFileName(name[0], name[1], '.log')}`, 'create').close()
  }
  return LogDirectory.read(files, '/log')
}
const places = (segments: readonly { base: number; epoch: number }[]): number[][] =>
  segments.map(({ base, epoch }) => [base, epoch])

t.test('[fault 53] segments are listed oldest first, foreign files are left alone', async (t) => {
  const { directory, orphans } = read(
    [200, 2],
    [0, 1],
    '.DS_Store',
    '0000000000000000-0000000001.idx',
    [100, 1],
    'x.log',
  )
  t.same(places(directory.segments), [
    [0, 1],
    [100, 1],
    [200, 2],
  ])
  t.same(orphans, [])
})

t.test('[F4] [fault 71] segments that a fenced writer left behind do not count', async (t) => {
  const { directory, orphans } = read([0, 1], [100, 1], [100, 3], [150, 1], [200, 2], [300, 3])
  t.same(places(directory.segments), [
    [0, 1],
    [100, 3],
    [300, 3],
  ])
  t.same(places(orphans), [
    [100, 1],
    [150, 1],
    [200, 2],
  ])
})

t.test('a position is in the last segment that begins at or before it', async (t) => {
  const { directory } = read([0, 1], [100, 1], [200, 2])
  t.same(
    [0, 99, 100, 199, 200, 10_000].map((position) => directory.indexOf(position)),
    [0, 0, 1, 1, 2, 2],
  )
  t.equal(read([100, 1]).directory.indexOf(5), -1)
  t.equal(directory.find({ base: 100, epoch: 1 }), 1)
  t.equal(directory.find({ base: 100, epoch: 2 }), -1)
  t.equal(directory.beside({ base: 100, epoch: 1 }, '.tab'), '/log/0000000000000100-0000000001.tab')
})
