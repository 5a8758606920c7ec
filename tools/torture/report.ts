import type { Durability } from '../../engine/index.js'
import type { DiskFacts } from './disk-facts.js'
import type { CheckKind } from './store-check.js'
import type { FullDiskReport } from './full-disk.js'
import type { SyncReport } from './sync-cost.js'

/**
 * The kinds of a check of the store, and: `writer`: a writer ended by itself. `reader`: a reader beside
 * the writers was shown something else than what is there in the end. `opening`: the store could not be opened. `second-writer`: a
 * second writer was let in. `woken-writer`: one that was stopped and replaced was not told so. `full-disk`: a full disk was not reported as
 * such, or nothing could be appended after making room. `verify`: `verifyStore` has found damage in the end.
 */
export type TortureFindingKind =
  CheckKind | 'writer' | 'reader' | 'opening' | 'second-writer' | 'woken-writer' | 'full-disk' | 'verify'

export interface TortureFinding {
  readonly kind: TortureFindingKind
  /** Number of kills before it was found. */
  readonly round: number
  readonly message: string
}

/** What `tortureStore` has done and found. Plain data: `JSON.stringify` says all of it. */
export interface TortureReport {
  /** True when nothing was found. */
  readonly ok: boolean
  readonly findings: readonly TortureFinding[]
  /** With `shape` it gives the same commits and the same planned kills; what the system makes of them it does not repeat. */
  readonly seed: number
  readonly shape: {
    readonly streams: number
    readonly eventBytes: number
    readonly inFlight: number
    readonly durability: Durability
  }
  /** Writers killed, and how many of them before they had opened the store. */
  readonly kills: number
  readonly killsWhileOpening: number
  /** Commits that writers said were acknowledged. */
  readonly acknowledged: number
  /** Commits and events found in the store in the end: some were stored whose acknowledgement the kill came before. */
  readonly commits: number
  readonly events: number
  /** Times the store was opened and compared with what was acknowledged, the last time as a whole. */
  readonly checks: number
  /** Events that a reader beside the writers was shown while they lived and died; compared with the store in the end. */
  readonly followed: number
  /** Times somebody else wanted to write to the store, and was refused. */
  readonly refused: number
  /** Writers that were stopped, replaced and woken up. */
  readonly pauses: number
  readonly fullDisk: FullDiskReport | undefined
  readonly sync: SyncReport
  readonly disk: DiskFacts
  /** What was asked for and not done, and why. */
  readonly notDone: readonly string[]
  /** The folder, when it was kept because something was found. */
  readonly kept: string | undefined
  readonly durationMs: number
}

export interface TortureProgress {
  /** What is done now. */
  readonly part: 'measuring' | 'killing' | 'checking' | 'pausing' | 'filling' | 'verifying'
  /** Kills so far. */
  readonly kills: number
  readonly acknowledged: number
  readonly elapsedMs: number
}
