/**
 * How much of the crash suite runs. Usually a sample: every n-th moment, operation or byte, with fixed seeds, so that the same
 * cases run every time. With ANNALS_CRASH_FULL=1 all of them, which takes hours.
 */
export const FULL = process.env['ANNALS_CRASH_FULL'] === '1'

/** A stride: that of a usual run, or 1 in a full one. */
export function everyStep(usual: number): number {
  return FULL ? 1 : usual
}
