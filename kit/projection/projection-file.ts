import { createHash } from 'node:crypto'
import { AnnalsError, quote } from '../../engine/errors.js'
import { said } from '../errors.js'
import { valueFromJson } from '../json-values.js'
import { ProjectionDamagedError } from './errors.js'
import type { ProjectionHead } from './projection-store.js'

/** Rows of a build as JSON, by table and key. */
export type JsonTables = ReadonlyMap<string, ReadonlyMap<string, string>>

const FORMAT = 1

/**
 * Returns a build as text: a line of JSON with its head and the SHA-256 of the rest, then a line for each row with its table, its key
 * and its value, each as JSON, with tabs between, which JSON has none of.
 */
export function fileText(name: string, head: ProjectionHead, tables: JsonTables): string {
  const lines: string[] = []
  for (const [table, rows] of tables) {
    const begin = `${JSON.stringify(table)}\t`
    for (const [key, row] of rows) lines.push(`${begin}${JSON.stringify(key)}\t${row}\n`)
  }
  const body = lines.join('')
  return `${JSON.stringify({ annals: 'projection', format: FORMAT, name, ...head, sha256: sha256(body) })}\n${body}`
}

/** Reads what `fileText` wrote. Throws ProjectionDamagedError (ERR_PROJECTION_DAMAGED), ERR_FORMAT. */
export function readFileText(
  name: string,
  file: string,
  text: string,
): { readonly head: ProjectionHead; readonly tables: Map<string, Map<string, string>> } {
  const damaged = (reason: string, cause?: unknown): ProjectionDamagedError =>
    new ProjectionDamagedError(name, file, reason, { cause })
  const end = text.indexOf('\n')
  let first: Partial<ProjectionHead> & { annals?: unknown; format?: unknown; name?: unknown; sha256?: unknown }
  try {
    first = JSON.parse(text.slice(0, end)) as typeof first
  } catch (error) {
    throw damaged(`its first line cannot be read: ${said(error)}`, error)
  }
  if ((first as typeof first | null)?.annals !== 'projection') throw damaged('it is none of annals')
  if (typeof first.format === 'number' && first.format > FORMAT) {
    throw new AnnalsError(
      'ERR_FORMAT',
      `Cannot read ${quote(file)}: it is of format ${first.format}, this annals reads format ${FORMAT}; use a newer annals`,
    )
  }
  if (first.name !== name) throw damaged(`it is of projection ${JSON.stringify(first.name)}`)
  const body = text.slice(end + 1)
  if (first.sha256 !== sha256(body)) throw damaged('its rows are not those that were written')
  const { generation, version, shape, position, effectsFrom } = first
  const head = { generation, version, shape, position, effectsFrom } as ProjectionHead
  for (const value of [generation, version, position, effectsFrom]) {
    if (!Number.isSafeInteger(value)) throw damaged('its first line is not as it was written')
  }
  const tables = new Map<string, Map<string, string>>()
  for (const line of body.split('\n')) {
    if (line === '') continue
    const [table, key, row] = line.split('\t') as [string, string, string]
    const at = JSON.parse(table) as string
    const rows = tables.get(at) ?? new Map<string, string>()
    tables.set(at, rows.set(JSON.parse(key) as string, row))
  }
  return { head, tables }
}

/** Returns the value of a row. */
export function rowOf(json: string | undefined): unknown {
  return json === undefined ? undefined : valueFromJson(JSON.parse(json))
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
