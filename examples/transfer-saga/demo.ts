/** Three transfers: one that works, one without the money, one to an account that is closed. Run it with a folder, or without. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEventStore } from '../../engine/index.js'
import { auditLog, runReactor } from '../../kit/index.js'
import { transferEvents, transferManager } from './transfers.js'

const folder = process.argv[2] ?? (await mkdtemp(join(tmpdir(), 'annals-saga-')))
const store = await openEventStore(join(folder, 'events'))

/** Waits for the last event of a transfer. Returns where it stands, and what came of the transfer. */
async function outcome(transferId: string): Promise<{ position: number; text: string }> {
  const types = ['TransferCompleted', 'TransferFailed']
  for await (const { type, data, position } of transferEvents.read(
    store.subscribe({ stream: `transfer-${transferId}`, types }),
  )) {
    return { position, text: type === 'TransferFailed' ? `failed: ${data.reason}` : 'completed' }
  }
  throw new Error('the store was closed')
}

try {
  const { accounts, transfers, manager } = transferManager(store)
  for (const [accountId, owner, cents] of [
    [1, 'Ada', 100],
    [2, 'Grace', 0],
    [3, 'Alan', 0],
  ] as const) {
    await accounts.execute(accountId, { type: 'Open', accountId, owner, cents })
  }
  await accounts.execute(3, { type: 'Close' })

  const saga = await runReactor(store, manager)
  for (const [transferId, to, cents] of [
    ['t-1', 2, 30],
    ['t-2', 2, 500],
    ['t-3', 3, 20],
  ] as const) {
    await transfers.execute(transferId, { type: 'Request', transferId, from: 1, to, cents })
    const { position, text } = await outcome(transferId)
    console.log(`${transferId}: ${cents} from Ada to ${to}: ${text}`)
    // The last event goes to the saga as well: stopped before that, it would take it up at its next start.
    await saga.whenProcessed(position)
  }
  await saga.stop()

  const cents = await Promise.all(
    [1, 2].map(async (id) => {
      const { state } = await accounts.load(id)
      return state.status === 'active' ? state.cents : 0
    }),
  )
  console.log(`Ada has ${cents[0]}, Grace has ${cents[1]}`)

  // Everything that goes back to the third request, in order: causation and correlation were set by the saga.
  for await (const requested of store.readStream('transfer-t-3', { limit: 1 })) {
    console.log(`  ${requested.stream}: ${requested.type}`)
    for await (const { stream, type } of auditLog(store, { correlationId: requested.id })) {
      console.log(`  ${stream}: ${type}`)
    }
  }
} finally {
  await store.close()
  if (process.argv[2] === undefined) await rm(folder, { recursive: true })
}
