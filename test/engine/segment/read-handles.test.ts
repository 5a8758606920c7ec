import t from 'tap'
import { MemoryFileSystem } from '../../../engine/io/memory-file-system.js'
import { ReadHandles } from '../../../engine/segment/read-handles.js'

function setUp(limit: number): { files: MemoryFileSystem; handles: ReadHandles } {
  const files = new MemoryFileSystem()
  for (const name of 'abcdef') files.open(`/${name}`, 'create').close()
  return { files, handles: new ReadHandles(files, limit) }
}

t.test('[fault 30] never more files are open than allowed, the least recently used is closed', async (t) => {
  const { files, handles } = setUp(4)
  const first = handles.get('/a')
  for (const name of 'bcd') handles.get(`/${name}`)
  t.equal(handles.get('/a'), first, 'used again: the youngest')
  handles.get('/e')
  t.equal(files.openHandles, 4)
  t.equal(handles.get('/a'), first)
  handles.get('/b')
  t.equal(handles.size, 4)
  handles.close()
  t.equal(files.openHandles, 0)
})

t.test('a pinned handle stays open until it is released, also when its file is dropped', async (t) => {
  const { files, handles } = setUp(4)
  const { handle, release } = handles.pin('/a')
  const second = handles.pin('/a')
  t.equal(second.handle, handle)
  handles.drop('/a')
  handles.drop('/a')
  t.equal(handles.size, 0)
  t.equal(files.openHandles, 1)
  t.equal(handle.size(), 0, 'still usable')
  release()
  t.equal(files.openHandles, 1)
  second.release()
  t.equal(files.openHandles, 0)
})

t.test('a file that cannot be opened leaves nothing behind', async (t) => {
  const { handles } = setUp(4)
  t.throws(() => handles.get('/missing'), { code: 'ENOENT' })
  t.equal(handles.size, 0)
})

t.test('[D10] the size of a finished file is asked for once for as long as it is open', (t) => {
  const files = new MemoryFileSystem()
  for (const name of ['/a', '/b', '/c', '/d', '/e']) {
    const handle = files.open(name, 'create')
    handle.writeSync(Buffer.alloc(10), 0, 10, 0)
    handle.close()
  }
  const handles = new ReadHandles(files, 4)
  t.equal(handles.sizeOfFinished('/a'), 10)
  const grown = files.open('/a', 'write')
  grown.writeSync(Buffer.alloc(10), 0, 10, 10)
  grown.close()
  t.equal(handles.sizeOfFinished('/a'), 10)
  handles.drop('/a')
  t.equal(handles.sizeOfFinished('/a'), 20)
  t.end()
})
