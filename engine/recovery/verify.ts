import { join } from 'node:path'
import { LogDirectory } from '../commit-log/log-directory.js'
import { AnnalsError, quote } from '../errors.js'
import { BACKUP_FILE, PART_FILE } from '../format/backup-manifest.js'
import { type Checkpoint, CHECKPOINT_FILE, decodeCheckpoint, MAX_CHECKPOINT_BYTES } from '../format/checkpoint.js'
import { parseHeader } from '../format/file-header.js'
import { windowOf } from '../format/frame.js'
import { parseLogFileName } from '../format/names.js'
import { WATERMARK_FILE } from '../format/watermark.js'
import { parseKeyFileName } from '../keys/key-names.js'
import type { Environment, FileSystem } from '../io/file-system.js'
import { readFileSync } from '../io/transfer.js'
import { parseEpochFile } from '../lock/epoch-file.js'
import { defaultLimits, type Limits } from '../limits.js'
import { refuseBackup } from './backup-file.js'
import { FindingList, type VerifyReport } from './findings.js'
import { Copies } from './verify-copies.js'
import { Pace, readHead, report, type VerifyContext, type VerifyProgress } from './verify-context.js'
import { LogDerived } from './verify-derived.js'
import { RecordCheck } from './verify-event.js'
import { CopyLedger, EXACT_WINDOWS } from './verify-ledger.js'
import { LogVerifier } from './verify-log.js'
import { nameMissing } from './verify-missing.js'
import { listOf, StreamsVerifier } from './verify-streams.js'
import { checkWatermark } from './verify-watermark.js'

export interface VerifyOptions {
  /** Called now and then, and at the end. */
  readonly onProgress?: ((progress: VerifyProgress) => void) | undefined
  /** Ends it: it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** Does not decode metadata and data: checksums, places and order only. Default: false. */
  readonly fast?: boolean | undefined
  /** Findings kept; the others are counted. Default: 1,000. */
  readonly maxFindings?: number | undefined
  /** The limits the store was opened with, where they differ from `defaultLimits`. */
  readonly limits?: Partial<Limits> | undefined
}

/** What only an open store knows. */
interface Live {
  /** The store is open in this process since this position: a group may be on its way. */
  readonly openSince?: number | undefined
  /** It is a copy that is just made: it says of itself that it is not finished. */
  readonly isCopy?: boolean | undefined
}

/** Names in the folder of a store. */
const ENTRIES = new Set([
  'annals',
  'annals.tmp',
  'log',
  'streams',
  'epoch',
  'lock',
  'checkpoint',
  'checkpoint.tmp',
  WATERMARK_FILE,
  BACKUP_FILE,
  'aside',
])
const MAX_HOME_BYTES = 64 * 1024

/**
 * Reads everything in the folder of a store and compares it with itself; writes nothing and takes no lock, so the store may be
 * open, here or elsewhere. Bounded memory: 80 MiB for the comparison, and the streams that are not settled.
 *
 * @throws AnnalsError ERR_NOT_FOUND, ERR_NOT_A_STORE; what the system reports when a file cannot be read
 */
export async function verify(
  environment: Environment,
  directory: string,
  options: VerifyOptions & Live = {},
): Promise<VerifyReport> {
  const started = environment.elapsed()
  options.signal?.throwIfAborted()
  if (options.isCopy !== true) refuseBackup(environment.files, directory, 'read')
  const context = contextOf(environment, directory, options)
  const { findings, pace } = context
  if (options.onProgress !== undefined) pace.totalBytes = sizeOf(environment.files, directory)
  noteForeign(context, directory)
  checkEpochs(context, directory)
  checkWatermark(context, directory)
  const events = await compare(context, directory, options.openSince !== undefined)
  pace.finish()
  return {
    ok: findings.damage === 0,
    findings: findings.all,
    truncated: findings.truncated,
    events: events.events,
    streams: events.streams,
    files: pace.files,
    bytes: pace.bytes,
    durationMs: environment.elapsed() - started,
  }
}

/** Finds out whose files these are and where its checkpoint is. */
export function contextOf(environment: Environment, directory: string, options: VerifyOptions & Live): VerifyContext {
  const { files } = environment
  const findings = new FindingList(options.maxFindings ?? 1000)
  const pace = new Pace(environment, options.signal, options.onProgress)
  const storeId = readStoreId(files, directory, findings)
  const checkpoint = readCheckpoint(files, directory, storeId, findings, pace)
  return {
    environment,
    logPath: join(directory, 'log'),
    streamsPath: join(directory, 'streams'),
    storeId,
    limits: { ...defaultLimits, ...options.limits },
    findings,
    records: new RecordCheck(options.fast !== true),
    pace,
    checkpoint,
    writtenFrom: options.openSince ?? Infinity,
  }
}

/** Reads the log, then the streams, and says where they differ. */
async function compare(
  context: VerifyContext,
  directory: string,
  live: boolean,
): Promise<{ readonly events: number; readonly streams: number }> {
  const { environment, logPath, findings } = context
  const { directory: log, orphans } = LogDirectory.read(environment.files, logPath)
  for (const { path } of orphans) {
    report(context, 'note', 'I13', path, 0, 'a segment of a writer that was fenced; it does not count')
  }
  // The last base tells roughly how many events there are. Windows at the end are compared exactly.
  const estimate = CopyLedger.windowOf(log.segments.at(-1)?.base ?? 0)
  const firstExact = estimate <= EXACT_WINDOWS / 2 ? 0 : CopyLedger.windowOf(context.checkpoint?.settledPosition ?? 0)
  const exactFrom = Math.max(firstExact, estimate - EXACT_WINDOWS / 2)
  const ledger = new CopyLedger((window) => window >= exactFrom)
  const derived = new LogDerived(context, log)
  const copies = new Copies(context, ledger, derived)
  const reader = new LogVerifier(context, copies)
  await reader.read(log)
  derived.checkCheckpoint(join(directory, CHECKPOINT_FILE), reader.next)
  const streams = new StreamsVerifier(context, copies, true)
  await streams.read()
  await nameMissing(context, copies, log, reader, live)
  const doubtful = ledger.doubtful()
  for (let from = 0; from < doubtful.length; from += EXACT_WINDOWS) {
    const windows = new Set(doubtful.slice(from, from + EXACT_WINDOWS))
    const again = new Copies({ ...context, findings }, new CopyLedger((window) => windows.has(window)), undefined)
    const quiet = new LogVerifier({ ...context, findings: new FindingList(0) }, again)
    await quiet.read(log)
    await new StreamsVerifier(context, again, false).read()
    await nameMissing(context, again, log, quiet, live)
  }
  return { events: copies.events, streams: streams.streams }
}

/** Checks the files that name the writers. Only their names count. */
function checkEpochs({ environment, findings, pace }: VerifyContext, directory: string): void {
  const { files } = environment
  for (const name of listOf(files, join(directory, 'epoch'))) {
    const path = join(directory, 'epoch', name)
    const bytes = readFileSync(files, path, MAX_HOME_BYTES)
    pace.whole(bytes?.length ?? 0)
    if (bytes === undefined || bytes.length === 0) continue // gone, or a crash came before it was written
    const verdict = parseEpochFile(bytes)
    const right = verdict.kind === 'holder' && verdict.holder.epoch === Number(name)
    if (!right) {
      report({ findings }, 'derived', 'I1', path, 0, 'the file that names a writer is damaged; only its name counts')
    }
  }
}

/** Finds out which store it is: the home file, or else the headers of the log. */
function readStoreId(files: FileSystem, directory: string, findings: FindingList): Buffer {
  const path = join(directory, 'annals')
  if (files.stat(directory)?.kind !== 'directory') {
    throw new AnnalsError('ERR_NOT_FOUND', `Cannot verify ${quote(directory)}: there is no such folder`)
  }
  const log = join(directory, 'log')
  const bytes = readFileSync(files, path, MAX_HOME_BYTES)
  const verdict = bytes && parseHeader(windowOf(bytes), bytes.length, 'H')
  if (verdict?.kind === 'header' && bytes !== undefined && bytes.length === verdict.length) {
    return verdict.header.storeId
  }
  const names = listOf(files, log).filter((name) => parseLogFileName(name)?.suffix === '.log')
  for (const name of names.sort()) {
    const handle = files.open(join(log, name), 'read')
    try {
      const head = readHead(handle, 4096)
      const found = parseHeader(windowOf(head), head.length, 'L')
      if (found.kind !== 'header') continue
      const message =
        bytes === undefined ? 'the file that names the store is missing' : 'the file that names the store is damaged'
      report({ findings }, 'derived', 'I1', path, 0, message)
      return found.header.storeId
    } finally {
      handle.close()
    }
  }
  if (verdict?.kind === 'header') return verdict.header.storeId
  if (bytes === undefined && names.length === 0) {
    throw new AnnalsError('ERR_NOT_FOUND', `Cannot verify ${quote(directory)}: there is no store in this folder`)
  }
  report(
    { findings },
    'damage',
    'I1',
    path,
    0,
    'the file that names the store is damaged, and no log segment tells its name',
  )
  return Buffer.alloc(16)
}

function readCheckpoint(
  files: FileSystem,
  directory: string,
  storeId: Buffer,
  findings: FindingList,
  pace: Pace,
): Checkpoint | undefined {
  const path = join(directory, CHECKPOINT_FILE)
  const bytes = readFileSync(files, path, MAX_CHECKPOINT_BYTES)
  const wrong = (message: string): undefined => {
    report({ findings }, 'derived', 'I12', path, 0, message)
    return undefined
  }
  if (bytes === undefined) {
    // The first one is written when the first log segment is sealed, or at closing.
    const segments = listOf(files, join(directory, 'log')).filter((name) => parseLogFileName(name)?.suffix === '.log')
    return segments.length > 1 ? wrong('the checkpoint is missing') : undefined
  }
  pace.whole(bytes.length)
  const verdict = decodeCheckpoint(bytes, storeId)
  if (verdict.kind === 'version') {
    return wrong(`the checkpoint needs format version ${verdict.readVersion}, this annals reads version 1`)
  }
  if (verdict.kind === 'unusable') return wrong(`the checkpoint cannot be used: ${verdict.reason}`)
  return verdict.checkpoint
}

function noteForeign(context: VerifyContext, directory: string): void {
  const { files } = context.environment
  const note = (path: string): void => {
    report(context, 'note', 'I1', path, 0, 'not a file of the store; it is left alone')
  }
  for (const name of listOf(files, directory)) if (!ENTRIES.has(name)) note(join(directory, name))
  for (const name of listOf(files, context.logPath)) {
    const isOurs =
      name === PART_FILE ||
      parseLogFileName(name) !== undefined ||
      parseKeyFileName(name.replace(/\.new$/, '')) !== undefined
    if (!isOurs) note(join(context.logPath, name))
  }
}

/** Bytes of all files that will be read from end to end: key files are looked into here and there. */
function sizeOf(files: FileSystem, directory: string): number {
  let total = 0
  const folders = ['log', 'streams', 'epoch'].map((name) => join(directory, name))
  for (const name of [CHECKPOINT_FILE, WATERMARK_FILE]) total += files.stat(join(directory, name))?.size ?? 0
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const name of listOf(files, folder)) {
      const path = join(folder, name)
      const found = files.stat(path)
      if (found?.kind === 'directory') folders.push(path)
      else if (parseKeyFileName(name) === undefined) total += found?.size ?? 0
    }
  }
  return total
}
