import t from 'tap'
import { openMemoryStore } from '../../engine/index.js'
import { commandHandler, deciderRepository, repository, unitOfWork } from '../../kit/index.js'
import { collect } from '../contract/contract-support.js'
import {
  Account,
  type AccountCommand,
  accountDecider,
  type AccountEvent,
  accountEvents,
  fill,
  watched,
} from './account-support.js'

const options = { category: 'account', events: accountEvents, decider: accountDecider }
const open: AccountCommand = { type: 'Open', accountId: 1, owner: 'Ada', cents: 5 }

t.test('[C2] [G8] a command that is executed again is answered with what came of it first', async (t) => {
  const watch = await watched()
  const { store } = watch
  const accounts = deciderRepository(store, options)
  const first = await accounts.execute(1, open, { commitId: 'c1', metadata: { by: 'u' } })
  const withdrawn = await accounts.execute(1, { type: 'Withdraw', cents: 5 }, { commitId: 'c2' })
  await accounts.execute(1, { type: 'Close' }, { commitId: 'c3' })
  t.equal(first.appended?.isRepeat, undefined)
  // Decided now, the first would be refused (open already), the second too (closed), the third too (closed already).
  for (const [command, commitId, expected] of [
    [open, 'c1', first],
    [{ type: 'Withdraw', cents: 5 }, 'c2', withdrawn],
  ] as const) {
    const again = await accounts.execute(1, command, { commitId })
    t.same(
      { ...again, events: again.events.map(({ type, data }) => ({ type, data })) },
      { ...expected, appended: { ...expected.appended, isRepeat: true } },
    )
  }
  t.match(await accounts.execute(1, { type: 'Close' }, { commitId: 'c3' }), {
    version: 3,
    state: { status: 'closed' },
    appended: { isRepeat: true },
  })
  t.equal((await collect(store.readAll())).length, 3)
  await t.rejects(accounts.execute(1, open, { commitId: 'c4' }), /already open/, 'another id is another command')
  await t.rejects(accounts.execute(1, { type: 'Close' }), /already closed/)
})

t.test('[C2] the answer is the first one also where something else, or nothing, would be decided now', async (t) => {
  await using store = await openMemoryStore()
  const counters = deciderRepository(store, {
    ...options,
    decider: {
      ...accountDecider,
      // What it decides depends on what there is.
      decide: (command: AccountCommand, state): readonly AccountEvent[] => {
        if (state.status !== 'active') return accountDecider.decide(command, state)
        return state.cents > 9 ? [] : [{ type: 'MoneyDeposited', data: { cents: state.cents } }]
      },
    },
  })
  await counters.execute(1, open)
  const double: AccountCommand = { type: 'Deposit', cents: 0 }
  t.match(await counters.execute(1, double, { commitId: 'd' }), { state: { cents: 10 }, version: 2 })
  t.match(await counters.execute(1, double, { commitId: 'd' }), {
    state: { cents: 10 },
    version: 2,
    events: [{ data: { cents: 5 } }],
    appended: { isRepeat: true, position: 1 },
  })
  await counters.execute(1, double, { commitId: 'nothing' })
  t.match(await counters.execute(1, double, { commitId: 'nothing' }), { events: [], appended: undefined })
  await counters.execute(2, { ...open, cents: 3 })
  await t.rejects(counters.execute(2, double, { commitId: 'd' }), {
    code: 'ERR_COMMIT_ID_REUSED',
    commitId: 'd',
    message: /changed stream "account-1"/,
  })
  t.equal((await collect(store.readAll())).length, 3)
})

t.test('[C2] [G6] conflicts are decided again under the same id, which then is known', async (t) => {
  const watch = await watched()
  const accounts = deciderRepository(watch.store, options)
  await accounts.execute(1, open)
  let calls = 0
  watch.beforeAppend = async () => {
    if (calls++ > 0) return
    await accounts.execute(1, { type: 'Deposit', cents: 100 })
  }
  t.match(await accounts.execute(1, { type: 'Deposit', cents: 1 }, { commitId: 'x' }), { state: { cents: 106 } })
  t.match(await accounts.execute(1, { type: 'Deposit', cents: 1 }, { commitId: 'x' }), {
    state: { cents: 106 },
    appended: { isRepeat: true },
  })
  t.equal((await accounts.load(1)).version, 3)
})

t.test('[C2] the same command many times at once happens once, and all hear the same', async (t) => {
  await using store = await openMemoryStore()
  const accounts = deciderRepository(store, options)
  await accounts.execute(1, open)
  const all = await Promise.all(
    Array.from({ length: 20 }, async () => accounts.execute(1, { type: 'Withdraw', cents: 5 }, { commitId: 'w' })),
  )
  t.equal(all.filter(({ appended }) => appended!.isRepeat !== true).length, 1)
  for (const { version, state } of all) t.match({ version, state }, { version: 2, state: { cents: 0 } })
  t.equal((await store.streamInfo('account-1')).version, 2)
})

t.test('[C2] a handler with repeats answers from the commit, for classes and several streams alike', async (t) => {
  const watch = await watched()
  const { store } = watch
  const accounts = repository(store, { category: 'account', events: accountEvents, create: () => new Account() })
  await fill(store, 10)
  await accounts.save(Account.open(2, 'Bob', 0))
  let handled = 0
  const withdraw = commandHandler<{ id: number; cents: number }, number>(
    async ({ id, cents }, { signal, commandId }) => {
      handled++
      const account = await accounts.load(id, { signal })
      account.withdraw(cents)
      return (await accounts.save(account, { signal, commitId: commandId }))!.version
    },
    { repeats: { store, answer: (events) => events.at(-1)!.offset + 1 } },
  )
  t.equal(await withdraw({ id: 1, cents: 10 }, { commandId: 'r1' }), 12)
  t.equal(await withdraw({ id: 1, cents: 10 }, { commandId: 'r1' }), 12)
  t.equal(handled, 1)
  await t.rejects(withdraw({ id: 1, cents: 10 }, { commandId: 'r2' }), /Insufficient/)
  await t.rejects(withdraw({ id: 1, cents: 10 }, { commandId: 'r2' }), /Insufficient/)
  await t.rejects(withdraw({ id: 1, cents: 10 }), /Insufficient/, 'without an id')

  const move = commandHandler<number>(
    async (cents, { signal, commandId }) =>
      unitOfWork(
        store,
        async (unit) => {
          ;(await unit.load(accounts, 1)).deposit(cents)
          ;(await unit.load(accounts, 2)).deposit(cents)
        },
        { signal, commitId: commandId },
      ),
    { repeats: { store } },
  )
  const at = (await collect(store.readAll())).length
  const both = await Promise.allSettled([move(3, { commandId: 'm' }), move(3, { commandId: 'm' })])
  t.same(
    both.map(({ status }) => status),
    ['fulfilled', 'fulfilled'],
  )
  await move(3, { commandId: 'm' })
  t.equal((await collect(store.readAll())).length, at + 2)
  await move(3)
  t.equal((await collect(store.readAll())).length, at + 4, 'without an id it is another command')

  const without = commandHandler<number>(async () => undefined)
  await t.rejects(without(1, { commandId: 'x' }), { code: 'ERR_INVALID_ARGUMENT', message: /without repeats\.store/ })
  await t.rejects(move(1, { commandId: '' }), { code: 'ERR_INVALID_ARGUMENT' })
  const signal = AbortSignal.abort(new Error('enough'))
  await t.rejects(move(1, { commandId: 'm', signal }), { message: 'enough' })
})

t.test('[C2] the second of two who was refused because of the first is answered like the first', async (t) => {
  const watch = await watched()
  const { store } = watch
  await fill(store, 10)
  const accounts = repository(store, { category: 'account', events: accountEvents, create: () => new Account() })
  let waiting: (() => void) | undefined
  const withdraw = commandHandler<number, string>(
    async (cents, { commandId }) => {
      if (waiting !== undefined) await new Promise<void>((resolve) => (waiting = resolve))
      const account = await accounts.load(1)
      account.withdraw(cents)
      await accounts.save(account, { commitId: commandId })
      return 'done'
    },
    { repeats: { store, answer: () => 'done before' } },
  )
  waiting = () => undefined
  const slow = withdraw(10, { commandId: 'w' })
  await new Promise((resolve) => setImmediate(resolve))
  const go = waiting
  waiting = undefined
  t.equal(await withdraw(10, { commandId: 'w' }), 'done')
  go()
  t.equal(await slow, 'done before', 'it found the account empty')
})
