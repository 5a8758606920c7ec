/** Figures of an open store. Counts are since it was opened. */
export interface StoreStats {
  /** Events in the store. */
  readonly events: number
  /** Streams held in memory. */
  readonly cachedStreams: number
  /** How often a stream was used that was in memory, and that was not: then its files were opened. */
  readonly streams: { readonly hits: number; readonly loads: number }
  readonly appends: {
    /** Appends committed. */
    readonly commits: number
    /** Writes to the log that carried them. */
    readonly groups: number
    readonly commitsPerGroup: { readonly mean: number; readonly largest: number }
    /** Bytes written to the log. */
    readonly bytes: number
    /** Bytes that wait for the disk now. */
    readonly pendingBytes: number
  }
  /** Durations of the latest durable writes, in milliseconds. */
  readonly sync: { readonly count: number; readonly p50: number; readonly p99: number; readonly max: number }
  readonly writeBehind: {
    /** Bytes of memory that hold events which are not in their stream segments yet, free space included. */
    readonly dirtyBytes: number
    /** Events that are not in their stream segments yet, in memory or only in the log. */
    readonly waitingEvents: number
    readonly runs: number
    readonly streamsFlushed: number
    /** Log segments whose stream segments are not fsynced yet. */
    readonly unsettledSegments: number
    /** Events that are not in fsynced stream segments yet: the log stands for them. */
    readonly unsettledEvents: number
    readonly filesSynced: number
    readonly checkpoints: number
  }
  readonly openFiles: number
}

/** Returns p50, p99 and maximum of durations. */
export function percentiles(durations: readonly number[]): { p50: number; p99: number; max: number } {
  if (durations.length === 0) return { p50: 0, p99: 0, max: 0 }
  const sorted = [...durations].sort((a, b) => a - b)
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
  return { p50: at(0.5), p99: at(0.99), max: sorted.at(-1)! }
}
