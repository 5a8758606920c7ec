/**
 * The group frame: the head of what one write to the log carries, commits of many callers. A group counts whole or not
 * at all. It says where it belongs (store, epoch, byte, sequence), so that old bytes in a reused block are never taken
 * for a new group, and how far the log was durable when it was written, which is what tells a torn tail from damage.
 *
 * | Offset | Size | Type  | Field          | Meaning                                                                  |
 * | ------ | ---- | ----- | -------------- | ------------------------------------------------------------------------ |
 * | 0      | 8    |       | length, crc    | frame                                                                    |
 * | 8      | 1    | u8    | kind           | 1                                                                        |
 * | 9      | 1    | u8    | flags          | 0                                                                        |
 * | 10     | 2    | u16   | –              | 0                                                                        |
 * | 12     | 4    | bytes | mark           | `GRP\n`, for finding groups behind damage                                |
 * | 16     | 8    | bytes | store          | first 8 bytes of the store id                                            |
 * | 24     | 8    | u64   | epoch          | epoch of the writer                                                      |
 * | 32     | 8    | u64   | sequence       | 0, 1, 2 … over the whole log                                             |
 * | 40     | 8    | u64   | byte           | where this frame starts in its file                                      |
 * | 48     | 8    | u64   | first position | position of the first event                                              |
 * | 56     | 8    | u64   | durable        | groups with a sequence below this were durable before this one was written |
 * | 64     | 4    | u32   | frames         | frames that follow                                                       |
 * | 68     | 4    | u32   | events         | event frames among them                                                  |
 * | 72     | 4    | u32   | body bytes     | bytes of the frames that follow                                          |
 * | 76     | 4    | u32   | digest         | CRC-32C of the crc fields of those frames, in order                      |
 * | 80     | 4    | u32   | length         | frame                                                                    |
 */
import { FRAME_GROUP, frameAround, readU64, sealFrame, writeU64, type Window } from './frame.js'

export const GROUP_BYTES = 84
export const GROUP_MARK = Buffer.from('GRP\n', 'latin1')
export const GROUP_MARK_AT = 12

export interface Group {
  readonly epoch: number
  readonly sequence: number
  readonly byte: number
  readonly firstPosition: number
  readonly durable: number
  readonly frames: number
  readonly events: number
  readonly bodyBytes: number
  readonly digest: number
}

/** Writes a group frame, checksum included, at `start`. */
export function encodeGroup(window: Window, start: number, storeId: Buffer, group: Group): void {
  const { bytes, view } = window
  frameAround(view, start, GROUP_BYTES, FRAME_GROUP)
  bytes[start + 9] = 0
  view.setUint16(start + 10, 0, true)
  GROUP_MARK.copy(bytes, start + GROUP_MARK_AT)
  storeId.copy(bytes, start + 16, 0, 8)
  writeU64(view, start + 24, group.epoch)
  writeU64(view, start + 32, group.sequence)
  writeU64(view, start + 40, group.byte)
  writeU64(view, start + 48, group.firstPosition)
  writeU64(view, start + 56, group.durable)
  view.setUint32(start + 64, group.frames, true)
  view.setUint32(start + 68, group.events, true)
  view.setUint32(start + 72, group.bodyBytes, true)
  view.setUint32(start + 76, group.digest, true)
  sealFrame(window, start, GROUP_BYTES)
}

/** Reads a group frame whose checksum is right. Returns undefined when it is none or belongs to another store. */
export function decodeGroup(window: Window, start: number, length: number, storeId: Buffer): Group | undefined {
  const { bytes, view } = window
  if (length !== GROUP_BYTES || bytes[start + 8] !== FRAME_GROUP) return undefined
  if (GROUP_MARK.compare(bytes, start + GROUP_MARK_AT, start + GROUP_MARK_AT + 4) !== 0) return undefined
  if (storeId.compare(bytes, start + 16, start + 24, 0, 8) !== 0) return undefined
  const group: Group = {
    epoch: readU64(view, start + 24),
    sequence: readU64(view, start + 32),
    byte: readU64(view, start + 40),
    firstPosition: readU64(view, start + 48),
    durable: readU64(view, start + 56),
    frames: view.getUint32(start + 64, true),
    events: view.getUint32(start + 68, true),
    bodyBytes: view.getUint32(start + 72, true),
    digest: view.getUint32(start + 76, true),
  }
  // A number of 2^53 or more is none.
  const { epoch, sequence, byte, firstPosition, durable } = group
  return Number.isNaN(epoch + sequence + byte + firstPosition + durable) ? undefined : group
}
