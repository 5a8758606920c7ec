import { join } from 'node:path'
import type { Environment, FileSystem } from '../../../engine/io/file-system.js'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { readFileSync, writeFullySync } from '../../../engine/io/transfer.js'
import type { OpenOptions } from '../../../engine/store/options.js'
import { openStore } from '../../../engine/store/open-store.js'
import type { StoredEvent } from '../../../engine/types/event.js'

export const STORE = '/store'
export const TINY: OpenOptions = {
  limits: { logSegmentBytes: 4096, streamSegmentBytes: 1024, indexIntervalBytes: 256 },
}

/** The files of a folder and everything below it, by path. */
export type Image = ReadonlyMap<string, Buffer>

export function imageOf(files: FileSystem, folder = STORE): Map<string, Buffer> {
  const image = new Map<string, Buffer>()
  const folders = [folder]
  for (let path = folders.pop(); path !== undefined; path = folders.pop()) {
    for (const name of files.list(path)) {
      const child = join(path, name)
      if (files.stat(child)?.kind === 'directory') folders.push(child)
      else image.set(child, readFileSync(files, child, 2 ** 30)!)
    }
  }
  return image
}

export function put(files: FileSystem, path: string, contents: Uint8Array): void {
  files.makeDirectories(path.slice(0, path.lastIndexOf('/')))
  if (files.stat(path) !== undefined) files.remove(path)
  const handle = files.open(path, 'create')
  writeFullySync(handle, contents, 0, contents.length, 0)
  handle.close()
}

/** A file system of its own with these files. */
export function restore(image: Image): Environment {
  const environment = memoryEnvironment()
  for (const folder of ['log', 'streams', 'epoch']) environment.files.makeDirectories(join(STORE, folder))
  for (const [path, contents] of image) put(environment.files, path, contents)
  return environment
}

export interface Built {
  readonly environment: Environment
  readonly image: Image
  /** Everything that was appended, in order. */
  readonly events: readonly StoredEvent[]
}

/** A closed store of several streams, with commits over more than one, shapes, and sealed segments of both kinds. */
export async function buildStore(options: OpenOptions = TINY, rounds = 8): Promise<Built> {
  const environment = memoryEnvironment()
  const store = await openStore(environment, STORE, options)
  const metadata = { correlationId: 'corr-1', causationId: 'cause-2', user: 'ada' }
  for (let i = 0; i < rounds; i++) {
    const data = { amount: i * 10, currency: 'EUR', tags: ['a', 'b'], at: new Date(1_700_000_000_000 + i) }
    await store.append('account-1', [{ type: 'Deposited', data, metadata }])
    await store.appendMany([
      { stream: 'account-1', events: [{ type: 'Withdrawn', data: { ...data, big: 12n ** 20n } }] },
      { stream: 'Über/weit', events: [{ type: 'Received', data: new Map([[1, i]]), metadata: { note: 'x' } }] },
    ])
    if (i % 3 === 0) await store.append('rare', [{ type: 'Seen' }, { type: 'Seen', data: [1.5, -0, null, undefined] }])
  }
  const events: StoredEvent[] = []
  for await (const event of store.readAll()) events.push(event)
  await store.checkpoint()
  await store.close()
  return { environment, image: imageOf(environment.files), events }
}
