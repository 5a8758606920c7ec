import t from 'tap'
import { given, givenAggregate } from '../../kit/testing/index.js'
import { Account } from '../../examples/account/account.js'
import { accountDecider, type AccountCommand } from '../../examples/account/account-decider.js'
import { AccountError, type AccountEvent } from '../../examples/account/events.js'
import { runExample } from './run-example.js'

t.test('[X4] the tutorial runs from end to end', (t) => {
  t.equal(
    runExample(t, 'account'),
    `Ada has 130.00
refused: AccountError: Insufficient funds
after the transfer: 100.00 and 30.00
conflict: VersionConflictError: Cannot append to stream "account-1": expected version 4, current version is 5
Grace has 34.20 after 125 events
offset 1: MoneyDeposited, of t-1
Ada's account is closed
`,
  )
  t.end()
})

t.test('[G1] [G2] both styles make the same events of the same commands, and refuse the same', (t) => {
  const opened = (cents: number): AccountEvent => ({
    type: 'AccountOpened',
    data: { accountId: 1, owner: 'Ada', cents },
  })
  const closed: AccountEvent = { type: 'AccountClosed' }
  const cases: readonly (readonly [
    AccountEvent[],
    AccountCommand,
    (account: Account) => void,
    AccountEvent | RegExp,
  ])[] = [
    [[opened(5)], { type: 'Deposit', cents: 2 }, (a) => a.deposit(2), { type: 'MoneyDeposited', data: { cents: 2 } }],
    [[opened(5)], { type: 'Withdraw', cents: 5 }, (a) => a.withdraw(5), { type: 'MoneyWithdrawn', data: { cents: 5 } }],
    [[opened(0)], { type: 'Close' }, (a) => a.close(), closed],
    [[opened(5)], { type: 'Deposit', cents: 0 }, (a) => a.deposit(0), /Amount must be positive/],
    [[opened(5)], { type: 'Withdraw', cents: -1 }, (a) => a.withdraw(-1), /Amount must be positive/],
    [[opened(5)], { type: 'Withdraw', cents: 6 }, (a) => a.withdraw(6), /Insufficient funds/],
    [[opened(5)], { type: 'Close' }, (a) => a.close(), /non-zero balance/],
    [[opened(0), closed], { type: 'Deposit', cents: 1 }, (a) => a.deposit(1), /to closed account/],
    [[opened(0), closed], { type: 'Withdraw', cents: 1 }, (a) => a.withdraw(1), /from closed account/],
    [[opened(0), closed], { type: 'Close' }, (a) => a.close(), /already closed/],
  ]
  for (const [history, command, work, expected] of cases) {
    const outcomes = [
      given(accountDecider, history).when(command),
      givenAggregate(() => new Account(), history).when(work),
    ]
    for (const outcome of outcomes) {
      if (expected instanceof RegExp) outcome.thenRefused(AccountError).thenRefused(expected)
      else outcome.thenEvents(expected)
    }
  }
  given(accountDecider)
    .when({ type: 'Open', accountId: 1, owner: 'Ada', cents: -1 })
    .thenRefused(/Initial balance cannot be negative/)
  t.throws(() => Account.open(1, 'Ada', -1), /Initial balance cannot be negative/)
  t.equal(cases.length, 10)
  t.end()
})
