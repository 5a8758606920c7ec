import { InvalidArgumentError } from '../engine/errors.js'
import type { StoredEvent } from '../engine/types/event.js'

/** Which snapshots fit: those of a stream that this reducer made from events of this schema. */
export interface SnapshotKey {
  readonly stream: string
  /** What the application calls its reducer: `reducer` of the options. */
  readonly reducer: string
  /** `fingerprint` of the registry: another one as soon as a type or a schema version is added. */
  readonly schema: string
}

/** The state after the first `version` events of a stream. Derived: it can be dropped at any time. */
export interface Snapshot extends SnapshotKey {
  /** How many events are in it, which is the offset of the next one. */
  readonly version: number
  /** Id of the last event in it: a stream that has another one there is another stream, or has another past. */
  readonly eventId: string
  /** Timestamp of that event. */
  readonly timestamp: number
  readonly state: unknown
}

/** Keeps snapshots. Whatever it answers is checked; when it fails, the events are read. */
export interface SnapshotStore {
  /** Returns the newest snapshot with this key, or undefined. */
  load(key: SnapshotKey, options?: { readonly signal?: AbortSignal | undefined }): Promise<Snapshot | undefined>
  save(snapshot: Snapshot): Promise<void>
}

/** How much may happen after a snapshot before the next one is stored. Whatever is reached first counts. */
export interface SnapshotPolicy {
  /** Events. Default: 100, when nothing else is given. */
  readonly events?: number | undefined
  /** Bytes of data, roughly: strings by their length, numbers as 8. */
  readonly bytes?: number | undefined
  /** Milliseconds from the timestamp of the last event in the snapshot to that of the newest event. */
  readonly ms?: number | undefined
}

export interface SnapshotOptions {
  readonly store: SnapshotStore
  /**
   * Name and version of what makes the state, for example `account/2`. Give it a new one whenever `evolve` or the shape of the state
   * changes, and different ones to two reducers of the same streams: snapshots of another one are not looked at.
   */
  readonly reducer: string
  readonly every?: SnapshotPolicy | undefined
}

/** What has gathered since the last snapshot. */
export interface SnapshotTail {
  readonly events: number
  readonly bytes: number
  /** Timestamp of the last event in the snapshot; without one, of the first event. */
  readonly since: number
}

/** Returns the policy with what was left out. Throws InvalidArgumentError. */
export function policyOf({ events, bytes, ms }: SnapshotPolicy = {}): SnapshotPolicy {
  for (const [name, value] of Object.entries({ events, bytes, ms })) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1)) {
      throw new InvalidArgumentError(
        `Cannot keep snapshots: every.${name} is ${String(value)}, not a whole number from 1`,
      )
    }
  }
  return events === undefined && bytes === undefined && ms === undefined ? { events: 100 } : { events, bytes, ms }
}

export function isDue({ events, bytes, ms }: SnapshotPolicy, tail: SnapshotTail, newestTimestamp: number): boolean {
  return (
    tail.events > 0 &&
    ((events !== undefined && tail.events >= events) ||
      (bytes !== undefined && tail.bytes >= bytes) ||
      (ms !== undefined && newestTimestamp - tail.since >= ms))
  )
}

/** Returns why a snapshot cannot be used for a key, before the stream was looked at; undefined: it may. */
export function refusalOf(snapshot: Snapshot, key: SnapshotKey): string | undefined {
  if (typeof snapshot !== 'object' || (snapshot as Snapshot | null) === null) return 'it is no snapshot'
  if (snapshot.stream !== key.stream) return `it is of stream ${JSON.stringify(snapshot.stream)}`
  if (snapshot.reducer !== key.reducer) return `it is of reducer ${JSON.stringify(snapshot.reducer)}`
  if (snapshot.schema !== key.schema) return 'it was made from events of another schema'
  if (!(Number.isSafeInteger(snapshot.version) && snapshot.version >= 1)) return 'its version is none'
  if (snapshot.state === undefined) return 'it has no state'
  return undefined
}

/** Tells whether the event in the last place of a snapshot is the one the snapshot was made with. */
export function endsWith({ version, eventId }: Snapshot, event: StoredEvent): boolean {
  return event.offset === version - 1 && event.id === eventId
}
