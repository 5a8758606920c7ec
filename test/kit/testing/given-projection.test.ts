import { AssertionError } from 'node:assert/strict'
import t from 'tap'
import { projection, table } from '../../../kit/index.js'
import { givenProjection } from '../../../kit/testing/index.js'
import { accountEvents } from '../account-support.js'

const total = projection({
  name: 'total',
  events: accountEvents,
  initialState: () => ({ cents: 0, streams: new Set<string>() }),
  handlers: {
    MoneyDeposited: async (state, { stream, data }, { effect }) => {
      if (data.cents < 0) throw new RangeError('less than nothing')
      effect(() => undefined)
      state.streams.add(stream)
      return { ...state, cents: state.cents + data.cents }
    },
  },
})
const balances = projection({
  name: 'balances',
  events: accountEvents,
  tables: { accounts: table<{ cents: number }>(), owners: table<string>() },
  handlers: {
    AccountOpened: ({ accounts, owners }, { stream, data }) => {
      accounts.set(stream, { cents: data.cents })
      owners.set(data.owner, stream)
    },
    MoneyDeposited: ({ accounts }, { stream, data }) =>
      accounts.update(stream, (row) => ({ cents: row!.cents + data.cents })),
    AccountClosed: ({ accounts }, { stream }) => accounts.delete(stream),
  },
})
const opened = (stream: string) =>
  ({ stream, type: 'AccountOpened', data: { accountId: 1, owner: 'Ada', cents: 10 } }) as const
const deposited = (stream: string, cents: number) => ({ stream, type: 'MoneyDeposited', data: { cents } }) as const

t.test('[T1] given, when, then for a projection to a state', async (t) => {
  const given = givenProjection(total, [deposited('a', 5), opened('a')])
  await given.thenState({ cents: 5, streams: new Set(['a']) })
  await given.when(deposited('b', 2), deposited('a', 1)).thenState({ cents: 8, streams: new Set(['a', 'b']) })
  await given.thenState(({ cents }) => t.equal(cents, 5))
  await given.when(deposited('b', 2)).thenEffects(2)
  await given.when(deposited('b', -2)).thenFailed(RangeError)
})

t.test('[T1] given, then for a projection to tables', async () => {
  const given = givenProjection(balances, [opened('a'), opened('b'), deposited('b', 5)])
  await given.thenTable('accounts', { b: { cents: 15 }, a: { cents: 10 } })
  await given.thenTable('owners', { Ada: 'b' })
  await given.when({ stream: 'b', type: 'AccountClosed', data: undefined }).thenTable('accounts', { a: { cents: 10 } })
  await givenProjection(balances).thenTable('accounts', {})
})

t.test('[T1] what is not as expected is an AssertionError with a difference', async (t) => {
  const given = givenProjection(balances, [opened('a')])
  const wrong: readonly (readonly [Promise<void>, RegExp])[] = [
    [given.thenTable('accounts', { a: { cents: 11 } }), /rows of accounts are not those[^]*\+ .*10[^]*- .*11/],
    [given.thenTable('accounts', {}), /rows of accounts/],
    [given.thenEffects(1), /number of effects/],
    [given.thenFailed(), /A refusal was expected, but all events were projected/],
    [given.when(deposited('b', 1)).thenTable('accounts', {}), /A handler failed: .*undefined/],
    [givenProjection(total, [deposited('a', 5)]).thenState({ cents: 6, streams: new Set(['a']) }), /The state is not/],
  ]
  for (const [promise, message] of wrong) {
    const error: unknown = await promise.catch((thrown: unknown) => thrown)
    t.ok(error instanceof AssertionError)
    t.match(error, { message })
  }
  const sql = projection({
    name: 'sql',
    events: accountEvents,
    sql: { accounts: { columns: 'cents INTEGER' } },
    handlers: { '*': () => undefined },
  })
  t.throws(() => givenProjection(sql), { code: 'ERR_INVALID_ARGUMENT', message: /it projects to SQLite/ })
})
