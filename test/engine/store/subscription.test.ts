import t from 'tap'
import type { StoredEvent, Subscription } from '../../../engine/index.js'
import { AbortListeners } from '../../../engine/store/abort-listeners.js'
import { CommitSignal } from '../../../engine/store/commit-signal.js'
import type { Feed } from '../../../engine/store/feed.js'
import { EventSubscription } from '../../../engine/store/subscription.js'
import { isLog, numbered, TestMachine } from './test-machine.js'

const TOUCHED = [{ key: { name: 'a' } }]
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A feed of events that are there once they are committed, and a place for a test to do something in the middle of a read. */
class StubFeed implements Feed {
  readonly commits = new CommitSignal(0)
  readonly aborts = new AbortListeners()
  closed = false
  reads = 0
  /** Called by each read before it answers. */
  during: () => unknown = () => undefined
  /** Called when a read has found nothing, before that is known. */
  afterwards: () => unknown = () => undefined
  /** Answers with a promise. */
  late = false
  #next = 0

  read(most: number): StoredEvent[] | Promise<StoredEvent[]> {
    this.reads++
    this.during()
    const events: StoredEvent[] = []
    while (events.length < most && this.#next < this.commits.end) events.push(event(this.#next++))
    if (events.length === 0) this.afterwards()
    return this.late ? turn().then(() => events) : events
  }

  behind(): boolean {
    return this.#next < this.commits.end
  }

  skipTo(position: number): void {
    this.#next = Math.max(this.#next, position)
  }

  lag(position: number): number {
    return this.commits.end - position
  }

  commit(count = 1): void {
    this.commits.published(this.commits.end + count, TOUCHED)
  }

  subscribe(signal?: AbortSignal, onCaughtUp?: (position: number) => void): EventSubscription {
    const { aborts, commits } = this
    return new EventSubscription({}, this, 0, {
      aborts,
      activity: { reads: 0 },
      commits,
      signal,
      onCaughtUp,
      closed: () => this.closed,
    })
  }
}

function event(position: number): StoredEvent {
  return {
    stream: 'a',
    offset: position,
    position,
    id: '',
    type: 'T',
    timestamp: 0,
    schemaVersion: 1,
    data: 0,
    metadata: 0,
    tags: [],
  }
}

async function takePositions(subscription: Subscription, count: number): Promise<number[]> {
  const positions: number[] = []
  while (positions.length < count) positions.push((await subscription.next()).value!.position)
  return positions
}

t.test('[R13] what is committed between the last look and falling asleep is not slept through', async (t) => {
  for (const late of [false, true]) {
    const feed = new StubFeed()
    feed.late = late
    const subscription = feed.subscribe()
    let times = 0
    feed.afterwards = () => (times++ < 3 ? feed.commit() : undefined)
    t.same(await takePositions(subscription, 3), [0, 1, 2])
    await subscription.close()
  }
})

t.test('[R13] commits at the moment of waking up come once, in order', async (t) => {
  const feed = new StubFeed()
  const subscription = feed.subscribe()
  const taking = takePositions(subscription, 4)
  await turn()
  t.equal(feed.commits.sleeping, 1)
  feed.during = () => {
    if (feed.commits.end < 4) feed.commit()
  }
  feed.commit()
  t.same(await taking, [0, 1, 2, 3])
})

t.test(
  '[R13] the checkpoint of one that was found and has not been woken stands before what it was found for',
  async (t) => {
    const feeds = Array.from({ length: 200 }, () => new StubFeed())
    const { commits } = feeds[0]!
    const subscriptions = feeds.map(
      (feed) =>
        new EventSubscription({}, feed, 0, {
          activity: { reads: 0 },
          aborts: feed.aborts,
          commits,
          signal: undefined,
          onCaughtUp: undefined,
          closed: () => false,
        }),
    )
    const nexts = subscriptions.map((subscription) => subscription.next())
    await turn()
    t.equal(commits.sleeping, 200)
    commits.published(1, TOUCHED)
    t.ok(subscriptions.every(({ position, lag }) => position === 0 && lag === 1))
    await turn()
    t.equal(commits.matched, 1)
    t.ok(
      subscriptions.slice(-50).every(({ position }) => position === 0),
      'the last ones have not had their turn',
    )
    await subscriptions.at(-1)!.close()
    t.equal(subscriptions.at(-1)!.position, 0, 'nor when it ends there')
    commits.close()
    t.equal((await nexts.at(-1)!).done, true)
  },
)

t.test('[R13] nothing is kept where nothing waits', async (t) => {
  const feed = new StubFeed()
  const { signal } = new AbortController()
  const subscription = feed.subscribe(signal)
  t.equal(feed.commits.sleeping, 0)
  t.equal(feed.aborts.size, 0)
  const next = subscription.next()
  await turn()
  t.equal(feed.commits.sleeping, 1)
  t.equal(feed.aborts.size, 1)
  feed.commit(2)
  await next
  t.equal(feed.commits.sleeping, 0, 'a consumer at work is no sleeper')
  t.equal(feed.aborts.size, 0)
  for (let n = 0; n < 100; n++) feed.commit()
  await turn()
  t.equal(feed.reads, 2, 'and nothing is read for it')
  await subscription.return()
  await turn()
  t.equal(feed.commits.sleeping, 0)
})

t.test('[R13] what ends it while it reads is heard when the read is done, and the checkpoint stays', async (t) => {
  const reason = new Error('enough')
  const ends: Record<string, (feed: StubFeed, subscription: EventSubscription, control: AbortController) => void> = {
    abort: (_feed, _subscription, control) => control.abort(reason),
    close: (_feed, subscription) => {
      subscription.close().catch(() => {})
    },
    'close of the store': (feed) => (feed.closed = true),
  }
  for (const [name, end] of Object.entries(ends)) {
    for (const batches of [false, true]) {
      const feed = new StubFeed()
      const control = new AbortController()
      feed.late = true
      feed.commit(10)
      const subscription = feed.subscribe(control.signal)
      const next: Promise<IteratorResult<unknown>> = batches ? subscription.batches(20).next() : subscription.next()
      feed.during = () => end(feed, subscription, control)
      if (name === 'abort') await t.rejects(next, reason)
      else t.equal((await next).done, true, name)
      t.equal(subscription.position, 0)
      t.same(await subscription.next(), { value: undefined, done: true })
    }
  }
})

t.test('[R13] an error of a read ends it once; with the store closed it ends without one', async (t) => {
  for (const closed of [false, true]) {
    const feed = new StubFeed()
    const subscription = feed.subscribe()
    const broken = new Error('broken')
    feed.during = () => {
      feed.closed = closed
      throw broken
    }
    if (closed) t.equal((await subscription.next()).done, true)
    else await t.rejects(subscription.next(), broken)
    t.same(await subscription.next(), { value: undefined, done: true })
    t.equal(feed.commits.sleeping, 0)
  }
})

t.test('[R13] what is called at the caught-up moment may end the subscription', async (t) => {
  const feed = new StubFeed()
  const subscription: EventSubscription = feed.subscribe(undefined, () => {
    subscription.close().catch(() => {})
  })
  t.equal((await subscription.next()).done, true)
  t.equal(feed.commits.sleeping, 0)
})

t.test('[R13] others have their turn while a subscription reads what is there', async (t) => {
  const feed = new StubFeed()
  feed.commit(50_000)
  let turns = 0
  const counting = setInterval(() => turns++, 0)
  let immediates = 0
  const count = (): void => {
    immediates++
    if (immediates < 1000) setImmediate(count)
  }
  setImmediate(count)
  t.equal((await takePositions(feed.subscribe(), 50_000)).length, 50_000)
  clearInterval(counting)
  t.ok(immediates >= 20 && immediates < 1000, `${immediates} turns`)
  immediates = 1000
})

t.test('[R13] a sparse category reads only from where its own commits are', async (t) => {
  const machine = new TestMachine()
  await using store = await machine.open({ limits: { openFiles: 4 } })
  const subscription = store.subscribe({ category: 'rare', fromPosition: 'end' })
  let next = subscription.next()
  for (let round = 0; round < 5; round++) {
    for (let n = 0; n < 20; n++) await store.append(`frequent-${n}`, numbered(100))
    await turn()
    const before = machine.files.bytesRead
    await store.append('rare-1', numbered(1))
    t.equal((await next).value?.offset, round)
    t.ok(machine.files.bytesRead - before < 40_000, `${machine.files.bytesRead - before} bytes for one event`)
    next = subscription.next()
  }
  await subscription.close()
  t.equal((await next).done, true)
})

t.test('[R13] a position in a stream is found by a few looks', async (t) => {
  const machine = new TestMachine()
  await using store = await machine.open()
  for (let n = 0; n < 100; n++) {
    await store.appendMany([
      { stream: 'a', events: numbered(50, 50 * n) },
      { stream: 'b', events: numbered(50) },
    ])
  }
  await store.flush()
  const subscription = store.subscribe({ stream: 'a', fromPosition: 7777 })
  const before = machine.files.bytesRead
  const { value } = await subscription.next()
  t.ok(machine.files.bytesRead - before < 300_000, `${machine.files.bytesRead - before} bytes`)
  t.same([value!.position, value!.offset], [7800, 3900], 'the first one from there on')
  await subscription.close()
})

t.test('[R13] damage in the part that is read is told, and nothing is skipped', async (t) => {
  const machine = new TestMachine()
  let store = await machine.open()
  for (let n = 0; n < 50; n++) await store.append(n % 2 === 0 ? 'a-1' : 'b-1', numbered(20, n * 10))
  await store.close()
  const flip = (path: string): void => {
    const bytes = machine.contents(path)
    bytes[Math.floor(bytes.length / 2)]! ^= 1
    machine.write(path, bytes)
  }
  flip(machine.find('.log')[0]!)
  flip(machine.find('.seg').find((path) => path.includes('a-1'))!)
  store = await machine.open()
  for (const options of [{}, { category: 'a' }, { stream: 'a-1' }]) {
    const subscription = store.subscribe(options)
    const found: number[] = []
    await t.rejects(
      async () => {
        for await (const event of subscription) found.push(options.stream === undefined ? event.position : event.offset)
      },
      { code: 'ERR_CORRUPT' },
    )
    t.ok(found.length > 0, 'what stands before it comes first')
    if (options.category === undefined) t.equal(found.at(-1), found.length - 1, 'without a gap')
    t.same(await subscription.next(), { value: undefined, done: true })
  }
  const behind = store.subscribe({ fromPosition: 900 })
  t.equal((await behind.next()).value?.position, 900, 'what is not read does no harm')
  await behind.close()
  await store.close()
})

t.test('[R13] after the writer has failed subscriptions go on: they read, wait, and end with the store', async (t) => {
  const machine = new TestMachine()
  const store = await machine.open()
  await store.append('a', numbered(5))
  const waiting = store.subscribe({ fromPosition: 'end' }).next()
  machine.files.setFaults({
    only: (operation) => isLog(operation) && operation.kind === 'write',
    failAt: 1,
    sticky: true,
  })
  await t.rejects(store.append('a', numbered(1)), { code: 'ERR_OUTCOME_UNKNOWN' })
  await t.rejects(store.append('a', numbered(1)), { code: 'ERR_WRITER_FAILED' })
  const subscription = store.subscribe({ stream: 'a' })
  for (let n = 0; n < 5; n++) t.equal((await subscription.next()).value?.offset, n)
  const last = subscription.next()
  await turn()
  t.ok(subscription.isCaughtUp, 'what failed was never there')
  await store.close()
  t.equal((await last).done, true)
  t.equal((await waiting).done, true)
})

t.test('[R13] relaxed appends are followed as they are read', async (t) => {
  const machine = new TestMachine()
  await using store = await machine.open()
  const subscription = store.subscribe()
  for (const durability of ['os', 'interval', 'fsync'] as const) {
    const next = subscription.next()
    const { position } = await store.append('a', numbered(1), { durability })
    t.equal((await next).value?.position, position)
  }
  await subscription.close()
})

t.test('[R13] thousands that wait for other streams are not woken, and the one that is touched is', async (t) => {
  const machine = new TestMachine()
  await using store = await machine.open()
  const idle = Array.from({ length: 5000 }, (_, n) => store.subscribe({ stream: `s-${n}` }))
  const nexts = idle.map((subscription) => subscription.next())
  let ended = 0
  for (const next of nexts) next.then(() => ended++).catch(() => {})
  await turn()
  const before = machine.files.bytesRead
  for (let n = 0; n < 20; n++) await store.append('other', numbered(1))
  for (let n = 0; n < 100; n++) await turn()
  t.equal(ended, 0)
  t.equal(machine.files.bytesRead, before, 'nobody has looked')
  await store.append('s-4321', numbered(1))
  t.equal((await nexts[4321])!.value?.stream, 's-4321')
  t.equal(ended, 1)
  await store.close()
  t.ok((await Promise.all(nexts)).every(({ done }, n) => done === (n !== 4321)))
})
