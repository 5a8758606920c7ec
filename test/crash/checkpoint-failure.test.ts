/**
 * A checkpoint that cannot be written costs nothing but time at the next opening: appends go on, the old one stays, the next seal or
 * settling tries again, and only who asks for one, or closes the store, is told.
 */
import t from 'tap'
import { CrashDisk } from '../support/crash-disk.js'
import { checkImage } from '../support/crash-recording.js'
import { CrashWorld } from '../support/crash-world.js'
import { openSession, STORE_PATH } from '../support/crash-workload.js'
import { type Faults, FaultyFileSystem, type Operation } from '../support/faulty-file-system.js'

t.setTimeout(600_000)

const ofTemporary = (kind: Operation['kind']) => (operation: Operation) =>
  operation.kind === kind && operation.path.includes('/checkpoint.')

const FAULTS: Record<string, Faults> = {
  'creating the file': { only: ofTemporary('open'), code: 'EACCES' },
  'writing it': { only: ofTemporary('write'), code: 'ENOSPC' },
  'syncing it': { only: ofTemporary('sync'), code: 'EIO' },
  'renaming it': { only: ofTemporary('rename'), code: 'EXDEV' },
  'syncing its folder': { only: ({ kind, path }) => kind === 'syncDirectory' && path === STORE_PATH, code: 'EIO' },
}

for (const [what, faults] of Object.entries(FAULTS)) {
  const told = faults.code === 'ENOSPC' ? 'ERR_NO_SPACE' : 'ERR_IO'
  t.test(`[fault 34] ${what} fails`, async (t) => {
    const disk = new CrashDisk()
    const files = new FaultyFileSystem(disk)
    const world = new CrashWorld()
    const required = new Set<number>()
    const { store } = await openSession(files, 1)
    const fill = async (): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        const commit = world.plan(['a', 'b', 'c', 'd'], 'fsync')
        await world.append(store, commit)
        required.add(commit.number)
        if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
    }
    files.setFaults({ ...faults, failAt: 1, sticky: true })
    await fill()
    t.ok(files.failures > 1, 'it was tried and tried again')
    const before = store.stats().writeBehind.checkpoints
    t.equal(before, 0, 'no checkpoint was written')
    await t.rejects(store.checkpoint(), { code: told }, 'who asks for one is told')
    for (const mode of ['kill', 'minimal', 'strict'] as const) {
      await t.resolves(
        checkImage(disk.crash(mode, 7), world, required, 7),
        `everything is there after a crash: ${mode}`,
      )
    }

    files.setFaults()
    await fill()
    t.ok(store.stats().writeBehind.checkpoints > before, 'it is made up for when the fault is over')
    await t.resolves(store.checkpoint())

    files.setFaults({ ...faults, failAt: 1, sticky: true })
    await fill()
    await t.rejects(store.close(), { code: told }, 'closing tells it')
    t.same(files.openFiles, [])
    files.setFaults()
    await t.resolves(checkImage(disk.crash('minimal', 8), world, required, 8))
  })
}
