import t from 'tap'
import { PendingGroup } from '../../../engine/commit-log/group.js'
import { MemoryFileSystem } from '../../../engine/io/memory-file-system.js'
import { ReadHandles } from '../../../engine/segment/read-handles.js'
import { byteOf, Slabs } from '../../../engine/segment/slabs.js'

const slabsOf = (size: number): Slabs => new Slabs(size, new ReadHandles(new MemoryFileSystem(), 4))

t.test('[F5] a group collects commits behind its head, one after another, in its slab', (t) => {
  const slabs = slabsOf(1000)
  const slab = slabs.withRoom(undefined, 500)
  slab.used = 40 // a group before
  const group = new PendingGroup<string>(slab, 84, 7, 100, true)
  t.match(group, {
    start: 40,
    end: 124,
    bytes: 84,
    sequence: 7,
    firstPosition: 100,
    opensSegment: true,
    durable: false,
  })
  t.equal(slab.used, 124, 'the head has its room')
  t.equal(group.add(Buffer.from('..first..'), 2, 7, 1), 124)
  t.equal(group.take(10, 2), 129)
  t.match(group, { end: 139, bytes: 99, frames: 3 })
  t.equal(slab.used, 139)
  t.equal(slab.window.bytes.toString('latin1', 124, 129), 'first')
  t.end()
})

t.test('[F5] the strongest durability of its commits counts', (t) => {
  const slabs = slabsOf(1000)
  const group = new PendingGroup<string>(slabs.withRoom(undefined, 500), 84, 0, 0, false)
  group.need('os')
  group.need('interval')
  t.notOk(group.durable)
  group.need('fsync')
  group.need('os')
  t.ok(group.durable)
  t.end()
})

t.test('[F5] events are known by their stream and where they are in memory', (t) => {
  const slabs = slabsOf(1000)
  slabs.withRoom(undefined, 1000)
  const slab = slabs.withRoom(undefined, 500)
  const group = new PendingGroup<string>(slab, 84, 0, 0, false)
  group.addEvent('a', 84)
  group.addEvent('b', 200)
  t.same(group.owners, ['a', 'b'])
  t.same(group.addresses.map(byteOf), [84, 200])
  for (const address of group.addresses) t.equal(slabs.find(address), slab.window)
  t.end()
})
