import type { NewEvent } from '../../engine/index.js'

/** What a record of a file asks to be stored. */
export interface ImportedEvent {
  readonly stream: string
  readonly event: NewEvent
  /** Where the event must stand in its stream; undefined: at its end. */
  readonly offset?: number | undefined
  readonly commitId?: string | undefined
  /** Which event of its commit it is, from 1, and of how many; undefined: the only one, unless it is in a group. */
  readonly part?: readonly [number: number, of: number] | undefined
  /** Records that follow each other and have the same are one commit. */
  readonly group?: string | undefined
}

/** Makes an event of a record. Throws BadRecordError. */
export type RecordDecoder = (bytes: Buffer) => ImportedEvent
