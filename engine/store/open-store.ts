import { dirname, join, resolve } from 'node:path'
import { AnnalsError, quote } from '../errors.js'
import type { Environment, FileSystem } from '../io/file-system.js'
import { isSystemError } from '../io/system-error.js'
import { acquireWriterLock } from '../lock/acquire-writer-lock.js'
import type { WriterLock } from '../lock/writer-lock.js'
import { refuseBackup } from '../recovery/backup-file.js'
import { checkpointPlace, withLostEnd } from '../recovery/lost-end.js'
import { recover } from '../recovery/recover.js'
import { FileEventStore } from './file-event-store.js'
import {
  type Home,
  LOG_FOLDER,
  readHome,
  refuseLinks,
  refuseNewer,
  refuseWithoutStreams,
  STREAMS_FOLDER,
  writeHome,
} from './home-file.js'
import { type OpenOptions, type ReadOnlyOptions, type Settings, settingsOf } from './options.js'
import { checkPath } from './option-checks.js'
import { ReadOnlyEventStore } from './read-only-event-store.js'

/** Opens a store in any environment: the file engine and the memory engine differ in nothing else. */
export async function openStore(environment: Environment, path: string, options: OpenOptions): Promise<FileEventStore> {
  const settings = settingsOf(options)
  const started = environment.elapsed()
  checkPath(path, 'open a store')
  try {
    const directory = await findDirectory(environment, path, settings.create)
    refuseBackup(environment.files, directory, 'write')
    const home = readStore(environment, path, directory, settings)
    if (home.kind === 'new' && !settings.create) throw noStore(path)
    const storeId = home.kind === 'new' ? newId(environment) : home.storeId
    const lock = await acquireWriterLock(environment, directory, { storeId })
    try {
      return await openLocked(environment, directory, storeId, lock, settings, started)
    } catch (error) {
      await lock.release()
      throw error
    }
  } catch (error) {
    throw asOpenError(error, path)
  }
}

/** Opens a store for reading only, beside its writer. Takes no lock and writes nothing. */
export async function openReadOnly(
  environment: Environment,
  path: string,
  options: ReadOnlyOptions,
): Promise<ReadOnlyEventStore> {
  const settings = settingsOf(options)
  checkPath(path, 'open a store')
  try {
    const directory = await findDirectory(environment, path, false)
    refuseBackup(environment.files, directory, 'read')
    const home = readStore(environment, path, directory, settings)
    if (home.kind === 'new') throw noStore(path)
    return await ReadOnlyEventStore.open(environment, settings, directory, home.storeId)
  } catch (error) {
    throw asOpenError(error, path)
  }
}

/** Looks what is in a folder that may be opened. */
function readStore({ files }: Environment, path: string, directory: string, settings: Settings): Home {
  if (settings.networkFileSystem === 'refuse' && files.kindOf(directory) === 'network') {
    throw new AnnalsError(
      'ERR_IO',
      `Cannot open store ${quote(path)}: it is on a network file system, where locks and syncs cannot be relied on; use a local disk, or pass { networkFileSystem: 'allow' }`,
    )
  }
  refuseLinks(files, directory)
  return readHome(files, directory)
}

function noStore(path: string): AnnalsError {
  return new AnnalsError('ERR_NOT_FOUND', `Cannot open store ${quote(path)}: there is no store in this folder`)
}

async function openLocked(
  environment: Environment,
  directory: string,
  storeId: Buffer,
  lock: WriterLock,
  settings: Settings,
  started: number,
): Promise<FileEventStore> {
  const { files } = environment
  const home = readHome(files, directory, storeId) // again, now that nobody else can make a store here
  if (home.kind !== 'new' && !home.storeId.equals(storeId)) {
    throw new AnnalsError(
      'ERR_LOCKED',
      `Cannot open store ${quote(directory)}: another process has just made it; open it again`,
    )
  }
  if (home.kind !== 'store') {
    await syncAbove(files, directory)
    await writeHome(files, directory, storeId)
  }
  const found = recover(environment, directory, LOG_FOLDER, storeId, lock.previousEpoch)
  const isWithoutCheckpoint = found.report.checkpointLost !== undefined
  const recovered = isWithoutCheckpoint ? withLostEnd(found, checkpointPlace(files, directory, storeId)) : found
  refuseWithoutStreams(files, directory, recovered.settledPosition)
  // After a clean close the log was not read.
  if (recovered.resume !== undefined) refuseNewer(files, recovered.resume.segment.path, 'L')
  const store = new FileEventStore({
    environment,
    settings,
    directory,
    logPath: join(directory, LOG_FOLDER),
    streamsPath: join(directory, STREAMS_FOLDER),
    storeId,
    lock,
    recovered,
    report: { ...recovered.report, durationMs: environment.elapsed() - started },
  })
  try {
    await store.start()
    lock.check()
    store.announce()
  } catch (error) {
    await store.discard(error)
    throw error
  }
  return store
}

async function findDirectory(environment: Environment, path: string, create: boolean): Promise<string> {
  const { files } = environment
  try {
    files.realPath(path)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
    if (!create) {
      throw new AnnalsError('ERR_NOT_FOUND', `Cannot open store ${quote(path)}: there is no such folder`, {
        cause: error,
      })
    }
    makeFolders(files, path)
  }
  const directory = files.realPath(path)
  if (files.stat(directory)?.kind !== 'directory') {
    throw new AnnalsError('ERR_NOT_A_STORE', `Cannot open store ${quote(path)}: it is no folder`)
  }
  return directory
}

/** Node reports ENOENT where a folder cannot be made for another reason: then the one that cannot be made is asked about. */
function makeFolders(files: FileSystem, path: string): void {
  try {
    files.makeDirectories(path)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
    let missing = resolve(path)
    if (files.stat(missing) !== undefined) throw error
    while (files.stat(dirname(missing)) === undefined) missing = dirname(missing)
    files.makeDirectory(missing)
    files.makeDirectories(path)
  }
}

/**
 * Makes the names of a new store's folder and of all above it durable. Whoever made them may have been killed before it came
 * to that, so all are synced; those above that this user may not read were not made by anybody like it.
 */
export async function syncAbove(files: FileSystem, directory: string): Promise<void> {
  for (let at = directory; dirname(at) !== at; at = dirname(at)) {
    await new Promise<void>((done, reject) =>
      files.syncDirectory(dirname(at), (error) =>
        error === null || error.code === 'EACCES' || error.code === 'EPERM' ? done() : reject(error),
      ),
    )
  }
}

function newId(environment: Environment): Buffer {
  const id = Buffer.alloc(16)
  environment.random(id)
  return id
}

const ADVICE: Record<string, string> = {
  EACCES: 'this user may not read or write it; change its owner or mode',
  EPERM: 'this user may not read or write it; change its owner or mode',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a part of the path is no folder',
  EMFILE: 'this process has too many open files',
}

/** What the system reports, as an error that names the store and says what to do. */
function asOpenError(error: unknown, path: string): unknown {
  const { code, message, path: at } = error as NodeJS.ErrnoException
  if (error instanceof AnnalsError || !(error instanceof Error) || code === undefined) return error
  const full = code === 'ENOSPC' || code === 'EDQUOT'
  const where = at === undefined || at === path ? '' : ` at ${quote(at)}`
  return new AnnalsError(
    full ? 'ERR_NO_SPACE' : 'ERR_IO',
    `Cannot open store ${quote(path)}: ${code}${where}: ${full ? 'the disk is full; make room' : (ADVICE[code] ?? message)}`,
    { cause: error },
  )
}
