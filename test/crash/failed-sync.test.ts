/**
 * A sync of a segment fails, and the system forgets what it should have written: it stays readable and never reaches the
 * disk. The next session must not take it for stored because its own sync, with nothing left to write, succeeds.
 */
import t from 'tap'
import { CrashDisk } from '../support/crash-disk.js'
import { checkImage } from '../support/crash-recording.js'
import { CrashWorld } from '../support/crash-world.js'
import { openSession } from '../support/crash-workload.js'
import { FaultyFileSystem } from '../support/faulty-file-system.js'

for (const failAt of [1, 2, 3, 5, 8]) {
  t.test(`[fault 24] sync ${failAt} of a stream segment fails`, async (t) => {
    const disk = new CrashDisk()
    const files = new FaultyFileSystem(disk)
    const world = new CrashWorld()
    const required = new Set<number>()
    const { store } = await openSession(files, 1)
    for (let i = 0; i < 25; i++) {
      const commit = world.plan(['a', 'b', 'c', 'd', 'a'], 'fsync')
      await world.append(store, commit)
      required.add(commit.number)
    }
    files.setFaults({
      only: ({ kind, path }) => kind === 'sync' && path.endsWith('.seg'),
      failAt,
      onFailure: ({ path }) => disk.lose(path),
    })
    // Settling begins while others are still being flushed.
    const settled = store.flush().then(() => store.checkpoint())
    await t.rejects(settled, { code: /ERR_IO|ERR_OUTCOME_UNKNOWN/ })
    await store.close().catch(() => {})
    files.setFaults()

    const second = await openSession(files, 2)
    second.process.advance(2000)
    await second.store.checkpoint()
    await t.resolves(checkImage(disk.crash('minimal', 1), world, required, 3), 'after settling and a power cut')
    await second.store.close()
    await t.resolves(checkImage(disk.crash('minimal', 1), world, required, 4), 'after closing and a power cut')
  })
}

t.test('[fault 24] the first sync of a log segment fails, that of its header too', async (t) => {
  const disk = new CrashDisk()
  const files = new FaultyFileSystem(disk)
  const world = new CrashWorld()
  const { store } = await openSession(files, 1)
  const commit = world.plan(['a', 'b'], 'os')
  await world.append(store, commit)
  files.setFaults({
    only: ({ kind, path }) => kind === 'sync' && path.endsWith('.log'),
    failAt: 1,
    onFailure: ({ path }) => disk.lose(path),
  })
  await t.rejects(store.checkpoint(), { code: /ERR_IO|ERR_OUTCOME_UNKNOWN/ })
  t.equal(files.failures, 1)
  await store.close().catch(() => {})
  files.setFaults()

  const second = await openSession(files, 2)
  t.equal(second.store.stats().events, 2, 'opening accepts what is in the page cache')
  const required = new Set([commit.number])
  await t.resolves(checkImage(disk.crash('minimal', 1), world, required, 3), 'and has made it durable')
  await second.store.close()
  await t.resolves(checkImage(disk.crash('minimal', 1), world, required, 4), 'so it is after closing')
})
