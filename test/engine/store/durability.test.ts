import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { CrashDisk } from '../../support/crash-disk.js'
import { openSession } from '../../support/crash-workload.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'
import type { Timer } from '../../../engine/io/file-system.js'
import { datas, isLog, numbered, sized, TestMachine } from './test-machine.js'

/** Timers that go off when the test says so. */
class ManualTimers {
  readonly waiting: { readonly delay: number; readonly callback: () => void }[] = []

  after = (delay: number, callback: () => void): Timer => {
    const timer = { delay, callback }
    this.waiting.push(timer)
    return { cancel: () => void this.waiting.splice(this.waiting.indexOf(timer), 1) }
  }

  fire(delay: number): number {
    const due = this.waiting.filter((timer) => timer.delay === delay)
    for (const timer of due) {
      this.waiting.splice(this.waiting.indexOf(timer), 1)
      timer.callback()
    }
    return due.length
  }
}

const logSyncs = (machine: TestMachine): number =>
  machine.files.trace!.filter((op) => op.kind === 'sync' && isLog(op)).length

t.test("[F6] 'os' syncs nothing, 'fsync' covers what came before it", async (t) => {
  const machine = new TestMachine()
  const store = await machine.open({ durability: 'os' })
  machine.files.record()
  for (let i = 0; i < 5; i++) await store.append('a', numbered(1))
  t.equal(logSyncs(machine), 0)
  t.equal(store.stats().sync.count, 0)
  await store.append('a', numbered(1), { durability: 'fsync' })
  t.equal(logSyncs(machine), 1)
  t.equal(store.stats().sync.count, 1)
  await store.close()
})

t.test("[F6] 'fsync' is durable when it resolves: in a group the strongest wish counts", async (t) => {
  const machine = new TestMachine()
  const store = await machine.open({ durability: 'os' })
  await Promise.all([store.append('a', numbered(1)), store.append('b', numbered(1), { durability: 'fsync' })])
  t.equal(store.stats().sync.count, 1)
  await store.close()
})

t.test("[F6] 'interval' syncs once after the interval, for all that came in it", async (t) => {
  const machine = new TestMachine()
  const timers = new ManualTimers()
  const store = await machine.open({ durability: 'interval', syncIntervalMs: 77 }, { after: timers.after })
  machine.files.record()
  for (let i = 0; i < 5; i++) await store.append('a', numbered(1))
  t.equal(logSyncs(machine), 0)
  t.equal(timers.fire(77), 1, 'one timer for all')
  await nextTurn()
  t.equal(logSyncs(machine), 1)
  await nextTurn()
  t.equal(timers.fire(77), 0, 'nothing to sync, no timer')
  await store.append('a', numbered(1))
  t.equal(timers.fire(77), 1)
  await nextTurn()
  t.equal(logSyncs(machine), 2)
  await store.close()
})

t.test("[F6] an 'interval' append that is still on its way when the timer goes off is synced after all", async (t) => {
  const machine = new TestMachine()
  const timers = new ManualTimers()
  const store = await machine.open({ durability: 'interval', syncIntervalMs: 77 }, { after: timers.after })
  await store.append('a', numbered(1))
  timers.fire(77)
  await sleep(5)
  machine.files.record().setFaults({ delay: 30, only: (op) => isLog(op) && op.kind === 'write' })
  // Large enough to be written by another thread.
  const appended = store.append('a', [{ type: 'Large', data: { text: 'x'.repeat(20_000) } }])
  await sleep(5)
  timers.fire(77)
  await appended
  const acknowledged = machine.files.trace!.length
  machine.files.setFaults()
  for (let i = 0; i < 3; i++) {
    timers.fire(77)
    await sleep(5)
  }
  t.ok(
    machine.files.trace!.slice(acknowledged).some((op) => op.kind === 'sync' && isLog(op)),
    'a sync came after the write had returned',
  )
  await store.close()
})

t.test("[F6] [fault 24] an 'interval' sync that fails fails the writer", async (t) => {
  const machine = new TestMachine()
  const timers = new ManualTimers()
  const store = await machine.open({ durability: 'interval', syncIntervalMs: 77 }, { after: timers.after })
  await store.append('a', numbered(1))
  machine.files.setFaults({ failAt: 1, only: (op) => op.kind === 'sync' && isLog(op) })
  timers.fire(77)
  await sleep(5)
  await t.rejects(store.append('a', numbered(1)), { code: 'ERR_WRITER_FAILED', cause: { code: 'ERR_OUTCOME_UNKNOWN' } })
  t.same(await datas(store.readStream('a')), [0])
  await store.close()
})

t.test('[F6] [fault 18] closing leaves nothing unsynced, whatever the durability', async (t) => {
  const machine = new TestMachine()
  const store = await machine.open({ durability: 'os' })
  await store.append('a', numbered(3))
  machine.files.record()
  await store.close()
  const trace = machine.files.trace!
  const lastWrite = trace.findLastIndex((op) => op.kind === 'write' && isLog(op))
  t.ok(trace.slice(lastWrite + 1).some((op) => op.kind === 'sync' && isLog(op)))
  const again = await machine.open()
  t.match(again.recovery, { clean: true, events: 0 })
  t.same(await datas(again.readAll()), [0, 1, 2])
  await again.close()
})

t.test('[fault 20] when every write fails, close still settles', async (t) => {
  const machine = new TestMachine()
  let store = await machine.open()
  await store.append('a', numbered(3))
  machine.files.setFaults({ failAt: 1, sticky: true, only: ({ kind }) => kind === 'write' || kind === 'sync' })
  await t.rejects(store.append('a', numbered(1)), { code: /ERR_IO|ERR_OUTCOME_UNKNOWN/ })
  await store.close().catch(() => {})
  machine.kill()
  store = await machine.open()
  t.same((await datas(store.readAll())).slice(0, 3), [0, 1, 2])
  await store.close()
})

t.test('[F6] [fault 10] [fault 2] a checkpoint does not point to a segment that a power cut takes away', async (t) => {
  const base = new CrashDisk()
  const first = await openSession(base, 1)
  // Too many to be settled while the store is closed: the next session begins a segment, without sealing one.
  const many = Array.from({ length: 257 }, (_, n) => ({ stream: `s${n}`, events: numbered(1) }))
  await first.store.appendMany(many)
  await first.store.close()
  const large = Array.from({ length: 3 }, () => ({ type: 'Large', data: { text: 'x'.repeat(6000) } }))
  for (const durability of ['os', 'fsync'] as const) {
    const disk = base.crash('minimal', 1)
    const files = new FaultyFileSystem(disk)
    const { store } = await openSession(files, 2)
    files.setFaults({ delay: 300, only: (op) => isLog(op) && op.kind === 'write' })
    const appended = store.append('a', large, { durability })
    await nextTurn()
    await store.checkpoint() // while the first group of the new segment is still on its way
    const crashed = disk.crash('minimal', 1)
    const { store: last } = await openSession(crashed, 3)
    t.equal(last.recovery.damage, undefined, durability)
    t.equal((await last.streamInfo('s256')).version, 1)
    await Promise.all([last.close(), appended])
    await store.close()
  }
})

t.test(
  '[K3] [fault 18] what a checkpoint had not synced when the store was closed does not count as settled',
  async (t) => {
    // Too many to be settled while the store is closed.
    const many = Array.from({ length: 300 }, (_, n) => ({ stream: `s${n}`, events: numbered(1) }))
    const ends = new Set<unknown>()
    for (let turns = 0; turns < 400; turns += 20) {
      const disk = new CrashDisk()
      const { store } = await openSession(disk, 1)
      await store.appendMany(many)
      const checkpoint = store.checkpoint().then(
        () => 'done',
        (error: unknown) => (error as { code: unknown }).code,
      )
      for (let n = 0; n < turns; n++) await nextTurn()
      await store.close()
      ends.add(await checkpoint)
      const { store: next } = await openSession(disk.crash('minimal', 1), 2)
      t.match(await next.verify(), { ok: true, events: 300 }, `closed after ${turns} turns`)
      t.equal((await datas(next.readStream('s299'))).length, 1)
      await next.close()
    }
    t.ok(ends.has('ERR_CLOSED'), 'some were broken off')
  },
)

t.test('[F6] one checkpoint settles everything, also beside a pass that began before', async (t) => {
  for (let turns = 0; turns < 20; turns++) {
    const machine = new TestMachine()
    const store = await machine.open({ limits: { logSegmentBytes: 4096 } })
    for (let n = 0; n < 20; n++) await store.append(`s${n % 3}`, [sized(1000)])
    const flushed = store.flush()
    for (let n = 0; n < turns; n++) await nextTurn()
    await store.checkpoint()
    t.equal(store.stats().writeBehind.unsettledEvents, 0, `begun after ${turns} turns`)
    await flushed
    await store.close()
  }
})
