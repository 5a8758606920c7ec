import t from 'tap'
import type { FileEventStore, OpenOptions, StoredEvent } from '../../../engine/index.js'
import type { Operation } from '../../support/faulty-file-system.js'
import { countUp, datas, TestMachine } from '../store/test-machine.js'

const EVENTS = 400
const BYTES = 5000
const LONGEST_WRITE = 200 * 1024

const options: OpenOptions = { durability: 'os', limits: { indexIntervalBytes: 4096 } }

/** With a clock by which everything takes long, so that after each piece of a flush others have their turn. */
function openSlow(machine: TestMachine): Promise<FileEventStore> {
  let elapsed = 0
  return machine.open(options, { elapsed: () => (elapsed += 10) })
}

const eventsOf = (from: number, count: number): { type: string; data: unknown }[] =>
  Array.from({ length: count }, (_, i) => ({ type: 'T', data: { n: from + i, fill: new Uint8Array(BYTES) } }))

const numbersOf = async (events: AsyncIterable<StoredEvent>): Promise<number[]> =>
  (await datas(events)).map((data) => (data as { n: number }).n)

t.test(
  '[D10] a long stream is flushed in pieces, and is whole for whoever reads or appends between them',
  async (t) => {
    const machine = new TestMachine()
    const store = await openSlow(machine)
    await store.append('a', eventsOf(0, EVENTS))
    machine.files.record()
    const writes = (): Operation[] =>
      machine.files.trace!.filter(({ kind, path }) => kind === 'write' && path.endsWith('.seg'))
    const flushing = store.flush()
    const written = new Set<number>()
    for (let n = 0; n < 5; n++) {
      t.same(await numbersOf(store.readStream('a')), countUp(EVENTS + n))
      const newest = countUp(EVENTS + n)
        .slice(-3)
        .reverse()
      t.same(await numbersOf(store.readStream('a', { direction: 'backward', limit: 3 })), newest)
      written.add(writes().length)
      await store.append('a', eventsOf(EVENTS + n, 1))
    }
    await flushing
    t.ok(writes().length >= (EVENTS * BYTES) / LONGEST_WRITE, `${writes().length} writes`)
    const isShort = ({ length }: Operation): boolean => length! <= LONGEST_WRITE
    t.ok(writes().every(isShort), 'none of them long')
    t.ok(written.size > 2, `read and appended to after ${[...written].join()} of them`)
    t.same((await store.verify()).findings, [])
    await store.close()
    const again = await machine.open(options)
    t.same(await numbersOf(again.readStream('a')), countUp(EVENTS + 5))
    t.same((await again.verify()).findings, [])
    await again.close()
  },
)

t.test(
  '[fault 21] [D10] a disk that is full between two pieces: those before count, the others stay in the log',
  async (t) => {
    for (const failAt of [2, 3, 7]) {
      const machine = new TestMachine()
      const store = await openSlow(machine)
      await store.append('a', eventsOf(0, EVENTS))
      machine.files.setFaults({
        only: ({ kind, path }) => kind === 'write' && path.endsWith('.seg'),
        ...{ failAt, code: 'ENOSPC', sticky: true },
      })
      await t.rejects(store.flush(), { code: 'ERR_NO_SPACE' })
      t.same(await numbersOf(store.readStream('a')), countUp(EVENTS))
      machine.files.setFaults()
      await store.close().catch(() => undefined)
      const again = await machine.open(options)
      await again.append('a', eventsOf(EVENTS, 1))
      await again.flush()
      t.same(await numbersOf(again.readStream('a')), countUp(EVENTS + 1))
      t.same((await again.verify()).findings, [])
      await again.close()
    }
  },
)
