/**
 * The contract over two stores in one folder: what is appended goes to the writer, and what is read is read from a store beside it that is
 * open for reading only.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import {
  type EventStore,
  type FileEventStore,
  openEventStore,
  type OpenOptions,
  type ReadOnlyEventStore,
} from '../../engine/index.js'
import type { Environment } from '../../engine/io/file-system.js'
import { memoryEnvironment } from '../../engine/io/memory-environment.js'
import { nodeEnvironment } from '../../engine/io/node-environment.js'
import { openReadOnly, openStore } from '../../engine/store/open-store.js'
import { eventStoreContract } from './event-store-contract.js'

t.setTimeout(300_000)

const root = mkdtempSync(join(tmpdir(), 'annals-beside-'))
// A subscription that waits for another process does not keep this one alive.
const alive = setInterval(() => undefined, 1000)
t.teardown(() => clearInterval(alive))
t.teardown(() => rmSync(root, { recursive: true, force: true }))
let folders = 0

interface Pair {
  readonly environment: Environment
  readonly folder: string
  readonly writer: FileEventStore
  readonly reader: ReadOnlyEventStore
}

const pairs = new WeakMap<EventStore, Pair>()

/** Opens a writer and a reader beside it, as one store. */
async function openPair(environment: Environment, folder: string, options?: OpenOptions): Promise<EventStore> {
  const writer = await openStore(environment, folder, options === undefined ? {} : options)
  const { limits } = options ?? {}
  const reader = await openReadOnly(environment, folder, { readOnly: true, limits })
  // The writer tells of a commit in the turn of the event loop after it.
  const told = async <Result>(result: Promise<Result>): Promise<Result> => {
    try {
      return await result
    } finally {
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const store = {
    append: (...args: Parameters<EventStore['append']>) => told(writer.append(...args)),
    appendMany: (...args: Parameters<EventStore['appendMany']>) => told(writer.appendMany(...args)),
    readStream: reader.readStream.bind(reader),
    readAll: reader.readAll.bind(reader),
    readCategory: reader.readCategory.bind(reader),
    subscribe: reader.subscribe.bind(reader),
    streamInfo: reader.streamInfo.bind(reader),
    listStreams: reader.listStreams.bind(reader),
    flush: () => writer.flush(),
    stats: () => ({ ...writer.stats(), ...reader.stats() }),
    close: async () => {
      await Promise.all([writer.close(), reader.close()])
    },
    [Symbol.asyncDispose]: () => store.close(),
  }
  pairs.set(store, { environment, folder, writer, reader })
  return store
}

for (const [name, make] of [
  ['beside a writer, on disk', () => nodeEnvironment()],
  ['beside a writer, in memory', () => memoryEnvironment()],
] as const) {
  const newFolder = (): string => join(root, String(folders++))
  eventStoreContract(name, (options) => openPair(make(), newFolder(), options), {
    openWithClock: (now) => openPair({ ...make(), now }, newFolder()),
    reopen: (store, options) => {
      const { environment, folder } = pairs.get(store)!
      return openPair(environment, folder, options)
    },
    settle: async (store) => {
      const { writer, reader } = pairs.get(store)!
      await writer.checkpoint()
      await reader.refresh()
    },
    openFiles: (store) => pairs.get(store)!.reader.stats().openFiles,
  })
}

t.test('a store that is open for reading only takes no lock and leaves no file behind', async (t) => {
  const folder = join(root, String(folders++))
  const writer = await openEventStore(folder)
  await writer.append('a', [{ type: 'T' }])
  await writer.close()
  const before = readdirSync(folder, { recursive: true }).sort()
  const reader = await openEventStore(folder, { readOnly: true })
  t.same(readdirSync(folder, { recursive: true }).sort(), before)
  const again = await openEventStore(folder)
  await again.close()
  await reader.close()
})
