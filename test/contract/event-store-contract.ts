import t from 'tap'
import { appendContract } from './append-contract.js'
import type { Capabilities, OpenStore } from './contract-support.js'
import { commitIdContract } from './commit-id-contract.js'
import { queryContract } from './query-contract.js'
import { filterContract } from './filter-contract.js'
import { listingContract } from './listing-contract.js'
import { readContract } from './read-contract.js'
import { refusalContract } from './refusal-contract.js'
import { subscriptionContract } from './subscription-contract.js'

export type { Capabilities, OpenStore } from './contract-support.js'

/**
 * Tests that a store keeps every promise of `EventStore`. Whoever implements the interface runs it:
 *
 * ```ts
 * eventStoreContract('my store', () => openMyStore())
 * ```
 *
 * `open` returns a fresh, empty store each time; the contract closes it. What needs more than the interface is run where
 * `capabilities` offers it.
 */
export function eventStoreContract(name: string, open: OpenStore, capabilities: Capabilities = {}): void {
  const context = { open, capabilities }
  t.test(`${name}: appending`, async (t) => appendContract(t, context))
  t.test(`${name}: reading`, async (t) => readContract(t, context))
  t.test(`${name}: filters`, async (t) => filterContract(t, context))
  t.test(`${name}: following`, async (t) => subscriptionContract(t, context))
  t.test(`${name}: commit ids`, async (t) => commitIdContract(t, context))
  t.test(`${name}: queries`, async (t) => queryContract(t, context))
  t.test(`${name}: listing`, async (t) => listingContract(t, context))
  t.test(`${name}: refusals`, async (t) => refusalContract(t, context))
}
