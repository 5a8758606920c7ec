import t from 'tap'
import { WatermarkReader, WatermarkWriter } from '../../../engine/commit-log/watermark-file.js'
import { emptyWatermarks, WATERMARK_BYTES } from '../../../engine/format/watermark.js'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'

const STORE = Buffer.from('0123456789abcdef')
const PATH = '/store/watermark'

const placeOf = (sequence: number) => ({ sequence, position: 10 * sequence, base: 5, epoch: 2, byte: 100 + sequence })

function setUp() {
  const { files: inner } = memoryEnvironment()
  inner.makeDirectories('/store')
  const files = new FaultyFileSystem(inner)
  /** A writer says how far the log is committed, and is gone. */
  const say = (writer: number, sequence: number): void => {
    const watermark = new WatermarkWriter(inner, '/store', STORE, writer)
    watermark.start(placeOf(sequence))
    watermark.close()
  }
  const contents = (): Buffer => {
    const handle = inner.open(PATH, 'read')
    const bytes = Buffer.alloc(handle.size())
    handle.readSync(bytes, 0, bytes.length, 0)
    handle.close()
    return bytes
  }
  const put = (bytes: Buffer): void => {
    const handle = inner.open(PATH, inner.stat(PATH) === undefined ? 'create' : 'write')
    handle.truncate(0)
    handle.writeSync(bytes, 0, bytes.length, 0)
    handle.close()
  }
  return { inner, files, say, contents, put, reader: new WatermarkReader(files, '/store', STORE) }
}

t.test('[F4] what a writer says is read, whatever was in the place of the file', async (t) => {
  const { reader, say, put, contents } = setUp()
  t.equal(reader.read(), undefined, 'no file')
  put(Buffer.from('something else'))
  t.equal(reader.read(), undefined)
  say(2, 7)
  t.equal(contents().length, WATERMARK_BYTES)
  t.same(reader.read(), { writer: 2, place: placeOf(7) })
  reader.close()
})

t.test('[F4] a watermark never goes back, whatever stands in the file', async (t) => {
  const { reader, say, put, contents } = setUp()
  say(3, 7)
  const older = contents()
  say(3, 8)
  const newest = { writer: 3, place: placeOf(8) }
  t.same(reader.read(), newest)
  put(older)
  t.same(reader.read(), newest, 'the same writer, earlier')
  put(emptyWatermarks(STORE))
  t.same(reader.read(), newest, 'nobody')
  say(2, 9)
  t.same(reader.read(), newest, 'an earlier writer')
  say(4, 1)
  t.same(reader.read(), { writer: 4, place: placeOf(1) }, 'a later one, wherever it begins')
  reader.close()
})

t.test('[fault 27] a watermark that cannot be read keeps the newest that was seen', async (t) => {
  const { reader, files, say } = setUp()
  say(3, 7)
  const seen = reader.read()
  files.setFaults({ only: ({ kind }) => kind === 'read' || kind === 'close', failAt: 1, sticky: true })
  say(3, 8)
  t.same(reader.read(), seen)
  t.equal(files.openHandles, 0)
  files.setFaults()
  t.match(reader.read(), { place: { sequence: 8 } })
  reader.close()
  t.equal(files.openHandles, 0)
})

t.test('[F4] another file in the place of the watermark is noticed', async (t) => {
  const { reader, files, inner, say } = setUp()
  t.notOk(reader.renew(), 'there is still none')
  say(3, 7)
  t.ok(reader.renew())
  t.notOk(reader.renew())
  inner.remove(PATH)
  say(3, 8)
  t.ok(reader.renew())
  t.match(reader.read(), { place: { sequence: 8 } })
  files.setFaults({ only: ({ kind }) => kind === 'stat', failAt: 1 })
  t.notOk(reader.renew(), 'the system does not say')
  inner.remove(PATH)
  t.ok(reader.renew(), 'it is gone')
  reader.close()
})

t.test('[fault 21] [fault 33] a watermark that cannot be written harms nobody', async (t) => {
  for (const [kind, length] of [
    ['write', WATERMARK_BYTES],
    ['write', 64],
    ['truncate', WATERMARK_BYTES],
    ['open', undefined],
    ['close', undefined],
  ] as const) {
    const { files } = setUp()
    files.setFaults({
      only: (operation) => operation.kind === kind && operation.length === length,
      ...{ failAt: 1, code: 'ENOSPC' },
    })
    const writer = new WatermarkWriter(files, '/store', STORE, 2)
    writer.start(placeOf(7))
    writer.flush()
    writer.close()
    t.equal(files.failures, 1, `${kind} ${length}`)
    t.equal(files.openHandles, 0)
  }
})
