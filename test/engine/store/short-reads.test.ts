import fc from 'fast-check'
import t from 'tap'
import type { FileEventStore, StoredEvent } from '../../../engine/index.js'
import { countUp, datas, sized, TestMachine } from './test-machine.js'

/**
 * Texts, bytes and long names that would show if they were still parts of a window that somebody else reads into. Streams with short
 * names are short enough for a window, and have too many events to be handed out at once.
 */
const dataOf = (stream: string, n: number) =>
  stream.length < 4
    ? { text: `${stream}${n}`.repeat(5) }
    : {
        text: `${stream} has event ${n} `.repeat(1 + (n % 30)),
        bytes: new Uint8Array(100).fill(n + stream.length),
        ['ü'.repeat(20) + stream]: n,
      }

async function loaded(machine: TestMachine, streams: readonly string[], events: number): Promise<FileEventStore> {
  const store = await machine.open()
  for (const stream of streams) {
    const of = countUp(events).map((n) => ({ type: 'T', data: dataOf(stream, n), metadata: { n, stream } }))
    await store.append(stream, of)
  }
  await store.close()
  return machine.open()
}

t.test('[R1] reads that overlap, are left in the middle or forgotten hand out their own events only', async (t) => {
  const streams = ['a', 'stream-b', 'c'.repeat(70), 'd']
  const store = await loaded(new TestMachine(), streams, 90)
  const seed = Date.now() & 0xffff
  t.comment(`seed ${seed}`)
  const step = fc.record({
    what: fc.constantFrom('open', 'next', 'next', 'next', 'leave', 'forget'),
    which: fc.nat(7),
    stream: fc.constantFrom(...streams),
    fromOffset: fc.nat(89),
    limit: fc.integer({ min: 1, max: 90 }),
    direction: fc.constantFrom('forward' as const, 'forward' as const, 'backward' as const),
    size: fc.integer({ min: 1, max: 30 }),
  })
  type Read = { iterator: AsyncIterator<StoredEvent[]>; stream: string; offset: number; by: 1 | -1 }
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 120, size: 'max' }), async (steps) => {
      const open: (Read | undefined)[] = []
      const all: { event: StoredEvent; stream: string; offset: number }[] = []
      for (const { what, which, stream, fromOffset, limit, direction, size } of steps) {
        const read = open[which]
        if (what === 'forget') open[which] = undefined
        else if (what === 'leave') await read?.iterator.return?.()
        else if (what === 'open' || read === undefined) {
          // In batches, because an iteration by event has most streams of this size decoded at once.
          const reader = store.readStream(stream, { fromOffset, limit, direction })
          const iterator = reader.batches(size)[Symbol.asyncIterator]()
          const by = direction === 'forward' ? 1 : -1
          open[which] = { iterator, stream, offset: fromOffset, by }
        } else {
          // Several at once: they are answered in order.
          const results = await Promise.all([read.iterator.next(), read.iterator.next(), read.iterator.next()])
          for (const { done, value } of results) {
            if (done === true) continue
            for (const event of value) {
              all.push({ event, stream: read.stream, offset: read.offset })
              read.offset += read.by
            }
          }
          if (results.some(({ done }) => done === true)) open[which] = undefined
        }
      }
      // Looked at now: what was handed out stays as it was, whatever was read since.
      for (const { event, stream, offset } of all) {
        t.match(event, { stream, offset, metadata: { n: offset, stream } }, { diagnostic: false })
        if (JSON.stringify(event.data) !== JSON.stringify(dataOf(stream, offset))) t.fail(`${stream} ${offset}`)
      }
    }),
    { numRuns: 40, seed },
  )
  await store.close()
})

t.test(
  '[R3] a few events from anywhere cost one read of little more than they take, whatever their size',
  async (t) => {
    for (const bytes of [100, 1200, 4000]) {
      const machine = new TestMachine()
      let store = await machine.open()
      await store.append(
        'a',
        countUp(400).map((n) => sized(bytes + (n % 50))),
      )
      await store.checkpoint()
      await store.close()
      store = await machine.open()
      await datas(store.readStream('a', { fromOffset: 1, limit: 1 })) // looks the stream up, and its index
      await datas(store.readAll({ fromPosition: 5, limit: 1 }))
      const most = 10 * (bytes + 200) + 8192
      for (const from of [0, 1, 33, 150, 280]) {
        for (const read of [
          () => store.readStream('a', { fromOffset: from, limit: 10 }),
          () => store.readStream('a', { fromOffset: from + 9, limit: 10, direction: 'backward' }),
        ]) {
          machine.files.record()
          const before = machine.files.bytesRead
          t.equal((await datas(read())).length, 10)
          t.equal(machine.files.trace!.filter(({ kind }) => kind === 'read').length, 1, `${bytes} from ${from}`)
          t.ok(machine.files.bytesRead - before <= most, `${bytes} from ${from}: ${machine.files.bytesRead - before}`)
        }
        if (from === 0) continue
        machine.files.record()
        const before = machine.files.bytesRead
        t.equal((await datas(store.readAll({ fromPosition: from, limit: 10 }))).length, 10)
        const reads = machine.files.trace!.filter(({ kind }) => kind === 'read').length
        t.ok(reads <= (bytes < 4000 ? 2 : 3), 'the record that the index names is checked first, then all are read')
        t.ok(
          machine.files.bytesRead - before <= most + 4096,
          `${bytes} from ${from}: ${machine.files.bytesRead - before}`,
        )
      }
      await store.close()
    }
  },
)

t.test('[fault 39] a few events at an offset are served beside damage that they have no part in', async (t) => {
  const machine = new TestMachine()
  let store = await loaded(machine, ['damaged'], 400)
  await store.checkpoint()
  await store.close()
  const path = machine.find('.seg')[0]!
  const sound = machine.contents(path)
  const starts: number[] = []
  for (let at = sound.readUInt32LE(12); at < sound.length; at += sound.readUInt32LE(at)) {
    if (sound[at + 8] === 2) starts.push(at)
  }
  t.equal(starts.length, 400)
  // In the records themselves, in their lengths and in their offsets: the way to what is wanted leads over all of these.
  for (const field of [200, 0, 24]) {
    const bytes = Buffer.from(sound)
    bytes[starts[200]! + field]! ^= 1
    machine.write(path, bytes)
    store = await machine.open()
    for (const fromOffset of countUp(20, 190)) {
      const seen: unknown[] = []
      const error = await (async () => {
        for await (const { offset } of store.readStream('damaged', { fromOffset, limit: 5 })) seen.push(offset)
      })().catch((error: unknown) => error)
      const wanted = countUp(5, fromOffset)
      if (wanted.includes(200)) {
        t.match(error, { code: 'ERR_CORRUPT', file: path, byte: starts[200], stream: 'damaged', offset: 200 })
        t.same(seen, wanted.slice(0, wanted.indexOf(200)), `what is before the damage, from ${fromOffset}`)
      } else if (error === undefined) t.same(seen, wanted)
      else {
        // Where a length is wrong nobody can tell what follows it, up to the next record that an index names.
        t.not(field, 200)
        t.ok(fromOffset > 200)
        t.match(error, { code: 'ERR_CORRUPT', file: path, byte: starts[200] })
        t.same(seen, [])
      }
    }
    await store.close()
  }
  machine.write(path, sound)
  store = await machine.open()
  t.equal((await datas(store.readStream('damaged'))).length, 400)
  await store.close()
})
