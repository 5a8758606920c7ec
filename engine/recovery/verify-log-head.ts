import type { ExpectedGroup } from '../commit-log/group-scan.js'
import type { LogSegment } from '../commit-log/log-directory.js'
import { type FileHeader, HEADER_FIXED_BYTES, parseHeader } from '../format/file-header.js'
import { checkFrame, windowOf } from '../format/frame.js'
import { decodeGroup, type Group, GROUP_BYTES } from '../format/group.js'
import type { FileHandle } from '../io/file-system.js'
import { readFullySync } from '../io/transfer.js'
import { readHead } from './verify-context.js'

/** The header of a log segment as it was found. */
export interface Head {
  readonly header: FileHeader | undefined
  readonly start: number
  readonly wrong: string | undefined
}

/** Reads the header of a log segment; `wrong` says what is wrong with it. */
export function readLogHead(handle: FileHandle, segment: LogSegment, storeId: Buffer): Head {
  const bytes = readHead(handle, HEADER_FIXED_BYTES)
  const verdict = parseHeader(windowOf(bytes), bytes.length, 'L')
  const damaged = (wrong: string): Head => ({ header: undefined, start: HEADER_FIXED_BYTES, wrong })
  switch (verdict.kind) {
    case 'header': {
      const { header, length } = verdict
      if (!header.storeId.equals(storeId)) return damaged('the log segment belongs to another store')
      if (header.base !== segment.base || header.epoch !== segment.epoch) {
        return damaged('the header of the log segment does not agree with its name')
      }
      return { header, start: length, wrong: undefined }
    }
    case 'version':
      return damaged(`the log segment needs format version ${verdict.readVersion}, this annals reads version 1`)
    case 'empty':
      return damaged('the header of the log segment is missing')
    case 'foreign':
      return damaged('the file is no log segment')
    case 'damaged':
      return damaged(`the header of the log segment is damaged: ${verdict.reason}`)
  }
}

/** What the group itself is expected to say, for going on with it. */
export function expectedOf({ sequence, firstPosition, epoch }: Group): ExpectedGroup {
  return { sequence, position: firstPosition, epoch }
}

/** Where the group at a byte ends, as its head says; where that is not right, a byte that lets the scan say what is wrong. */
export function groupEnd(handle: FileHandle, byte: number, size: number, storeId: Buffer): number {
  const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(GROUP_BYTES, size - byte)))
  const got = readFullySync(handle, bytes, 0, bytes.length, byte)
  const window = windowOf(bytes)
  if (got < GROUP_BYTES || typeof checkFrame(window, 0, got, GROUP_BYTES) !== 'number') return size
  const group = decodeGroup(window, 0, GROUP_BYTES, storeId)
  return group === undefined ? size : Math.min(size, byte + GROUP_BYTES + group.bodyBytes)
}
