/**
 * annals: an embedded, append-only event store. `openEventStore` opens one in a folder, `openMemoryStore` one in memory.
 *
 * @module
 */
import { backup, type BackupOptions, type BackupReport, restore } from './backup/backup.js'
import { named } from './errors.js'
import { type FileInspection, inspectFile as inspect } from './inspect/inspect-file.js'
import { listSegments as list, type SegmentFile } from './inspect/list-segments.js'
import { memoryEnvironment } from './io/memory-environment.js'
import { nodeEnvironment } from './io/node-environment.js'
import type { FileEventStore } from './store/file-event-store.js'
import type { VerifyReport } from './recovery/findings.js'
import { repair, type RepairOptions, type RepairReport } from './recovery/repair.js'
import { verify, type VerifyOptions } from './recovery/verify.js'
import { reindex, type ReindexOptions, type ReindexReport } from './store/reindex.js'
import { checkMaintenance } from './store/maintenance-options.js'
import { openReadOnly, openStore } from './store/open-store.js'
import { isReadOnly, type OpenOptions, type ReadOnlyOptions } from './store/options.js'
import type { ReadOnlyEventStore } from './store/read-only-event-store.js'

export type { FileEventStore } from './store/file-event-store.js'
export type { OpenOptions, ReadOnlyOptions } from './store/options.js'
export type { ReadOnlyEventStore } from './store/read-only-event-store.js'
export { causedBy, type CausedBy } from './types/caused-by.js'
export type { StoreStats } from './store/stats.js'
export type { RecoveryReport } from './recovery/recover.js'
export type { Finding, Severity, VerifyReport } from './recovery/findings.js'
export { type Invariant, INVARIANTS } from './recovery/invariants.js'
export type { RepairOptions, RepairReport } from './recovery/repair.js'
export type { RepairAction, RepairFailure } from './recovery/repair-plan.js'
export type { RebuiltFiles } from './recovery/rebuild-derived.js'
export type { ReindexOptions, ReindexProgress, ReindexReport } from './store/reindex.js'
export type { VerifyOptions } from './recovery/verify.js'
export type { VerifyProgress } from './recovery/verify-context.js'
export type { BackupOptions, BackupProgress, BackupReport } from './backup/backup.js'
export type { Limits } from './limits.js'
export {
  defaultLimits,
  MAX_COMMIT_ID_BYTES,
  MAX_DEPTH,
  MAX_NAME_BYTES,
  MAX_QUERY_PARTS,
  MAX_TAG_BYTES,
  MAX_TAGS,
  MAX_TYPE_BYTES,
} from './limits.js'
export type { Field, FieldRole } from './inspect/fields.js'
export type { FileInspection } from './inspect/inspect-file.js'
export { InspectionSummary, type JudgedProblem } from './inspect/inspection-summary.js'
export type { SegmentFile } from './inspect/list-segments.js'
export type { InspectedItem, InspectedProblem, InspectedRecord, RecordKind } from './inspect/records.js'
export type { Durability } from './types/durability.js'
export type { ExpectedVersion, NewEvent, StoredEvent } from './types/event.js'
export type {
  AppendManyOptions,
  AppendOptions,
  AppendResult,
  CommitOptions,
  EventReader,
  EventStore,
  ListedStream,
  ListStreamsOptions,
  ReadAllOptions,
  ReadStreamOptions,
  StreamAppend,
  StreamInfo,
} from './types/event-store.js'
export type { EventFilterOptions } from './types/event-filter-options.js'
export type { SubscribeOptions, Subscription } from './types/subscription.js'
export type { Query, QueryItem } from './types/query.js'
export {
  AnnalsError,
  CommitIdReusedError,
  CorruptionError,
  type ErrorCode,
  InvalidArgumentError,
  InvalidEventError,
  QueryConflictError,
  StoreLockedError,
  TooLargeError,
  VersionConflictError,
} from './errors.js'

/**
 * Opens the store in a folder for reading only, beside whoever writes to it: in another process, another thread, or this one. Takes
 * no lock and writes nothing.
 *
 * @throws AnnalsError ERR_NOT_FOUND, ERR_NOT_A_STORE, ERR_FORMAT, ERR_CORRUPT, ERR_IO; InvalidArgumentError for bad options
 */
export function openEventStore(directory: string, options: ReadOnlyOptions): Promise<ReadOnlyEventStore>
/**
 * Opens the store in a folder, making one when there is none, and becomes its writer.
 *
 * @throws StoreLockedError (ERR_LOCKED) when another writer has it open; AnnalsError ERR_NOT_FOUND, ERR_NOT_A_STORE, ERR_FORMAT,
 * ERR_CORRUPT, ERR_IO, ERR_NO_SPACE; InvalidArgumentError for bad options
 */
export function openEventStore(directory: string, options?: OpenOptions): Promise<FileEventStore>
export function openEventStore(
  directory: string,
  options: OpenOptions | ReadOnlyOptions = {},
): Promise<FileEventStore | ReadOnlyEventStore> {
  return isReadOnly(options)
    ? openReadOnly(nodeEnvironment(), directory, options)
    : openStore(nodeEnvironment(), directory, options)
}

/** Opens an empty store in memory: the same engine over a file system in memory, gone when it is closed. For tests and caches. */
export function openMemoryStore(
  options: Omit<OpenOptions, 'create' | 'networkFileSystem'> = {},
): Promise<FileEventStore> {
  return openStore(memoryEnvironment(), '/store', options)
}

/**
 * Reads all files of a store and compares them with each other. Writes nothing and takes no lock: the store may be open, in
 * this process or another; `store.verify()` knows more of one that is open here.
 *
 * @throws AnnalsError ERR_NOT_FOUND, ERR_IO when a file cannot be read; the signal's reason
 */
export async function verifyStore(directory: string, options: VerifyOptions = {}): Promise<VerifyReport> {
  checkMaintenance('verify', [directory], options)
  return named('verify the store', verify(nodeEnvironment(), directory, options))
}

/**
 * Heals what `verifyStore` finds from the other copy of the same events, and makes again what is derived. What it replaces it first
 * sets aside in the store's folder `aside`. Nobody else may have the store open. Interrupted, it can be run again.
 *
 * @throws StoreLockedError (ERR_LOCKED); AnnalsError ERR_NOT_FOUND, ERR_FORMAT, ERR_IO, ERR_NO_SPACE
 */
export async function repairStore(directory: string, options: RepairOptions = {}): Promise<RepairReport> {
  checkMaintenance('repair', [directory], options)
  return named('repair the store', repair(nodeEnvironment(), directory, options))
}

/**
 * Makes everything again that is derived from the events, whatever stands there: sparse indexes, stream tables, key files, the watermark and the
 * checkpoint. For indexes of another density (`limits.indexIntervalBytes`), or when they are not trusted. `repairStore` makes only what `verifyStore`
 * found wrong, and heals events; this reads all of a store, before and after, touches no event, and does nothing to a damaged one. Nobody else may
 * have the store open. Interrupted, it can be run again.
 *
 * @throws StoreLockedError (ERR_LOCKED); CorruptionError (ERR_CORRUPT) for damage: repair the store first; AnnalsError ERR_NOT_FOUND,
 * ERR_NOT_A_STORE, ERR_READ_ONLY (a backup), ERR_FORMAT, ERR_IO, ERR_NO_SPACE; the signal's reason; InvalidArgumentError for bad limits
 */
export async function reindexStore(directory: string, options: ReindexOptions = {}): Promise<ReindexReport> {
  checkMaintenance('reindex', [directory], options)
  return named('reindex the store', reindex(nodeEnvironment(), directory, options))
}

/**
 * Copies a store into another folder, beside its writer: everything that was committed when it began. Of a backup that is there already only
 * what is new is copied. The copy is read again before it counts; interrupted, it can be run again. A backup can be read, and verified,
 * as the store it is a copy of.
 *
 * @throws AnnalsError ERR_NOT_A_BACKUP when the folder holds something else, or the backup of another store or history; ERR_CORRUPT for
 * damage of the store or the copy; ERR_NOT_FOUND, ERR_NOT_A_STORE, ERR_FORMAT, ERR_LOCKED (another backup into the folder), ERR_IO,
 * ERR_NO_SPACE; the signal's reason
 */
export async function backupStore(
  directory: string,
  target: string,
  options: BackupOptions = {},
): Promise<BackupReport> {
  checkMaintenance('copy', [directory, target], options)
  return named('back up the store', backup(nodeEnvironment(), directory, target, options))
}

/**
 * Makes a store of a backup in a folder that is empty or not there yet, and reads it before it counts. Interrupted, it can be run again.
 *
 * @throws AnnalsError ERR_NOT_A_BACKUP for what is no finished backup, or a folder that is not empty; as `backupStore`
 */
export async function restoreStore(
  backupFolder: string,
  directory: string,
  options: BackupOptions = {},
): Promise<BackupReport> {
  checkMaintenance('copy', [backupFolder, directory], options)
  return named('restore the backup', restore(nodeEnvironment(), backupFolder, directory, options))
}

/**
 * Opens one file of a store for looking into it byte by byte: a segment, an index, a stream table, a key file, a checkpoint or an
 * epoch file, whole or damaged, wherever it is. Writes nothing and takes no lock. Close it.
 *
 * @throws AnnalsError ERR_NOT_FOUND, ERR_NOT_A_STORE, ERR_FORMAT, ERR_IO; ERR_IO also while it is read
 */
export function inspectFile(path: string): FileInspection {
  return inspect(nodeEnvironment(), path)
}

/**
 * Lists the log segments of a store, and then its stream segments; with `stream`, those of one stream. Reads names and sizes only: what
 * is in a file `inspectFile` tells. Takes no lock; the store may be open, or damaged.
 *
 * @throws AnnalsError ERR_NOT_FOUND, ERR_NOT_A_STORE, ERR_INVALID_NAME, ERR_IO
 */
export function listSegments(
  directory: string,
  options: { readonly stream?: string | undefined } = {},
): Iterable<SegmentFile> {
  return list(nodeEnvironment(), directory, options.stream)
}
