import t from 'tap'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { EpochFolder } from '../../../engine/lock/epoch-folder.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'

const STORE_ID = new Uint8Array(16).fill(9)
const holderOf = (epoch: number) => ({ pid: 7, host: 'here', incarnation: 'i', since: 1000, epoch })

function setUp(epochs = 0): { files: FaultyFileSystem; folder: EpochFolder; names: () => number[] } {
  const files = new FaultyFileSystem(memoryEnvironment().files)
  files.makeDirectories('/store')
  const folder = new EpochFolder(files, '/store')
  if (epochs > 0) folder.make()
  for (let epoch = 1; epoch <= epochs; epoch++) folder.create(holderOf(epoch), STORE_ID)!.close()
  const names = (): number[] =>
    files
      .list(folder.path)
      .map(Number)
      .sort((a, b) => a - b)
  return { files, folder, names }
}

t.test('[F4] no folder, no epochs', (t) => {
  const { folder, files } = setUp()
  t.equal(folder.newest(), 0)
  folder.removeOld(20)
  files.setFaults({ only: ({ kind }) => kind === 'list', failAt: 1, code: 'EIO' })
  t.throws(() => folder.newest(), { code: 'EIO' })
  t.end()
})

t.test('[F4] an epoch is made once, and there is a last one', (t) => {
  const { folder, files } = setUp(2)
  t.equal(folder.create(holderOf(2), STORE_ID), undefined)
  t.match(folder.holderOf(2), { pid: 7, epoch: 2 })
  t.throws(() => folder.create(holderOf(10_000_000_000), STORE_ID), { code: 'EFBIG' })
  t.equal(folder.newest(), 2)
  t.equal(files.openHandles, 0)
  t.end()
})

t.test(
  '[F4] [fault 34] old epochs go in order: one that is gone already does not stop it, one that stays does',
  (t) => {
    const removed = (code: string): number[] => {
      const { folder, files, names } = setUp(24)
      files.setFaults({ only: ({ kind, path }) => kind === 'remove' && path.endsWith('03'), failAt: 1, code })
      folder.removeOld(24)
      const left = names()
      return Array.from({ length: 24 }, (_, i) => i + 1).filter((epoch) => !left.includes(epoch))
    }
    t.same(removed('ENOENT'), [1, 2, 4, 5, 6, 7, 8])
    t.same(removed('EBUSY'), [1, 2])
    t.end()
  },
)
