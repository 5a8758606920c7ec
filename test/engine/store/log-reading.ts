import { LogHeads } from '../../../engine/commit-log/log-heads.js'
import { LogIndexes } from '../../../engine/commit-log/log-index.js'
import { EventDecoder } from '../../../engine/format/event-record.js'
import { ShapeTable } from '../../../engine/format/shapes.js'
import { ValueDecoder } from '../../../engine/format/value-decoder.js'
import { defaultLimits } from '../../../engine/limits.js'
import type { EventSource } from '../../../engine/store/event-iterator.js'
import type { LogReading } from '../../../engine/store/log-source.js'
import { type PendingRecord, RecordReader } from '../../../engine/store/record-reader.js'
import type { StoredEvent } from '../../../engine/types/event.js'
import { type KeyedLog } from '../../support/keyed-log.js'
import { STORE_ID } from '../../support/forge.js'

/** What reading a forged log needs, as a store has it in which nobody writes. */
export function readingOf(log: KeyedLog, changes: Partial<LogReading> = {}): LogReading {
  const { files, directory, handles } = log
  const limits = changes.limits ?? { ...defaultLimits, indexIntervalBytes: 512 }
  return {
    directory,
    heads: new LogHeads(handles, STORE_ID),
    indexes: new LogIndexes(files, directory, handles, STORE_ID, limits),
    handles,
    decoder: new EventDecoder(new ValueDecoder(new ShapeTable())),
    limits,
    active: () => undefined,
    lastEnd: () => undefined,
    ...changes,
  }
}

/** Reads records of a forged log, all of which are committed unless `committed` says otherwise. */
export function recordsOf(
  log: KeyedLog,
  {
    committed = log.end,
    pending = () => undefined,
    ...changes
  }: Partial<LogReading> & {
    readonly committed?: number
    readonly pending?: PendingRecord
  } = {},
): RecordReader {
  return new RecordReader(readingOf(log, changes), () => committed, pending)
}

/** Everything that a source hands out, so many events at a time. Throws what it throws. */
export async function drained(source: EventSource, most = 100): Promise<StoredEvent[]> {
  const all: StoredEvent[] = []
  for (;;) {
    const events = await source.next(most)
    if (events.length === 0) return all
    if (events.length > most) throw new Error(`${events.length} events instead of at most ${most}`)
    all.push(...events)
  }
}

/** What a source hands out before it fails, and its error. */
export async function untilError(source: EventSource, most = 100): Promise<{ positions: number[]; error: unknown }> {
  const positions: number[] = []
  try {
    for (;;) {
      const events = await source.next(most)
      if (events.length === 0) return { positions, error: undefined }
      positions.push(...events.map(({ position }) => position))
    }
  } catch (error) {
    return { positions, error }
  }
}

export const positionsIn = (events: readonly StoredEvent[]): number[] => events.map(({ position }) => position)
