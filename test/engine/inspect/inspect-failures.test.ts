import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { inspectFile, listSegments, openEventStore } from '../../../engine/index.js'
import { inspectFile as inspectIn } from '../../../engine/inspect/inspect-file.js'
import { listSegments as listIn } from '../../../engine/inspect/list-segments.js'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'
import { logSegment } from '../../support/forge.js'

t.test('a file that is not there is not found, and what the system refuses is ERR_IO with its cause', async (t) => {
  const folder = t.testdir()
  t.throws(() => inspectFile(join(folder, 'none.log')), { code: 'ERR_NOT_FOUND', message: /there is no such file/ })
  mkdirSync(join(folder, 'folder.log'))
  t.throws(() => inspectFile(join(folder, 'folder.log')), { code: 'ERR_IO', cause: { code: 'EISDIR' } })
  await (await openEventStore(join(folder, 'store'))).close()
  writeFileSync(join(folder, 'store', 'streams', '00'), 'in the way')
  t.throws(() => [...listSegments(join(folder, 'store'))], { code: 'ERR_IO', cause: { code: 'ENOTDIR' } })
})

t.test('[fault 27] a disk that fails while a file is looked into, or names are listed, is ERR_IO', (t) => {
  const memory = memoryEnvironment()
  const files = new FaultyFileSystem(memory.files)
  const environment = { ...memory, files }
  const bytes = logSegment([])
  files.makeDirectories('/store/log')
  const handle = files.open('/store/log/x.log', 'create')
  handle.write(bytes, 0, bytes.length, 0, () => {})
  const inspection = inspectIn(environment, '/store/log/x.log')
  files.setFaults({ failAt: 1, only: ({ kind }) => kind === 'read' })
  t.throws(() => inspection.bytes(0, 100), { code: 'ERR_IO', cause: { code: 'EIO' } })
  files.setFaults({ failAt: 1, only: ({ kind }) => kind === 'read' })
  t.throws(() => [...inspection.items()], { code: 'ERR_IO', cause: { code: 'EIO' } })
  files.setFaults({ failAt: 1, only: ({ kind }) => kind === 'list' })
  t.throws(() => [...listIn(environment, '/store', undefined)], { code: 'ERR_IO', cause: { code: 'EIO' } })
  t.end()
})
