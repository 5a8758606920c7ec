import t from 'tap'
import { type EventStore, openMemoryStore } from '../../engine/index.js'
import { defineEvents, deciderRepository, event, repository, snapshotCache, snapshotStreams } from '../../kit/index.js'
import type { AccountRecord } from '../../examples/account/account.js'
import type {
  DeciderRepository,
  EventRegistry,
  Snapshot,
  SnapshotPolicy,
  SnapshotStore,
  WarningListener,
} from '../../kit/index.js'
import {
  Account,
  type AccountCommand,
  accountDecider,
  type AccountEvent,
  accountEvents,
  type AccountState,
  fill,
  listener,
  watched,
} from './account-support.js'

interface Options {
  readonly every?: SnapshotPolicy
  readonly reducer?: string
  readonly events?: EventRegistry<AccountEvent>
  readonly onWarning?: WarningListener
}

function accountsOf(
  store: EventStore,
  snapshots: SnapshotStore,
  { every = { events: 10 }, reducer = 'account/1', events = accountEvents, onWarning }: Options = {},
): DeciderRepository<AccountState, AccountCommand, AccountEvent> {
  return deciderRepository(store, {
    category: 'account',
    events,
    decider: accountDecider,
    snapshots: { store: snapshots, reducer, every },
    onWarning,
  })
}

/** Snapshots with each part of them under the control of a test. */
function kept(): SnapshotStore & { last: Snapshot | undefined; saved: number } {
  return {
    last: undefined,
    saved: 0,
    async load() {
      return this.last
    },
    async save(snapshot) {
      this.saved++
      this.last = snapshot
    },
  }
}

const deposit: AccountCommand = { type: 'Deposit', cents: 1 }

for (const kind of ['streams', 'cache'] as const) {
  t.test(`[B6] a load is the snapshot and the tail, and only the tail is read (${kind})`, async (t) => {
    const watch = await watched()
    const { store } = watch
    await using snapshotStore = await openMemoryStore()
    const snapshots = kind === 'streams' ? snapshotStreams(snapshotStore) : snapshotCache()
    const accounts = accountsOf(store, snapshots)
    await fill(store, 99)
    watch.takeReads()
    t.match(await accounts.load(1), { version: 100, state: { cents: 99 } })
    t.equal(watch.takeReads(), 100)
    await accounts.execute(1, deposit)
    t.equal(watch.takeReads(), 101, '100 to decide, and the new one, whose id the snapshot notes')
    t.match(await accounts.load(1), { version: 101, state: { cents: 100 } })
    t.equal(watch.takeReads(), 1, 'the last event of the snapshot')
    for (let i = 0; i < 3; i++) await accounts.execute(1, deposit)
    watch.takeReads()
    t.match(await accounts.load(1), { version: 104, state: { cents: 103 } })
    t.equal(watch.takeReads(), 4)
    // Another reducer over the same streams, and another schema, do not look at it.
    for (const other of [
      { reducer: 'account/2' },
      {
        events: defineEvents({
          ...definitions,
          AccountClosed: event().upcast(() => undefined),
        }) as typeof accountEvents,
      },
    ]) {
      t.match(await accountsOf(store, snapshots, other).load(1), { version: 104, state: { cents: 103 } })
      t.equal(watch.takeReads(), 104)
    }
    await store.close()
  })
}

const definitions = {
  AccountOpened: event<{ readonly accountId: number; readonly owner: string; readonly cents: number }>(),
  MoneyDeposited: event<{ readonly cents: number }>(),
  MoneyWithdrawn: event<{ readonly cents: number }>(),
  AccountClosed: event(),
}

t.test('[B6] the event store holds events only', async (t) => {
  await using store = await openMemoryStore()
  await using snapshotStore = await openMemoryStore()
  const accounts = accountsOf(store, snapshotStreams(snapshotStore), { every: { events: 1 } })
  await accounts.execute(1, { type: 'Open', accountId: 1, owner: 'Ada', cents: 0 })
  t.match(await accounts.execute(1, deposit), { appended: { position: 1 } })
  const names: string[] = []
  for await (const { stream } of store.listStreams()) names.push(stream)
  t.same(names, ['account-1'])
})

t.test('[B6] snapshots are taken every so many events, bytes, milliseconds', async (t) => {
  const saves = async (every: SnapshotPolicy | undefined, cents: readonly number[]): Promise<number[]> => {
    await using store = await openMemoryStore()
    const snapshots = kept()
    const accounts = deciderRepository(store, {
      category: 'account',
      events: accountEvents,
      decider: {
        ...accountDecider,
        decide: (command: AccountCommand, state: AccountState) =>
          accountDecider.decide(command, state).map((event) => ({ ...event, timestamp: at })),
      },
      snapshots: { store: snapshots, reducer: 'a', every },
    })
    const versions: number[] = []
    let at = 1000
    await accounts.execute(1, { type: 'Open', accountId: 1, owner: 'Ada', cents: 0 })
    for (const one of cents) {
      at += 1000
      const before = snapshots.saved
      await accounts.execute(1, { type: 'Deposit', cents: one })
      if (snapshots.saved > before) versions.push(snapshots.last!.version)
    }
    return versions
  }
  const many = Array.from({ length: 9 }, () => 1)
  t.same(await saves({ events: 4 }, many), [4, 8])
  t.same(await saves({ ms: 3000 }, many), [4, 7, 10])
  t.same(await saves({ bytes: 50 }, many), [2, 6, 10], 'AccountOpened takes 38, a deposit 13')
  t.same(await saves({ events: 6, ms: 3000 }, many), [4, 7, 10])
  t.same(
    await saves(
      {},
      Array.from({ length: 100 }, () => 1),
    ),
    [100],
  )
  t.same(
    await saves(
      undefined,
      Array.from({ length: 100 }, () => 1),
    ),
    [100],
  )
})

t.test('[B6] a stale, damaged, foreign or older snapshot is ignored, never wrong', async (t) => {
  const watch = await watched()
  const { store } = watch
  const snapshots = kept()
  const { heard, onWarning } = listener()
  const accounts = accountsOf(store, snapshots, { onWarning })
  await fill(store, 19)
  await fill(store, 30, 'account-2')
  await accounts.execute(1, deposit)
  const sound = snapshots.last!
  t.match(sound, { stream: 'account-1', version: 21, reducer: 'account/1', state: { cents: 20 } })
  await accounts.execute(2, deposit)
  const foreign = snapshots.last!
  watch.takeReads()
  for (const [wrong, reason] of [
    [foreign, /of stream "account-2"/],
    [{ ...foreign, stream: 'account-1' }, /another past/],
    [{ ...sound, version: 20 }, /another past/],
    [{ ...sound, version: 22 }, /another past/],
    [{ ...sound, version: 1e6 }, /another past/],
    [{ ...sound, eventId: foreign.eventId }, /another past/],
    [{ ...sound, reducer: 'account/0' }, /reducer "account\/0"/],
    [{ ...sound, schema: 'x' }, /another schema/],
    [{ ...sound, version: -1 }, /version is none/],
    [{ ...sound, version: '21' }, /version is none/],
    [{ ...sound, state: undefined }, /no state/],
    [null, /no snapshot/],
    ['text', /no snapshot/],
  ] as const) {
    heard.length = 0
    snapshots.last = wrong as Snapshot
    t.match(await accounts.load(1), { version: 21, state: { cents: 20 } }, String(reason))
    t.match(heard, [{ kind: 'snapshot-ignored', stream: 'account-1', reason }])
  }
  // An older one is right, its tail is longer.
  heard.length = 0
  snapshots.last = sound
  for (let i = 0; i < 5; i++) await accounts.execute(1, deposit)
  watch.takeReads()
  t.match(await accounts.load(1), { version: 26, state: { cents: 25 } })
  t.equal(watch.takeReads(), 6)
  t.same(heard, [])
  await store.close()
})

t.test('[B6] a snapshot store that fails costs a longer load and nothing else', async (t) => {
  await using store = await openMemoryStore()
  const { heard, onWarning } = listener()
  const cause = new Error('no disk')
  const failing: SnapshotStore = {
    load: async () => Promise.reject(cause),
    save: () => {
      throw cause
    },
  }
  const accounts = accountsOf(store, failing, { every: { events: 1 }, onWarning })
  await accounts.execute(1, { type: 'Open', accountId: 1, owner: 'Ada', cents: 0 })
  t.match(await accounts.execute(1, deposit), { version: 2, state: { cents: 1 } })
  t.same(
    heard.map(({ kind }) => kind),
    ['snapshot-ignored', 'snapshot-not-saved', 'snapshot-ignored', 'snapshot-not-saved'],
  )
  t.match(heard[1], { reason: 'no disk', cause })
  const signal = AbortSignal.abort(new Error('enough'))
  heard.length = 0
  await t.rejects(accounts.load(1, { signal }), { message: 'enough' })
  t.same(heard, [], 'whoever gave up is told nothing of snapshots')
  const angry = accountsOf(store, failing, {
    onWarning: () => {
      throw new Error('from the listener')
    },
  })
  t.match(await angry.execute(1, deposit), { version: 3 })
})

t.test('[B6] a class is captured and restored; with more applied meanwhile no snapshot is taken', async (t) => {
  const watch = await watched()
  const snapshots = kept()
  const { heard, onWarning } = listener()
  const options = {
    category: 'account',
    events: accountEvents,
    create: () => new Account(),
    onWarning,
    snapshots: {
      store: snapshots,
      reducer: 'class/1',
      every: { events: 5 },
      capture: (account: Account): unknown => account.capture(),
      restore: (record: AccountRecord) => Account.restore(record),
    },
  }
  const accounts = repository(watch.store, options)
  await fill(watch.store, 9)
  const account = await accounts.load(1)
  account.deposit(1)
  await accounts.save(account)
  t.match(snapshots.last, { version: 11, state: { cents: 10, owner: 'Ada' } })
  account.deposit(1)
  await accounts.save(account)
  t.equal(snapshots.saved, 1, 'the tail begins anew behind a snapshot')
  watch.takeReads()
  const again = await accounts.load(1)
  t.match(again, { version: 12, cents: 11, owner: 'Ada' })
  t.equal(watch.takeReads(), 2)
  for (let i = 0; i < 5; i++) again.deposit(1)
  watch.beforeAppend = () => again.deposit(100)
  await accounts.save(again)
  t.equal(snapshots.saved, 1, 'its state is ahead of what is stored')
  watch.beforeAppend = undefined
  await accounts.save(again)
  t.match(snapshots.last, { version: 18, state: { cents: 116 } })

  t.same(heard, [])
  snapshots.last = { ...snapshots.last!, state: null }
  t.match(await accounts.load(1), { cents: 116 }, 'what cannot be restored is ignored')
  t.match(heard, [{ kind: 'snapshot-ignored', cause: TypeError }])
  heard.length = 0
  const careless = repository(watch.store, {
    ...options,
    snapshots: { ...options.snapshots, capture: (account: Account) => account },
  })
  await careless.update(1, (one) => {
    for (let i = 0; i < 5; i++) one.deposit(1)
  })
  t.match(heard, [
    { kind: 'snapshot-ignored' },
    { kind: 'snapshot-not-saved', reason: /an instance of \w*Account cannot be copied/ },
  ])
  t.throws(() => repository(watch.store, { ...options, snapshots: { ...options.snapshots, reducer: '' } }), {
    code: 'ERR_INVALID_ARGUMENT',
  })
})

t.test('[D6] a load that reads more than so many events behind a snapshot warns', async (t) => {
  await using store = await openMemoryStore()
  const { heard, onWarning } = listener()
  const options = { category: 'account', events: accountEvents, decider: accountDecider, onWarning }
  await fill(store, 1000)
  await deciderRepository(store, options).load(1)
  t.same(heard, [{ kind: 'long-load', stream: 'account-1', eventsRead: 1001 }])
  heard.length = 0
  await deciderRepository(store, { ...options, warnAfterEvents: 1001 }).load(1)
  const accounts = deciderRepository(store, {
    ...options,
    warnAfterEvents: 1001,
    snapshots: { store: snapshotCache(), reducer: 'a' },
  })
  await accounts.execute(1, deposit)
  await accounts.load(1)
  t.same(heard, [])
})

t.test('a store that repeats an event or leaves one out is not believed', async (t) => {
  await using store = await openMemoryStore()
  await fill(store, 3)
  for (const change of [
    (offset: number) => (offset === 2 ? [2, 2] : [offset]),
    (offset: number) => (offset === 2 ? [] : [offset]),
  ]) {
    const wrong = new Proxy(store, {
      get: (target, name) =>
        name !== 'readStream'
          ? (Reflect.get(target, name, target) as unknown)
          : async function* () {
              for await (const one of target.readStream('account-1')) for (const _ of change(one.offset)) yield one
            },
    })
    const accounts = deciderRepository(wrong, { category: 'account', events: accountEvents, decider: accountDecider })
    await t.rejects(accounts.load(1), { code: 'ERR_EVOLVE', stream: 'account-1', message: /was expected here/ })
  }
})
