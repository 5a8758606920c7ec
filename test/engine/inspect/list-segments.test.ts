import t from 'tap'
import { listSegments } from '../../../engine/inspect/list-segments.js'
import { changed, hostileStore, stillEnvironment, STORE } from '../../support/hostile-store.js'
import { SmallFiles } from '../../support/small-files.js'
import { numbered, TestMachine } from '../store/test-machine.js'

t.test('[F1] log segments, then the segments of each stream, each with what follows it', async (t) => {
  const { image, all, streams } = await hostileStore({ closed: true })
  const files = [...listSegments(stillEnvironment(new SmallFiles(image), 9), STORE, undefined)]
  t.same(
    files.map(({ path }) => path).sort(),
    [...image.files.keys()].filter((path) => /\.(?:log|seg)$/.test(path)).sort(),
    'all there are',
  )
  const log = files.filter(({ kind }) => kind === 'log')
  for (const [i, { base, nextBase }] of log.entries()) {
    t.equal(nextBase, log[i + 1]?.base)
    t.ok(base < all.length)
  }
  for (const stream of streams.keys()) {
    const own = files.filter((file) => file.stream === stream)
    t.same(
      own.map(({ base }) => base),
      own
        .map(({ nextBase }) => nextBase)
        .slice(0, -1)
        .toSpliced(0, 0, 0),
    )
    t.same([...listSegments(stillEnvironment(new SmallFiles(image), 9), STORE, stream)], own)
  }
  for (const { path, bytes, index } of files) {
    t.equal(bytes, image.files.get(path)!.length)
    t.equal(index !== undefined, image.files.has(path.replace(/\.(?:log|seg)$/, '.idx')))
  }
})

t.test('[F4] segments of a fenced writer, names that do not fit in a file name, and what is no store', async (t) => {
  const { image } = await hostileStore({ closed: true })
  const fenced = `${STORE}/log/0000000000000099-0000000000.log`
  const withOrphan = changed(image, { [fenced]: Buffer.alloc(5) })
  const found = [...listSegments(stillEnvironment(new SmallFiles(withOrphan), 9), STORE, undefined)]
  t.match(
    found.filter(({ isOrphan }) => isOrphan),
    [{ path: fenced, base: 99, epoch: 0, bytes: 5 }],
  )

  const machine = new TestMachine()
  const store = await machine.open()
  const long = 'x'.repeat(900)
  await store.append(long, numbered(2))
  await store.close()
  t.match(
    [...listSegments(machine.environment, '/store', undefined)].filter(({ kind }) => kind === 'stream'),
    [{ stream: long, base: 0, nextBase: undefined }],
  )
  t.same([...listSegments(machine.environment, '/store', 'nobody')], [])
  t.throws(() => [...listSegments(machine.environment, '/nowhere', undefined)], { code: 'ERR_NOT_FOUND' })
  t.throws(() => [...listSegments(machine.environment, '/store/log', undefined)], { code: 'ERR_NOT_A_STORE' })
  t.throws(() => [...listSegments(machine.environment, '/store', '')], { code: 'ERR_INVALID_NAME' })
})
