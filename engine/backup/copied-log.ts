import { basename, join } from 'node:path'
import { GroupScanner } from '../commit-log/group-scan.js'
import { LogDirectory, type LogSegment } from '../commit-log/log-directory.js'
import { AnnalsError, CorruptionError, quote } from '../errors.js'
import { type FileHeader, HEADER_FIXED_BYTES, parseHeader } from '../format/file-header.js'
import { PART_FILE } from '../format/backup-manifest.js'
import { logFileName } from '../format/names.js'
import { windowOf } from '../format/frame.js'
import { GROUP_BYTES } from '../format/group.js'
import type { FileHandle, FileSystem } from '../io/file-system.js'
import { completion, readFully, readFullySync, writeFully } from '../io/transfer.js'
import { MAX_GROUP_BYTES } from '../limits.js'

const CHUNK_BYTES = 1024 * 1024
/** Made of each segment of a copy. */
export const DERIVED = ['.idx', '.tab'] as const

/** A log segment that is to be copied, and how many of its bytes count. */
export interface CopiedSegment {
  readonly segment: LogSegment
  readonly bytes: number
}

/** Returns the segments that hold all events below a position, and how much of each does; the last ends with that position. Throws CorruptionError. */
export function segmentsUpTo(files: FileSystem, log: string, storeId: Buffer, position: number): CopiedSegment[] {
  const segments = LogDirectory.read(files, log).directory.segments.filter(({ base }) => base < position)
  return segments.map((segment, i) => {
    const next = segments[i + 1]
    return {
      segment,
      bytes: next === undefined ? endAt(files, segment, storeId, position) : sealedEnd(files, segment, next),
    }
  })
}

/** What the next segment says of the end of one. */
function sealedEnd(files: FileSystem, segment: LogSegment, next: LogSegment): number {
  const { previousBase, previousEpoch, previousEnd } = headerOf(files, next)
  if (previousBase === segment.base && previousEpoch === segment.epoch) return previousEnd
  throw new CorruptionError('it does not follow the log segment before', { file: next.path, byte: 0 })
}

/** Where the group ends that ends with a position. */
function endAt(files: FileSystem, segment: LogSegment, storeId: Buffer, position: number): number {
  const { sequence } = headerOf(files, segment)
  const handle = files.open(segment.path, 'read')
  try {
    let end = -1
    const scanner = new GroupScanner(handle, storeId, MAX_GROUP_BYTES)
    const first = { sequence, position: segment.base, epoch: segment.epoch }
    const stop = scanner.scan(HEADER_FIXED_BYTES, Infinity, first, (group, _, start, bodyEnd) => {
      if (group.firstPosition + group.events === position) end = group.byte + GROUP_BYTES + (bodyEnd - start)
    })
    if (end >= 0) return end
    throw new CorruptionError(stop.reason, { file: segment.path, byte: stop.byte })
  } finally {
    handle.close()
  }
}

function headerOf(files: FileSystem, { path }: LogSegment): FileHeader {
  const handle = files.open(path, 'read')
  try {
    const head = Buffer.alloc(HEADER_FIXED_BYTES)
    const verdict = parseHeader(windowOf(head), readFullySync(handle, head, 0, head.length, 0), 'L')
    if (verdict.kind === 'header') return verdict.header
    throw new CorruptionError('the header of the log segment is damaged', { file: path, byte: 0 })
  } finally {
    handle.close()
  }
}

export interface CopyOptions {
  readonly copied: (bytes: number) => void
  /** Throws when it is to end. */
  readonly check: () => void
}

/** Tells which of the segments are in a folder already: sealed when they were copied, so that they never change. Throws ERR_NOT_A_BACKUP. */
export function missingFrom(files: FileSystem, log: string, wanted: readonly CopiedSegment[]): CopiedSegment[] {
  const there = LogDirectory.read(files, log).directory.segments
  const names = new Map(wanted.map((copy) => [basename(copy.segment.path), copy]))
  for (const { path } of there) {
    if (names.has(basename(path))) continue
    throw new AnnalsError(
      'ERR_NOT_A_BACKUP',
      `Cannot go on with the backup: ${quote(path)} is not of what is copied; the store has another history, take a new folder`,
    )
  }
  const sealed = new Set(there.slice(0, -1).map(({ path }) => basename(path)))
  return wanted.filter(({ segment, bytes }) => {
    const name = basename(segment.path)
    return !sealed.has(name) || files.stat(join(log, name))?.size !== bytes
  })
}

/** Copies segments in their order. Each is whole and durable before it has its name: whatever ends this, what is there is the beginning of a log. */
export async function copySegments(
  files: FileSystem,
  segments: readonly CopiedSegment[],
  log: string,
  options: CopyOptions,
): Promise<void> {
  const part = join(log, PART_FILE)
  for (const { segment, bytes } of segments) {
    if (files.stat(part) !== undefined) files.remove(part)
    const source = files.open(segment.path, 'read')
    try {
      const target = files.open(part, 'create')
      try {
        await copyBytes(source, target, bytes, segment.path, options)
        await completion((done) => target.sync(done))
      } finally {
        target.close()
      }
    } finally {
      source.close()
    }
    options.check()
    await removeDerived(files, log, segment)
    files.rename(part, join(log, basename(segment.path)))
    await completion((done) => files.syncDirectory(log, done))
  }
  if (files.stat(part) !== undefined) files.remove(part)
}

/** What was made of a shorter copy of the segment must not pass for what is made of this one. */
async function removeDerived(files: FileSystem, log: string, { base, epoch }: LogSegment): Promise<void> {
  const paths = DERIVED.map((suffix) => join(log, logFileName(base, epoch, suffix)))
  const there = paths.filter((path) => files.stat(path) !== undefined)
  if (there.length === 0) return
  for (const path of there) files.remove(path)
  await completion((done) => files.syncDirectory(log, done))
}

async function copyBytes(
  source: FileHandle,
  target: FileHandle,
  bytes: number,
  file: string,
  { copied, check }: CopyOptions,
): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(bytes, CHUNK_BYTES))
  for (let at = 0; at < bytes;) {
    check()
    const length = Math.min(buffer.length, bytes - at)
    const got = await new Promise<number>((resolve, reject) =>
      readFully(source, buffer, 0, length, at, (error, read) => (error === null ? resolve(read) : reject(error))),
    )
    if (got < length) throw new CorruptionError('the end of the log segment is missing', { file, byte: at + got })
    await completion((done) => writeFully(target, buffer, 0, length, at, done))
    at += length
    copied(length)
  }
}
