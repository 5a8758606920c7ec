/** Opens a store in a process that has done nothing yet, and says how long it took and what it holds; then opens it again. */
import { openEventStore, type RecoveryReport, type StoredEvent } from '../../engine/index.js'
import type { OrderEvent } from '../events.js'

export interface Opened {
  readonly ms: number
  /** The third time in the same process, when its code has run twice. */
  readonly againMs: number
  readonly events: number
  /** Position and amount of the last event, which must be there and readable. */
  readonly last: { readonly position: number; readonly amount: number } | undefined
  readonly recovery: Omit<RecoveryReport, 'damage'>
}

async function main(directory: string): Promise<void> {
  const begun = performance.now()
  const store = await openEventStore(directory)
  const ms = performance.now() - begun
  const { events } = store.stats()
  const { damage, ...recovery } = store.recovery
  if (damage !== undefined) throw damage
  let last: Opened['last']
  const reader = store.readAll<StoredEvent<string, OrderEvent['data']>>({ fromPosition: Math.max(0, events - 1) })
  for await (const { position, data } of reader) last = { position, amount: data.amount }
  await store.close()
  let againMs = 0
  for (let n = 0; n < 2; n++) {
    const began = performance.now()
    const again = await openEventStore(directory)
    againMs = performance.now() - began
    await again.close()
  }
  process.send?.({ ms, againMs, events, last, recovery } satisfies Opened)
}

main(process.argv[2]!).catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})
