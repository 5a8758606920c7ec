const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const
const BAR_COLUMNS = 32

/** A bar as long as `value` is of `most`: what is more than nothing can be seen. */
export function bar(value: number, most: number, columns = BAR_COLUMNS): string {
  if (value === 0 || most === 0) return ''
  const eighths = Math.max(1, Math.round((8 * columns * value) / most))
  return '█'.repeat(eighths >> 3) + EIGHTHS[eighths & 7]!
}
