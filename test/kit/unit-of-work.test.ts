import t from 'tap'
import { openMemoryStore } from '../../engine/index.js'
import { accountService } from '../../examples/account/commands.js'
import { transferEvents } from '../../examples/account/events.js'
import { repository, snapshotCache, unitOfWork } from '../../kit/index.js'
import { collect } from '../contract/contract-support.js'
import { Account, accountEvents, fill, watched } from './account-support.js'

async function bank() {
  const watch = await watched()
  const service = accountService(watch.store, { snapshots: snapshotCache() })
  for (const accountId of [1, 2]) await service.open({ accountId, owner: 'x', cents: 100 })
  const cents = async () => Promise.all([1, 2].map(async (id) => (await service.accounts.load(id)).cents))
  return Object.assign(watch, { service, cents })
}

t.test('[M5] the transfer is one commit over three streams, or nothing', async (t) => {
  const { service, store, cents } = await bank()
  await service.transfer({ transferId: 't', from: 1, to: 2, cents: 30 })
  t.same(await cents(), [70, 130])
  t.match(await collect(store.readAll({ correlationId: 't' })), [
    { type: 'MoneyWithdrawn', stream: 'account-1', position: 2 },
    { type: 'MoneyDeposited', stream: 'account-2', position: 3 },
    { type: 'TransferCompleted', stream: 'transfers', position: 4 },
  ])
  await t.rejects(service.transfer({ transferId: 't', from: 1, to: 2, cents: 71 }), /Insufficient funds/)
  await t.rejects(service.transfer({ transferId: 't', from: 1, to: 3, cents: 1 }), { code: 'ERR_AGGREGATE_NOT_FOUND' })
  t.same(await cents(), [70, 130])
  await service.transfer({ transferId: 'self', from: 1, to: 1, cents: 70 })
  t.same(await cents(), [70, 130], 'to itself: the stream takes part once')
  t.equal((await collect(store.readAll())).length, 8)
})

t.test('[M5] [G6] a conflict in one of the streams does all of it again', async (t) => {
  const watch = await bank()
  let times = 0
  watch.beforeAppend = async () => {
    if (times++ > 0) return
    watch.beforeAppend = undefined
    await watch.service.withdraw({ accountId: 1, cents: 80 })
  }
  await t.rejects(watch.service.transfer({ transferId: 't', from: 1, to: 2, cents: 30 }), /Insufficient funds/)
  t.same(await watch.cents(), [20, 100], 'decided from what is there now')
  await Promise.all(
    [1, 2].map(async (n) => watch.service.transfer({ transferId: `${n}`, from: n, to: 3 - n, cents: n })),
  )
  t.same(await watch.cents(), [21, 99])
})

t.test('[M5] both styles and bare events in one commit; a decider sees what was decided before it', async (t) => {
  const { service, store, cents } = await bank()
  const result = await unitOfWork(
    store,
    async (unit) => {
      const [account, same] = await Promise.all([unit.load(service.accounts, 1), unit.load(service.accounts, 1)])
      t.equal(account, same)
      account.withdraw(50)
      await unit.execute(service.decided, 2, { type: 'Withdraw', cents: 100 })
      t.match(await unit.execute(service.decided, 2, { type: 'Deposit', cents: 50 }), {
        version: 3,
        state: { cents: 50 },
      })
      await t.rejects(unit.execute(service.decided, 2, { type: 'Withdraw', cents: 51 }), /Insufficient/)
      const third = unit.add(service.accounts, Account.open(3, 'y', 1))
      const data = { transferId: 't', from: 1, to: 2, cents: 50 }
      unit.append(transferEvents, {
        stream: 'transfers',
        events: [{ type: 'TransferCompleted', data }],
        expectedVersion: 'noStream',
      })
      return third
    },
    { metadata: { by: 'u' } },
  )
  t.match(result, { version: 1, uncommittedEvents: [] })
  t.same(await cents(), [50, 50])
  const events = await collect(store.readAll({ fromPosition: 2 }))
  t.equal(events.length, 5)
  for (const { metadata } of events) t.same(metadata, { by: 'u' })
})

t.test('what cannot be one commit is refused before anything is written', async (t) => {
  const { service, store } = await bank()
  await using other = await openMemoryStore()
  await fill(other, 1)
  const elsewhere = repository(other, { category: 'account', events: accountEvents, create: () => new Account() })
  const code = 'ERR_INVALID_ARGUMENT'
  await t.rejects(
    unitOfWork(store, (unit) => unit.load(elsewhere, 1)),
    { code, message: /another store/ },
  )
  const twice = unitOfWork(store, async (unit) => {
    ;(await unit.load(service.accounts, 1)).deposit(1)
    await unit.execute(service.decided, 1, { type: 'Deposit', cents: 1 })
  })
  await t.rejects(twice, { code, message: /"account-1": another repository changes it/ })
  const again = unitOfWork(store, async (unit) => {
    unit.add(service.accounts, Account.open(7, 'x', 1))
    unit.add(service.accounts, Account.open(7, 'y', 1))
  })
  await t.rejects(again, { code, message: /part of this commit already/ })
  t.equal(
    await unitOfWork(store, async (unit) => (await unit.load(service.accounts, 1)).cents),
    100,
    'nothing to commit',
  )
  const signal = AbortSignal.abort(new Error('enough'))
  await t.rejects(
    unitOfWork(store, () => t.fail('called'), { signal }),
    { message: 'enough' },
  )
  t.equal((await collect(store.readAll())).length, 2)
})
