import { parseHeader } from '../format/file-header.js'
import { windowOf } from '../format/frame.js'
import type { StreamKey } from '../format/names.js'
import { decodeEntries, encodeEntries, INDEX_ENTRY_BYTES, type IndexEntry } from '../format/sparse-index.js'
import { readFileSync, writeFullySync } from '../io/transfer.js'
import type { StreamDirectory } from './stream-directory.js'

const MAX_INDEX_BYTES = 64 * 1024 * 1024
const CRC_OF_HEADER_AT = 16

/** Reads the index of a stream segment. Returns undefined when it is missing or wrong in any way. */
export function readIndex(directory: StreamDirectory, key: StreamKey, base: number): IndexEntry[] | undefined {
  let bytes: Buffer | undefined
  try {
    bytes = readFileSync(directory.files, directory.indexPath(key, base), MAX_INDEX_BYTES)
  } catch {
    return undefined // an index carries no authority (D6): whatever is wrong with it, the records tell the same
  }
  if (bytes === undefined) return undefined
  const window = windowOf(bytes)
  const verdict = parseHeader(window, bytes.length, 'I')
  if (verdict.kind !== 'header') return undefined
  const { header, length } = verdict
  if (!header.storeId.equals(directory.storeId) || !header.name.equals(key.bytes) || header.base !== base) {
    return undefined
  }
  return decodeEntries(window, length, bytes.length, window.view.getUint32(CRC_OF_HEADER_AT, true))
}

/**
 * Writes the entries of an index from `written` on; `released` stand before those that are given. Not synced: it can always be made again.
 * Returns false when that has to be done: the file is gone, and the released entries with it.
 */
export function writeIndex(
  directory: StreamDirectory,
  key: StreamKey,
  base: number,
  entries: readonly IndexEntry[],
  written: number,
  released = 0,
): boolean {
  if (released + entries.length === written) return true
  const path = directory.indexPath(key, base)
  const from = written > 0 && directory.files.stat(path) !== undefined ? written : 0
  if (from < released) return false
  const header = directory.indexHeader(key, base)
  const encoded = encodeEntries(entries, from - released, header.readUInt32LE(CRC_OF_HEADER_AT))
  const handle = directory.openForWriting(key, path, from === 0)
  try {
    if (from === 0) writeFullySync(handle, header, 0, header.length, 0)
    writeFullySync(handle, encoded, 0, encoded.length, header.length + from * INDEX_ENTRY_BYTES)
  } finally {
    handle.close()
  }
  return true
}
