import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { fileProjections, type ProjectionStore, runProjection } from '../../../kit/index.js'
import { nodeFiles, type ProjectionFiles } from '../../../kit/io/projection-files.js'
import { projectionsInFiles } from '../../../kit/projection/file-projections.js'
import { description, headAt, projectionStoreSuite } from './projection-stores.js'
import { balances, deposit, rowsOf, storeWith } from './projection-support.js'

const parent = mkdtempSync(join(tmpdir(), 'annals-projections-'))
t.teardown(() => rmSync(parent, { recursive: true, force: true }))
const folders = new Map<ProjectionStore, string>()
let made = 0
const freshFolder = (): string => join(parent, String(made++))

projectionStoreSuite({
  name: 'files',
  open: () => {
    const folder = freshFolder()
    const store = fileProjections(folder)
    folders.set(store, folder)
    return store
  },
  again: (store) => fileProjections(folders.get(store)!),
})

/** Files of a process that is killed in front of its n-th step, or in the middle of it. */
function killedAt(step: number): ProjectionFiles & { readonly steps: () => number } {
  let steps = 0
  const killed = (): never => {
    throw new Error('killed')
  }
  const act = async <Result>(work: () => Promise<Result>, half?: () => Promise<unknown>): Promise<Result> => {
    if (steps >= step) return killed()
    if (++steps < step) return work()
    await half?.()
    return killed()
  }
  return {
    ...nodeFiles,
    steps: () => steps,
    write: (path, text, durable) =>
      act(
        () => nodeFiles.write(path, text, durable),
        () => nodeFiles.write(path, text.slice(0, text.length / 2), false),
      ),
    rename: (from, to) =>
      act(
        () => nodeFiles.rename(from, to),
        // What is killed right behind it has done it.
        () => (step % 2 === 0 ? nodeFiles.rename(from, to) : Promise.resolve()),
      ),
    remove: (path) => act(() => nodeFiles.remove(path)),
    syncFolder: (path) => act(() => nodeFiles.syncFolder(path)),
  }
}

t.test(
  '[P1] [B5] killed at every step of projecting, a rebuild included, it goes on: each event counts once',
  async (t) => {
    const store = await storeWith(9)
    t.teardown(() => store.close())
    const expected = Object.fromEntries([0, 1, 2].map((n) => [`account-${n}`, { cents: 3, events: 3 }]))
    const options = { batchSize: 4, retry: { attempts: 1 }, leaseMs: 10_000 }
    let step = 0
    for (let finished = false; !finished; step++) {
      const folder = freshFolder()
      const files = killedAt(step)
      const first = await runProjection(store, balances, { ...options, projections: projectionsInFiles(folder, files) })
      await first.whenProcessed(8).catch(() => undefined)
      await first.rebuild().catch(() => undefined)
      finished = files.steps() < step
      await first.stop()

      // The next process: the lease of the dead one is over.
      for (const name of readdirSync(folder)) if (name.endsWith('.lease')) rmSync(join(folder, name))
      await using second = await runProjection(store, balances, { ...options, projections: fileProjections(folder) })
      await second.whenProcessed(8)
      t.same(rowsOf(second.table('accounts')), expected, `step ${step}`)
      await second.rebuild({ resume: true })
      t.same(rowsOf(second.table('accounts')), expected, `rebuilt after step ${step}`)
      await second.stop()
      t.same(readdirSync(folder).sort(), ['balances.projection'], `nothing is left behind after step ${step}`)
    }
    t.ok(step > 15, `${step} steps`)
  },
)

t.test(
  '[P1] a file that is damaged is refused, never used, and the projection is made again when it is gone',
  async (t) => {
    const store = await storeWith(3)
    t.teardown(() => store.close())
    const folder = freshFolder()
    const first = await runProjection(store, balances, { projections: fileProjections(folder) })
    await first.whenProcessed(2)
    await first.stop()
    const path = join(folder, 'balances.projection')
    const text = readFileSync(path, 'utf8')
    for (const [damage, code] of [
      ['', 'ERR_PROJECTION_DAMAGED'],
      ['null\n', 'ERR_PROJECTION_DAMAGED'],
      [text.slice(0, 40), 'ERR_PROJECTION_DAMAGED'],
      [text.slice(0, -3), 'ERR_PROJECTION_DAMAGED'],
      [text.replace('"cents":1', '"cents":2'), 'ERR_PROJECTION_DAMAGED'],
      [text.replace('"position":3', '"position":"3"'), 'ERR_PROJECTION_DAMAGED'],
      [text.replace('"name":"balances"', '"name":"other"'), 'ERR_PROJECTION_DAMAGED'],
      [text.replace('"format":1', '"format":2'), 'ERR_FORMAT'],
    ] as const) {
      t.not(damage, text)
      writeFileSync(path, damage)
      await t.rejects(runProjection(store, balances, { projections: fileProjections(folder) }), { code })
      t.equal(readFileSync(path, 'utf8'), damage, 'left as it is')
    }
    rmSync(path)
    await using again = await runProjection(store, balances, { projections: fileProjections(folder) })
    await again.whenProcessed(2)
    t.equal(again.table('accounts').get('account-0')?.events, 1)
  },
)

t.test('[P1] of two processes over one folder one projects, and the other takes over', async (t) => {
  const store = await storeWith(6)
  t.teardown(() => store.close())
  const folder = freshFolder()
  const options = () => ({ projections: fileProjections(folder), leaseMs: 20_000 })
  const first = await runProjection(store, balances, options())
  const second = await runProjection(store, balances, options())
  t.same([first.status, second.status], ['running', 'standby'])
  await first.whenProcessed(5)
  await second.whenProcessed(5)
  t.equal(second.table('accounts').get('account-0')?.events, 2)
  await first.stop()
  await second.whenProcessed(await deposit(store, 3))
  t.equal(second.status, 'running')
  t.equal(second.table('accounts').get('account-0')?.events, 3)
  await second.stop()
})

t.test('what a process that was killed left half written is swept up, and that of one at work is not', async (t) => {
  const folder = freshFolder()
  const store = fileProjections(folder)
  const build = await store.open(description, 'live')
  await store.claim('suite', 'one', 0, 10)
  await build.commit({ expected: undefined, holder: 'one' }, () => ({ head: headAt(1), rows: [] }))
  for (const name of ['suite.projection.dead.tmp', 'suite.next.projection.dead.tmp', 'another.projection.dead.tmp']) {
    writeFileSync(join(folder, name), 'half')
  }
  await fileProjections(folder).claim('suite', 'two', 20, 30)
  t.same(readdirSync(folder).sort(), [
    'another.projection.dead.tmp',
    'suite.lease',
    'suite.next.projection.dead.tmp',
    'suite.projection',
  ])
  writeFileSync(join(folder, 'suite.lease'), 'no lease')
  t.equal(await store.claim('suite', 'one', 40, 50), true, 'what cannot be read gives no advice')
})
