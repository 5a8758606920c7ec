/** Numbers as people read them. */

/** 1234567 as `1,234,567`. */
export function count(value: number): string {
  return value.toString().replace(/\B(?=(\d{3})+(?!\d))/g, ',')
}

/** `1 event`, `2 events`. */
export function plural(value: number, noun: string, many = `${noun}s`): string {
  return `${count(value)} ${value === 1 ? noun : many}`
}

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** Bytes with three digits: `512 B`, `1.25 KiB`, `64 MiB`. */
export function bytes(value: number): string {
  if (value < 1024) return `${value} B`
  let scaled = value / 1024
  let unit = 0
  while (scaled >= 999.5 && unit < UNITS.length - 1) {
    scaled /= 1024
    unit++
  }
  const digits = scaled < 10 ? 2 : scaled < 100 ? 1 : 0
  return `${scaled.toFixed(digits).replace(/\.0+$|(\.\d)0$/, '$1')} ${UNITS[unit]!}`
}

/** Milliseconds as `85 ms`, `1.4 s`, `12 s`, `3:07 min`, `2:05:09 h`. */
export function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  if (seconds < 59.5) return `${Math.round(seconds)} s`
  const whole = Math.round(seconds)
  const two = (value: number): string => String(value).padStart(2, '0')
  const minutes = Math.floor(whole / 60)
  if (minutes < 60) return `${minutes}:${two(whole % 60)} min`
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)} h`
}

/** A timestamp as ISO 8601; the number where no Date has it. */
export function time(milliseconds: number): string {
  return Math.abs(milliseconds) <= 8.64e15 ? new Date(milliseconds).toISOString() : String(milliseconds)
}
