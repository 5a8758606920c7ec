import type { Test } from 'tap'
import type {
  EventReader,
  EventStore,
  NewEvent,
  ReadAllOptions,
  ReadStreamOptions,
  StoredEvent,
} from '../../engine/index.js'
import { collect, type ContractContext, numbered, offsets } from './contract-support.js'

const COUNT = 700

/** What reading promises. */
export function readContract(t: Test, { open, capabilities }: ContractContext): void {
  const { settle, openFiles } = capabilities

  /** A store whose stream `a` has `COUNT` events: some, where it makes a difference, in files, some in memory. */
  async function filled(): Promise<EventStore> {
    const store = await open()
    await store.append('a', numbered(COUNT - 100))
    await settle?.(store)
    await store.append('a', numbered(100, COUNT - 100))
    return store
  }

  t.test('[R1] for await yields all events in order', async (t) => {
    await using store = await filled()
    let n = 0
    for await (const event of store.readStream<StoredEvent<string, { n: number }>>('a')) {
      if (event.offset !== n || event.data.n !== n || event.stream !== 'a') t.match(event, { offset: n, data: { n } })
      n++
    }
    t.equal(n, COUNT)
  })

  t.test('[R2] an unknown stream yields nothing and does not throw', async (t) => {
    await using store = await filled()
    t.same(await collect(store.readStream('b')), [])
    t.same(await collect(store.readStream('b', { direction: 'backward' })), [])
    t.same(await collect(store.readStream('b').batches(10)), [])
    t.same(await collect(store.readStream('b', { fromOffset: 5, toOffset: 9, limit: 3 })), [])
    t.equal((await store.streamInfo('b')).version, 0)
    await using empty = await open()
    t.same(await collect(empty.readAll()), [])
  })

  t.test('[K4] reading from every offset and every position gives exactly the suffix', async (t) => {
    await using store = await open()
    for (let i = 0; i < 60; i++) {
      await store.append(i % 2 === 0 ? 'a' : 'b', [{ type: 'T', data: i }])
      if (i === 30) await settle?.(store)
    }
    for (let from = 0; from <= 61; from++) {
      const all = (await collect(store.readAll({ fromPosition: from }))).map(({ data }) => data)
      const stream = (await collect(store.readStream('a', { fromOffset: from }))).map(({ data }) => data)
      t.same(
        all,
        Array.from({ length: Math.max(0, 60 - from) }, (_, i) => from + i),
      )
      t.same(
        stream,
        Array.from({ length: Math.max(0, 30 - from) }, (_, i) => 2 * (from + i)),
      )
    }
  })

  t.test('[R4] a start at or past the end yields nothing', async (t) => {
    await using store = await filled()
    for (const from of [COUNT, COUNT + 1, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
      t.same(await collect(store.readStream('a', { fromOffset: from })), [])
      t.same(await collect(store.readAll({ fromPosition: from })), [])
    }
  })

  t.test(
    '[M5] commits() gives the events of each commit together, of a store, a stream, a category, a query',
    async (t) => {
      await using store = await open()
      let n = 0
      const one = (tags?: string[]): NewEvent => ({ type: 'T', data: n++, ...(tags && { tags }) })
      const many = async (...streams: string[]): Promise<unknown> =>
        store.appendMany(streams.map((stream) => ({ stream, events: [one()] })))
      await store.append('a-1', [one(), one(), one()]) // 0 1 2
      await store.append('a-1', [one()]) // 3
      await many('a-1', 'b-1', 'a-1') // 4 5 6
      await many('a-1', 'b-1') // 7 8: its event of a-1 begins the commit
      await many('b-1', 'a-1') // 9 10: and here it ends another
      await many('b-1', 'a-2', 'a-1', 'b-1') // 11 12 13 14
      await settle?.(store)
      await store.append('a-1', [one(['x']), one(), one(['x'])], { commitId: 'c-1' }) // 15 16 17
      await store.append('b-1', [one(['x'])]) // 18
      await store.append(
        'a-1',
        Array.from({ length: 150 }, () => one()),
      ) // 19 … 168
      const long = Array.from({ length: 150 }, (_, i) => 19 + i)
      const commits = async (reader: EventReader): Promise<unknown[]> =>
        (await collect(reader.commits())).map((events) => events.map(({ data }) => data))
      const whole = [[0, 1, 2], [3], [4, 5, 6], [7, 8], [9, 10], [11, 12, 13, 14], [15, 16, 17], [18], long]
      t.same(await commits(store.readAll()), whole)
      const stream = [[0, 1, 2], [3], [4, 6], [7], [10], [13], [15, 16, 17], long]
      t.same(await commits(store.readStream('a-1')), stream)
      t.same(
        await commits(store.readStream('a-1', { direction: 'backward' })),
        stream.toReversed().map((commit) => commit.toReversed()),
      )
      t.same(await commits(store.readCategory('a')), [[0, 1, 2], [3], [4, 6], [7], [10], [12, 13], [15, 16, 17], long])
      t.same(await commits(store.readAll({ query: { items: [{ tags: ['x'] }] } })), [[15, 17], [18]])
      t.same(await commits(store.readAll({ fromPosition: 5, toPosition: 9 })), [[5, 6], [7, 8], [9]])
      t.same(await commits(store.readStream('a-1', { limit: 4 })), [[0, 1, 2], [3]])
      t.same(await commits(store.readStream('none')), [])
      for await (const commit of store.readAll().commits()) {
        t.match(commit, [{ position: 0 }, { position: 1 }, { position: 2 }])
        break
      }
      const controller = new AbortController()
      controller.abort(new Error('enough'))
      await t.rejects(collect(store.readAll({ signal: controller.signal }).commits()), { message: 'enough' })
    },
  )

  t.test('[R7] every combination of range, limit and direction is what slicing gives', async (t) => {
    await using store = await filled()
    const model = Array.from({ length: COUNT }, (_, i) => i)
    const edges = [undefined, 0, 1, 63, 64, 65, COUNT - 101, COUNT - 100, COUNT - 1, COUNT, Number.MAX_SAFE_INTEGER]
    const limits = [undefined, 0, 1, 33, Number.MAX_SAFE_INTEGER]
    for (const from of edges) {
      for (const to of edges) {
        for (const limit of limits) {
          const forward = model.filter((n) => n >= (from ?? 0) && n <= (to ?? Infinity)).slice(0, limit)
          const backward = model
            .filter((n) => n <= (from ?? Infinity) && n >= (to ?? 0))
            .reverse()
            .slice(0, limit)
          const options: ReadStreamOptions = { fromOffset: from, toOffset: to, limit }
          await same(t, store.readStream('a', options), forward, options)
          await same(t, store.readStream('a', { ...options, direction: 'backward' }), backward, options)
          const positions: ReadAllOptions = { fromPosition: from, toPosition: to, limit }
          await same(t, store.readAll(positions), forward, positions)
        }
      }
    }
  })

  t.test('[R7] batches have the size asked for, the last may be shorter', async (t) => {
    await using store = await filled()
    for (const size of [1, 7, 64, 100, 256, COUNT, COUNT + 1, 1_000_000]) {
      for (const reader of [store.readStream('a'), store.readAll()]) {
        const batches = await collect(reader.batches(size))
        t.same(
          batches.map(({ length }) => length),
          [...Array.from({ length: Math.floor(COUNT / size) }, () => size), ...(COUNT % size ? [COUNT % size] : [])],
          `batches of ${size}`,
        )
        t.same(
          batches.flat().map(({ offset }) => offset),
          Array.from({ length: COUNT }, (_, i) => i),
        )
      }
    }
    const backward = await collect(store.readStream('a', { direction: 'backward', limit: 5 }).batches(2))
    t.same(
      backward.map((batch) => batch.map(({ offset }) => offset)),
      [[COUNT - 1, COUNT - 2], [COUNT - 3, COUNT - 4], [COUNT - 5]],
    )
  })

  t.test('[R7] the batch loop that reads from the last offset on works as written', async (t) => {
    await using store = await filled()
    const batchSize = 100
    let currentOffset = 0
    const sizes: number[] = []
    for (;;) {
      const batch: StoredEvent[] = []
      for await (const event of store.readStream('a', { fromOffset: currentOffset })) {
        batch.push(event)
        if (batch.length >= batchSize) break
      }
      if (batch.length === 0) break // no more events
      sizes.push(batch.length)
      currentOffset = Math.max(...batch.map(({ offset }) => offset)) + 1
    }
    t.same(sizes, [100, 100, 100, 100, 100, 100, 100])
    t.equal(currentOffset, COUNT)
  })

  if (openFiles !== undefined) {
    t.test('[R6] [fault 82] 10,000 early breaks leave the number of open files unchanged', async (t) => {
      await using store = await filled()
      for await (const event of store.readStream('a')) if (event.offset === 1) break
      for await (const event of store.readAll()) if (event.position === 1) break
      const before = openFiles(store)
      for (let i = 0; i < 10_000; i++) {
        const reader = i % 3 === 0 ? store.readAll() : store.readStream('a', { fromOffset: (i * 7) % 500 })
        if (i % 2 === 0) for await (const _event of reader) break
        else for await (const _batch of reader.batches(3)) break
      }
      t.equal(openFiles(store), before)
    })
  }

  t.test('[R6] [fault 82] an iteration that was left gives nothing more', async (t) => {
    await using store = await filled()
    for (const iterable of [store.readStream('a'), store.readStream('a').batches(2), store.readAll()]) {
      const iterator = (iterable as AsyncIterable<unknown>)[Symbol.asyncIterator]()
      t.equal((await iterator.next()).done, false)
      t.same(await iterator.return!(), { value: undefined, done: true })
      t.same(await iterator.next(), { value: undefined, done: true })
      t.same(await iterator.return!(), { value: undefined, done: true })
    }
    const thrown = new Error('by the consumer')
    await t.rejects(async () => {
      for await (const _event of store.readStream('a')) throw thrown
    }, thrown)
  })

  t.test('[R1] calls of next that do not wait for each other are answered in order', async (t) => {
    await using store = await filled()
    for (const iterator of [store.readStream('a'), store.readAll()].map((reader) => reader[Symbol.asyncIterator]())) {
      const results = await Promise.all(Array.from({ length: COUNT + 2 }, () => iterator.next()))
      t.same(
        results.map((result) => (result.done === true ? 'end' : result.value.offset)),
        [...Array.from({ length: COUNT }, (_, i) => i), 'end', 'end'],
      )
    }
  })

  t.test('[R9] a read sees the events committed when it began', async (t) => {
    await using store = await filled()
    const read = async (iterable: AsyncIterable<StoredEvent>): Promise<number> => {
      let seen = 0
      for await (const _event of iterable) {
        if (seen++ % 100 === 0) await store.append('a', numbered(1))
        if (seen === 350) await settle?.(store)
      }
      return seen
    }
    t.equal(await read(store.readStream('a')), COUNT)
    const more = (await store.streamInfo('a')).version
    t.equal(more, COUNT + 7)
    t.equal(await read(store.readAll()), more)
    const now = (await store.streamInfo('a')).version
    t.equal(await read(store.readStream('a', { direction: 'backward' })), now)
  })

  t.test('[R9] each iteration of a reader begins anew', async (t) => {
    await using store = await filled()
    const reader = store.readStream('a', { fromOffset: COUNT - 1 })
    t.same(await offsets(reader), [COUNT - 1])
    await store.append('a', numbered(1))
    t.same(await offsets(reader), [COUNT - 1, COUNT])
  })

  t.test('[R10] an AbortSignal ends a read with its reason', async (t) => {
    await using store = await filled()
    const reason = new Error('enough')
    for (const direction of ['forward', 'backward'] as const) {
      const control = new AbortController()
      let seen = 0
      await t.rejects(async () => {
        for await (const _event of store.readStream('a', { direction, signal: control.signal })) {
          if (++seen === 10) control.abort(reason)
        }
      }, reason)
      t.equal(seen, 10, 'at once')
    }
    const control = new AbortController()
    const all = store.readAll({ signal: control.signal }).batches(3)[Symbol.asyncIterator]()
    t.equal((await all.next()).done, false)
    control.abort(reason)
    await t.rejects(all.next(), reason)
    t.same(await all.next(), { value: undefined, done: true })
    await t.rejects(collect(store.readStream('a', { signal: AbortSignal.abort(reason) })), reason, 'aborted before')
    await t.rejects(collect(store.readAll({ signal: AbortSignal.abort() })), { name: 'AbortError' })
    t.equal((await collect(store.readStream('a', { signal: new AbortController().signal }))).length, COUNT)
  })
}

async function same(t: Test, reader: AsyncIterable<StoredEvent>, expected: number[], what: object): Promise<void> {
  const found = (await collect(reader)).map(({ offset }) => offset)
  // One assertion for thousands of cases would be one line for each.
  if (found.join() !== expected.join()) t.same(found, expected, JSON.stringify(what))
}
