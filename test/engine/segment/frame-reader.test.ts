import fc from 'fast-check'
import t from 'tap'
import { FRAME_EVENT, frameAround, sealFrame, windowOf } from '../../../engine/format/frame.js'
import { MemoryFileSystem } from '../../../engine/io/memory-file-system.js'
import { FrameReader } from '../../../engine/segment/frame-reader.js'
import { ReadHandles } from '../../../engine/segment/read-handles.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'

function frames(sizes: readonly number[]): Buffer {
  return Buffer.concat(
    sizes.map((length, i) => {
      const window = windowOf(Buffer.alloc(length, i))
      frameAround(window.view, 0, length, FRAME_EVENT)
      sealFrame(window, 0, length)
      return window.bytes
    }),
  )
}

function setUp(contents: Buffer): { files: FaultyFileSystem; handles: ReadHandles } {
  const files = new FaultyFileSystem(new MemoryFileSystem())
  const handle = files.open('/file', 'create')
  handle.writeSync(contents, 0, contents.length, 0)
  handle.close()
  return { files, handles: new ReadHandles(files, 4) }
}

const range = (end: number, changes: object = {}) => ({
  ...{ path: '/file', from: 0, end, maxFrameBytes: 10_000, firstBytes: 100, windowBytes: 300 },
  ...changes,
})

async function readAll(reader: FrameReader): Promise<[number, number][]> {
  const found: [number, number][] = []
  while (await reader.advance()) {
    for (let at = reader.start; at < reader.end;) {
      const length = reader.window.view.getUint32(at, true)
      found.push([reader.base + at, length])
      at += length
    }
  }
  return found
}

t.test('FrameReader shows every frame once, in order, whatever the sizes and however short the reads', async (t) => {
  const sizes = fc.array(fc.integer({ min: 16, max: 900 }), { maxLength: 40 })
  await fc.assert(
    fc.asyncProperty(
      sizes,
      fc.integer({ min: 16, max: 500 }),
      fc.option(fc.integer({ min: 1, max: 50 })),
      async (sizes, bytes, short) => {
        const contents = frames(sizes)
        const { files, handles } = setUp(contents)
        if (short !== null) files.setFaults({ shortenTo: short, only: ({ kind }) => kind === 'read' })
        let byte = 0
        const expected = sizes.map((length) => [(byte += length) - length, length])
        t.same(
          await readAll(new FrameReader(handles, range(contents.length, { firstBytes: bytes, windowBytes: bytes }))),
          expected,
        )
        handles.close()
        t.equal(files.openHandles, 0)
      },
    ),
    { numRuns: 40 },
  )
})

t.test('[fault 39] frames before a wrong one are shown, then it is reported with its place', async (t) => {
  const contents = frames([50, 60, 70, 80])
  contents[50 + 60 + 20]! ^= 1
  const { handles } = setUp(contents)
  const reader = new FrameReader(handles, range(contents.length))
  const found: number[] = []
  const error = await (async () => {
    while (await reader.advance()) {
      for (let at = reader.start; at < reader.end; at += reader.window.view.getUint32(at, true)) {
        found.push(reader.base + at)
      }
    }
    return undefined
  })().catch((error: unknown) => error)
  t.same(found, [0, 50])
  t.match(error, { code: 'ERR_CORRUPT', file: '/file', byte: 110, reason: /checksum/ })
})

t.test('[fault 40] [fault 41] a file that ends in a frame, or in zeros, says so', async (t) => {
  const contents = frames([50, 60])
  const { handles } = setUp(contents.subarray(0, 80))
  await t.rejects(readAll(new FrameReader(handles, range(110))), { code: 'ERR_CORRUPT', message: /ends inside/ })
  const zeros = setUp(Buffer.concat([contents, Buffer.alloc(100)]))
  await t.rejects(readAll(new FrameReader(zeros.handles, range(210))), { code: 'ERR_CORRUPT', message: /zeros/ })
})

t.test('[fault 50] a hostile length allocates nothing', async (t) => {
  for (const length of [15, 10_001, 2 ** 31, 2 ** 32 - 1]) {
    const contents = Buffer.alloc(400)
    contents.writeUInt32LE(length, 0)
    const { handles } = setUp(contents)
    await t.rejects(readAll(new FrameReader(handles, range(400))), { code: 'ERR_CORRUPT' })
  }
})

t.test(
  '[fault 27] a read that fails is reported by the advance that meets it, and the handle is given back',
  async (t) => {
    const contents = frames(Array.from({ length: 30 }, () => 90))
    const { files, handles } = setUp(contents)
    files.setFaults({ failAt: 3, only: ({ kind }) => kind === 'read' })
    await t.rejects(readAll(new FrameReader(handles, range(contents.length))), { code: 'EIO' })
    handles.close()
    t.equal(files.openHandles, 0)
  },
)

t.test(
  'readers that are in use at the same time have windows of their own; one that was closed gives its back',
  (t) => {
    const contents = frames([50, 60, 70, 80])
    const { handles } = setUp(contents)
    const open = (from: number): FrameReader => {
      const reader = new FrameReader(handles, range(contents.length, { from }))
      t.equal(reader.advance(), true)
      return reader
    }
    const first = open(0)
    const { window } = first
    const second = open(50)
    t.not(second.window, window)
    t.same(window.bytes.subarray(0, first.end), contents.subarray(0, 50), 'what the first shows is still there')
    first.close()
    first.close()
    t.equal(first.end, 0, 'it shows nothing any more')
    t.equal(first.advance(), false)
    const third = open(110)
    t.equal(third.window, window, 'borrowed again')
    const fourth = open(0)
    t.not(fourth.window, window, 'by one only, though the first was closed twice')
    t.same(second.window.bytes.subarray(0, second.end), contents.subarray(50, 110))
    t.end()
  },
)

t.test('a reader that goes on to a larger window gives back the small one, and none of both twice', async (t) => {
  const contents = frames([50, 20_000, 60])
  const { handles } = setUp(contents)
  const sizes = { firstBytes: 50, windowBytes: 50, maxFrameBytes: 30_000 }
  const reader = new FrameReader(handles, range(contents.length, sizes))
  await reader.advance()
  const { window } = reader
  await reader.advance()
  t.equal(reader.end, 20_000)
  t.equal(handles.windows.borrow(), window)
  reader.close()
  t.not(handles.windows.borrow(), window)
})

t.test('a reader that is told what is wanted checks and shows that, and goes on behind it', async (t) => {
  const contents = frames([20, 30, 40, 50])
  contents[10]! ^= 1
  const { handles } = setUp(contents)
  const wanted = (): { start: number; end: number } => ({ start: 20, end: 50 })
  const reader = new FrameReader(handles, range(contents.length, { wanted }))
  t.same(await readAll(reader), [
    [20, 30],
    [50, 40],
    [90, 50],
  ])
})

t.test('[fault 39] where what is wanted is not right, all is checked from the beginning', async (t) => {
  for (const [byte, place] of [
    [10, 0],
    [30, 20],
  ] as const) {
    const contents = frames([20, 30, 40, 50])
    contents[byte]! ^= 1
    const { handles } = setUp(contents)
    const wanted = (): { start: number; end: number } => ({ start: byte === 30 ? 20 : 21, end: 60 })
    const reader = new FrameReader(handles, range(contents.length, { wanted }))
    await t.rejects(readAll(reader), { code: 'ERR_CORRUPT', byte: place, reason: /checksum/ })
  }
})
