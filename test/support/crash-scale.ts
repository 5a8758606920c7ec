/**
 * How much of the crash suite runs. Usually a sample: every n-th byte, operation or kill, so many images, with fixed seeds, so that
 * the same cases run every time. With ANNALS_CRASH_FULL=1 all of them, which takes hours; ANNALS_CRASH_SCALE=0.1 a tenth of what
 * can be counted, 10 ten times as much.
 */
export const FULL = process.env['ANNALS_CRASH_FULL'] === '1'

const SCALE = Number(process.env['ANNALS_CRASH_SCALE'] ?? (FULL ? 10 : 1))

/** A stride: that of a usual run, or 1 in a full one. */
export function everyStep(usual: number): number {
  return FULL ? 1 : usual
}

/** A count: that of a usual run, times the scale. */
export function scaled(usual: number): number {
  return Math.max(1, Math.round(usual * SCALE))
}
