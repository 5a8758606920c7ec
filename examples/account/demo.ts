/** The tutorial from end to end: open, deposit, withdraw, refuse, transfer, conflict, snapshot, close. Run it with a folder, or without. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { causedBy, openEventStore } from '../../engine/index.js'
import { snapshotStreams } from '../../kit/index.js'
import { accountService } from './commands.js'
import { accountEvents } from './events.js'

const money = (cents: number): string => (cents / 100).toFixed(2)

const folder = process.argv[2] ?? (await mkdtemp(join(tmpdir(), 'annals-account-')))
const store = await openEventStore(join(folder, 'events'))
const snapshotStore = await openEventStore(join(folder, 'snapshots'))
try {
  const service = accountService(store, {
    snapshots: snapshotStreams(snapshotStore),
    onWarning: (warning) => console.log('warning:', warning),
  })
  const { accounts, decided } = service

  await service.open({ accountId: 1, owner: 'Ada', cents: 100_00 })
  await service.open({ accountId: 2, owner: 'Grace', cents: 0 })
  await service.deposit({ accountId: 1, cents: 50_00 })
  await service.withdraw({ accountId: 1, cents: 20_00 })
  console.log(`Ada has ${money((await accounts.load(1)).cents)}`)

  await service
    .withdraw({ accountId: 1, cents: 1000_00 })
    .catch((error: unknown) => console.log(`refused: ${String(error)}`))

  await service.transfer({ transferId: 't-1', from: 1, to: 2, cents: 30_00 })
  console.log(
    `after the transfer: ${money((await accounts.load(1)).cents)} and ${money((await accounts.load(2)).cents)}`,
  )

  const [one, other] = [await accounts.load(1), await accounts.load(1)]
  one.deposit(1_00)
  other.deposit(2_00)
  await accounts.save(one)
  await accounts.save(other).catch((error: unknown) => console.log(`conflict: ${String(error)}`))

  // The decider works on the same streams. Conflicts are its own business.
  await Promise.all([1, 2, 3].map(async () => decided.execute(2, { type: 'Deposit', cents: 1_00 })))
  for (let i = 0; i < 120; i++) await service.deposit({ accountId: 2, cents: 1 })
  console.log(`Grace has ${money((await accounts.load(2)).cents)} after ${(await accounts.load(2)).version} events`)

  for await (const deposit of accountEvents.read(store.readStream('account-2', { fromOffset: 1, limit: 1 }))) {
    console.log(`offset ${deposit.offset}: ${deposit.type}, of`, causedBy(deposit).correlationId)
  }

  await service.withdraw({ accountId: 1, cents: (await accounts.load(1)).cents })
  await service.close({ accountId: 1 })
  console.log(`Ada's account is ${(await decided.load(1)).state.status}`)
} finally {
  await snapshotStore.close()
  await store.close()
  if (process.argv[2] === undefined) await rm(folder, { recursive: true })
}
