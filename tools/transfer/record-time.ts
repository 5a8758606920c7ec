import { BadRecordError } from './bad-record.js'

/** What numbers of a record that are times count. */
export type TimeUnit = 'ms' | 's'

const TIME = /^(\d{4})[-/](\d\d)[-/](\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?\s?(Z|[+-]\d\d:?\d\d)?$/i

/**
 * Reads a time of a record: a number, also as text, or a date with or without a time of day: `2001/01/14 21:55`,
 * `2026-01-05T09:30:00.250+02:00`. Without a zone it is UTC. Returns milliseconds since the epoch, what is finer cut off. Throws BadRecordError.
 */
export function recordTime(value: unknown, unit: TimeUnit): number {
  const number = typeof value === 'string' && /^-?\d+(?:\.\d+)?$/.test(value) ? Number(value) : value
  if (typeof number === 'number') return Math.floor(unit === 's' ? number * 1000 : number)
  const parts = typeof value === 'string' ? TIME.exec(value) : null
  const time = parts === null ? undefined : timeOf(parts)
  if (time === undefined) throw new BadRecordError(`${JSON.stringify(value)} is no time`)
  return time
}

function timeOf(parts: readonly (string | undefined)[]): number | undefined {
  const part = (i: number): number => Number(parts[i] ?? 0)
  const [month, day, hour, minute, second] = [part(2), part(3), part(4), part(5), part(6)]
  const time = Date.UTC(part(1), month - 1, day, hour, minute, second)
  const date = new Date(time)
  // Date takes the 31st of any month, and 25 o'clock.
  const isDay = date.getUTCMonth() === month - 1 && date.getUTCDate() === day
  if (!isDay || hour > 23 || minute > 59 || second > 59) return undefined
  const fraction = Math.floor(Number(`0.${parts[7] ?? 0}`) * 1000)
  return time + fraction - zoneOf(parts[8])
}

/** Milliseconds by which clocks of a zone are ahead of UTC. */
function zoneOf(zone: string | undefined): number {
  if (zone === undefined || /z/i.test(zone)) return 0
  const minutes = 60 * Number(zone.slice(1, 3)) + Number(zone.slice(-2))
  return (zone.startsWith('-') ? -1 : 1) * minutes * 60_000
}
