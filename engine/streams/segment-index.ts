import { HEADER_FIXED_BYTES, parseHeader } from '../format/file-header.js'
import { windowOf, type Window } from '../format/frame.js'
import type { StreamKey } from '../format/names.js'
import {
  decodeEntries,
  encodeEntries,
  findEntry,
  INDEX_ENTRY_BYTES,
  type IndexEntry,
  StoredEntries,
  WrongIndexError,
} from '../format/sparse-index.js'
import { readFileSync, readFullySync, writeFullySync } from '../io/transfer.js'
import type { StreamDirectory } from './stream-directory.js'

const MAX_INDEX_BYTES = 64 * 1024 * 1024
const CRC_OF_HEADER_AT = 16
/** Entries read from the end of an index: about a page of the disk. */
const LAST_ENTRIES = 112

/**
 * Reads the index of a stream segment, no more than the first `most` of its entries; they are checked as they are used. Returns undefined
 * when it is missing, of a wrong length, or that of another segment.
 */
export function readIndex(
  directory: StreamDirectory,
  key: StreamKey,
  base: number,
  most = Infinity,
): StoredEntries | undefined {
  const read = readWindow(directory, key, base)
  if (read === undefined) return undefined
  const { window, start, headerCrc } = read
  const count = (window.bytes.length - start) / INDEX_ENTRY_BYTES
  return Number.isInteger(count) ? new StoredEntries(window, start, Math.min(count, most), headerCrc) : undefined
}

/** Reads and checks all of the index of a stream segment. Returns undefined when it is missing or wrong in any way. */
export function readEntries(directory: StreamDirectory, key: StreamKey, base: number): IndexEntry[] | undefined {
  const read = readWindow(directory, key, base)
  return read && decodeEntries(read.window, read.start, read.window.bytes.length, read.headerCrc)
}

/** Finds the last entry of a stream segment at or below an offset. Returns undefined when there is none, or the index is wrong. */
export function findInIndex(
  directory: StreamDirectory,
  key: StreamKey,
  base: number,
  offset: number,
): IndexEntry | undefined {
  try {
    return findEntry(readIndex(directory, key, base) ?? [], offset)
  } catch (error) {
    if (error instanceof WrongIndexError) return undefined
    throw error
  }
}

/**
 * Reads and checks the end of an index, which is all that an append or a read of the last events needs: of how many entries it is, and
 * the last of them. Returns undefined when that is missing or wrong.
 */
export function readIndexEnd(
  directory: StreamDirectory,
  key: StreamKey,
  base: number,
): { readonly count: number; readonly last: readonly IndexEntry[] } | undefined {
  const start = HEADER_FIXED_BYTES + key.byteLength
  try {
    const handle = directory.files.open(directory.indexPath(key, base), 'read')
    try {
      const count = (handle.size() - start) / INDEX_ENTRY_BYTES
      if (!Number.isInteger(count) || count <= 0) return undefined
      const taken = Math.min(count, LAST_ENTRIES)
      const bytes = Buffer.alloc(start + taken * INDEX_ENTRY_BYTES)
      readFullySync(handle, bytes, 0, start, 0)
      readFullySync(handle, bytes, start, bytes.length - start, start + (count - taken) * INDEX_ENTRY_BYTES)
      const window = windowOf(bytes)
      const header = checkHeader(window, directory, key, base)
      const last = header && decodeEntries(window, start, bytes.length, header.headerCrc)
      return last && { count, last }
    } finally {
      handle.close()
    }
  } catch {
    return undefined // as below
  }
}

function readWindow(
  directory: StreamDirectory,
  key: StreamKey,
  base: number,
): { readonly window: Window; readonly start: number; readonly headerCrc: number } | undefined {
  let bytes: Buffer | undefined
  try {
    bytes = readFileSync(directory.files, directory.indexPath(key, base), MAX_INDEX_BYTES)
  } catch {
    return undefined // an index carries no authority (D6): whatever is wrong with it, the records tell the same
  }
  if (bytes === undefined) return undefined
  const window = windowOf(bytes)
  const header = checkHeader(window, directory, key, base)
  return header && { window, ...header }
}

/** Returns where the entries start and the checksum of the header, if it is that of the index of a segment. */
function checkHeader(
  window: Window,
  directory: StreamDirectory,
  key: StreamKey,
  base: number,
): { readonly start: number; readonly headerCrc: number } | undefined {
  const verdict = parseHeader(window, window.bytes.length, 'I')
  if (verdict.kind !== 'header') return undefined
  const { header, length } = verdict
  if (!header.storeId.equals(directory.storeId) || !header.name.equals(key.bytes) || header.base !== base) {
    return undefined
  }
  return { start: length, headerCrc: window.view.getUint32(CRC_OF_HEADER_AT, true) }
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
