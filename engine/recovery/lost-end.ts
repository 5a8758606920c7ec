import { join } from 'node:path'
import { CorruptionError } from '../errors.js'
import { CHECKPOINT_FILE, decodeCheckpoint, type LogPlace, MAX_CHECKPOINT_BYTES } from '../format/checkpoint.js'
import type { FileSystem } from '../io/file-system.js'
import { readFileSync } from '../io/transfer.js'
import type { Recovered } from './recover.js'

/** Returns the place that the checkpoint of a store names, whatever stands there. */
export function checkpointPlace(files: FileSystem, directory: string, storeId: Buffer): LogPlace | undefined {
  const bytes = readFileSync(files, join(directory, CHECKPOINT_FILE), MAX_CHECKPOINT_BYTES)
  const verdict = bytes && decodeCheckpoint(bytes, storeId)
  return verdict?.kind === 'checkpoint' ? verdict.checkpoint.redo : undefined
}

/**
 * A checkpoint names no place that is not durable. Where the log was read without it, since nothing stands at its place, and ends
 * before, that end is damage and no torn tail: nothing may be appended there, or what is lost could not be told any more.
 */
export function withLostEnd(recovered: Recovered, place: LogPlace | undefined): Recovered {
  const { position, report, directory, ends } = recovered
  if (report.damage !== undefined || place === undefined || place.position <= position) return recovered
  const { path } = directory.segments.at(-1)! // without any, that the segment of the place is missing is the damage
  const at = { file: path, byte: ends.get(path)! }
  // Whoever reads that far meets what is missing.
  return { ...recovered, position: place.position, report: { ...report, damage: lostEnd(at) } }
}

export function lostEnd(at: { readonly file: string; readonly byte: number }): CorruptionError {
  return new CorruptionError('the log ends before the place that the checkpoint names', at)
}
