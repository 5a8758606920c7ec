import t from 'tap'
import { addressOf, byteOf, Slabs } from '../../../engine/segment/slabs.js'

t.test('addresses name a slab and a byte in it', async (t) => {
  const slabs = new Slabs(4096)
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
    t.equal(slabs.window(address), slab.window)
  }
})

t.test('groups never span slabs, and one that is larger than a slab has one of its own', async (t) => {
  const slabs = new Slabs(4096)
  const first = slabs.withRoom(undefined, 100)
  first.used = 4000
  t.equal(slabs.withRoom(first, 96), first)
  const large = slabs.withRoom(first, 97_000)
  t.equal(large.window.bytes.length, 97_000)
  t.equal(slabs.bytes, 4096 + 97_000)
  t.throws(() => slabs.withRoom(undefined, 2 ** 27), RangeError)
})

t.test('memory that was given back is used again, and no more of it is kept than a little', async (t) => {
  const slabs = new Slabs(4096)
  const taken = Array.from({ length: 20 }, () => slabs.withRoom(undefined, 4096))
  t.equal(slabs.bytes, 20 * 4096)
  const buffers = new Set(taken.map(({ window }) => window.bytes))
  slabs.release(taken)
  t.equal(slabs.bytes, 0)
  const again = Array.from({ length: 20 }, () => slabs.withRoom(undefined, 4096))
  t.equal(again.filter(({ window }) => buffers.has(window.bytes)).length, 8)
  t.equal(new Set(again.map(({ id }) => id)).size, 20)
})

t.test('a slab is complete when it is not the current one and all its groups are committed', async (t) => {
  const slabs = new Slabs(4096)
  const first = slabs.withRoom(undefined, 4096)
  first.used = 4096
  const current = slabs.withRoom(first, 10)
  t.same(slabs.complete(current), [])
  first.groups--
  t.same(slabs.complete(current), [first])
  const adopted = slabs.adopt(Buffer.alloc(10))
  t.same(slabs.complete(current), [first, adopted])
})
