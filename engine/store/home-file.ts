import { join, sep } from 'node:path'
import { AnnalsError, CorruptionError, newerVersion, quote } from '../errors.js'
import { CHECKPOINT_FILE } from '../format/checkpoint.js'
import { encodeHeader, type FileKind, type HeaderVerdict, parseHeader } from '../format/file-header.js'
import { windowOf } from '../format/frame.js'
import { parseLogFileName, parseStreamFileName } from '../format/names.js'
import type { FileSystem } from '../io/file-system.js'
import { MAX_EPOCH_FILE_BYTES, parseEpochFile } from '../lock/epoch-file.js'
import { readFileSync, readFullySync, replaceFile, completion } from '../io/transfer.js'

export const HOME_FILE = 'annals'
export const LOG_FOLDER = 'log'
export const STREAMS_FOLDER = 'streams'
export const EPOCH_FOLDER = 'epoch'
const MAX_BYTES = 64 * 1024
const SHARD = /^[0-9a-f]{2}$/

/** What stands in a folder. `new`: no store yet. `lost`: a store whose home file is missing or damaged, and its id from the log. */
export type Home = { readonly kind: 'store' | 'lost'; readonly storeId: Buffer } | { readonly kind: 'new' }

/**
 * Reads which store is in a folder. Throws ERR_NOT_A_STORE, ERR_FORMAT, ERR_CORRUPT or what the system reports. `own`: an id that the
 * files were compared with a moment ago.
 */
export function readHome(files: FileSystem, directory: string, own?: Buffer): Home {
  const path = join(directory, HOME_FILE)
  const bytes = readFileSync(files, path, MAX_BYTES)
  if (bytes !== undefined) {
    const verdict = parseHeader(windowOf(bytes), bytes.length, 'H')
    if (verdict.kind === 'header') {
      const { storeId } = verdict.header
      if (own?.equals(storeId) !== true) refuseForeign(files, directory, storeId)
      return { kind: 'store', storeId }
    }
    if (verdict.kind === 'version') throw newerVersion(path, verdict.readVersion, verdict.writeVersion)
    if (verdict.kind === 'foreign' && idFromLog(files, directory) === undefined) {
      throw new AnnalsError(
        'ERR_NOT_A_STORE',
        `Cannot open ${quote(directory)}: its file "${HOME_FILE}" is not one of annals; choose another folder`,
      )
    }
  }
  const storeId = idFromLog(files, directory)
  if (storeId !== undefined) return { kind: 'lost', storeId }
  if (bytes !== undefined && bytes.length > 0) {
    throw new AnnalsError(
      'ERR_CORRUPT',
      `Cannot open store ${quote(directory)}: its file "${HOME_FILE}" is damaged and no log segment tells whose store it is; restore it from a backup`,
    )
  }
  if (hasLog(files, directory)) {
    throw new AnnalsError(
      'ERR_CORRUPT',
      `Cannot open store ${quote(directory)}: its file "${HOME_FILE}" is missing and the log segments are damaged; restore it from a backup`,
    )
  }
  refuseRemains(files, directory)
  return { kind: 'new' }
}

/**
 * Throws when the home file is that of another store: by it nothing here would count, and the next writer would begin a new store over
 * this one. Whatever says the same as the home file speaks for it, as the epochs do where a crash has left blocks of another store in the log.
 */
function refuseForeign(files: FileSystem, directory: string, storeId: Buffer): void {
  const own = (path: string, kind: FileKind): boolean | undefined => {
    const verdict = headerOf(files, path, kind)
    return verdict.kind === 'header' ? verdict.header.storeId.equals(storeId) : undefined
  }
  let foreign = false
  for (const path of logFiles(files, directory)) {
    const isOwn = own(path, 'L')
    if (isOwn === true) return
    foreign ||= isOwn === false
  }
  if (!foreign) return
  const checkpoint = join(directory, CHECKPOINT_FILE)
  if (files.stat(checkpoint)?.kind === 'file' && own(checkpoint, 'C') === true) return
  if (epochsSay(files, join(directory, EPOCH_FOLDER), storeId)) return
  throw new AnnalsError(
    'ERR_CORRUPT',
    `Cannot open store ${quote(directory)}: its file "${HOME_FILE}" belongs to another store than its log; remove that file, and it is made again from the log`,
  )
}

function epochsSay(files: FileSystem, epochs: string, storeId: Buffer): boolean {
  if (files.stat(epochs)?.kind !== 'directory') return false
  return files.list(epochs).some((name) => {
    const path = join(epochs, name)
    const { kind, size = 0 } = files.stat(path) ?? {}
    const bytes = kind === 'file' && size <= MAX_EPOCH_FILE_BYTES && readFileSync(files, path, MAX_EPOCH_FILE_BYTES)
    const verdict = bytes && parseEpochFile(bytes)
    return verdict && verdict.kind === 'holder' && storeId.equals(verdict.storeId)
  })
}

/** Throws when a folder that the store writes to is a link, which may lead to another store, or no folder at all. */
export function refuseLinks(files: FileSystem, directory: string): void {
  for (const name of [LOG_FOLDER, STREAMS_FOLDER]) {
    const path = join(directory, name)
    if ((files.stat(path)?.kind ?? 'directory') !== 'directory') {
      throw new AnnalsError('ERR_IO', `Cannot use ${quote(path)}: it must be a folder, and not a link; remove it`)
    }
  }
}

/** Throws when a file needs a newer version of the format, so that nothing is added to it. */
export function refuseNewer(files: FileSystem, path: string, kind: FileKind): void {
  const verdict = headerOf(files, path, kind)
  if (verdict.kind === 'version') throw newerVersion(path, verdict.readVersion, verdict.writeVersion)
}

/** Throws when a new store would hide what is left of an older one, or replace a file of somebody else. */
function refuseRemains(files: FileSystem, directory: string): void {
  const checkpoint = join(directory, CHECKPOINT_FILE)
  const found = files.stat(checkpoint)
  const foreign = found !== undefined && found.kind !== 'other' && headerOf(files, checkpoint, 'C').kind === 'foreign'
  if (foreign) {
    throw new AnnalsError(
      'ERR_NOT_A_STORE',
      `Cannot open ${quote(directory)}: its file "${CHECKPOINT_FILE}" is not one of annals; choose another folder`,
    )
  }
  if (found !== undefined || hasStreams(files, join(directory, STREAMS_FOLDER))) {
    throw new AnnalsError(
      'ERR_CORRUPT',
      `Cannot open store ${quote(directory)}: its file "${HOME_FILE}" and its log are missing; restore it from a backup`,
    )
  }
}

/**
 * Throws when events are settled and no stream segment is left: a folder that was not restored, or emptied. Each stream would seem
 * to have no events, and be begun again.
 */
export function refuseWithoutStreams(files: FileSystem, directory: string, settledPosition: number): void {
  if (settledPosition === 0) return
  const streams = join(directory, STREAMS_FOLDER)
  const found = files.stat(streams)?.kind === 'directory' && files.list(streams).some((name) => SHARD.test(name))
  if (found) return
  throw new CorruptionError('the stream segments are missing', { file: streams, byte: 0 })
}

function hasStreams(files: FileSystem, streams: string): boolean {
  if (files.stat(streams)?.kind !== 'directory') return false
  return files.list(streams).some((name) => {
    const shard = join(streams, name)
    if (files.stat(shard)?.kind !== 'directory') return false
    return files.list(shard).some((file) => parseStreamFileName(file)?.suffix === '.seg')
  })
}

/** Makes a folder a store, durably. The home file comes last: where it is the other names are too, also after a power cut. */
export async function writeHome(files: FileSystem, directory: string, storeId: Buffer): Promise<void> {
  for (const folder of [LOG_FOLDER, STREAMS_FOLDER]) files.makeDirectories(join(directory, folder))
  await completion((done) => files.syncDirectory(directory, done))
  return completion((done) => replaceFile(files, directory, HOME_FILE, encodeHeader({ kind: 'H', storeId }), done))
}

function logFiles(files: FileSystem, directory: string): string[] {
  const log = join(directory, LOG_FOLDER)
  if (files.stat(log)?.kind !== 'directory') return []
  return files
    .list(log)
    .filter((name) => parseLogFileName(name)?.suffix === '.log')
    .sort()
    .map((name) => `${log}${sep}${name}`) // of many, `join` takes milliseconds the first time
}

function hasLog(files: FileSystem, directory: string): boolean {
  return logFiles(files, directory).some((path) => (files.stat(path)?.size ?? 0) > 0)
}

/**
 * Every file of a store says whose it is: the first sound header of a log segment settles it. Throws ERR_FORMAT when there is
 * none, but one of a newer version.
 */
function idFromLog(files: FileSystem, directory: string): Buffer | undefined {
  let newer: AnnalsError | undefined
  for (const path of logFiles(files, directory)) {
    const verdict = headerOf(files, path, 'L')
    if (verdict.kind === 'header') return verdict.header.storeId
    if (verdict.kind === 'version') newer ??= newerVersion(path, verdict.readVersion, verdict.writeVersion)
  }
  if (newer !== undefined) throw newer
  return undefined
}

function headerOf(files: FileSystem, path: string, kind: FileKind): HeaderVerdict {
  const handle = files.open(path, 'read')
  try {
    const head = Buffer.alloc(Math.min(4096, handle.size()))
    readFullySync(handle, head, 0, head.length, 0)
    return parseHeader(windowOf(head), head.length, kind)
  } finally {
    handle.close()
  }
}
