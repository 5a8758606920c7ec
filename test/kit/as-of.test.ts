import t from 'tap'
import { openMemoryStore } from '../../engine/index.js'
import { type AsOf, deciderRepository, repository } from '../../kit/index.js'
import { Account, accountDecider, accountEvents } from './account-support.js'

const at = (month: number): number => Date.UTC(2026, month, 1)

t.test('[U2] a state as it was: by time, by version, by position', async (t) => {
  await using store = await openMemoryStore()
  const decided = deciderRepository(store, { category: 'account', events: accountEvents, decider: accountDecider })
  const accounts = repository(store, { category: 'account', events: accountEvents, create: () => new Account() })
  await store.append('account-1', [
    { type: 'AccountOpened', data: { accountId: 1, owner: 'Ada', cents: 0 }, timestamp: at(0) },
    { type: 'MoneyDeposited', data: { cents: 1 }, timestamp: at(1) },
  ])
  await store.append('other', [{ type: 'T', timestamp: at(2) }])
  await store.append('account-1', [
    { type: 'MoneyDeposited', data: { cents: 10 }, timestamp: at(3) },
    { type: 'MoneyDeposited', data: { cents: 100 }, timestamp: at(1) + 1 }, // booked late
    { type: 'MoneyDeposited', data: { cents: 1000 }, timestamp: at(4) },
  ])
  const cases: readonly (readonly [AsOf, number, number])[] = [
    [{ time: at(0) }, 0, 1],
    [{ time: new Date(at(1)) }, 1, 2],
    [{ time: at(2) }, 101, 3],
    [{ time: at(3) }, 111, 4],
    [{ time: at(9) }, 1111, 5],
    [{ version: 1 }, 0, 1],
    [{ version: 3 }, 11, 3],
    [{ version: 99 }, 1111, 5],
    [{ position: 0 }, 0, 1],
    [{ position: 2 }, 1, 2],
    [{ position: 3 }, 11, 3],
    [{ position: 99 }, 1111, 5],
  ]
  for (const [asOf, cents, version] of cases) {
    t.match(await decided.load(1, { asOf }), { state: { cents }, version }, JSON.stringify(asOf))
    const account = await accounts.load(1, { asOf })
    t.same([account.cents, account.version], [cents, version], JSON.stringify(asOf))
  }
  for (const asOf of [{ time: at(0) - 1 }, { version: 0 }] as const) {
    t.equal(await decided.find(1, { asOf }), undefined)
    await t.rejects(accounts.load(1, { asOf }), {
      code: 'ERR_AGGREGATE_NOT_FOUND',
      message: /no events of that time/,
    })
  }
  const past = await accounts.load(1, { asOf: { time: at(3) } })
  past.deposit(1)
  await t.rejects(accounts.save(past), { code: 'ERR_VERSION_CONFLICT' }, 'the past cannot be changed')
})

t.test('[U2] what is no moment is refused', async (t) => {
  await using store = await openMemoryStore()
  const decided = deciderRepository(store, { category: 'account', events: accountEvents, decider: accountDecider })
  const wrong = [
    {},
    { time: NaN },
    { time: '2026-03-01' },
    { version: -1 },
    { version: 1.5 },
    { position: '1' },
    { time: 1, version: 1 },
    { date: 1 },
  ]
  for (const asOf of wrong) {
    await t.rejects(decided.find(1, { asOf: asOf as never }), { code: 'ERR_INVALID_ARGUMENT' }, JSON.stringify(asOf))
  }
})
