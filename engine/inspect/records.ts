import type { Invariant } from '../recovery/invariants.js'

/** `group` … `seal`: records of segments. `entry`: of an index. `stream`: of a stream table. `block`: of a key file. `body`: a checkpoint's. `place`: of a watermark. */
export type RecordKind =
  'group' | 'event' | 'shape' | 'seal' | 'entry' | 'stream' | 'block' | 'body' | 'place' | 'zeros' | 'damage'

/** A stretch of a file: a record, zeros that were written ahead, or bytes that are no record. */
export interface InspectedRecord {
  readonly what: 'record'
  /** 0, 1, 2 … in the order of the file; −1 for zeros. */
  readonly number: number
  readonly byte: number
  readonly length: number
  readonly kind: RecordKind
  /** Checksum as it stands in the file. */
  readonly crc?: number | undefined
  /** What it should be, where it is not that. */
  readonly rightCrc?: number | undefined
  /** The first and the last event of a commit. */
  readonly commit?: 'first' | 'last' | 'only' | 'inside' | undefined
  readonly position?: number | undefined
  readonly offset?: number | undefined
  readonly stream?: string | undefined
  readonly type?: string | undefined
  readonly timestamp?: number | undefined
  /** Of a group: its number, and below which number groups were durable when it was written. */
  readonly sequence?: number | undefined
  readonly durable?: number | undefined
  /** What else there is to say, for people; may hold what is stored. */
  readonly detail?: string | undefined
  /** An index has an entry for it, with the usual interval. */
  readonly isIndexPoint?: boolean | undefined
}

/** An invariant that does not hold. */
export interface InspectedProblem {
  readonly what: 'problem'
  readonly invariant: Invariant
  readonly byte: number
  readonly message: string
  /**
   * Set where a crash can have left it, if nothing behind it tells otherwise: the number of the group that is not whole, so that a
   * later group that says it was durable is the proof of damage. Undefined: no crash leaves this.
   */
  readonly tornGroup?: number | undefined
  /** At the end of a stream segment: the log of the store may stand for what is missing. */
  readonly atEnd?: boolean | undefined
}

export type InspectedItem = InspectedRecord | InspectedProblem

export function problem(
  invariant: Invariant,
  byte: number,
  message: string,
  more: Partial<InspectedProblem> = {},
): InspectedProblem {
  return { what: 'problem', invariant, byte, message, ...more }
}
