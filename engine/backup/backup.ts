import { dirname, join, resolve, sep } from 'node:path'
import { AnnalsError, asIoError, CorruptionError, quote } from '../errors.js'
import type { Environment, FileSystem } from '../io/file-system.js'
import { completion } from '../io/transfer.js'
import { acquireWriterLock } from '../lock/acquire-writer-lock.js'
import { EpochFolder } from '../lock/epoch-folder.js'
import { readManifest, writeManifest } from '../recovery/backup-file.js'
import type { VerifyReport } from '../recovery/findings.js'
import { verify } from '../recovery/verify.js'
import { HOME_FILE, LOG_FOLDER, readHome, refuseLinks, STREAMS_FOLDER, writeHome } from '../store/home-file.js'
import { openReadOnly, openStore, syncAbove } from '../store/open-store.js'
import { type CopiedSegment, copySegments, missingFrom, segmentsUpTo } from './copied-log.js'
import { finishCopy } from './finish-copy.js'

export interface BackupProgress {
  readonly phase: 'copy' | 'verify'
  readonly bytes: number
  readonly totalBytes: number
}

export interface BackupOptions {
  /** Called now and then. */
  readonly onProgress?: ((progress: BackupProgress) => void) | undefined
  /** Ends it: it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

export interface BackupReport {
  /** Events of the backup: everything that was committed when it began. */
  readonly events: number
  /** Log segments of the backup, and their bytes; of these what was copied now. */
  readonly segments: number
  readonly bytes: number
  readonly copiedSegments: number
  readonly copiedBytes: number
  /** What reading the copy again has found: no damage. */
  readonly verified: VerifyReport
  readonly durationMs: number
}

/** Copies the log of a store into another folder, beside its writer; of what is there from the last time nothing again. */
export async function backup(
  environment: Environment,
  source: string,
  target: string,
  options: BackupOptions = {},
): Promise<BackupReport> {
  const started = environment.elapsed()
  const reader = await openReadOnly(environment, source, { readOnly: true, networkFileSystem: 'allow' })
  try {
    await reader.refresh()
    if (reader.damage !== undefined) throw reader.damage
    const { files } = environment
    const from = files.realPath(source)
    const home = readHome(files, from)
    if (home.kind === 'new') throw new Error('a store that is open has an id')
    const { position } = reader
    const copy = new Copy(environment, { source: from, storeId: home.storeId, position }, target, options)
    const report = await copy.run('backup')
    return { ...report, durationMs: environment.elapsed() - started }
  } finally {
    await reader.close()
  }
}

/** Makes a store of a backup in a folder that is not there yet, or empty: the log as it was, and all that is made from it. */
export async function restore(
  environment: Environment,
  source: string,
  target: string,
  options: BackupOptions = {},
): Promise<BackupReport> {
  const started = environment.elapsed()
  const { files } = environment
  if (files.stat(source)?.kind !== 'directory') {
    throw new AnnalsError('ERR_NOT_FOUND', `Cannot restore ${quote(source)}: there is no such folder`)
  }
  const manifest = readManifest(files, source)
  if (manifest?.complete !== true) {
    throw new AnnalsError(
      'ERR_NOT_A_BACKUP',
      `Cannot restore ${quote(source)}: ${manifest === undefined ? 'it is no backup' : 'the backup was not finished; run it again'}`,
    )
  }
  const { storeId, position } = manifest
  const origin = { source: files.realPath(source), storeId: Buffer.from(storeId, 'hex'), position }
  const report = await new Copy(environment, origin, target, options).run('restore')
  // From here on it is a store; should this be interrupted, it is one all the same.
  try {
    const store = await openStore(environment, target, { create: false, networkFileSystem: 'allow' })
    await store.checkpoint().finally(() => store.close())
  } catch (error) {
    throw onlyLogRestored(target, error)
  }
  return { ...report, durationMs: environment.elapsed() - started }
}

/** Nobody shall restore again what has been restored: the folder would be refused. */
function onlyLogRestored(target: string, error: unknown): unknown {
  const cause = asIoError(error, 'write what is made from the log')
  if (!(cause instanceof AnnalsError)) return cause
  const message = `All events are restored to ${quote(target)}, but not all that is made from its log: ${cause.message}. Open it once that is mended`
  return new AnnalsError(cause.code, message, { cause })
}

/** What is copied. */
interface Origin {
  readonly source: string
  readonly storeId: Buffer
  /** Up to this position. */
  readonly position: number
}

/** Copies a log into a folder, in an order in which whatever ends it leaves nothing that passes for more than it is. */
class Copy {
  readonly #environment: Environment
  readonly #origin: Origin
  readonly #target: string
  readonly #options: BackupOptions

  constructor(environment: Environment, origin: Origin, target: string, options: BackupOptions) {
    this.#environment = environment
    this.#origin = origin
    this.#target = target
    this.#options = options
  }

  async run(purpose: 'backup' | 'restore'): Promise<Omit<BackupReport, 'durationMs'>> {
    const { files } = this.#environment
    const { source, storeId, position } = this.#origin
    const log = join(this.#target, LOG_FOLDER)
    const wanted = segmentsUpTo(files, join(source, LOG_FOLDER), storeId, position)
    const directory = await this.#prepare(purpose)
    await this.#raiseEpoch(directory, wanted)
    const lock = await acquireWriterLock(this.#environment, directory, { storeId })
    let verified: VerifyReport
    let copied: CopiedSegment[]
    try {
      const check = (): void => {
        this.#options.signal?.throwIfAborted()
        lock.check()
      }
      copied = missingFrom(files, log, wanted)
      await this.#copy(copied, directory, check)
      await writeHome(files, directory, storeId)
      const end = await finishCopy(this.#environment, this.#origin, directory, lock, check)
      verified = await this.#verify(directory)
      if (end !== position || verified.events !== position) {
        throw new CorruptionError('the copy does not end where the store did', { file: log, byte: 0 })
      }
      lock.check()
      if (purpose === 'backup') await writeManifest(files, directory, this.#manifest(true))
      else await this.#declareStore(directory)
    } finally {
      await lock.release()
    }
    return {
      events: position,
      segments: wanted.length,
      bytes: sum(wanted),
      copiedSegments: copied.length,
      copiedBytes: sum(copied),
      verified,
    }
  }

  #manifest(complete: boolean): Parameters<typeof writeManifest>[2] {
    const { storeId, position } = this.#origin
    return { storeId: storeId.toString('hex'), complete, position, time: this.#environment.now() }
  }

  /** Looks whether the folder may be copied into, and says in it what it is before anything else is there. */
  async #prepare(purpose: 'backup' | 'restore'): Promise<string> {
    const { files } = this.#environment
    const { source, storeId, position } = this.#origin
    const refuse = (reason: string): never => {
      throw new AnnalsError(
        'ERR_NOT_A_BACKUP',
        `Cannot ${purpose === 'backup' ? 'back up' : 'restore'} into ${quote(resolve(this.#target))}: ${reason}`,
      )
    }
    if (isInside(files, this.#target, source)) refuse('it is what is to be copied, or in it')
    files.makeDirectories(this.#target)
    const directory = files.realPath(this.#target)
    refuseLinks(files, directory)
    const manifest = readManifest(files, directory)
    if (
      manifest === undefined &&
      files.list(directory).some((name) => name !== 'lost+found' && name !== 'backup.tmp')
    ) {
      const what = files.stat(join(directory, HOME_FILE)) === undefined ? 'it is not empty' : 'it is a store already'
      refuse(purpose === 'backup' ? 'it is not empty, and no backup' : what)
    }
    if (manifest !== undefined) {
      if (manifest.storeId !== storeId.toString('hex')) refuse('it is the backup of another store')
      if (manifest.complete && purpose === 'restore') refuse('it is a backup itself')
      if (manifest.complete && manifest.position > position) {
        refuse(
          `it has ${manifest.position} events already and the store only ${position}: the store was replaced by an older one`,
        )
      }
    }
    if (manifest === undefined) await writeManifest(files, directory, { ...this.#manifest(false), position: 0 })
    for (const name of [LOG_FOLDER, STREAMS_FOLDER]) files.makeDirectories(join(directory, name))
    await completion((done) => files.syncDirectory(directory, done))
    await syncAbove(files, directory)
    return directory
  }

  /** Epochs of the copy go on behind those of the log. */
  async #raiseEpoch(directory: string, wanted: readonly CopiedSegment[]): Promise<void> {
    const epochs = new EpochFolder(this.#environment.files, directory)
    epochs.make()
    const epoch = Math.max(0, ...wanted.map(({ segment }) => segment.epoch))
    if (epochs.newest() >= epoch) return
    const { pid, host, incarnation } = this.#environment.process
    const holder = { pid, host, incarnation, since: this.#environment.now(), epoch }
    const made = epochs.create(holder, this.#origin.storeId)
    if (made === undefined) return
    await completion((done) => made.sync(done))
    epochs.markReleased(epoch, made)
    await completion((done) => this.#environment.files.syncDirectory(epochs.path, done))
  }

  async #copy(segments: readonly CopiedSegment[], directory: string, check: () => void): Promise<void> {
    const { files } = this.#environment
    const totalBytes = sum(segments)
    let bytes = 0
    const copied = (more: number): void => {
      bytes += more
      this.#options.onProgress?.({ phase: 'copy', bytes, totalBytes })
    }
    await copySegments(files, segments, join(directory, LOG_FOLDER), { copied, check })
  }

  /** Reads all of the copy. Throws CorruptionError for the first damage. */
  async #verify(directory: string): Promise<VerifyReport> {
    const { signal, onProgress } = this.#options
    const report = await verify(this.#environment, directory, {
      signal,
      isCopy: true,
      onProgress: ({ bytesRead, totalBytes }) => onProgress?.({ phase: 'verify', bytes: bytesRead, totalBytes }),
    })
    const damage = report.findings.find(({ severity }) => severity === 'damage')
    if (damage !== undefined) throw new CorruptionError(damage.message, damage)
    return report
  }

  /** What was restored is a store from now on. */
  async #declareStore(directory: string): Promise<void> {
    const { files } = this.#environment
    files.remove(join(directory, 'backup'))
    await completion((done) => files.syncDirectory(directory, done))
  }
}

/** Tells whether a path, which need not exist, is a folder or would be in it, through whatever links. */
function isInside(files: FileSystem, path: string, folder: string): boolean {
  let there = resolve(path)
  while (files.stat(there) === undefined && dirname(there) !== there) there = dirname(there)
  const real = files.realPath(there)
  return real === folder || real.startsWith(folder.endsWith(sep) ? folder : folder + sep)
}

function sum(segments: readonly CopiedSegment[]): number {
  return segments.reduce((total, { bytes }) => total + bytes, 0)
}
