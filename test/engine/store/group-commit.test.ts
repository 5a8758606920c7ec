import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Operation } from '../../support/faulty-file-system.js'
import { countUp, datas, isLog, numbered, sized, TestMachine } from './test-machine.js'

/** Writes that carry groups; those of zeros ahead are larger. */
const isGroupWrite = (op: Operation): boolean => op.kind === 'write' && isLog(op) && op.length! < 60_000

t.test('[F5] concurrent appends of all streams share one write and one sync', async (t) => {
  const machine = new TestMachine()
  const store = await machine.open()
  await store.append('first', numbered(1))
  machine.files.record()
  const before = store.stats()
  await Promise.all(countUp(50).map((i) => store.append(`s${i % 25}`, numbered(1, i))))
  t.equal(machine.files.trace!.filter(isGroupWrite).length, 1)
  t.ok((machine.files.trace ?? []).filter((op) => op.kind === 'sync' && isLog(op)).length <= 1)
  const { appends, sync } = store.stats()
  t.equal(appends.groups - before.appends.groups, 1)
  t.equal(appends.commits - before.appends.commits, 50)
  t.equal(appends.commitsPerGroup.largest, 50)
  t.equal(sync.count - before.sync.count, 1)
  t.same((await datas(store.readAll())).slice(1), countUp(50))
  await Promise.all(countUp(2000).map((i) => store.append(`s${i % 25}`, numbered(1, i))))
  t.ok(store.stats().sync.count - sync.count < 20, 'many are some groups and never one each')
  await store.close()
})

t.test('[F5] while a group is on its way the next one collects', async (t) => {
  const machine = new TestMachine()
  const store = await machine.open()
  await store.append('a', numbered(1))
  machine.files.setFaults({ delay: 20, only: isGroupWrite })
  const before = store.stats().appends.groups
  const first = store.append('a', numbered(1))
  await sleep(5)
  const later = countUp(100).map(() => store.append('b', numbered(1)))
  await Promise.all([first, ...later])
  t.equal(store.stats().appends.groups - before, 2)
  await store.close()
})

t.test('[F5] groups are bounded by commits and by bytes, and keep the order', async (t) => {
  const machine = new TestMachine()
  const store = await machine.open({ limits: { groupCommits: 10, groupBytes: 8192 } })
  await Promise.all(countUp(95).map((i) => store.append('a', numbered(1, i))))
  t.equal(store.stats().appends.groups, 10)
  t.equal(store.stats().appends.commitsPerGroup.largest, 10)
  await Promise.all(countUp(8).map(() => store.append('b', [sized(3000)])))
  t.equal(store.stats().appends.groups, 14, 'two to a group')
  await store.append('c', [sized(50_000)])
  t.equal(store.stats().appends.groups, 15, 'one that is larger than a group goes alone')
  t.same(await datas(store.readStream('a')), countUp(95))
  await store.close()
})

t.test(
  '[F5] [fault 22] a segment that cannot be opened for synced writes fails the append, and not the process',
  async (t) => {
    const machine = new TestMachine()
    const store = await machine.open()
    await store.append('a', numbered(1))
    // The first group of a segment is written with its header, and synced; for those that come now the file is opened once more.
    machine.files.setFaults({ only: (op) => op.kind === 'open' && isLog(op), failAt: 1, code: 'EMFILE' })
    await t.rejects(store.append('a', numbered(1)), { code: 'ERR_IO' })
    machine.files.setFaults()
    await t.rejects(store.append('a', numbered(1)), { code: 'ERR_WRITER_FAILED' })
    await store.close()
    const again = await machine.open()
    await again.append('a', numbered(1))
    t.same(await datas(again.readStream('a')), [0, 0])
    await again.close()
  },
)

const FAILURES = [
  { kind: 'write', code: 'ENOSPC', expected: 'ERR_NO_SPACE', fault: 21 },
  { kind: 'write', code: 'EDQUOT', expected: 'ERR_NO_SPACE', fault: 29 },
  { kind: 'write', code: 'EFBIG', expected: 'ERR_NO_SPACE', fault: 29 },
  { kind: 'write', code: 'EACCES', expected: 'ERR_IO', fault: 19 },
  { kind: 'sync', code: 'EIO', expected: 'ERR_OUTCOME_UNKNOWN', fault: 24 },
] as const

for (const { kind, code, expected, fault } of FAILURES) {
  t.test(
    `[F5] [fault ${fault}] a ${kind} that fails with ${code} rejects all that wait with ${expected}, for good`,
    async (t) => {
      const machine = new TestMachine()
      // Relaxed appends leave the segment unsynced, so that the durable ones after them need a sync of the file.
      let store = await machine.open({ durability: 'os' })
      await store.append('a', numbered(3))
      machine.files.setFaults({ failAt: 1, code, only: (op) => op.kind === kind && isLog(op) })
      const waiting = await Promise.allSettled([
        store.append('a', numbered(1, 3), { durability: 'fsync' }),
        store.append('b', numbered(1)),
        store.appendMany([{ stream: 'c', events: numbered(1) }]),
        store.append('a', numbered(1), { expectedVersion: 9 }),
      ])
      for (const outcome of waiting) {
        t.match(outcome, { status: 'rejected', reason: { code: expected, cause: { code } } })
      }
      for (const stream of ['a', 'd']) {
        await t.rejects(store.append(stream, numbered(1)), { code: 'ERR_WRITER_FAILED', cause: { code: expected } })
      }
      await t.rejects(store.appendMany([{ stream: 'a', events: numbered(1) }]), { code: 'ERR_WRITER_FAILED' })
      t.same(await datas(store.readStream('a')), [0, 1, 2], 'reading goes on')
      t.same(await datas(store.readAll()), [0, 1, 2])
      t.equal((await store.streamInfo('a')).version, 3)
      machine.files.setFaults()
      await store.close()
      store = await machine.open()
      const kept = await datas(store.readStream('a'))
      t.same(kept.slice(0, 3), [0, 1, 2])
      if (expected !== 'ERR_OUTCOME_UNKNOWN') t.same(kept, [0, 1, 2], 'nothing of it is stored')
      t.match(await store.append('a', numbered(1, kept.length)), { firstOffset: kept.length })
      await store.close()
    },
  )
}

t.test('[F5] [fault 25] a folder that cannot be synced fails the append that needs its new segment', async (t) => {
  const machine = new TestMachine()
  const store = await machine.open()
  machine.files.setFaults({ failAt: 1, only: (op) => op.kind === 'syncDirectory' && op.path.endsWith('/log') })
  await t.rejects(store.append('a', numbered(1)), { code: 'ERR_OUTCOME_UNKNOWN' })
  await t.rejects(store.append('a', numbered(1)), { code: 'ERR_WRITER_FAILED' })
  await store.close()
})

t.test('[fault 22] a segment that cannot be created fails the append, and reopening works', async (t) => {
  const machine = new TestMachine()
  let store = await machine.open()
  machine.files.setFaults({ failAt: 1, code: 'ENOSPC', only: (op) => op.kind === 'open' && isLog(op) })
  await t.rejects(store.append('a', numbered(1)), { code: 'ERR_NO_SPACE' })
  await store.close()
  store = await machine.open()
  t.match(await store.append('a', numbered(1)), { firstOffset: 0, position: 0 })
  await store.close()
})

t.test('[fault 28] short writes and short reads change nothing', async (t) => {
  const machine = new TestMachine()
  let store = await machine.open()
  machine.files.setFaults({ shortenTo: 7, only: (op) => isLog(op) || op.path.endsWith('.seg') })
  for (const i of countUp(20)) await store.append(`s${i % 3}`, numbered(1, i))
  await store.flush()
  t.same(await datas(store.readStream('s0')), [0, 3, 6, 9, 12, 15, 18])
  t.same(await datas(store.readAll()), countUp(20))
  machine.kill()
  store = await machine.open()
  t.same(await datas(store.readAll()), countUp(20))
  await store.close()
})

t.test('[fault 21] [fault 34] a flush that fails fails the writer; nothing acknowledged is lost', async (t) => {
  const machine = new TestMachine()
  let store = await machine.open()
  await store.append('a', numbered(5))
  machine.files.setFaults({ failAt: 1, code: 'ENOSPC', only: (op) => op.kind === 'write' && op.path.endsWith('.seg') })
  await t.rejects(store.flush())
  await t.rejects(store.append('a', numbered(1)), { code: 'ERR_WRITER_FAILED', cause: { code: 'ERR_NO_SPACE' } })
  t.same(await datas(store.readStream('a')), countUp(5), 'reading goes on')
  machine.files.setFaults()
  await store.close()
  store = await machine.open()
  t.same(await datas(store.readStream('a')), countUp(5))
  await store.flush()
  t.same(await datas(store.readStream('a')), countUp(5))
  await store.close()
})

t.test('[K2] [C1] a refusal that rests on an append under way waits for it', async (t) => {
  const machine = new TestMachine()
  const store = await machine.open()
  await store.append('a', numbered(1))
  machine.files.setFaults({ delay: 20, only: isGroupWrite })
  const order: string[] = []
  const append = store.append('a', numbered(1)).then(() => order.push('append'))
  const refused = t
    .rejects(store.append('a', numbered(1), { expectedVersion: 1 }), { code: 'ERR_VERSION_CONFLICT', message: /is 2/ })
    .then(() => order.push('refused'))
  await t.rejects(store.append('b', numbered(1), { expectedVersion: 1 }), {
    code: 'ERR_VERSION_CONFLICT',
    message: /is 0/,
  })
  order.push('other stream')
  await Promise.all([append, refused])
  t.same(order, ['other stream', 'append', 'refused'])

  machine.files.setFaults({ delay: 10, failAt: 1, code: 'ENOSPC', only: isGroupWrite })
  const failing = t.rejects(store.append('a', numbered(1)), { code: 'ERR_NO_SPACE' })
  await t.rejects(
    store.append('a', numbered(1), { expectedVersion: 2 }),
    { code: 'ERR_NO_SPACE' },
    'no version that never was',
  )
  await failing
  await store.close()
})

t.test('[A8] [K2] the version that a no-op tells is committed', async (t) => {
  const machine = new TestMachine()
  const store = await machine.open()
  await store.append('a', numbered(1))
  machine.files.setFaults({ failAt: 1, code: 'ENOSPC', delay: 5, only: isGroupWrite })
  const failing = t.rejects(store.append('a', numbered(1)), { code: 'ERR_NO_SPACE' })
  for (const noOp of [
    store.append('a', []),
    store.appendMany([{ stream: 'a', events: [] }]).then(([result]) => result!),
  ]) {
    const version = await noOp.then(
      (result) => result.version,
      () => 'rejected',
    )
    t.not(version, 2, 'not one that never came to be')
  }
  await failing
  await store.close()
})

t.test('[F5] callers are held back with ERR_OVERLOADED while too much waits for the disk', async (t) => {
  const machine = new TestMachine()
  const store = await machine.open({ limits: { pendingBytes: 10_000, groupBytes: 4096 } })
  await store.append('a', numbered(1))
  machine.files.setFaults({ delay: 10, only: isGroupWrite })
  const outcomes = await Promise.allSettled(countUp(30).map(() => store.append('b', [sized(1000)])))
  const accepted = outcomes.filter(({ status }) => status === 'fulfilled').length
  t.ok(accepted >= 8 && accepted <= 10, `${accepted} of 30 accepted`)
  for (const outcome of outcomes) if (outcome.status === 'rejected') t.match(outcome.reason, { code: 'ERR_OVERLOADED' })
  t.equal(store.stats().appends.pendingBytes, 0)
  machine.files.setFaults()
  await store.append('b', [sized(1000)])
  t.equal((await store.streamInfo('b')).version, accepted + 1, 'refused ones used no offset')
  await store.close()
})
