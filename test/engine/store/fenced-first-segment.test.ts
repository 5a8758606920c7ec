/**
 * Three writers of a store without events. The first two are stopped before they have written anything, and go on when it is too late: what
 * they then write into the log counts for nobody.
 */
import t from 'tap'
import { CrashDisk } from '../../support/crash-disk.js'
import { openSession } from '../../support/crash-workload.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'

t.test(
  '[fault 71] [F4] the first segment of a writer that lost the store does not replace that of another',
  async (t) => {
    const disk = new CrashDisk()
    const first = await openSession(disk, 1)
    const second = await openSession(disk, 2)
    await t.rejects(first.store.append('a', [{ type: 'T', data: 1 }], { durability: 'os' }), { code: 'ERR_LOCK_LOST' })
    await first.store.close().catch(() => undefined)

    const third = await openSession(new FaultyFileSystem(disk), 3)
    await third.store.append('a', [{ type: 'T', data: 3 }])
    // That its segment is gone, or that it has lost the store: either keeps it from acknowledging anything.
    await t.rejects(second.store.append('b', [{ type: 'T', data: 2 }]), { code: /^ERR_(?:LOCK_LOST|IO)$/ })
    await second.store.close().catch(() => undefined)
    const version = async (): Promise<number> => {
      let events = 0
      for await (const event of third.store.readAll()) if (event.stream === 'a') events++
      return events
    }
    const served = await version()
    await third.store.append('a', [{ type: 'T', data: 3 }])
    await third.store.close()

    for (const mode of ['kill', 'minimal'] as const) {
      const { store } = await openSession(disk.crash(mode, 1), 4)
      const read: unknown[] = []
      for await (const { stream, data } of store.readAll()) if (stream === 'a') read.push(data)
      t.equal(read.length, served + 1)
      t.equal((await store.streamInfo('b')).version, 0)
      t.equal((await store.streamInfo('a')).version, read.length)
      await store.close()
    }
  },
)
