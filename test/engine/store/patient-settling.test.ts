/** Settling what an earlier session left, while somebody reads: in a world whose clock moves by a millisecond at each look. */
import t from 'tap'
import { type FileEventStore, type OpenOptions } from '../../../engine/index.js'
import { turn } from '../../../engine/store/write-behind.js'
import { numbered, sized, TestMachine } from './test-machine.js'

/** More than are settled when a store is closed. */
const STREAMS = 300

class Patience {
  readonly machine = new TestMachine()
  /** Timers that wait; most of them belong to others, and whoever fires them early does no harm. */
  timers: { readonly delay: number; readonly callback: () => void }[] = []
  #now = 0

  async open(options: OpenOptions = {}): Promise<FileEventStore> {
    return this.machine.open(options, {
      elapsed: () => this.#now++,
      after: (delay, callback) => {
        const timer = { delay, callback }
        this.timers.push(timer)
        return { cancel: () => void (this.timers = this.timers.filter((other) => other !== timer)) }
      },
    })
  }

  /** A store with streams that were never settled, opened again, and about to be settled. */
  async reopened(options: OpenOptions = {}): Promise<FileEventStore> {
    const before = await this.machine.open({ durability: 'os' })
    for (let n = 0; n < STREAMS; n++) await before.append(`s${n}`, numbered(1))
    await before.close()
    const store = await this.open(options)
    t.equal(store.stats().writeBehind.unsettledEvents, STREAMS)
    this.fire(({ delay }) => delay === 1000)
    return store
  }

  fire(which: (timer: { readonly delay: number }) => boolean): void {
    const due = this.timers.filter(which)
    this.timers = this.timers.filter((timer) => !due.includes(timer))
    for (const { callback } of due) callback()
  }
}

async function readOne(store: FileEventStore): Promise<void> {
  for await (const _ of store.readAll({ limit: 1 })) break
}

/** Reads for so many turns. */
async function readFor(turns: number, store: FileEventStore): Promise<void> {
  for (let n = 0; n < turns; n++) {
    await readOne(store)
    await turn()
  }
}

const progress = (store: FileEventStore): number => store.stats().streams.loads + store.stats().writeBehind.filesSynced

t.test('a pass beside a read goes on only when its pauses are over, and comes to its end', async (t) => {
  const at = new Patience()
  const store = await at.reopened()
  await readFor(50, store)
  t.ok(progress(store) < STREAMS, 'it stands still')
  const before = progress(store)
  await readFor(50, store)
  t.equal(progress(store), before)
  let rounds = 0
  while (store.stats().writeBehind.unsettledEvents > 0 && ++rounds < 5000) {
    at.fire(({ delay }) => delay < 500)
    await readFor(1, store)
  }
  t.equal(store.stats().writeBehind.unsettledEvents, 0, 'although there was always something read')
  t.ok(rounds > STREAMS, `${rounds} slices`)
  await store.close()
})

t.test('a pass that nobody reads beside needs no pause', async (t) => {
  const at = new Patience()
  const store = await at.reopened()
  for (let n = 0; n < 5000 && store.stats().writeBehind.unsettledEvents > 0; n++) await turn()
  t.equal(store.stats().writeBehind.unsettledEvents, 0)
  await store.close()
})

for (const how of ['checkpoint', 'close'] as const) {
  t.test(`${how} does not wait for a pass that pauses`, async (t) => {
    const at = new Patience()
    const store = await at.reopened()
    await readFor(50, store)
    t.ok(progress(store) < STREAMS)
    at.timers = [] // none of them comes any more
    if (how === 'close') {
      await store.close()
      return
    }
    const reads = new AbortController()
    const ended = store.checkpoint().finally(() => reads.abort())
    while (!reads.signal.aborted) await readFor(1, store)
    await ended
    t.match(store.stats().writeBehind, { unsettledEvents: 0, filesSynced: STREAMS })
    at.timers = []
    await store.close()
  })
}

t.test('after its time a pass waits for nobody any more', async (t) => {
  const at = new Patience()
  const store = await at.reopened({ limits: { backgroundDelayMs: 1 } })
  for (let n = 0; n < 5000 && store.stats().writeBehind.unsettledEvents > 0; n++) await readFor(1, store)
  t.equal(store.stats().writeBehind.unsettledEvents, 0)
  await store.close()
})

for (const reading of ['readStream', 'batches', 'a query', 'a filter', 'a subscription'] as const) {
  t.test(`${reading} holds a pass back`, async (t) => {
    const at = new Patience()
    const store = await at.reopened()
    const read = async (): Promise<void> => {
      if (reading === 'readStream') for await (const _ of store.readStream('s0')) break
      else if (reading === 'batches') for await (const _ of store.readAll().batches(10)) break
      else if (reading === 'a query') {
        for await (const _ of store.readAll({ query: { items: [{ types: ['T'] }] } })) break
      } else if (reading === 'a filter') for await (const _ of store.readAll({ types: ['None'] })) break
      else for await (const _ of store.subscribe()) break
    }
    for (let n = 0; n < 1000; n++) {
      await read()
      await turn()
    }
    t.ok(progress(store) < STREAMS, `${progress(store)} of ${2 * STREAMS} steps`)
    at.timers = []
    await store.close()
  })
}

t.test('[D10] when log segments gather a pass waits for no reads', async (t) => {
  for (const [unsettledSegments, settles] of [
    [2, true],
    [100, false],
  ] as const) {
    const at = new Patience()
    const store = await at.open({
      durability: 'os',
      limits: { logSegmentBytes: 4096, dirtyBytes: 1000, deferredBytes: 8192, unsettledSegments },
    })
    for (let n = 0; n < 60; n++) {
      await store.append(`s${n}`, [sized(1000)])
      await readOne(store)
    }
    at.fire(({ delay }) => delay < 500) // the pause that was begun when little had gathered
    const before = store.stats().writeBehind.unsettledSegments
    t.ok(before > 5, `${before} wait`)
    await readFor(300, store)
    t.equal(store.stats().writeBehind.unsettledSegments < before, settles)
    at.timers = []
    await store.close()
  }
})

t.test('a subscription that has caught up holds nothing back', async (t) => {
  const at = new Patience()
  const store = await at.reopened()
  const subscription = store.subscribe({ fromPosition: 'end' })
  for (let n = 0; n < 3000 && store.stats().writeBehind.unsettledEvents > 1; n++) {
    if (n % 10 === 0) {
      const next = subscription.next()
      await store.append('live', numbered(1))
      await next
    }
    await turn()
  }
  t.ok(store.stats().writeBehind.filesSynced >= STREAMS)
  await subscription.close()
  at.timers = []
  await store.close()
})

t.test('a file is written again with one read of it, and none behind its end', async (t) => {
  const at = new Patience()
  const store = await at.reopened()
  const writes: string[] = []
  let behind = 0
  at.machine.files.setFaults({
    only: ({ kind, path, position }) => {
      if (path.endsWith('.seg') && kind === 'write') writes.push(path)
      if (path.endsWith('.seg') && kind === 'read' && position! > 0) behind++
      return false
    },
    failAt: 1,
  })
  await store.checkpoint()
  t.equal(writes.length, STREAMS)
  t.equal(new Set(writes).size, STREAMS)
  t.equal(behind, 0)
  await store.close()
})
