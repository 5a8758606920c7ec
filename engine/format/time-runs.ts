import { findEntryIndex, type IndexEntries } from './sparse-index.js'

/** Timestamps from `from` to `to`, both included. */
export interface TimeRange {
  readonly from: number
  readonly to: number
}

/** What of a segment an index speaks about, as far as it counts. */
export interface IndexedSegment {
  /** May lack its last entries, or all of them. */
  readonly entries: IndexEntries
  /** Number behind the last event. */
  readonly end: number
  /** Where the last event ends, or a byte behind that. */
  readonly endByte: number
}

/** Events that follow each other: numbers `from` … `to − 1`, of which the last ends at or before `endByte`. */
export interface Run {
  readonly from: number
  readonly to: number
  readonly endByte: number
}

/**
 * Finds the next events of a segment, from a number on, that may be of a time; undefined when there are none. Each entry
 * says between which times the events of its stretch lie, so this is right in whatever order their timestamps are. What no
 * entry speaks about may be of any time.
 */
export function nextRun(segment: IndexedSegment, number: number, times: TimeRange): Run | undefined {
  const { entries, end, endByte } = segment
  if (number >= end) return undefined
  const first = findEntryIndex(entries, number)
  if (first < 0) return { from: number, to: end, endByte }
  let i = first
  while (i < entries.length && !mayHold(segment, i, times)) i++
  if (i === entries.length) return undefined
  const from = Math.max(number, entries.at(i)!.number)
  if (from >= end) return undefined
  do i++
  while (i < entries.length && entries.at(i)!.number < end && mayHold(segment, i, times))
  const behind = entries.at(i)
  if (behind === undefined) return { from, to: end, endByte }
  return { from, to: Math.min(behind.number, end), endByte: Math.min(behind.byte, endByte) }
}

/** The number of the first event behind the last entry is not known, so the stretch of that entry is read with them. */
function mayHold({ entries, endByte }: IndexedSegment, i: number, { from, to }: TimeRange): boolean {
  const { minTime, maxTime, end } = entries.at(i)!
  return (minTime <= to && maxTime >= from) || (i === entries.length - 1 && end < endByte)
}
