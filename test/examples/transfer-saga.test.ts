import t from 'tap'
import { transferSaga } from '../../examples/transfer-saga/transfers.js'
import { givenProcess } from '../../kit/testing/index.js'
import { runExample } from './run-example.js'

t.test('[X4] the saga runs: one transfer is finished, one begins with nothing, one is made good again', (t) => {
  t.equal(
    runExample(t, 'transfer-saga'),
    `t-1: 30 from Ada to 2: completed
t-2: 500 from Ada to 2: failed: Insufficient funds
t-3: 20 from Ada to 3: failed: Cannot deposit to closed account
Ada has 70, Grace has 30
  transfer-t-3: TransferRequested
  account-1: MoneyWithdrawn
  transfer-saga-t-3: ProcessInput
  account-1: MoneyDeposited
  transfer-saga-t-3: ProcessInput
  transfer-saga-t-3: ProcessCommandRefused
  transfer-t-3: TransferFailed
  transfer-saga-t-3: ProcessInput
  transfer-saga-t-3: ProcessInput
`,
  )
  t.end()
})

t.test('[T1] the saga by itself: each step, and what makes good for one that is refused', (t) => {
  const requested = { type: 'TransferRequested', data: { transferId: 't', from: 1, to: 2, cents: 5 } } as const
  const withdrawn = { type: 'MoneyWithdrawn', data: { cents: 5, transferId: 't' } } as const
  const deposited = { type: 'MoneyDeposited', data: { cents: 5, transferId: 't' } } as const
  const refused = (type: 'Withdraw' | 'Deposit' | 'Refund', account: number) =>
    ({ type: 'CommandRefused', data: { command: { type, account, cents: 5 }, reason: 'no' } }) as const
  givenProcess(transferSaga).when(requested).thenCommands({ type: 'Withdraw', account: 1, cents: 5 })
  givenProcess(transferSaga, [requested]).when(withdrawn).thenCommands({ type: 'Deposit', account: 2, cents: 5 })
  givenProcess(transferSaga, [requested, withdrawn]).when(deposited).thenCommands({ type: 'Complete' })
  givenProcess(transferSaga, [requested]).when(refused('Withdraw', 1)).thenCommands({ type: 'Fail', reason: 'no' })
  givenProcess(transferSaga, [requested, withdrawn])
    .when(refused('Deposit', 2))
    .thenCommands({ type: 'Refund', account: 1, cents: 5 })
    .thenState({ from: 1, to: 2, cents: 5, reason: 'no' })
  givenProcess(transferSaga, [requested, withdrawn, refused('Deposit', 2)])
    .when(deposited)
    .thenCommands({ type: 'Fail', reason: 'no' })
  givenProcess(transferSaga, [requested, withdrawn])
    .when(refused('Refund', 1))
    .thenFailed(/Refund was refused/)
  givenProcess(transferSaga, [requested])
    .when({ type: 'TransferCompleted', data: { transferId: 't' } })
    .thenNothing()
  t.end()
})
