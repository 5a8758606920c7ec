/** Who did what, when: of an account, of a day, of one order to transfer; for people and for programs; and the account as it was. Run it as it is. */
import { causedBy, openMemoryStore } from '../../engine/index.js'
import { auditCsv, auditLog, auditNdjson, deciderRepository, unitOfWork } from '../../kit/index.js'
import { accountDecider } from '../account/account-decider.js'
import { accountEvents, transferEvents } from '../account/events.js'

const day = (n: number): number => Date.UTC(2026, 2, n, 9)
let today = day(1)
const store = await openMemoryStore()
/** The time of an event is part of what is decided here: what was booked on which day. */
const dated: typeof accountDecider = {
  ...accountDecider,
  decide: (command, state) => accountDecider.decide(command, state).map((event) => ({ ...event, timestamp: today })),
}
const accounts = deciderRepository(store, { category: 'account', events: accountEvents, decider: dated })

async function main(): Promise<void> {
  const by = (userId: string): { metadata: object } => ({ metadata: { userId } })
  await accounts.execute(1, { type: 'Open', accountId: 1, owner: 'Ada', cents: 100 }, by('clerk-7'))
  await accounts.execute(2, { type: 'Open', accountId: 2, owner: 'Grace', cents: 0 }, by('=1+1'))
  today = day(2)
  await accounts.execute(1, { type: 'Withdraw', cents: 40 }, by('ada'))

  // What a transfer does goes back to the order to do it.
  today = day(3)
  const { position } = await store.append('orders', [{ type: 'TransferOrdered', ...by('ada'), timestamp: today }])
  for await (const order of store.readAll({ fromPosition: position, limit: 1 })) {
    const metadata = { ...causedBy(order), userId: 'bank' }
    const data = { transferId: 't-1', from: 1, to: 2, cents: 30 }
    await unitOfWork(
      store,
      async (unit) => {
        await unit.execute(accounts, 1, { type: 'Withdraw', cents: 30, transferId: 't-1' })
        await unit.execute(accounts, 2, { type: 'Deposit', cents: 30, transferId: 't-1' })
        const completed = { type: 'TransferCompleted', data, timestamp: today } as const
        unit.append(transferEvents, { stream: 'transfers', events: [completed] })
      },
      { metadata },
    )

    console.log('Account 1:')
    for await (const { offset, time, who, type } of auditLog(store, { stream: 'account-1' })) {
      console.log(`  #${offset} ${time.slice(0, 10)} ${who}: ${type}`)
    }
    console.log('The second of March:')
    for await (const { stream, who, type } of auditLog(store, { fromTime: day(2), toTime: day(3) - 1 })) {
      console.log(`  ${who}: ${type} in ${stream}`)
    }
    console.log('What came of the order:')
    for await (const { stream, type } of auditLog(store, { correlationId: order.id })) {
      console.log(`  ${stream}: ${type}`)
    }
  }

  console.log('As CSV:')
  const opened = { category: 'account', types: ['AccountOpened'] }
  for await (const line of auditCsv(auditLog(store, opened), { columns: ['time', 'who', 'stream', 'data'] })) {
    console.log(`  ${line.trimEnd()}`)
  }
  console.log('As NDJSON:')
  for await (const line of auditNdjson(auditLog(store, { stream: 'account-2', limit: 1 }))) {
    const { who, data } = JSON.parse(line) as { who: string; data: unknown }
    console.log(`  ${who} ${JSON.stringify(data)}`)
  }
  for (const n of [1, 2, 3]) {
    const { state } = await accounts.load(1, { asOf: { time: day(n) } })
    console.log(`On the evening of ${n} March account 1 had ${state.status === 'active' ? state.cents : 0}`)
  }
}

try {
  await main()
} finally {
  await store.close()
}
