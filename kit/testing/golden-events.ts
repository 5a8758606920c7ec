import { quote } from '../../engine/errors.js'
import type { NewEvent, StoredEvent } from '../../engine/types/event.js'
import { readText, writeText } from '../io/text-files.js'
import { valueFromJson, valueToJson } from '../json-values.js'
import { storedDefaults } from './given-process.js'
import { fail } from './outcomes.js'

export interface GoldenOptions {
  /** Writes the file anew: what has changed was meant to. Default: false. */
  readonly update?: boolean | undefined
  /** Writes the file when there is none. Give false where nobody is there to look at it, as in CI. Default: true. */
  readonly create?: boolean | undefined
  /** Paths whose values differ from run to run, and are left out: `data.at`, `metadata.correlationId`. */
  readonly omit?: readonly string[] | undefined
}

/** An event as a golden file has it. */
type GoldenEvent = Pick<NewEvent, 'type' | 'data' | 'metadata' | 'schemaVersion' | 'tags'> & {
  readonly stream?: string
}

/** Differences that are told. */
const MOST_DIFFERENCES = 20

/**
 * Compares events with those of a file, which is written the first time: NDJSON, one event on each line, with stream, type, schema version, tags,
 * metadata and data, so that a review sees what is stored for ever. Ids, timestamps and positions are left out. Rejects with an AssertionError that
 * names the events and paths that have changed.
 *
 * ```ts
 * await goldenEvents('test/golden/account.ndjson', store.readCategory('account'), { update: process.argv.includes('--update') })
 * ```
 */
export async function goldenEvents(
  file: string,
  events: AsyncIterable<GoldenEvent> | Iterable<GoldenEvent>,
  { update = false, create = true, omit = [] }: GoldenOptions = {},
): Promise<void> {
  const lines: string[] = []
  for await (const event of events) lines.push(lineOf(event, omit))
  const before = await readText(file)
  if (update || (before === undefined && create)) {
    await writeText(file, lines.map((line) => `${line}\n`).join(''))
    return
  }
  if (before === undefined) throw fail(`There is no golden file ${quote(file)}, and none is to be made`)
  const was = linesOf(before)
  const differences: string[] = []
  for (let i = 0; i < Math.max(lines.length, was.length); i++) {
    if (lines[i] !== was[i]) differences.push(...differencesOf(i, parsed(file, was[i], i), parsed(file, lines[i], i)))
  }
  if (differences.length === 0) return
  const shown = differences.slice(0, MOST_DIFFERENCES)
  if (differences.length > shown.length) shown.push(`and ${differences.length - shown.length} more`)
  throw fail(`The events are not those of golden file ${quote(file)}:\n${shown.map((line) => `  ${line}`).join('\n')}`)
}

/**
 * Reads the events of a golden file, as a store would hand them out: to read what older versions of a program have stored with the upcasters
 * of today. Offsets and positions are counted; ids and timestamps are made up.
 */
export async function* readGoldenEvents(file: string): AsyncIterable<StoredEvent> {
  const text = await readText(file)
  if (text === undefined) throw fail(`There is no golden file ${quote(file)}`)
  const versions = new Map<string, number>()
  for (const [i, line] of linesOf(text).entries()) {
    const { stream, type, schemaVersion, tags = [], metadata, data } = parsed(file, line, i)!
    const offset = versions.get(stream) ?? 0
    versions.set(stream, offset + 1)
    yield {
      ...storedDefaults(i),
      stream,
      offset,
      type,
      schemaVersion,
      tags,
      metadata: metadata === undefined ? undefined : valueFromJson(metadata),
      data: data === undefined ? undefined : valueFromJson(data),
    }
  }
}

/** A line, as JSON.parse has it. */
interface GoldenLine {
  readonly stream: string
  readonly type: string
  readonly schemaVersion: number
  readonly tags?: readonly string[]
  readonly metadata?: unknown
  readonly data?: unknown
}

function linesOf(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line !== '')
}

function parsed(file: string, line: string | undefined, i: number): GoldenLine | undefined {
  if (line === undefined) return undefined
  try {
    return JSON.parse(line) as GoldenLine
  } catch (error) {
    throw fail(`Golden file ${quote(file)} cannot be read: line ${i + 1} is no JSON`, error)
  }
}

function lineOf(
  { stream = '', type, schemaVersion = 1, tags = [], metadata, data }: GoldenEvent,
  omit: readonly string[],
): string {
  const parts = [
    `"stream":${JSON.stringify(stream)}`,
    `"type":${JSON.stringify(type)}`,
    `"schemaVersion":${schemaVersion}`,
  ]
  if (tags.length > 0) parts.push(`"tags":${JSON.stringify(tags)}`)
  for (const [name, value] of Object.entries({ metadata, data })) {
    if (value !== undefined) parts.push(`"${name}":${valueToJson(without(value, name, omit))}`)
  }
  return `{${parts.join()}}`
}

function without(value: unknown, path: string, omit: readonly string[]): unknown {
  if (!omit.some((omitted) => omitted.startsWith(`${path}.`)) || !isRecord(value)) return value
  const kept = Object.entries(value).filter(([key]) => !omit.includes(`${path}.${key}`))
  return Object.fromEntries(kept.map(([key, item]) => [key, without(item, `${path}.${key}`, omit)]))
}

function differencesOf(i: number, was: GoldenLine | undefined, is: GoldenLine | undefined): string[] {
  if (was === undefined) return [`events[${i}] is new: ${is!.type} in ${quote(is!.stream)}`]
  if (is === undefined) return [`events[${i}] is gone: ${was.type} in ${quote(was.stream)}`]
  const found: string[] = []
  compareAt('', was, is, found)
  return found.map((difference) => `events[${i}], ${is.type} in ${quote(is.stream)}: ${difference}`)
}

function compareAt(path: string, was: unknown, is: unknown, found: string[]): void {
  const deeper =
    isRecord(was) && isRecord(is) && !isTagged(was) && !isTagged(is) && Array.isArray(was) === Array.isArray(is)
  if (!deeper) {
    const [before, now] = [shown(was), shown(is)]
    if (before !== now) found.push(`${path} is ${now}, and was ${before}`)
    return
  }
  for (const key of new Set([...Object.keys(was), ...Object.keys(is)])) {
    const at = Array.isArray(was) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`
    compareAt(at, was[key], is[key], found)
  }
}

function shown(value: unknown): string {
  if (value === undefined) return 'not there'
  const text = JSON.stringify(value)
  return text.length > 200 ? `${text.slice(0, 197)}...` : text
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && (Array.isArray(value) || isPlain(value))
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** Tells what JSON does not have, as it is written in JSON: one value, not an object. */
function isTagged(value: Record<string, unknown>): boolean {
  const keys = Object.keys(value)
  return keys.length === 1 && keys[0]!.startsWith('$')
}
