import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { BlockCache, KeyFile } from '../../../engine/keys/key-file-reader.js'
import { KeyFileWriter, type KeyFileSubject } from '../../../engine/keys/key-file-writer.js'
import { ReadHandles } from '../../../engine/segment/read-handles.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'

export type Entry = readonly [high: number, low: number, position: number, byte: number]

export const STORE_ID = Buffer.from('0123456789abcdef')
export const PATH = '/keys/0000000000000000-0000000001.key'
export const SUBJECT: KeyFileSubject = { segments: [{ base: 0, epoch: 1 }], lastBytes: 5000, end: 1_000_000 }

/** A disk with a folder for key files. */
export function keyDisk(): FaultyFileSystem {
  const { files } = memoryEnvironment()
  files.makeDirectories('/keys')
  return new FaultyFileSystem(files)
}

export function writerOf(
  files: FaultyFileSystem,
  entries: number,
  filterBytes = 1e6,
  fence: () => void = () => undefined,
): KeyFileWriter {
  return new KeyFileWriter(files, PATH, STORE_ID, SUBJECT, entries, filterBytes, fence)
}

/** Writes a key file and opens it. `blocks`: how many of them stay in memory. */
export async function written(
  files: FaultyFileSystem,
  entries: readonly Entry[],
  { filterBytes = 1e6, blocks = 100 } = {},
): Promise<KeyFile> {
  const writer = writerOf(files, entries.length, filterBytes)
  for (const entry of entries) writer.add(...entry)
  await writer.finish()
  return opened(files, blocks)!
}

export function opened(files: FaultyFileSystem, blocks = 100, storeId = STORE_ID): KeyFile | undefined {
  return KeyFile.open(PATH, storeId, new ReadHandles(files, 4), new BlockCache(blocks))
}
