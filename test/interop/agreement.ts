import assert from 'node:assert/strict'
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EventStore, StoredEvent } from '../../engine/index.js'
import type { FileSystem } from '../../engine/io/file-system.js'
import { memoryEnvironment } from '../../engine/io/memory-environment.js'
import { openStore } from '../../engine/store/open-store.js'
import type { StoredRecord } from './second-reader/log.js'
import { readStore, type SecondReading, type SecondReadingOptions, type StoreFiles } from './second-reader/store.js'

/** The files of a store in a folder of this machine. */
export function filesOfFolder(directory: string): StoreFiles {
  return {
    list: (folder) => listOrNone(() => readdirSync(join(directory, folder))),
    read: (path) => {
      const stat = lstatSync(join(directory, path), { throwIfNoEntry: false })
      return stat?.isFile() === true ? readFileSync(join(directory, path)) : undefined
    },
  }
}

/** The files of a store on any file system of the engine. */
export function filesOfStore(files: FileSystem, directory: string): StoreFiles {
  return {
    list: (folder) => listOrNone(() => files.list(`${directory}/${folder}`)),
    read: (path) => {
      const stat = files.stat(`${directory}/${path}`)
      if (stat?.kind !== 'file') return undefined
      const bytes = Buffer.alloc(stat.size)
      const handle = files.open(`${directory}/${path}`, 'read')
      let at = 0
      while (at < bytes.length) {
        const read = handle.readSync(bytes, at, bytes.length - at, at)
        if (read === 0) break
        at += read
      }
      handle.close()
      return bytes.subarray(0, at)
    },
  }
}

function listOrNone(list: () => string[]): string[] {
  try {
    return list()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw error
  }
}

/** Options of {@link assertAgrees}. */
export interface AgreementOptions extends SecondReadingOptions {
  /** A store that has these files open and is at rest. Default: a copy of the files is opened in memory. */
  readonly store?: EventStore | undefined
}

/**
 * Reads all files of a store with the second reader, which throws where they are not as the format says, and compares event by
 * event with what the engine reads: the whole store and each stream.
 */
export async function assertAgrees(files: StoreFiles, options: AgreementOptions = {}): Promise<SecondReading> {
  const reading = readStore(files, options)
  if (options.store !== undefined) {
    await compare(reading, options.store)
    return reading
  }
  const environment = memoryEnvironment()
  copyInto(environment.files, files)
  const store = await openStore(environment, '/store', {})
  try {
    assert.equal(store.recovery.damage, undefined)
    await compare(reading, store)
  } finally {
    await store.close()
  }
  return reading
}

/** Copies what makes a store, without its lock: whoever had it open is taken to be dead. */
export function copyInto(target: FileSystem, files: StoreFiles, directory = '/store'): void {
  for (const folder of ['', 'log', 'epoch', 'streams', ...files.list('streams').map((shard) => `streams/${shard}`)]) {
    target.makeDirectories(`${directory}/${folder}`)
    for (const name of files.list(folder === '' ? '.' : folder)) {
      const path = folder === '' ? name : `${folder}/${name}`
      const bytes = files.read(path)
      if (bytes === undefined) continue
      const handle = target.open(`${directory}/${path}`, 'create')
      handle.writeSync(bytes, 0, bytes.length, 0)
      handle.close()
    }
  }
}

async function compare(reading: SecondReading, store: EventStore): Promise<void> {
  assertSame(await collect(store.readAll()), reading.records, 'the log')
  for (const [stream, records] of reading.streams) {
    assertSame(await collect(store.readStream(stream)), records, `stream ${stream}`)
  }
}

/** One event after the other, so that a difference is shown by itself. */
function assertSame(events: readonly StoredEvent[], records: readonly StoredRecord[], where: string): void {
  for (const [i, record] of records.entries()) assert.deepStrictEqual(events[i], asStored(record), where)
  assert.equal(events.length, records.length, `${where} has more events`)
}

async function collect(events: AsyncIterable<StoredEvent>): Promise<StoredEvent[]> {
  const all: StoredEvent[] = []
  for await (const event of events) all.push(event)
  return all
}

/** An event of the second reader as the engine would give it. */
export function asStored({ event }: StoredRecord): StoredEvent {
  const { stream, offset, position, id, type, timestamp, data, metadata, schemaVersion, tags, commitId } = event
  const fields = { stream, offset, position, id, type, timestamp, schemaVersion, data, metadata, tags }
  return commitId === undefined ? fields : { ...fields, commitId }
}
