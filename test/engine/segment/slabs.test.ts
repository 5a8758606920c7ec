import t from 'tap'
import { sealFrames } from '../../../engine/format/crc32c.js'
import { FRAME_EVENT, frameAround, windowOf } from '../../../engine/format/frame.js'
import { MemoryFileSystem } from '../../../engine/io/memory-file-system.js'
import { writeFullySync } from '../../../engine/io/transfer.js'
import { ReadHandles } from '../../../engine/segment/read-handles.js'
import { addressOf, byteOf, type Slab, Slabs } from '../../../engine/segment/slabs.js'

const PATH = '/log'
/** Where the first slab begins in the log. */
const SHIFT = 100

function setUp(): { files: MemoryFileSystem; slabs: Slabs } {
  const files = new MemoryFileSystem()
  const handle = files.open(PATH, 'create')
  writeFullySync(handle, Buffer.alloc(SHIFT), 0, SHIFT, 0)
  handle.close()
  return { files, slabs: new Slabs(4096, new ReadHandles(files, 4)) }
}

/** Puts a frame of `length` bytes that are all `fill` into a slab and the log. Returns its address. */
function put(files: MemoryFileSystem, slab: Slab, length: number, fill: number, shift = SHIFT): number {
  const at = slab.used
  const { bytes, view } = slab.window
  bytes.fill(fill, at, at + length)
  frameAround(view, at, length, FRAME_EVENT)
  sealFrames(bytes, at, at + length)
  slab.used += length
  const handle = files.open(PATH, 'write')
  writeFullySync(handle, bytes, at, length, at + shift)
  handle.close()
  return addressOf(slab, at)
}

t.test('[D10] addresses name a slab and a byte in it', async (t) => {
  const { slabs } = setUp()
  const first = slabs.withRoom(undefined, 4096)
  first.used = 4096
  const second = slabs.withRoom(first, 1)
  t.not(second, first)
  for (const [slab, byte] of [
    [first, 0],
    [first, 4095],
    [second, 17],
  ] as const) {
    const address = addressOf(slab, byte)
    t.equal(byteOf(address), byte)
    t.equal(slabs.find(address), slab.window)
    t.equal(slabs.at, byte)
  }
})

t.test('[D10] groups never span slabs, and one that is larger than a slab has one of its own', async (t) => {
  const { slabs } = setUp()
  const first = slabs.withRoom(undefined, 100)
  first.used = 4000
  t.equal(slabs.withRoom(first, 96), first)
  const large = slabs.withRoom(first, 97_000)
  t.equal(large.window.bytes.length, 97_000)
  t.equal(slabs.bytes, 4096 + 97_000)
  t.equal(slabs.span, 4096 + 97_000)
})

t.test('[D10] what was given back is read from the log, whatever its length', async (t) => {
  const { files, slabs } = setUp()
  const slab = slabs.withRoom(undefined, 50_000)
  const lengths = [300, 16, 9000, 400, 4096, 30_000]
  const addresses = lengths.map((length, i) => put(files, slab, length, i + 1))
  slabs.committed(slab, 0, PATH, SHIFT, lengths.length, 6)
  slabs.withRoom(slab, 4096 * 2)
  const remembered = addresses.map((address) => {
    const window = slabs.find(address)
    return window.bytes.toString('hex', slabs.at, slabs.at + window.view.getUint32(slabs.at, true))
  })
  slabs.shrink(0)
  t.equal(slabs.bytes, 4096 * 2, 'only the slab in use is left in memory')
  for (const i of [0, 1, 2, 3, 4, 5, 4, 0, 3, 2, 5, 1]) {
    const window = slabs.find(addresses[i]!)
    const length = window.view.getUint32(slabs.at, true)
    t.equal(length, lengths[i])
    t.equal(window.bytes.toString('hex', slabs.at, slabs.at + length), remembered[i])
  }
})

t.test('[D10] a slab whose groups went to two files knows which is where', async (t) => {
  const { files, slabs } = setUp()
  const slab = slabs.withRoom(undefined, 100)
  const first = put(files, slab, 300, 1)
  slabs.committed(slab, 0, PATH, SHIFT, 1, 1)
  slabs.withRoom(slab, 100)
  const from = slab.used
  const handle = files.open('/other', 'create')
  const second = put(files, slab, 200, 2)
  writeFullySync(handle, slab.window.bytes, from, 200, 40)
  handle.close()
  slabs.committed(slab, from, '/other', 40 - from, 1, 2)
  slabs.withRoom(slab, 4096)
  files.remove(PATH)
  slabs.shrink(0)
  t.equal(slabs.find(second).bytes[slabs.at + 9], 2)
  t.throws(() => slabs.find(first), { code: 'ENOENT' })
})

t.test('[fault 39] damage of the log below what waits there is named and not served', async (t) => {
  const { files, slabs } = setUp()
  const slab = slabs.withRoom(undefined, 4096)
  put(files, slab, 300, 1)
  const second = put(files, slab, 300, 2)
  slabs.committed(slab, 0, PATH, SHIFT, 2, 2)
  slabs.withRoom(slab, 4096)
  slabs.shrink(0)
  const handle = files.open(PATH, 'write')
  writeFullySync(handle, Buffer.from([99]), 0, 1, SHIFT + 300 + 50)
  handle.close()
  t.throws(() => slabs.find(second), { code: 'ERR_CORRUPT', file: PATH, byte: SHIFT + 300 })
  const cut = files.open(PATH, 'write')
  cut.truncate(SHIFT + 450)
  cut.close()
  t.throws(() => slabs.find(second), { code: 'ERR_CORRUPT', file: PATH, byte: SHIFT + 300 })
})

t.test('[D10] memory that was given back is used again, and no more of it is kept than a little', async (t) => {
  const { slabs } = setUp()
  const buffers = new Set<Buffer>()
  let current: Slab | undefined
  for (let n = 0; n < 20; n++) {
    current = slabs.withRoom(current, 4096)
    current.used = 4096
    buffers.add(current.window.bytes)
    slabs.committed(current, 0, PATH, SHIFT, 1, n)
  }
  t.equal(slabs.bytes, 20 * 4096)
  t.equal(buffers.size, 20)
  slabs.shrink(3 * 4096)
  t.equal(slabs.bytes, 3 * 4096)
  t.equal(slabs.span, 20 * 4096, 'the log still holds what waits')
  let again = 0
  for (let n = 0; n < 20; n++) {
    current = slabs.withRoom(current, 4096)
    current.used = 4096
    if (buffers.has(current.window.bytes)) again++
  }
  t.equal(again, 8)
})

t.test('[D10] a slab is forgotten with its last event, once it is full and committed', async (t) => {
  const { files, slabs } = setUp()
  const slab = slabs.withRoom(undefined, 100)
  const { id } = slab
  const addresses = [put(files, slab, 300, 1), put(files, slab, 300, 2)]
  slabs.release([], 0)
  slabs.committed(slab, 0, PATH, SHIFT, 2, 2)
  t.equal(slabs.events, 2)
  slabs.release(addresses, 1)
  t.equal(slabs.events, 1)
  slabs.release(addresses.slice(1), 1)
  t.equal(slabs.span, 4096, 'more may come to it')
  const next = slabs.withRoom(slab, 4096)
  t.equal(slabs.span, 4096, 'its place is free')
  t.equal(slabs.bytes, 4096)
  t.equal(next.id, id, 'and so is its id')
  next.used = 4096
  slabs.withRoom(next, 1000)
  t.equal(slabs.span, 4096 * 2, 'a group on its way keeps the second')
})

t.test('[D5] events of earlier sessions wait in the log without memory', async (t) => {
  const { files, slabs } = setUp()
  const slab = slabs.withRoom(undefined, 4096)
  put(files, slab, 300, 7)
  const before = slabs.bytes
  const address = slabs.adopt(PATH, SHIFT)
  const same = slabs.adopt(PATH, SHIFT)
  t.equal(address, same)
  t.equal(slabs.bytes, before)
  const window = slabs.find(address)
  t.equal(window.bytes[slabs.at + 9], 7)
  t.ok(slabs.isBelow(address, 0), 'all of them are below whatever this session commits')
  slabs.release([address, same], 2)
  t.equal(slabs.events, 0)
  const again = slabs.adopt(PATH, SHIFT)
  t.equal(slabs.find(again).bytes[slabs.at + 9], 7)
})

t.test('[D10] the newest event of a slab tells whether it is below a position', async (t) => {
  const { slabs } = setUp()
  const slab = slabs.withRoom(undefined, 100)
  slabs.committed(slab, 0, PATH, SHIFT, 5, 105)
  t.ok(slabs.isBelow(addressOf(slab, 0), 105))
  t.notOk(slabs.isBelow(addressOf(slab, 0), 104))
})

t.test('[D10] a window on nothing is no place for a group', async (t) => {
  const { slabs } = setUp()
  const slab = slabs.withRoom(undefined, 4096)
  slab.used = 4096
  slabs.committed(slab, 0, PATH, SHIFT, 1, 1)
  const next = slabs.withRoom(slab, 10)
  slabs.shrink(0)
  t.equal(slab.window.bytes.length, windowOf(Buffer.alloc(0)).bytes.length)
  t.not(slabs.withRoom(next, 10), slab)
})
