/**
 * The checkpoint: where opening starts. It carries no authority: without it the log is read from its beginning, to the
 * same result. After a header of kind `C`: u32 bytes of the body, u32 CRC-32C of the body, and the body, a MessagePack
 * map with exactly the fields of `Checkpoint` (positions and bytes as unsigned integers).
 */
import { Packr } from 'msgpackr'
import { MAX_SHAPE_ID } from '../limits.js'
import { crc32c } from './crc32c.js'
import { encodeHeader, parseHeader } from './file-header.js'
import { windowOf } from './frame.js'
import { refuseKeys, type ShapeDefinition, ShapeTable } from './shapes.js'
import { ValueDecoder } from './value-decoder.js'

/** A place in the log: the segment, the byte in it, and the sequence and position of what starts there. */
export interface LogPlace {
  readonly base: number
  readonly epoch: number
  readonly byte: number
  readonly sequence: number
  readonly position: number
}

export interface Checkpoint {
  /** Epoch of the writer that wrote it. */
  readonly epoch: number
  /** True when that writer closed the store and wrote nothing after this. */
  readonly clean: boolean
  /** Opening reads the log from here: whatever lies before is in stream segments or stream tables. */
  readonly redo: LogPlace
  /** Events below this position are in fsynced stream segments; for those from here to `redo` stand the stream tables. */
  readonly settledPosition: number
  /** The largest timestamp the store assigned. */
  readonly lastTimestamp: number
  /** No event before this position has a commit id or tags; null when no event before `redo` has any. Checkpoints from before there were any lack it. */
  readonly keyedFrom?: number | null
  /** All shapes defined before `redo`. */
  readonly shapes: readonly { readonly id: number; readonly keys: readonly string[] }[]
}

export const CHECKPOINT_FILE = 'checkpoint'
export const MAX_CHECKPOINT_BYTES = 64 * 1024 * 1024

export function encodeCheckpoint(storeId: Buffer, checkpoint: Checkpoint): Buffer {
  const body = new Packr({ useRecords: false }).pack(checkpoint)
  const head = Buffer.alloc(8)
  head.writeUInt32LE(body.length, 0)
  head.writeUInt32LE(crc32c(body, 0, body.length), 4)
  return Buffer.concat([encodeHeader({ kind: 'C', storeId, epoch: checkpoint.epoch }), head, body])
}

export type CheckpointVerdict =
  | { readonly kind: 'checkpoint'; readonly checkpoint: Checkpoint }
  | { readonly kind: 'version'; readonly readVersion: number; readonly writeVersion: number }
  | { readonly kind: 'unusable'; readonly reason: string }

/** Reads a checkpoint file. `unusable` is harmless: the log is read instead. */
export function decodeCheckpoint(bytes: Buffer, storeId: Buffer): CheckpointVerdict {
  const window = windowOf(bytes)
  const verdict = parseHeader(window, bytes.length, 'C')
  if (verdict.kind === 'version') return verdict
  if (verdict.kind !== 'header') {
    return { kind: 'unusable', reason: verdict.kind === 'damaged' ? verdict.reason : 'it is no checkpoint' }
  }
  if (!verdict.header.storeId.equals(storeId)) return { kind: 'unusable', reason: 'it belongs to another store' }
  const start = verdict.length + 8
  if (start > bytes.length || window.view.getUint32(verdict.length, true) !== bytes.length - start) {
    return { kind: 'unusable', reason: 'its length is wrong' }
  }
  if (crc32c(bytes, start, bytes.length) !== window.view.getUint32(verdict.length + 4, true)) {
    return { kind: 'unusable', reason: 'its checksum is wrong' }
  }
  try {
    // Not by the library that writes it: that one believes what a length says, and sets aside memory for it.
    const checkpoint = asCheckpoint(new ValueDecoder(new ShapeTable()).decode(bytes, start, bytes.length))
    if (checkpoint !== undefined && checkpoint.epoch !== verdict.header.epoch) {
      return { kind: 'unusable', reason: 'its header names another writer' }
    }
    return checkpoint === undefined
      ? { kind: 'unusable', reason: 'a field is missing' }
      : { kind: 'checkpoint', checkpoint }
  } catch {
    return { kind: 'unusable', reason: 'it is no MessagePack' }
  }
}

function asCheckpoint(value: unknown): Checkpoint | undefined {
  const { epoch, clean, redo, settledPosition, lastTimestamp, keyedFrom, shapes } = fieldsOf(value)
  const place = fieldsOf(redo)
  const numbers = [epoch, settledPosition, place.base, place.epoch, place.byte, place.sequence, place.position]
  if (!numbers.every((n) => Number.isSafeInteger(n) && (n as number) >= 0)) return undefined
  if (typeof clean !== 'boolean' || !isTimestamp(lastTimestamp)) return undefined
  if (
    keyedFrom !== undefined &&
    keyedFrom !== null &&
    !(Number.isSafeInteger(keyedFrom) && (keyedFrom as number) >= 0)
  ) {
    return undefined
  }
  if (!Array.isArray(shapes) || !shapes.every(isShape)) return undefined
  if (new Set((shapes as ShapeDefinition[]).map(({ id }) => id)).size !== shapes.length) return undefined
  return value as Checkpoint
}

/** Beyond these no date can be told: no event has such a timestamp, and none may get one for being later than this. */
function isTimestamp(value: unknown): boolean {
  return Number.isSafeInteger(value) && Math.abs(value as number) <= 8.64e15
}

function isShape(value: unknown): boolean {
  const { id, keys } = fieldsOf(value)
  if (!Number.isInteger(id) || (id as number) < 1 || (id as number) > MAX_SHAPE_ID) return false
  return Array.isArray(keys) && refuseKeys(keys as string[]) === undefined
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
