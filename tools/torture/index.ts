/**
 * The crash harness: kills processes that write to a store on a disk of yours, and looks whether anything was lost.
 *
 * @module
 */
export { tortureStore } from './torture-store.js'
export { TORTURE_LIMITS, type TortureOptions } from './settings.js'
export type { TortureFinding, TortureFindingKind, TortureProgress, TortureReport } from './report.js'
export type { CheckKind } from './store-check.js'
export type { DiskFacts } from './disk-facts.js'
export type { FullDiskReport } from './full-disk.js'
export type { SyncReport, SyncVerdict } from './sync-cost.js'
export { describeReport } from './report-words.js'
