import t from 'tap'
import { LogDirectory } from '../../../engine/commit-log/log-directory.js'
import { LogEnds } from '../../../engine/commit-log/log-ends.js'
import { ReadHandles } from '../../../engine/segment/read-handles.js'
import { CrashDisk } from '../../support/crash-disk.js'
import { openSession, STORE_PATH } from '../../support/crash-workload.js'

t.test(
  '[fault 8] [fault 71] the header of the next segment says how much of one counts, whatever its size',
  async (t) => {
    const disk = new CrashDisk()
    const { store } = await openSession(disk, 1)
    for (let n = 0; n < 40; n++) await store.append('a', [{ type: 'T', data: 'x'.repeat(100) }])
    await store.close()
    const home = disk.open(`${STORE_PATH}/annals`, 'read')
    const head = Buffer.alloc(96)
    home.readSync(head, 0, 96, 0)
    home.close()
    const id = Buffer.from(head.subarray(20, 36))
    const handles = new ReadHandles(disk, 8)
    const { directory } = LogDirectory.read(disk, `${STORE_PATH}/log`)
    t.ok(directory.segments.length > 2)
    const sizes = directory.segments.map(({ path }) => disk.stat(path)!.size)
    const ends = (): number[] => {
      const known = new LogEnds(handles, directory, id)
      return directory.segments.map((segment) => known.of(segment))
    }
    t.same(ends(), sizes)

    // Somebody has written on in the first, and behind the last.
    for (const { path } of [directory.segments[0]!, directory.segments.at(-1)!]) {
      const handle = disk.open(path, 'write')
      handle.writeSync(Buffer.alloc(500), 0, 500, disk.stat(path)!.size)
      handle.close()
    }
    t.same(ends(), [...sizes.slice(0, -1), sizes.at(-1)! + 500], 'nobody tells where the last one ends')

    const told = new LogEnds(handles, directory, id, [[directory.segments[0]!.path, 100]])
    t.equal(told.of(directory.segments[0]!), 100)
    t.equal(told.known(directory.segments[1]!), undefined)
    told.set(directory.segments[1]!, 200)
    t.equal(told.of(directory.segments[1]!), 200)

    const other = new LogEnds(handles, directory, Buffer.alloc(16))
    t.equal(other.of(directory.segments[0]!), sizes[0]! + 500, 'the header of another store says nothing')

    const second = disk.open(directory.segments[1]!.path, 'write')
    second.writeSync(Buffer.alloc(8, 1), 0, 8, 0)
    second.close()
    t.equal(ends()[0], sizes[0]! + 500, 'nor does one that is damaged')
    handles.close()
  },
)

t.test('[C2] [fault 71] commit ids are found although a segment is longer than what counts', async (t) => {
  const disk = new CrashDisk()
  const first = await openSession(disk, 1)
  for (let n = 0; n < 30; n++) {
    await first.store.append('a', [{ type: 'T', data: 'x'.repeat(100) }], { commitId: `id ${n}` })
  }
  await first.store.close()
  const log = `${STORE_PATH}/log`
  for (const name of disk.list(log)) {
    if (name.endsWith('.key')) disk.remove(`${log}/${name}`)
  }
  const [longer] = disk.list(log).filter((name) => name.endsWith('.log'))
  const handle = disk.open(`${log}/${longer!}`, 'write')
  handle.writeSync(Buffer.alloc(700), 0, 700, handle.size())
  handle.close()
  const second = await openSession(disk, 2)
  for (let n = 0; n < 30; n++) {
    const { isRepeat } = await second.store.append('a', [{ type: 'T', data: 'x'.repeat(100) }], { commitId: `id ${n}` })
    t.equal(isRepeat, true, `id ${n}`)
  }
  await second.store.close()
})
