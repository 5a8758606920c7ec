import { basename, join } from 'node:path'
import { LogDirectory } from '../commit-log/log-directory.js'
import { PART_FILE } from '../format/backup-manifest.js'
import {
  type Checkpoint,
  CHECKPOINT_FILE,
  decodeCheckpoint,
  encodeCheckpoint,
  MAX_CHECKPOINT_BYTES,
} from '../format/checkpoint.js'
import type { Environment, FileSystem } from '../io/file-system.js'
import { completion, readFileSync, replaceFile } from '../io/transfer.js'
import { defaultLimits } from '../limits.js'
import type { WriterLock } from '../lock/writer-lock.js'
import { logIndex, streamTable } from '../recovery/derived-files.js'
import { recover } from '../recovery/recover.js'
import { DERIVED } from './copied-log.js'

/**
 * Makes of a copied log a store that was closed and has nothing in stream segments yet: a sparse index and a stream table for each segment
 * that has none, and a checkpoint at the end. Returns the position behind the last event. Throws CorruptionError.
 */
export async function finishCopy(
  environment: Environment,
  origin: { readonly source: string; readonly storeId: Buffer; readonly position: number },
  directory: string,
  lock: WriterLock,
  check: () => void,
): Promise<number> {
  const { storeId } = origin
  const { files } = environment
  const path = join(directory, 'log')
  const { directory: log } = LogDirectory.read(files, path)
  const place = { environment, storeId, limits: defaultLimits }
  for (const segment of log.segments) {
    const missing = DERIVED.filter((suffix) => files.stat(log.beside(segment, suffix)) === undefined)
    for (const suffix of missing) {
      check()
      const bytes = suffix === '.idx' ? logIndex(place, segment) : streamTable(place, log, segment)
      const name = basename(log.beside(segment, suffix))
      await completion((done) => replaceFile(files, path, name, bytes, done, PART_FILE))
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await adopt(files, origin, log, directory, lock)
  const { previous, sequence, position, lastTimestamp, keyedFrom, shapes, report } = recover(
    environment,
    directory,
    'log',
    storeId,
    0,
  )
  if (report.damage !== undefined) throw report.damage
  if (log.segments.length === 0) return position
  const { previousBase: base, previousEpoch: epoch, previousEnd: byte } = previous
  const checkpoint = encodeCheckpoint(storeId, {
    epoch: lock.epoch,
    clean: true,
    redo: { base, epoch, byte, sequence, position },
    settledPosition: 0,
    lastTimestamp,
    keyedFrom: keyedFrom ?? null,
    shapes: shapes.definitions().map(({ id, keys }) => ({ id, keys })),
  })
  lock.check()
  await completion((done) => replaceFile(files, directory, CHECKPOINT_FILE, checkpoint, done))
  return position
}

/** Begins where the checkpoint of the source says, unless the copy knows better: what is before need not be read for it. */
async function adopt(
  files: FileSystem,
  { source, storeId, position }: { readonly source: string; readonly storeId: Buffer; readonly position: number },
  log: LogDirectory,
  directory: string,
  lock: WriterLock,
): Promise<void> {
  const theirs = checkpointIn(files, source, storeId)
  const own = checkpointIn(files, directory, storeId)
  if (theirs === undefined || theirs.redo.position > position) return
  // It may name the segment that begins where the copy ends: that one is not in it.
  if (log.find(theirs.redo) < 0) return
  if (own !== undefined && own.redo.position >= theirs.redo.position) return
  const adopted = encodeCheckpoint(storeId, { ...theirs, epoch: lock.epoch, clean: false, settledPosition: 0 })
  await completion((done) => replaceFile(files, directory, CHECKPOINT_FILE, adopted, done))
}

function checkpointIn(files: FileSystem, directory: string, storeId: Buffer): Checkpoint | undefined {
  const bytes = readFileSync(files, join(directory, CHECKPOINT_FILE), MAX_CHECKPOINT_BYTES)
  const verdict = bytes && decodeCheckpoint(bytes, storeId)
  return verdict?.kind === 'checkpoint' ? verdict.checkpoint : undefined
}
