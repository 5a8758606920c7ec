import type { Test } from 'tap'
import type {
  EventStore,
  NewEvent,
  ReadAllOptions,
  ReadStreamOptions,
  StoredEvent,
  StreamAppend,
} from '../../engine/index.js'
import { SeededRandom } from '../support/random.js'
import { collect, type ContractContext } from './contract-support.js'

const COUNT = 900
const LONG = 'c'.repeat(256)
const STREAMS = [
  'account-1',
  'account-2',
  'account-',
  'account',
  'accounts-1',
  'account-eu-1',
  'Account-1',
  'käse-1',
  '-',
]
const TYPES = ['Opened', 'Closed', 'Opener', 'Open', 'Ähnlich', 'x'.repeat(1000)]
const METADATA: readonly unknown[] = [
  undefined,
  {},
  { correlationId: 'c1' },
  { correlationId: 'c2', causationId: 'c1' },
  { note: 'c1', correlationId: 'c11' },
  { note: 'c1' },
  { inner: { correlationId: 'c1' } },
  { correlationId: 1 },
  { correlationId: '' },
  { correlationId: 'é' },
  { correlationId: LONG },
  { correlationId: LONG.slice(1) },
  { correlationId: `${LONG}d` },
  { filler: 'x'.repeat(70_000), correlationId: 'far' },
  { correlationId: null, causationId: 'c1' },
]

/** What the filters mean, said without any of the engine. */
function meets(event: StoredEvent, options: ReadAllOptions): boolean {
  const { types, correlationId, fromTime, toTime, category } = options
  if (types !== undefined && !types.includes(event.type)) return false
  if (category !== undefined && !event.stream.startsWith(`${category}-`)) return false
  if (fromTime !== undefined && event.timestamp < Number(fromTime)) return false
  if (toTime !== undefined && event.timestamp > Number(toTime)) return false
  if (correlationId === undefined) return true
  return (event.metadata as { correlationId?: unknown } | undefined)?.correlationId === correlationId
}

/** What filters promise. */
export function filterContract(t: Test, { open, capabilities }: ContractContext): void {
  const { settle } = capabilities

  /** Events of all kinds in all streams, most of them in `account-1`, with timestamps in any order. */
  async function filled(): Promise<{ store: EventStore; all: StoredEvent[] }> {
    const store = await open()
    const random = new SeededRandom(12)
    for (let n = 0; n < COUNT;) {
      const appends = Array.from({ length: 30 }, (): StreamAppend => {
        const event: NewEvent = {
          type: random.pick(TYPES),
          data: n++,
          metadata: random.chance(0.02) ? METADATA[13] : random.pick(METADATA.toSpliced(13, 1)),
          timestamp: n + (random.chance(0.1) ? random.below(1000) - 500 : 0),
        }
        return { stream: random.chance(0.5) ? 'account-1' : random.pick(STREAMS), events: [event] }
      })
      await store.appendMany(appends)
      if (n === 600) await settle?.(store)
    }
    return { store, all: await collect(store.readAll()) }
  }

  const filters: readonly ReadAllOptions[] = [
    { types: ['Opened'] },
    { types: ['Open', 'Ähnlich', 'Open'] },
    { types: ['x'.repeat(1000)] },
    { types: ['Never'] },
    { fromTime: 300 },
    { toTime: 300 },
    { fromTime: 250, toTime: 260 },
    { fromTime: new Date(250), toTime: new Date(250) },
    { fromTime: -Infinity, toTime: Infinity },
    { fromTime: 5000 },
    { fromTime: 260, toTime: 250 },
    ...['c1', 'c2', 'c11', '', 'é', LONG, LONG.slice(1), `${LONG}d`, 'far', 'none', 'correlationId'].map(
      (correlationId) => ({ correlationId }),
    ),
    { types: ['Opened', 'Closed'], correlationId: 'c1', fromTime: 100, toTime: 800 },
  ]
  const categories = ['account', 'accounts', 'account-eu', 'käse', 'kä', 'acc', 'Account', 'none', '-']

  t.test('[R11] [N2] [B4] [U2] a filtered read is what filtering everything gives', async (t) => {
    const { store, all } = await filled()
    const ofOne = all.filter(({ stream }) => stream === 'account-1')
    t.ok(ofOne.length > 400)
    for (const filter of filters) {
      await same(
        t,
        store.readAll(filter),
        all.filter((event) => meets(event, filter)),
        filter,
      )
      await same(
        t,
        store.readAll(filter).batches(7),
        all.filter((event) => meets(event, filter)),
        filter,
      )
      const wanted = ofOne.filter((event) => meets(event, filter))
      await same(t, store.readStream('account-1', filter), wanted, filter)
      const backward: ReadStreamOptions = { ...filter, direction: 'backward' }
      await same(t, store.readStream('account-1', backward), wanted.toReversed(), backward)
    }
    await store.close()
  })

  t.test('[R11] [N3] a category is the streams whose names begin with it and a dash', async (t) => {
    const { store, all } = await filled()
    for (const category of categories) {
      const wanted = all.filter(({ stream }) => stream.startsWith(`${category}-`))
      t.equal(wanted.length > 0, !['kä', 'acc', 'none', '-'].includes(category), category)
      await same(t, store.readCategory(category), wanted, { category })
      await same(t, store.readAll({ category }), wanted, { category })
      for (const filter of filters) {
        const both = { ...filter, category }
        await same(
          t,
          store.readCategory(category, filter),
          all.filter((event) => meets(event, both)),
          both,
        )
      }
    }
    await store.close()
  })

  t.test('[R11] [R12] [R7] ranges, limits and filters together', async (t) => {
    const { store, all } = await filled()
    const ofOne = all.filter(({ stream }) => stream === 'account-1')
    const random = new SeededRandom(99)
    for (let n = 0; n < 300; n++) {
      const from = random.chance(0.5) ? undefined : random.below(900)
      const to = random.chance(0.5) ? undefined : random.below(900)
      const limit = random.pick([undefined, 0, 1, 5, 33, 100_000])
      const filter = random.pick(filters)
      const category = random.chance(0.5) ? undefined : random.pick(categories)
      const options = { ...filter, category, fromPosition: from, toPosition: to, limit }
      const inAll = all.filter(({ position }) => position >= (from ?? 0) && position <= (to ?? Infinity))
      await same(t, store.readAll(options), inAll.filter((event) => meets(event, options)).slice(0, limit), options)
      const forward: ReadStreamOptions = { ...filter, fromOffset: from, toOffset: to, limit }
      const inOne = ofOne.filter(({ offset }) => offset >= (from ?? 0) && offset <= (to ?? Infinity))
      const wanted = inOne.filter((event) => meets(event, filter)).slice(0, limit)
      await same(t, store.readStream('account-1', forward), wanted, forward)
      const turned = ofOne.filter(({ offset }) => offset <= (from ?? Infinity) && offset >= (to ?? 0)).toReversed()
      const backward: ReadStreamOptions = { ...forward, direction: 'backward' }
      const last = turned.filter((event) => meets(event, filter)).slice(0, limit)
      await same(t, store.readStream('account-1', backward), last, backward)
    }
    await store.close()
  })

  t.test('[R11] one event is found by its id', async (t) => {
    const { store, all } = await filled()
    for (const place of [0, 450, 899]) {
      const event = all[place]!
      await same(t, store.readAll({ id: event.id, limit: 1 }), [event], { place })
      await same(t, store.readStream(event.stream, { id: event.id }), [event], { place })
      await same(t, store.readAll({ id: event.id, types: [event.type] }), [event], { place })
      await same(t, store.readAll({ id: event.id, fromTime: event.timestamp + 1 }), [], { place })
    }
    await same(t, store.readAll({ id: '00000000-0000-4000-8000-000000000000' }), [], {})
    for (const id of ['', 1, all[0]!.id.toUpperCase(), `${all[0]!.id} `]) {
      t.throws(() => store.readAll({ id: id as string }), { code: 'ERR_INVALID_ARGUMENT' }, String(id))
    }
    await store.close()
  })

  t.test('[R11] [B4] withoutData leaves data and metadata out and everything else as it is', async (t) => {
    const { store, all } = await filled()
    const bare = (event: StoredEvent): StoredEvent => ({ ...event, data: undefined, metadata: undefined })
    for (const filter of [
      {},
      { correlationId: LONG },
      { correlationId: 'far' },
      { types: ['Opened'], fromTime: 200 },
    ]) {
      const options = { ...filter, withoutData: true }
      const wanted = all.filter((event) => meets(event, filter)).map(bare)
      await same(t, store.readAll(options), wanted, options)
      t.strictSame((await collect(store.readAll(options).commits())).flat(), wanted, 'by commit')
      const ofOne = wanted.filter(({ stream }) => stream === 'account-1')
      await same(t, store.readStream('account-1', options), ofOne, options)
      await same(t, store.readStream('account-1', { ...options, direction: 'backward' }), ofOne.toReversed(), options)
    }
    t.throws(() => store.readAll({ withoutData: 1 as unknown as boolean }), { code: 'ERR_INVALID_ARGUMENT' })
    await store.close()
  })

  t.test('[R11] [R9] a filtered read sees the events committed when it began', async (t) => {
    const { store, all } = await filled()
    let seen = 0
    for await (const _event of store.readCategory('account', { types: ['Opened'] })) {
      if (seen++ % 20 === 0) await store.append('account-1', [{ type: 'Opened', timestamp: 1 }])
    }
    t.equal(seen, all.filter((event) => meets(event, { category: 'account', types: ['Opened'] })).length)
    await store.close()
  })

  t.test('[R11] what the caller does to the options afterwards has no effect', async (t) => {
    const { store, all } = await filled()
    const types = ['Opened']
    const fromTime = new Date(300)
    const options: { types: string[]; fromTime: Date; limit?: number } = { types, fromTime }
    const wanted = all.filter((event) => meets(event, { types: ['Opened'], fromTime: 300 }))
    const reader = store.readAll(options)
    types.push('Closed')
    fromTime.setTime(0)
    options.limit = 1
    await same(t, reader, wanted, {})
    await store.close()
  })

  t.test(
    '[R10] [R11] a read that finds nothing leaves the others their turn and ends when it is told to',
    async (t) => {
      await using store = await open()
      for (let n = 0; n < 40; n++) {
        await store.append(
          'a',
          Array.from({ length: 1000 }, (_, i) => ({ type: 'T', timestamp: i })),
        )
      }
      await settle?.(store)
      const reason = new Error('enough')
      const readers = (signal: AbortSignal): AsyncIterable<unknown>[] => [
        store.readAll({ types: ['U'], signal }),
        store.readAll({ category: 'b', signal }).batches(10),
        store.readStream('a', { correlationId: 'c', signal }),
        store.readStream('a', { types: ['U'], direction: 'backward', signal }),
      ]
      for (const i of [0, 1, 2, 3]) {
        let turns = 0
        let reading = true
        const count = (): void => {
          turns++
          if (reading) setImmediate(count)
        }
        setImmediate(count)
        t.same(await collect(readers(new AbortController().signal)[i]!), [])
        reading = false
        t.ok(turns >= 10, `${turns} turns while 40,000 events were passed over`)

        const control = new AbortController()
        const reading1 = collect(readers(control.signal)[i]!)
        setImmediate(() => control.abort(reason))
        await t.rejects(reading1, reason)
      }
      const left = store.readAll({ types: ['U'] })[Symbol.asyncIterator]()
      const next = left.next()
      await left.return!()
      t.same(await next, { value: undefined, done: true })
    },
  )
}

async function same(
  t: Test,
  reader: AsyncIterable<StoredEvent | StoredEvent[]>,
  wanted: readonly StoredEvent[],
  what: object,
): Promise<void> {
  const found = (await collect(reader)).flat().map(({ position }) => position)
  const expected = wanted.map(({ position }) => position)
  // One assertion for thousands of cases would be one line for each.
  if (found.join() !== expected.join()) t.same(found, expected, JSON.stringify(what))
}
