import { InvalidArgumentError, quote } from '../engine/errors.js'
import type { AuditEntry } from './audit.js'
import { valueToJson } from './json-values.js'
import { escapeUnsafe } from './safe-text.js'

/** A column of a CSV file. */
export type AuditColumn = keyof AuditEntry

/** All columns, in the order they have unless told otherwise. */
export const AUDIT_COLUMNS: readonly AuditColumn[] = [
  'time',
  'who',
  'type',
  'stream',
  'offset',
  'position',
  'id',
  'correlationId',
  'causationId',
  'commitId',
  'schemaVersion',
  'tags',
  'data',
  'metadata',
  'timestamp',
]

/** Fields that hold any value; they are written as JSON. */
const VALUES: readonly AuditColumn[] = ['tags', 'data', 'metadata']

/**
 * Writes entries as NDJSON: one object on each line, which ends with a line feed. Nothing is lost: what JSON does not have is an object with
 * one key, `{"$bigint":"1"}`, `{"$date":"…"}`, `{"$bytes":"<base64>"}`, `{"$map":[…]}`, `{"$set":[…]}`, `{"$number":"NaN"}`, `{"$undefined":true}`;
 * control characters and such are escaped. Fields without a value are left out.
 *
 * ```ts
 * await pipeline(auditNdjson(auditLog(store, { category: 'account' })), createWriteStream('audit.ndjson'))
 * ```
 */
export async function* auditNdjson(entries: AsyncIterable<AuditEntry>): AsyncIterable<string> {
  for await (const entry of entries) {
    const fields = AUDIT_COLUMNS.filter((name) => entry[name] !== undefined)
    yield `${escapeUnsafe(`{${fields.map((name) => `"${name}":${valueToJson(entry[name])}`).join()}}`)}\n`
  }
}

export interface AuditCsvOptions {
  /** Default: all. */
  readonly columns?: readonly AuditColumn[] | undefined
}

/**
 * Writes entries as CSV (RFC 4180): a line of names, then a line for each entry; lines end with CR LF. For people and spreadsheets: control
 * characters are shown as `\u001b`, and a cell that a spreadsheet would take for a formula begins with an apostrophe. Data, metadata
 * and tags are JSON, as in `auditNdjson`.
 *
 * @throws InvalidArgumentError for a column that there is not
 */
export function auditCsv(
  entries: AsyncIterable<AuditEntry>,
  { columns = AUDIT_COLUMNS }: AuditCsvOptions = {},
): AsyncIterable<string> {
  for (const column of columns) {
    if (AUDIT_COLUMNS.includes(column)) continue
    throw new InvalidArgumentError(`Cannot write CSV: there is no column ${quote(column)}`)
  }
  if (columns.length === 0) throw new InvalidArgumentError('Cannot write CSV: there are no columns')
  return lines(entries, [...columns])
}

async function* lines(entries: AsyncIterable<AuditEntry>, columns: readonly AuditColumn[]): AsyncIterable<string> {
  yield `${columns.join()}\r\n`
  for await (const entry of entries) {
    yield `${columns.map((name) => cell(textOf(entry[name], VALUES.includes(name)))).join()}\r\n`
  }
}

function textOf(value: unknown, isValue: boolean): string {
  if (value === undefined) return ''
  return isValue ? valueToJson(value) : `${value as string | number}`
}

/** What spreadsheets take for the beginning of a formula, also in the full width of East Asian text. */
const FORMULA = /^\s*[=+\-@＝＋－＠]/
const NUMBER = /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i
/** Other separators than the comma are those of spreadsheets in other languages. */
const QUOTED = /[",;\s]/

function cell(text: string): string {
  const shown = escapeUnsafe(text)
  const safe = FORMULA.test(shown) && !NUMBER.test(shown) ? `'${shown}` : shown
  return QUOTED.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
