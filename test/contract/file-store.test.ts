import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { type EventStore, openEventStore, type OpenOptions } from '../../engine/index.js'
import { nodeEnvironment } from '../../engine/io/node-environment.js'
import { openStore } from '../../engine/store/open-store.js'
import { assertAgrees, filesOfFolder } from '../interop/agreement.js'
import { type EngineStore, HOSTILE_NAMES } from './contract-support.js'
import { eventStoreContract } from './event-store-contract.js'

const root = mkdtempSync(join(tmpdir(), 'annals-contract-'))
t.teardown(() => rmSync(root, { recursive: true, force: true }))

let stores = 0
const newFolder = (): string => join(root, String(stores++))
const folders = new WeakMap<EventStore, string>()
/** Folders of the contract, and the interval of their indexes. */
const left = new Map<string, number | undefined>()
const remember = <Store extends EventStore>(folder: string, store: Store, options?: OpenOptions): Store => {
  folders.set(store, folder)
  left.set(folder, options?.limits?.indexIntervalBytes)
  return store
}

/** Open descriptors of this process; where the system does not list them, those the store knows of. */
function openFiles(store: EventStore): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : (store as EngineStore).stats().openFiles
}

eventStoreContract(
  'openEventStore',
  async (options) => {
    const folder = newFolder()
    return remember(folder, await openEventStore(folder, options), options)
  },
  {
    openWithClock: (now) => openStore({ ...nodeEnvironment(), now }, newFolder(), {}),
    reopen: async (store, options) => {
      const folder = folders.get(store)!
      return remember(folder, await openEventStore(folder, options), options)
    },
    settle: (store) => (store as EngineStore).flush(),
    openFiles,
  },
)

t.test('[A2] [fault 65] no name reaches beyond the folder of the store', async (t) => {
  const outside = newFolder()
  const inside = join(outside, 'deep', 'store')
  const store = await openEventStore(inside)
  for (const name of HOSTILE_NAMES) await store.append(name, [{ type: 'T' }], { durability: 'os' })
  await store.flush()
  await store.close()
  t.same(readdirSync(outside), ['deep'])
  t.same(readdirSync(join(outside, 'deep')), ['store'])
  t.same(readdirSync(inside).sort(), ['annals', 'checkpoint', 'epoch', 'log', 'streams', 'watermark'])
  const files = readdirSync(join(inside, 'streams'), { recursive: true, encoding: 'utf8' })
  const segments = files.filter((name) => name.endsWith('.seg'))
  t.equal(new Set(segments.map((name) => name.toLowerCase())).size, HOSTILE_NAMES.length, 'one file each, in any case')
  t.ok(segments.every((name) => Buffer.byteLength(name.slice(3)) <= 255))
})

t.test('[F2] the second reader agrees with every store that the contract has left', async (t) => {
  t.ok(left.size > 20, `${left.size} stores`)
  for (const [folder, indexIntervalBytes] of left) await assertAgrees(filesOfFolder(folder), { indexIntervalBytes })
})
