import { UsageError } from './exit-codes.js'
import { quoted } from './safe-text.js'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  sec: 1000,
  second: 1000,
  m: MINUTE_MS,
  min: MINUTE_MS,
  minute: MINUTE_MS,
  h: 60 * MINUTE_MS,
  hour: 60 * MINUTE_MS,
  d: DAY_MS,
  day: DAY_MS,
  w: 7 * DAY_MS,
  week: 7 * DAY_MS,
}

/** For the help of options that take a time. */
export const TIME_FORMS = '2026-01-05, 2026-01-05T09:30, "2h ago", yesterday'

const ISO = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)(Z|[+-]\d\d:?\d\d)?)?$/i
const AGO = /^((?:\d+(?:\.\d+)?\s*[a-z]+\s*)+)(?:ago)?$/i

/**
 * Reads a time of the command line. Returns milliseconds since the epoch.
 *
 * - `2026-01-05`, `2026-01-05T09:30`, `2026-01-05 09:30:15.250`, with `Z` or `+02:00`: without either it is UTC, as all times that
 *   annals prints. A day alone is its first millisecond, or its last where a time range ends.
 * - `2h ago`, `1d 12h ago`, `90m`: back from now. `now`, `today`, `yesterday`.
 * - 12 digits and more: milliseconds since the epoch, as they are stored.
 *
 * @throws UsageError
 */
export function parseTime(text: string, option: string, now: number, edge: 'from' | 'to'): number {
  const word = text.trim().toLowerCase()
  if (/^-?\d{12,16}$/.test(word)) return Number(word)
  if (word === 'now') return now
  const today = Math.floor(now / DAY_MS) * DAY_MS
  if (word === 'today') return ofDay(today, edge)
  if (word === 'yesterday') return ofDay(today - DAY_MS, edge)
  const time = isoTime(word, edge) ?? agoTime(word, now)
  if (time !== undefined && !Number.isNaN(time)) return time
  throw new UsageError(`--${option} takes a time, not ${quoted(text)}`, `Such as ${TIME_FORMS}.`)
}

function ofDay(day: number, edge: 'from' | 'to'): number {
  return edge === 'from' ? day : day + DAY_MS - 1
}

/** NaN where the calendar has no such day. */
function isoTime(word: string, edge: 'from' | 'to'): number | undefined {
  const parts = ISO.exec(word)
  if (parts === null) return undefined
  const [, date, clock, zone] = parts
  const day = Date.parse(`${date!}T00:00:00.000Z`)
  // Date takes the 31st of any month.
  if (Number.isNaN(day) || new Date(day).toISOString().slice(0, 10) !== date) return NaN
  if (clock === undefined) return ofDay(day, edge)
  const offset = zone === undefined || zone === 'z' ? 'Z' : zone.replace(/(\d\d):?(\d\d)$/, '$1:$2')
  return Date.parse(`${date}T${clock}${offset}`)
}

function agoTime(word: string, now: number): number | undefined {
  const parts = AGO.exec(word)
  if (parts === null) return undefined
  let back = 0
  for (const [, amount, name] of parts[1]!.replace(/\s*ago$/, '').matchAll(/(\d+(?:\.\d+)?)\s*([a-z]+)/g)) {
    const unit = UNITS_MS[name!] ?? UNITS_MS[name!.replace(/s$/, '')]
    if (unit === undefined) return undefined
    back += Number(amount) * unit
  }
  return Math.round(now - back)
}
