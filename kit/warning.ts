/** What the kit has to say where nothing is wrong and something might be better. */
export type KitWarning =
  | {
      /** A load read more events than `warnAfterEvents` behind the snapshot, or without one. */
      readonly kind: 'long-load'
      readonly stream: string
      readonly eventsRead: number
    }
  | {
      /** A snapshot was not used. The state was made from all events. */
      readonly kind: 'snapshot-ignored'
      readonly stream: string
      readonly reason: string
      readonly cause?: unknown
    }
  | {
      /** A snapshot could not be stored. The events it was to hold are. */
      readonly kind: 'snapshot-not-saved'
      readonly stream: string
      readonly reason: string
      readonly cause?: unknown
    }
  | {
      /** An effect that a projection asked for threw. The event is projected. */
      readonly kind: 'effect-failed'
      readonly projection: string
      readonly stream: string
      readonly offset: number
      readonly type: string
      readonly reason: string
      readonly cause?: unknown
    }

/** Hears of warnings. What it throws is dropped: a load that worked stays one, and so does an append. */
export type WarningListener = (warning: KitWarning) => void

/** Loads that read more events warn, unless told otherwise. */
export const DEFAULT_WARN_AFTER_EVENTS = 1000

export function warn(listener: WarningListener | undefined, warning: KitWarning): void {
  try {
    listener?.(warning)
  } catch {
    // What was warned of has happened; there is nothing that its listener could stop.
  }
}
