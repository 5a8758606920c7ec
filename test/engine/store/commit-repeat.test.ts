import fc from 'fast-check'
import t from 'tap'
import type { NewEvent } from '../../../engine/index.js'
import { CrashDisk } from '../../support/crash-disk.js'
import { openSession } from '../../support/crash-workload.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'
import { TestMachine } from './test-machine.js'

const runs = 300

/** Whatever a store takes, in shapes that a repeat has to recognise. */
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: 'small' },
    fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.double(),
      fc.integer(),
      fc.boolean(),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    ),
    fc.constantFrom(undefined, null, -0, NaN, Infinity),
    fc.date({ noInvalidDate: true }),
    fc.uint8Array({ maxLength: 8 }),
    fc.array(tie('any'), { maxLength: 4 }),
    fc.dictionary(fc.string({ unit: 'grapheme', maxLength: 5 }), tie('any'), { maxKeys: 4, noNullPrototype: true }),
    fc
      .array(fc.tuple(fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer()), tie('any')), { maxLength: 4 })
      .map((entries) => new Map(entries)),
    fc.array(fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer()), { maxLength: 4 }).map((items) => new Set(items)),
  ),
})).any

t.test('[C2] whatever was stored is recognised when it is given again, and any other value is not', async (t) => {
  const machine = new TestMachine()
  let store = await machine.open({ durability: 'os' })
  let n = 0
  const seed = Math.floor(Math.random() * 2 ** 31)
  t.comment(`seed ${seed}`)
  const property = fc.asyncProperty(value, value, fc.boolean(), async (data, metadata, reopen) => {
    const events: NewEvent[] = [
      { type: 'T', data, metadata: { metadata } },
      { type: 'U', data: metadata, tags: ['a', 'b'] },
    ]
    const commitId = `${n++}`
    const first = await store.append('s', events, { commitId })
    if (reopen && n % 10 === 0) {
      await store.close()
      store = await machine.open({ durability: 'os' })
    }
    const again = await store.append('s', structuredClone(events), { commitId })
    if (again.isRepeat !== true || again.position !== first.position) throw new Error('it is taken for another')
    const other = [events[0]!, { ...events[1]!, data: [metadata] }]
    await t.rejects(store.append('s', other, { commitId }), { code: 'ERR_COMMIT_ID_REUSED' })
  })
  await fc.assert(property, { numRuns: runs, seed })
  await store.close()
})

t.test(
  '[C2] [fault 24] a repeat that asks for a sync and does not get it is not told that it is durable, nor is anybody later',
  async (t) => {
    const disk = new CrashDisk()
    const files = new FaultyFileSystem(disk)
    const { store } = await openSession(files, 1)
    const events = [{ type: 'T', data: { i: 0 } }]
    await store.append('a', events, { commitId: 'one', durability: 'os' })
    files.setFaults({
      only: ({ kind, path }) => kind === 'sync' && path.endsWith('.log'),
      failAt: 1,
      onFailure: ({ path }) => disk.lose(path),
    })
    const repeats = [1, 2].map(() => store.append('a', events, { commitId: 'one', durability: 'fsync' }))
    for (const { status } of await Promise.allSettled(repeats)) t.equal(status, 'rejected')
    t.equal(files.failures, 1)
    await t.rejects(store.append('a', events, { commitId: 'one', durability: 'fsync' }), { code: 'ERR_WRITER_FAILED' })
    await t.rejects(store.append('a', [{ type: 'T', data: { i: 1 } }]), { code: 'ERR_WRITER_FAILED' })
    await store.close()
    const after = await openSession(disk.crash('minimal', 1), 2)
    t.notOk((await after.store.append('a', events, { commitId: 'one' })).isRepeat, 'it was not durable')
    await after.store.close()
  },
)
