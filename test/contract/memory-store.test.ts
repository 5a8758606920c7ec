import { type EventStore, openMemoryStore, type OpenOptions } from '../../engine/index.js'
import { memoryEnvironment } from '../../engine/io/memory-environment.js'
import { openStore } from '../../engine/store/open-store.js'
import type { EngineStore } from './contract-support.js'
import { eventStoreContract } from './event-store-contract.js'

const settle = (store: EventStore): Promise<void> => (store as EngineStore).flush()

eventStoreContract('openMemoryStore', (options) => openMemoryStore(options), {
  openWithClock: (now) => openStore({ ...memoryEnvironment(), now }, '/store', {}),
  settle,
})

// The same file system in memory, so that its handles can be counted and what a store left can be opened again.
const environments = new WeakMap<EventStore, ReturnType<typeof memoryEnvironment>>()
const remember = async (environment: ReturnType<typeof memoryEnvironment>, options = {}): Promise<EventStore> => {
  const store = await openStore(environment, '/store', options)
  environments.set(store, environment)
  return store
}

eventStoreContract(
  'a store in memory, opened again',
  (options?: OpenOptions) => remember(memoryEnvironment(), options),
  {
    reopen: (store, options) => remember(environments.get(store)!, options),
    openFiles: (store) => (environments.get(store)!.files as unknown as { openHandles: number }).openHandles,
    settle,
  },
)

eventStoreContract('a store without shapes', (options = { shapes: false }) => openMemoryStore(options), { settle })
