import { createHash } from 'node:crypto'
import { MAX_NAME_BYTES } from '../engine/limits.js'
import type { Durability } from '../engine/types/durability.js'
import type { EventStore } from '../engine/types/event-store.js'
import type { Snapshot, SnapshotKey, SnapshotStore } from './snapshot.js'

export interface SnapshotStreamsOptions {
  /** A lost snapshot costs a longer load and nothing else. Default: 'os'. */
  readonly durability?: Durability | undefined
}

/**
 * Keeps snapshots in an event store, the newest at the end of a stream of its own for each key. Give it a store in a folder of
 * its own: then nothing of it is in the positions, categories and subscriptions of your events, and whoever wants the room back closes it
 * and removes the folder.
 */
export function snapshotStreams(store: EventStore, { durability = 'os' }: SnapshotStreamsOptions = {}): SnapshotStore {
  return {
    async load(key, { signal } = {}) {
      const newest = store.readStream(nameOf(key), { direction: 'backward', limit: 1, signal })
      for await (const { data } of newest) return data as Snapshot
      return undefined
    },
    async save(snapshot) {
      await store.append(nameOf(snapshot), [{ type: 'Snapshot', data: snapshot }], { durability })
    },
  }
}

/** The key is in the name: a new reducer begins a new stream and does not have to look for its place among those of the old one. */
function nameOf({ stream, reducer, schema }: SnapshotKey): string {
  const name = `snapshot ${reducer} ${schema} ${stream}`
  if (Buffer.byteLength(name) <= MAX_NAME_BYTES) return name
  return `snapshot ${createHash('sha256').update(name).digest('hex')}`
}
