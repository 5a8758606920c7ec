import type { Test } from 'tap'
import type { EventStore, NewEvent, StoredEvent, SubscribeOptions, Subscription } from '../../engine/index.js'
import { collect, type ContractContext, numbered } from './contract-support.js'

/** What following promises. */
export function subscriptionContract(t: Test, { open, capabilities }: ContractContext): void {
  const { settle, openFiles } = capabilities

  /** Appends to three streams in turns, some of it settled, so that old events come from files and new ones from memory. */
  async function fill(store: EventStore, from: number, count: number): Promise<void> {
    for (let n = from; n < from + count; n++) {
      await store.append(STREAMS[n % 3]!, numbered(1, n))
      if (n === 40) await settle?.(store)
    }
  }

  t.test(
    '[R13] a subscription yields what is there and then what is committed, each event once and in order',
    async (t) => {
      await using store = await open()
      await fill(store, 0, 90)
      const followed: { options: SubscribeOptions; wanted: (n: number) => boolean }[] = [
        { options: {}, wanted: () => true },
        { options: { stream: STREAMS[1] }, wanted: (n) => n % 3 === 1 },
        { options: { category: 'account' }, wanted: (n) => n % 3 !== 2 },
      ]
      const loops = followed.map(({ options, wanted }) => ({
        expected: Array.from({ length: 150 }, (_, n) => n).filter(wanted),
        found: take(store.subscribe(options), Array.from({ length: 150 }, (_, n) => n).filter(wanted).length),
      }))
      await fill(store, 90, 60)
      for (const { found, expected } of loops) t.same((await found).map(nOf), expected)
    },
  )

  t.test('[R13] [K4] a subscription from every position gives exactly the suffix, and goes on behind it', async (t) => {
    await using store = await open()
    await fill(store, 0, 60)
    const positions = (await collect(store.readAll())).map(({ position }) => position)
    const loops: [number, string, Promise<StoredEvent[]>, number[]][] = []
    for (const [n, fromPosition] of positions.entries()) {
      const suffix = Array.from({ length: 66 - n }, (_, i) => n + i)
      for (const [options, expected] of [
        [{}, suffix],
        [{ stream: STREAMS[0] }, suffix.filter((n) => n % 3 === 0)],
        [{ category: 'account' }, suffix.filter((n) => n % 3 !== 2)],
      ] as const) {
        const found = take(store.subscribe({ ...options, fromPosition }), expected.length)
        loops.push([n, JSON.stringify(options), found, expected])
      }
    }
    await fill(store, 60, 6)
    for (const [n, options, found, expected] of loops) {
      const ns = (await found).map(nOf)
      if (ns.join() !== expected.join()) t.same(ns, expected, `${options} from ${n}`)
    }
    t.equal(loops.length, 180)
  })

  t.test('[R13] a stream is followed from every offset, also from one that does not exist yet', async (t) => {
    await using store = await open()
    await store.append('a', numbered(5))
    const loops = Array.from({ length: 8 }, (_, fromOffset) => take(store.subscribe({ stream: 'a', fromOffset }), 1))
    const unborn = take(store.subscribe({ stream: 'b' }), 1)
    await store.append('a', numbered(5, 5))
    await store.append('b', numbered(1))
    t.same(
      (await Promise.all(loops)).flat().map(({ offset }) => offset),
      [0, 1, 2, 3, 4, 5, 6, 7],
    )
    t.equal((await unborn)[0]!.stream, 'b')
  })

  t.test("[R13] 'end' means what is committed from the call on, however late somebody iterates", async (t) => {
    await using store = await open()
    await store.append('a-1', numbered(5))
    const subscriptions = [
      store.subscribe({ fromPosition: 'end' }),
      store.subscribe({ stream: 'a-1', fromPosition: 'end' }),
      store.subscribe({ stream: 'a-1', fromOffset: 'end' }),
      store.subscribe({ category: 'a', fromPosition: 'end' }),
    ]
    await store.append('a-1', numbered(2, 5))
    for (const subscription of subscriptions) t.same((await take(subscription, 2)).map(nOf), [5, 6])
  })

  t.test('[R13] a subscription from a position that does not exist yet waits for it', async (t) => {
    await using store = await open()
    await store.append('a-1', numbered(2))
    const subscriptions = [{}, { stream: 'a-1' }, { category: 'a' }].map((options) =>
      store.subscribe({ ...options, fromPosition: 4 }),
    )
    const loops = subscriptions.map((subscription) => take(subscription, 2))
    for (let n = 2; n < 7; n++) await store.append('a-1', numbered(1, n))
    for (const loop of loops) t.same((await loop).map(nOf), [4, 5])
  })

  t.test('[R13] a category is followed by its whole name, also where names have several dashes', async (t) => {
    await using store = await open()
    const subscriptions = ['a', 'a-b', 'é'].map((category) => store.subscribe({ category }))
    const streams = ['a', 'ab-1', 'a-', 'a-b', 'a-b-c', 'A-1', 'b-a-1', 'é-1', '-', '--', 'a-bc-1']
    const loops = subscriptions.map((subscription, i) => take(subscription, [4, 1, 1][i]!))
    for (const stream of streams) await store.append(stream, numbered(1))
    t.same(
      (await Promise.all(loops)).map((events) => events.map(({ stream }) => stream)),
      [['a-', 'a-b', 'a-b-c', 'a-bc-1'], ['a-b-c'], ['é-1']],
    )
  })

  t.test('[R13] [R11] filters by type and correlation id hold for what is there and for what comes', async (t) => {
    await using store = await open()
    const some = (from: number): NewEvent[] =>
      Array.from({ length: 30 }, (_, i) => ({
        type: ['A', 'B', 'C'][i % 3]!,
        data: { n: from + i },
        metadata: { correlationId: `c-${i % 2}` },
      }))
    await store.append('s-1', some(0))
    await store.append('t-1', some(30))
    await settle?.(store)
    const cases: [SubscribeOptions, (n: number) => boolean][] = [
      [{ types: ['A', 'C'] }, (n) => n % 3 !== 1],
      [{ types: ['B'], stream: 's-1' }, (n) => n % 3 === 1 && n % 60 < 30],
      [{ correlationId: 'c-1', category: 't' }, (n) => n % 2 === 1 && n % 60 >= 30],
      [{ correlationId: 'c-0', types: ['A'] }, (n) => n % 6 === 0],
    ]
    const loops = cases.map(([options, wanted]) => {
      const expected = Array.from({ length: 120 }, (_, n) => n).filter(wanted)
      return { options, expected, found: take(store.subscribe(options), expected.length) }
    })
    const none = store.subscribe({ types: ['X'] })
    const nothing = none.next()
    await store.append('s-1', some(60))
    const { position } = await store.append('t-1', some(90))
    for (const { options, expected, found } of loops) t.same((await found).map(nOf), expected, JSON.stringify(options))
    await until(() => none.position === position + 1)
    t.ok(none.isCaughtUp, 'what is passed over is looked at once')
    await none.close()
    t.equal((await nothing).done, true)
  })

  t.test('[R13] position is a checkpoint: going on from it misses nothing and repeats nothing', async (t) => {
    await using store = await open()
    await fill(store, 0, 50)
    for (const options of [{}, { stream: STREAMS[2] }, { category: 'account' }]) {
      const expected = (await take(store.subscribe(options), options.stream === undefined ? 30 : 15)).map(nOf)
      const found: number[] = []
      for (let position = 0, size = 1; found.length < expected.length; size++) {
        const subscription = store.subscribe({ ...options, fromPosition: position })
        for await (const event of subscription) {
          found.push(nOf(event))
          t.equal(subscription.position, event.position + 1)
          if (found.length % size === 0 || found.length === expected.length) break
        }
        position = subscription.position
      }
      t.same(found, expected)
    }
  })

  t.test(
    '[R13] the checkpoint of one that waits moves with the store, and skips nothing that it waits for',
    async (t) => {
      await using store = await open()
      await store.append('a-1', numbered(3))
      for (const options of [{ stream: 'a-1' }, { category: 'a' }]) {
        const subscription = store.subscribe({ ...options, fromPosition: 'end' })
        const next = subscription.next()
        const last = (await store.append('b-1', numbered(4))).position
        await until(() => subscription.position === last + 1)
        t.ok(subscription.isCaughtUp)
        const { position } = await store.append('a-1', numbered(1))
        t.ok(subscription.position <= position, 'not beyond an event that was not handed out')
        t.equal((await next).value?.position, position)
        t.equal(subscription.position, position + 1)
        await subscription.close()
        t.equal(subscription.position, position + 1)
      }
    },
  )

  t.test('[R13] lag and the caught-up moment are visible', async (t) => {
    for (const [options, own] of [
      [{}, 20],
      [{ stream: 'a-1' }, 10],
    ] as const) {
      await using store = await open()
      await store.append('a-1', numbered(10))
      const { position } = await store.append('b-1', numbered(10))
      const reached: number[] = []
      const subscription = store.subscribe({ ...options, onCaughtUp: (position) => void reached.push(position) })
      await subscription.next()
      t.equal(subscription.lag, own - 1)
      t.notOk(subscription.isCaughtUp)
      for (let n = 1; n < own; n++) await subscription.next()
      t.equal(subscription.lag, 0)
      t.ok(subscription.isCaughtUp)
      t.same(reached, [], 'not while the last event may still be worked on')
      const next = subscription.next()
      await until(() => reached.length > 0)
      t.same(reached, [position + 1])
      await store.append('a-1', numbered(2))
      await next
      t.equal(subscription.lag, 1)
      await subscription.next()
      const ended = subscription.next()
      await until(() => subscription.isCaughtUp)
      t.equal(reached.length, 1, 'once')
      await subscription.close()
      t.equal((await ended).done, true)
    }
  })

  t.test('[R13] batches hold what is there, at most as many as asked for, and never wait to be full', async (t) => {
    await using store = await open()
    await fill(store, 0, 90)
    for (const options of [{}, { stream: STREAMS[0] }, { category: 'account' }]) {
      const subscription = store.subscribe(options)
      const batches = subscription.batches(7)
      const wanted = options.stream === undefined ? (options.category === undefined ? 90 : 60) : 30
      const sizes: number[] = []
      const found: number[] = []
      while (found.length < wanted) {
        const { value } = await batches.next()
        sizes.push(value!.length)
        found.push(...value!.map(nOf))
      }
      t.same(sizes, [...Array.from({ length: Math.floor(wanted / 7) }, () => 7), ...(wanted % 7 ? [wanted % 7] : [])])
      if (options.category === undefined) t.ok(subscription.isCaughtUp)
      await subscription.close()
    }
    const subscription = store.subscribe({ fromPosition: 'end' })
    const batches = subscription.batches(1000)
    for (const size of [1, 3, 500]) {
      const next = batches.next()
      await store.append('a', numbered(size))
      const found = (await next).value!
      while (found.length < size) found.push(...(await batches.next()).value!)
      t.equal(found.length, size)
    }
    t.throws(() => subscription.batches(0), { code: 'ERR_INVALID_ARGUMENT' })
    await subscription.close()
  })

  t.test('[R13] events and batches of one subscription share its place', async (t) => {
    await using store = await open()
    await store.append('a', numbered(10))
    const subscription = store.subscribe()
    const batches = subscription.batches(3)
    t.equal(nOf((await subscription.next()).value!), 0)
    t.same((await batches.next()).value!.map(nOf), [1, 2, 3])
    t.equal(nOf((await subscription.next()).value!), 4)
    t.same((await subscription.batches(100).next()).value!.map(nOf), [5, 6, 7, 8, 9])
    await batches.return!()
    t.equal((await subscription.next()).done, true)
  })

  t.test('[R13] a slow consumer gets everything, and holds up nobody', async (t) => {
    await using store = await open()
    const subscription = store.subscribe()
    const slow = (async () => {
      const found: number[] = []
      for await (const event of subscription) {
        found.push(nOf(event))
        await new Promise((resolve) => setImmediate(resolve))
        if (found.length === 600) return found
      }
      return found
    })()
    const fast = take(store.subscribe(), 600)
    for (let n = 0; n < 600; n += 20) {
      await store.append(`s-${n % 7}`, numbered(20, n))
      if (n === 300) await settle?.(store)
    }
    const all = Array.from({ length: 600 }, (_, n) => n)
    t.same((await fast).map(nOf), all)
    t.same(await slow, all)
  })

  t.test(
    '[M4] [R13] a commit is there whole: what has begun to come comes to its end without another commit',
    async (t) => {
      await using store = await open()
      const subscriptions = [store.subscribe(), store.subscribe({ category: 'a' }), store.subscribe({ stream: 'a-2' })]
      const loops = subscriptions.map((subscription, i) => take(subscription, [400, 400, 200][i]!))
      await store.appendMany([
        { stream: 'a-1', events: numbered(200) },
        { stream: 'a-2', events: numbered(200) },
      ])
      t.same(
        (await Promise.all(loops)).map(({ length }) => length),
        [400, 400, 200],
      )
      const batch = await store.subscribe().batches(1000).next()
      t.equal(batch.value!.length, 400)
    },
  )

  t.test('[R13] calls of next that do not wait for each other are answered in order', async (t) => {
    await using store = await open()
    await store.append('a', numbered(100))
    const subscription = store.subscribe({ stream: 'a' })
    const results = Array.from({ length: 200 }, () => subscription.next())
    await store.append('a', numbered(100, 100))
    t.same(
      (await Promise.all(results)).map(({ value }) => nOf(value!)),
      Array.from({ length: 200 }, (_, n) => n),
    )
    const waiting = [subscription.next(), subscription.next()]
    await subscription.close()
    for (const next of waiting) t.equal((await next).done, true)
  })

  t.test('[R13] a subscription ends by break, by close() and by return(), and gives nothing more', async (t) => {
    await using store = await open()
    await store.append('a', numbered(3))
    const subscription = store.subscribe()
    for await (const event of subscription) if (nOf(event) === 1) break
    t.same(await collect(subscription), [], 'it is iterated over once')
    const waiting = store.subscribe({ fromPosition: 'end' })
    const [next, batch] = [waiting.next(), waiting.batches(2).next()]
    await waiting.close()
    await waiting.close()
    t.equal((await next).done, true)
    t.equal((await batch).done, true)
    {
      await using disposed = store.subscribe()
      await disposed.next()
    }
    await store.append('a', numbered(1))
    t.same(await collect(waiting), [])
    t.equal((await store.subscribe().return()).done, true)
  })

  t.test('[R13] [R10] an AbortSignal ends it with its reason, while it waits and while it reads', async (t) => {
    await using store = await open()
    await store.append('a', numbered(100))
    const reason = new Error('enough')
    const control = new AbortController()
    const { signal } = control
    const waiting: Promise<unknown>[] = [
      collect(store.subscribe({ fromPosition: 'end', signal })),
      collect(store.subscribe({ stream: 'b', signal }).batches(3)),
      collect(store.subscribe({ category: 'b', signal })),
    ]
    const reading = store.subscribe({ signal })
    await reading.next()
    await until(() => true)
    control.abort(reason)
    for (const loop of waiting) await t.rejects(async () => loop, reason)
    await t.rejects(reading.next(), reason)
    t.same(await reading.next(), { value: undefined, done: true }, 'once')
    await t.rejects(collect(store.subscribe({ signal: AbortSignal.abort(reason) })), reason, 'aborted before')
    await t.rejects(collect(store.subscribe({ signal: AbortSignal.abort() })), { name: 'AbortError' })
    const closed = store.subscribe({ signal: AbortSignal.abort(reason) })
    await closed.close()
    t.same(await collect(closed), [], 'one that has ended does not reject any more')
  })

  t.test('[R13] closing the store ends its subscriptions without an error', async (t) => {
    const store = await open()
    await store.append('a', numbered(100))
    const reading = store.subscribe()
    await reading.next()
    const loops = [{ fromPosition: 'end' as const }, { stream: 'b' }, { category: 'b' }].map((options) =>
      collect(store.subscribe(options)),
    )
    const batches = collect(store.subscribe({ fromPosition: 'end' }).batches(5))
    await until(() => true)
    await store.close()
    for (const loop of [...loops, batches]) t.same(await loop, [])
    t.equal((await reading.next()).done, true)
    t.throws(() => store.subscribe(), { code: 'ERR_CLOSED' })
  })

  t.test('[R13] what a consumer throws is its own: the writer and other subscriptions go on', async (t) => {
    await using store = await open()
    const thrown = new Error('by the consumer')
    const failing = (async () => {
      for await (const event of store.subscribe({ stream: 'a' })) throw event.offset === 0 ? thrown : new Error('more')
    })()
    const callback = collect(
      store.subscribe({
        onCaughtUp: () => {
          throw thrown
        },
      }),
    )
    const other = take(store.subscribe(), 4)
    const rejected = [t.rejects(failing, thrown), t.rejects(callback, thrown)]
    for (let n = 0; n < 4; n++) t.equal((await store.append('a', numbered(1, n))).version, n + 1)
    t.same((await other).map(nOf), [0, 1, 2, 3])
    await Promise.all(rejected)
  })

  t.test('[R13] what can never work is refused at the call', async (t) => {
    await using store = await open()
    const bad: unknown[] = [
      null,
      7,
      [],
      { streams: 'a' },
      { stream: '' },
      { stream: 7 },
      { stream: 'a', category: 'a' },
      { category: '' },
      { category: 7 },
      { category: '\ud800' },
      { fromPosition: -1 },
      { fromPosition: 1.5 },
      { fromPosition: 'start' },
      { fromPosition: NaN },
      { fromOffset: 1 },
      { stream: 'a', fromOffset: '1' },
      { stream: 'a', fromOffset: 1, fromPosition: 1 },
      { onCaughtUp: 'yes' },
      { types: 'A' },
      { types: [] },
      { correlationId: 7 },
      { signal: {} },
    ]
    for (const options of bad) {
      t.throws(() => store.subscribe(options as SubscribeOptions), { code: /^ERR_INVALID_(ARGUMENT|NAME)$/ })
    }
    const none: SubscribeOptions = {
      stream: undefined,
      category: undefined,
      fromPosition: undefined,
      fromOffset: undefined,
      onCaughtUp: undefined,
      signal: undefined,
    }
    await store.append('a', numbered(1))
    t.equal((await take(store.subscribe(none), 1)).length, 1)
  })

  t.test('[R13] [fault 82] 10,000 subscriptions begun and ended, read from or not, leave nothing open', async (t) => {
    await using store = await open()
    await fill(store, 0, 60)
    for (const stream of STREAMS) await take(store.subscribe({ stream }), 20)
    await take(store.subscribe(), 60)
    const before = openFiles?.(store)
    const control = new AbortController()
    const { signal } = control
    const ended: Promise<unknown>[] = []
    let aborted = 0
    for (let i = 0; i < 10_000; i++) {
      const options = [{}, { stream: STREAMS[i % 3] }, { category: 'account' }][i % 3]!
      if (i % 4 === 0) {
        for await (const _event of store.subscribe({ ...options, fromPosition: i % 50 })) break
      } else if (i % 4 === 1) {
        const waiting = store.subscribe({ ...options, fromPosition: 'end' })
        ended.push(waiting.next())
        if (i % 8 === 1) await waiting.close()
        else ended.push(waiting.return())
      } else if (i % 4 === 2) {
        const waiting = store.subscribe({ ...options, fromPosition: 'end', signal }).next()
        ended.push(waiting.catch((error: unknown) => (aborted += error === signal.reason ? 1 : 0)))
      } else store.subscribe(options)
      if (i % 1000 === 999) await until(() => true)
    }
    control.abort()
    await Promise.all(ended)
    t.equal(aborted, 2500)
    if (before !== undefined) t.ok(openFiles!(store) <= before, `${openFiles!(store)} open files, ${before} before`)
    t.equal((await store.append(STREAMS[0]!, numbered(1))).version, 21)
  })
}

const STREAMS = ['account-1', 'account-2', 'order-1']

function nOf(event: StoredEvent): number {
  return (event.data as { n: number }).n
}

/** Takes so many events and leaves. */
async function take(subscription: Subscription, count: number): Promise<StoredEvent[]> {
  const events: StoredEvent[] = []
  if (count === 0) return events
  for await (const event of subscription) if (events.push(event) === count) break
  return events
}

/** Waits until something is so; at least until everything that is under way now has had a turn. */
async function until(condition: () => boolean): Promise<void> {
  do for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
  while (!condition())
}
