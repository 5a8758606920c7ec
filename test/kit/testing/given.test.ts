import { AssertionError } from 'node:assert/strict'
import t from 'tap'
import { defineEvents, event } from '../../../kit/index.js'
import { given, givenAggregate, givenStored } from '../../../kit/testing/index.js'
import { Account, accountDecider, AccountError, type AccountEvent } from '../account-support.js'

const opened: AccountEvent = { type: 'AccountOpened', data: { accountId: 1, owner: 'Ada', cents: 10 } }
const deposited: AccountEvent = { type: 'MoneyDeposited', data: { cents: 5 } }

t.test('[T1] given, when, then for a decider', (t) => {
  given(accountDecider, [opened])
    .when({ type: 'Deposit', cents: 5 })
    .thenEvents(deposited)
    .thenState({ status: 'active', owner: 'Ada', cents: 15 })
    .thenState((state) => t.equal(state.status, 'active'))
  given(accountDecider)
    .when({ type: 'Close' })
    .thenRefused(AccountError)
    .thenRefused(/no such/)
    .thenRefused()
  given({ ...accountDecider, decide: () => [] })
    .when({ type: 'Close' })
    .thenNothing()
  t.end()
})

t.test('[T1] given, when, then for a class', (t) => {
  givenAggregate(() => new Account(), [opened, deposited])
    .when((account) => account.withdraw(15))
    .thenEvents({ type: 'MoneyWithdrawn', data: { cents: 15 } })
    .thenState((account) => t.equal(account.cents, 0))
  givenAggregate(() => new Account(), [opened])
    .when((account) => account.close())
    .thenRefused({ name: 'AccountError' })
  t.end()
})

t.test('[T1] given, then for upcasters', async (t) => {
  const events = defineEvents({
    Opened: event<{ name: string }>()
      .upcast(({ name }) => ({ owner: name.trim() }))
      .formerly('Began'),
  })
  await givenStored(events, { type: 'Began', data: { name: ' Ada' } }).thenRead({
    type: 'Opened',
    data: { owner: 'Ada' },
  })
  await givenStored(events, { type: 'Opened', data: {} }).thenRefused({ code: 'ERR_UPCAST' })
  await givenStored(events, { type: 'Other', data: {} }).thenRefused()
  const wrong = givenStored(events, { type: 'Opened', data: { name: 'Ada' } })
  await t.rejects(wrong.thenRead({ type: 'Opened', data: { owner: 'Grace' } }), {
    name: 'AssertionError',
    message: /What is read is not what was expected[^]*\+ .*'Ada'[^]*- .*'Grace'/,
  })
  await t.rejects(wrong.thenRefused(), { message: /A refusal was expected, but it was read/ })
})

t.test('[T1] what is not as expected is an AssertionError with a difference', (t) => {
  const outcome = given(accountDecider, [opened]).when({ type: 'Deposit', cents: 5 })
  const wrong: readonly (readonly [() => unknown, RegExp])[] = [
    [
      () => outcome.thenEvents({ type: 'MoneyDeposited', data: { cents: 6 } }),
      /events are not those[^]*\+ .*cents: 5[^]*- .*cents: 6/,
    ],
    [() => outcome.thenEvents(), /events are not those/],
    [() => outcome.thenNothing(), /Nothing was expected to happen/],
    [() => outcome.thenRefused(), /A refusal was expected, but these events happened: .*"cents":5/],
    [() => outcome.thenState({ status: 'new' }), /The state is not the one[^]*- .*'new'/],
  ]
  const refused = given(accountDecider, [opened]).when({ type: 'Close' })
  const others: typeof wrong = [
    [() => refused.thenEvents(deposited), /The command was refused: Cannot close/],
    [() => refused.thenNothing(), /The command was refused/],
    [() => refused.thenState({ status: 'new' }), /The command was refused/],
    [() => refused.thenRefused(/other/), /The refusal is not the one that was expected/],
    [() => refused.thenRefused(TypeError), /The refusal is not the one that was expected/],
    [() => refused.thenRefused({ code: 1 }), /The refusal is not the one that was expected/],
  ]
  for (const [work, message] of [...wrong, ...others]) {
    try {
      work()
      t.fail(`passed: ${message.source}`)
    } catch (error) {
      t.ok(error instanceof AssertionError)
      t.match(error, { message })
    }
  }
  t.end()
})
