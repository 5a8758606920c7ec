/**
 * After a failure nothing counts as settled any more: a checkpoint that says that events are in their stream segments when they are not
 * would take them away from readers of the stream, though the log has them.
 */
import t from 'tap'
import { CrashDisk } from '../../support/crash-disk.js'
import { openSession } from '../../support/crash-workload.js'
import { FaultyFileSystem, type Faults } from '../../support/faulty-file-system.js'

const of =
  (kind: string, part: string): Faults['only'] =>
  (operation) =>
    operation.kind === kind && operation.path.includes(part)

for (const [what, only] of [
  ['[fault 19] writing to a stream segment', of('write', '.seg')],
  ['[fault 24] a sync of a stream segment', of('sync', '.seg')],
  ['[fault 25] a sync of a shard', of('syncDirectory', '/streams')],
] as const) {
  t.test(`${what} fails once: checkpoint and close do not make up for it`, async (t) => {
    const disk = new CrashDisk()
    const files = new FaultyFileSystem(disk)
    const first = await openSession(files, 1)
    for (let i = 0; i < 3; i++) await first.store.append('a', [{ type: 'T', data: { i } }])
    files.setFaults({ only, failAt: 1, onFailure: ({ kind, path }) => (kind === 'sync' ? disk.lose(path) : undefined) })
    await t.rejects(first.store.checkpoint())
    t.equal(files.failures, 1)
    await t.rejects(first.store.checkpoint(), 'another one does not succeed')
    await t.rejects(first.store.append('a', [{ type: 'T', data: { i: 3 } }]))
    await first.store.close()
    t.same(files.openFiles, [])

    for (const mode of ['kill', 'minimal'] as const) {
      const { store } = await openSession(disk.crash(mode, 1), 2)
      const read: unknown[] = []
      for await (const { data } of store.readStream('a')) read.push((data as { i: number }).i)
      t.same(read, [0, 1, 2], mode)
      t.match(await store.append('a', [{ type: 'T', data: { i: 3 } }]), { firstOffset: 3 })
      await store.close()
    }
  })
}

t.test('[fault 24] a sync of the log that checkpoint asks for fails: no later append is acknowledged', async (t) => {
  const disk = new CrashDisk()
  const files = new FaultyFileSystem(disk)
  const { store } = await openSession(files, 1)
  await store.append('a', [{ type: 'T', data: { i: 0 } }], { durability: 'os' })
  files.setFaults({
    only: of('sync', '.log'),
    failAt: 1,
    onFailure: ({ path }) => disk.lose(path),
  })
  await t.rejects(store.checkpoint())
  await t.rejects(store.append('a', [{ type: 'T', data: { i: 1 } }]))
  await store.close()
})

t.test('[fault 30] a log segment that cannot be created leaves no file open', async (t) => {
  const disk = new CrashDisk()
  const { store: first } = await openSession(disk, 1)
  await first.append('a', [{ type: 'T', data: 'x'.repeat(2000) }])
  await first.close()
  const files = new FaultyFileSystem(disk, { only: ({ kind, path }) => kind === 'open' && path.endsWith('2.log') })
  const { store } = await openSession(files, 2)
  files.setFaults({ only: ({ kind, path }) => kind === 'open' && path.endsWith('2.log'), failAt: 1, code: 'EMFILE' })
  await t.rejects(store.append('a', [{ type: 'T', data: 1 }]))
  t.equal(files.failures, 1)
  await store.close().catch(() => undefined)
  t.same(files.openFiles, [])
})
