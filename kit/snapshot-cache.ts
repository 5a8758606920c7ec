import { InvalidArgumentError } from '../engine/errors.js'
import { plainCopy } from './plain-value.js'
import type { Snapshot, SnapshotKey, SnapshotStore } from './snapshot.js'

export interface SnapshotCacheOptions {
  /** Snapshots that are kept; the one that was used least recently goes first. Default: 1,000. */
  readonly entries?: number | undefined
}

/** Keeps snapshots in memory, copied on the way in and out. */
export function snapshotCache({ entries = 1000 }: SnapshotCacheOptions = {}): SnapshotStore {
  if (!(Number.isSafeInteger(entries) && entries >= 1)) {
    throw new InvalidArgumentError(`Cannot keep snapshots: entries is ${String(entries)}, not a whole number from 1`)
  }
  const kept = new Map<string, Snapshot>()
  return {
    async load(key) {
      const name = nameOf(key)
      const snapshot = kept.get(name)
      if (snapshot === undefined) return undefined
      kept.delete(name)
      kept.set(name, snapshot)
      return { ...snapshot, state: plainCopy(snapshot.state) }
    },
    async save(snapshot) {
      const name = nameOf(snapshot)
      // Two commands may end in another order than they were committed in.
      if ((kept.get(name)?.version ?? 0) > snapshot.version) return
      const copy = { ...snapshot, state: plainCopy(snapshot.state) }
      kept.delete(name)
      kept.set(name, copy)
      if (kept.size > entries) for (const oldest of kept.keys()) return void kept.delete(oldest)
    },
  }
}

function nameOf({ stream, reducer, schema }: SnapshotKey): string {
  return JSON.stringify([stream, reducer, schema])
}
