import t from 'tap'
import { openMemoryStore, VersionConflictError } from '../../engine/index.js'
import {
  Aggregate,
  AggregateNotFoundError,
  defineEvents,
  event,
  type EventOf,
  EvolveError,
  repository,
} from '../../kit/index.js'
import type { Repository } from '../../kit/index.js'
import { collect } from '../contract/contract-support.js'
import { Account, AccountError, type AccountEvent, accountEvents, fill, watched } from './account-support.js'

async function opened(): Promise<
  Awaited<ReturnType<typeof watched>> & { accounts: Repository<Account, AccountEvent> }
> {
  const watch = await watched()
  const accounts = repository(watch.store, { category: 'account', events: accountEvents, create: () => new Account() })
  return Object.assign(watch, { accounts })
}

t.test('[G1] history adds no uncommitted events; what is applied is uncommitted until it is stored', async (t) => {
  const { accounts, store } = await opened()
  await fill(store, 3)
  const account = await accounts.load(1)
  t.match(account, { owner: 'Ada', cents: 3, version: 4 })
  t.same(account.uncommittedEvents, [])
  account.deposit(5)
  t.match(account, { cents: 8, version: 4 })
  t.same(account.uncommittedEvents, [{ type: 'MoneyDeposited', data: { cents: 5 } }])
  t.match(await accounts.save(account), { stream: 'account-1', firstOffset: 4, version: 5 })
  t.match(account, { cents: 8, version: 5 })
  t.same(account.uncommittedEvents, [])
})

t.test('[G2] six rejections, each appends nothing', async (t) => {
  const { accounts, store } = await opened()
  t.throws(() => Account.open(1, 'Ada', -1), AccountError)
  const account = Account.open(1, 'Ada', 10)
  await accounts.save(account)
  t.throws(() => account.deposit(0), /Amount must be positive/)
  t.throws(() => account.withdraw(-1), /Amount must be positive/)
  t.throws(() => account.withdraw(NaN), /Amount must be positive/)
  t.throws(() => account.withdraw(11), /Insufficient funds/)
  t.throws(() => account.close(), /non-zero balance/)
  account.withdraw(10)
  account.close()
  await accounts.save(account)
  t.throws(() => account.close(), /already closed/)
  t.throws(() => account.deposit(1), /closed account/)
  t.throws(() => account.withdraw(1), /closed account/)
  t.equal(await accounts.save(account), undefined)
  t.same(
    (await collect(store.readAll())).map(({ type }) => type),
    ['AccountOpened', 'MoneyWithdrawn', 'AccountClosed'],
  )
})

t.test('[G3] the uncommitted events are read-only, and stay when the append fails', async (t) => {
  const watch = await opened()
  const { accounts } = watch
  const account = Account.open(1, 'Ada', 0)
  t.throws(() => (account.uncommittedEvents as AccountEvent[]).push({ type: 'AccountClosed' }), TypeError)
  t.equal(account.uncommittedEvents.length, 1)
  const failure = new Error('no disk')
  watch.beforeAppend = () => {
    throw failure
  }
  t.equal(await accounts.save(account).catch((error: unknown) => error), failure)
  t.match(account, { version: 0, uncommittedEvents: { length: 1 } })
  watch.beforeAppend = () => account.deposit(7)
  await accounts.save(account)
  t.match(account, { version: 1 })
  t.match(
    account.uncommittedEvents,
    [{ type: 'MoneyDeposited', data: { cents: 7 } }],
    'applied while the append was under way',
  )
  watch.beforeAppend = undefined
  await accounts.save(account)
  t.match(await accounts.load(1), { cents: 7, version: 2 })
})

t.test('[G4] an unknown aggregate is a typed error', async (t) => {
  const { accounts } = await opened()
  const error = await accounts.load(7).catch((error: unknown) => error)
  t.ok(error instanceof AggregateNotFoundError)
  t.match(error, { code: 'ERR_AGGREGATE_NOT_FOUND', category: 'account', id: '7', stream: 'account-7' })
  t.equal(await accounts.find(7), undefined)
})

t.test('[G5] [G6] a save without changes appends nothing; two loads and two saves give one conflict', async (t) => {
  const { accounts, store } = await opened()
  await accounts.save(Account.open(1, 'Ada', 0))
  t.equal(await accounts.save(await accounts.load(1)), undefined)
  const [one, other] = [await accounts.load(1), await accounts.load(1)]
  one.deposit(1)
  other.deposit(2)
  await accounts.save(one)
  const conflict = await accounts.save(other).catch((error: unknown) => error)
  t.ok(conflict instanceof VersionConflictError)
  t.match(conflict, { stream: 'account-1', expected: 1, actual: 2 })
  t.equal(other.uncommittedEvents.length, 1, 'not taken for stored')
  await t.rejects(accounts.save(Account.open(1, 'Grace', 0)), { code: 'ERR_VERSION_CONFLICT', expected: 'noStream' })
  t.equal((await store.streamInfo('account-1')).version, 2)
  one.deposit(4)
  const both = await Promise.allSettled([accounts.save(one), accounts.save(one)])
  t.same(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected'], 'saved twice at once: stored once')
  t.equal((await store.streamInfo('account-1')).version, 3)
})

t.test('[G6] update reloads and decides again, at most so often', async (t) => {
  const watch = await opened()
  const { accounts, store } = watch
  await accounts.save(Account.open(1, 'Ada', 0))
  let others = 2
  watch.beforeAppend = async () => {
    if (others-- > 0) await store.append('account-1', [{ type: 'MoneyDeposited', data: { cents: 100 } }])
  }
  // The append of the others comes here too, and must not be held up by itself.
  const append = watch.beforeAppend
  let busy = false
  watch.beforeAppend = async () => {
    if (busy) return
    busy = true
    await append()
    busy = false
  }
  const seen: number[] = []
  const result = await accounts.update(1, (account) => {
    seen.push(account.cents)
    account.deposit(1)
    return account.cents
  })
  t.same(seen, [0, 100, 200])
  t.equal(result, 201)
  others = 5
  seen.length = 0
  await t.rejects(
    accounts.update(
      1,
      (account) => {
        seen.push(account.cents)
        account.deposit(1)
      },
      { attempts: 2 },
    ),
    { code: 'ERR_VERSION_CONFLICT' },
  )
  t.equal(seen.length, 2)
  t.match(await accounts.load(1), { cents: 401 })
})

t.test('[B4] metadata of a save is that of all its events', async (t) => {
  const { accounts, store } = await opened()
  await accounts.save(Account.open(1, 'Ada', 0), { metadata: { correlationId: 'c' }, commitId: 'open-1' })
  t.match(await collect(store.readAll({ correlationId: 'c' })), [
    { metadata: { correlationId: 'c' }, commitId: 'open-1' },
  ])
})

t.test('a signal ends a load and a save before the append', async (t) => {
  const { accounts, store } = await opened()
  const account = Account.open(1, 'Ada', 0)
  const signal = AbortSignal.abort(new Error('enough'))
  await t.rejects(accounts.save(account, { signal }), { message: 'enough' })
  t.equal((await store.streamInfo('account-1')).version, 0)
  await accounts.save(account)
  await t.rejects(accounts.load(1, { signal }), { message: 'enough' })
  await t.rejects(
    accounts.update(1, () => t.fail('called'), { signal }),
    { message: 'enough' },
  )
})

const counterEvents = defineEvents({ Counted: event<{ by: number }>() }, { unknown: 'skip' })
class Counter extends Aggregate<EventOf<typeof counterEvents>> {
  readonly id = 'c'
  count = 0
  add(by: number): void {
    this.apply({ type: 'Counted', data: { by } })
  }
  protected when({ data }: EventOf<typeof counterEvents>): void {
    if (data.by === 13) throw new Error('unlucky')
    if (data.by === 14) return Promise.resolve() as unknown as undefined
    this.count += data.by
  }
}

t.test('[G7] types that are skipped count: the version is that of the stream', async (t) => {
  await using store = await openMemoryStore()
  const counters = repository(store, { category: 'n', events: counterEvents, create: () => new Counter() })
  await store.append('n-c', [{ type: 'Counted', data: { by: 1 } }, { type: 'Strange' }, { type: 'Strange' }])
  const counter = await counters.load('c')
  t.match(counter, { count: 1, version: 3 })
  counter.add(2)
  t.match(await counters.save(counter), { firstOffset: 3, version: 4 })
})

t.test('an event that cannot be applied names stream, offset and type', async (t) => {
  await using store = await openMemoryStore()
  const counters = repository(store, { category: 'n', events: counterEvents, create: () => new Counter() })
  await store.append('n-c', [
    { type: 'Counted', data: { by: 1 } },
    { type: 'Counted', data: { by: 13 } },
  ])
  const error = await counters.load('c').catch((error: unknown) => error)
  t.ok(error instanceof EvolveError)
  t.match(error, { code: 'ERR_EVOLVE', stream: 'n-c', offset: 1, type: 'Counted', cause: { message: 'unlucky' } })
  const counter = new Counter()
  t.throws(() => counter.add(13), /unlucky/)
  t.throws(() => counter.add(14), /when returned a promise/)
  t.same(counter.uncommittedEvents, [], 'not noted')
})

t.test('what can never work is refused', async (t) => {
  const { accounts, store } = await opened()
  const code = 'ERR_INVALID_ARGUMENT'
  for (const id of ['', 1.5, NaN, undefined, null, {}]) await t.rejects(accounts.load(id as string), { code })
  const options = { events: accountEvents, create: () => new Account() }
  t.throws(() => repository(store, { ...options, category: '' }), { code })
  const used = repository(store, { ...options, category: 'used', create: () => Account.open(1, 'Ada', 0) })
  await t.rejects(used.load(1), { code, message: /without uncommitted events/ })
  await accounts.save(Account.open(1, 'Ada', 0))
  const other = repository(store, { ...options, category: 'other' })
  const account = await accounts.load(1)
  account.deposit(1)
  await t.rejects(other.save(account), { code, message: /loaded from "account-1"/ })
})
