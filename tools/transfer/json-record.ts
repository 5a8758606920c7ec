import { isUtf8 } from 'node:buffer'
import { BadRecordError } from './bad-record.js'

/** Reads a line of NDJSON: one JSON object. Throws BadRecordError. */
export function jsonRecord(bytes: Buffer): {
  readonly fields: Readonly<Record<string, unknown>>
  readonly text: string
} {
  if (!isUtf8(bytes)) throw new BadRecordError('it is not UTF-8')
  const text = bytes.toString('utf8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new BadRecordError(`it is no JSON: ${(error as Error).message}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new BadRecordError('it is no JSON object')
  }
  if (MANY_DIGITS.test(text)) refuseInexact(text)
  return { fields: value as Record<string, unknown>, text }
}

/** Numbers of fewer digits are kept as they are. */
const MANY_DIGITS = /\d{16}/
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gs

/** Integers that no number of JavaScript is equal to would be stored as others. */
function refuseInexact(text: string): void {
  for (const [token] of text.matchAll(TOKEN)) {
    if (!/^-?\d{16,}$/.test(token)) continue
    const number = Number(token)
    if (String(number) === token || (Number.isFinite(number) && BigInt(number) === BigInt(token))) continue
    throw new BadRecordError(
      `the number ${token} cannot be kept exactly; put it in quotes, or write {"$bigint":"${token}"}`,
    )
  }
}
