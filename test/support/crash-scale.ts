/**
 * How much of the crash suite runs. Usually a sample: every n-th byte, operation or kill, so many images, with fixed seeds, so that
 * the same cases run every time. With ANNALS_CRASH_FULL=1 all of them, which takes hours; ANNALS_CRASH_SCALE=0.1 a tenth of what
 * can be counted, 10 ten times as much.
 */
export const FULL = process.env['ANNALS_CRASH_FULL'] === '1'

const SCALE = Number(process.env['ANNALS_CRASH_SCALE'] ?? (FULL ? 10 : 1))

/** Of cases that are not counted but told apart by their place: below the scale of a usual run, one in so many. */
export const ONE_IN = FULL ? 1 : Math.max(1, Math.round(1 / SCALE))

/** A stride: that of a usual run, longer below its scale, or 1 in a full one. */
export function everyStep(usual: number): number {
  return FULL ? 1 : usual * ONE_IN
}

/** A count: that of a usual run, times the scale. */
export function scaled(usual: number): number {
  return Math.max(1, Math.round(usual * SCALE))
}
