import { crc32c } from '../format/crc32c.js'
import {
  decodeKeyFileHead,
  isBlock,
  KEY_BLOCK_BYTES,
  KEY_BLOCK_ENTRIES,
  type KeyFileHead,
  keyFileHeadBytes,
} from '../format/key-file.js'
import { readU64, windowOf } from '../format/frame.js'
import type { FileHandle } from '../io/file-system.js'
import { readFullySync } from '../io/transfer.js'
import { crcOfWord, record } from './derived-items.js'
import { type InspectedItem, problem } from './records.js'

/** Nobody has so many entries that what stands before the blocks is longer. */
const MAX_HEAD_BYTES = 2 ** 30

/** Blocks of a key file. Read one by one: such a file may have thousands. */
export function* keyItems(
  handle: FileHandle,
  size: number,
  start: number,
  storeId: Buffer,
): Generator<InspectedItem, void> {
  const head = readKeyHead(handle, size, storeId)
  if (head === undefined) {
    yield { ...record(0, start, size - start, 'damage'), detail: 'what stands before the blocks is not right' }
    yield problem('I11', start, 'what stands before the blocks is not right: its checksum, or the bytes it speaks of')
    return
  }
  const { blocksAt, fences, entries, seed } = head
  const bytes = Buffer.alloc(KEY_BLOCK_BYTES)
  for (let i = 0; i < fences.length; i++) {
    const at = blocksAt + KEY_BLOCK_BYTES * i
    readFullySync(handle, bytes, 0, KEY_BLOCK_BYTES, at)
    const { view } = windowOf(bytes)
    const count = Math.min(KEY_BLOCK_ENTRIES, entries - KEY_BLOCK_ENTRIES * i)
    const right = crc32c(bytes, 4, KEY_BLOCK_BYTES, crcOfWord(i, crcOfWord(seed)))
    const [first, last] = [8, 8 + 20 * (count - 1)].map((entry) => readU64(view, entry + 8))
    yield {
      ...record(i, at, KEY_BLOCK_BYTES, 'block', view.getUint32(0, true), right),
      detail: `block ${i}: ${count} entries, positions ${first!} … ${last!}`,
    }
    if (!isBlock({ bytes, view }, i, count, seed)) yield problem('I11', at, 'a block is not as it was written')
    else if (view.getUint32(8, true) !== fences[i]) {
      yield problem('I11', at, 'a block does not begin where its fence says')
    }
  }
}

/** What stands before the blocks; undefined when it is not right. */
export function readKeyHead(handle: FileHandle, size: number, storeId: Buffer): KeyFileHead | undefined {
  const start = Buffer.alloc(Math.min(size, 128))
  readFullySync(handle, start, 0, start.length, 0)
  const length = keyFileHeadBytes(start)
  if (length === undefined || length > size || length > MAX_HEAD_BYTES) return undefined
  const bytes = Buffer.alloc(length)
  readFullySync(handle, bytes, 0, length, 0)
  return decodeKeyFileHead(bytes, size, storeId)
}
