/** Which events a read hands out; each that is given must be met. What is passed over is not decoded. */
export interface EventFilterOptions {
  /** Only events of these types. Default: of all. */
  readonly types?: readonly string[] | undefined
  /** Only the event with this id: a UUID in canonical lower-case form. With `limit: 1` the read ends when it is found. */
  readonly id?: string | undefined
  /** Only events with this `correlationId` in their metadata. */
  readonly correlationId?: string | undefined
  /**
   * Only events whose own timestamp is this one or later: milliseconds since the epoch, or a Date. Timestamps that callers gave may be in
   * any order; the events come in the order of the read all the same.
   */
  readonly fromTime?: number | Date | undefined
  /** Only events whose timestamp is this one or earlier. */
  readonly toTime?: number | Date | undefined
}
