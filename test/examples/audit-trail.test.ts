import t from 'tap'
import { runExample } from './run-example.js'

t.test(
  '[U1] [U2] [X4] the audit trail: by account, by day, by order, as CSV and NDJSON, and the account as it was',
  (t) => {
    t.equal(
      runExample(t, 'audit-trail'),
      `Account 1:
  #0 2026-03-01 clerk-7: AccountOpened
  #1 2026-03-02 ada: MoneyWithdrawn
  #2 2026-03-03 bank: MoneyWithdrawn
The second of March:
  ada: MoneyWithdrawn in account-1
What came of the order:
  account-1: MoneyWithdrawn
  account-2: MoneyDeposited
  transfers: TransferCompleted
As CSV:
  time,who,stream,data
  2026-03-01T09:00:00.000Z,clerk-7,account-1,"{""accountId"":1,""owner"":""Ada"",""cents"":100}"
  2026-03-01T09:00:00.000Z,'=1+1,account-2,"{""accountId"":2,""owner"":""Grace"",""cents"":0}"
As NDJSON:
  =1+1 {"accountId":2,"owner":"Grace","cents":0}
On the evening of 1 March account 1 had 100
On the evening of 2 March account 1 had 60
On the evening of 3 March account 1 had 30
`,
    )
    t.end()
  },
)
