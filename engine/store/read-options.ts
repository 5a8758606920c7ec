import { InvalidArgumentError, quote } from '../errors.js'
import { categoryPrefix, type EventCriteria } from '../format/event-filter.js'
import type { TimeRange } from '../format/time-runs.js'
import { uuidBytes } from '../format/uuid.js'
import { MAX_FILTER_TYPES, MAX_NAME_BYTES, MAX_TYPE_BYTES } from '../limits.js'
import type { EventFilterOptions } from '../types/event-filter-options.js'
import type { ListStreamsOptions, ReadAllOptions, ReadStreamOptions } from '../types/event-store.js'
import { checkQuery } from './query.js'
import { checkCommitId, checkKeys, oneOf, refuse, wholeNumber } from './option-checks.js'

const FILTER_KEYS = ['types', 'id', 'correlationId', 'fromTime', 'toTime', 'withoutData']
const READ_STREAM_KEYS = new Set(['fromOffset', 'toOffset', 'limit', 'direction', 'signal', ...FILTER_KEYS])
const READ_CATEGORY_KEYS = new Set([
  'fromPosition',
  'toPosition',
  'limit',
  'signal',
  'query',
  'commitId',
  ...FILTER_KEYS,
])
const READ_ALL_KEYS = new Set([...READ_CATEGORY_KEYS, 'category'])

const LIST_STREAMS_KEYS = new Set(['prefix', 'category', 'signal'])

/** Checks the options. Returns what they filter by; undefined when all events are asked for. */
export function checkReadStream(options: ReadStreamOptions): EventCriteria | undefined {
  const what = 'read the stream'
  checkKeys(options, READ_STREAM_KEYS, what)
  for (const name of ['fromOffset', 'toOffset', 'limit'] as const) {
    if (options[name] !== undefined) wholeNumber(options[name], name, what)
  }
  if (options.direction !== undefined) oneOf(options.direction, ['forward', 'backward'], 'direction', what)
  checkSignal(options.signal, what)
  return criteriaOf(options, undefined, what)
}

/** Checks the options. Returns what they filter by; undefined when all events are asked for. */
export function checkReadAll(options: ReadAllOptions): EventCriteria | undefined {
  const what = 'read the store'
  checkKeys(options, READ_ALL_KEYS, what)
  for (const name of ['fromPosition', 'toPosition', 'limit'] as const) {
    if (options[name] !== undefined) wholeNumber(options[name], name, what)
  }
  if (options.query !== undefined) checkQuery(options.query, 'query', what)
  if (options.commitId !== undefined) {
    checkCommitId(options.commitId, what)
    if (options.query !== undefined) refuse(`Cannot ${what}: query and commitId are both given`)
  }
  checkSignal(options.signal, what)
  const { category } = options
  if (category !== undefined) checkCategory(category, what)
  return criteriaOf(options, category, what)
}

/** Checks what `readCategory` takes besides what `readAll` does. */
export function checkReadCategory(category: string, options: Omit<ReadAllOptions, 'category'>): void {
  const what = 'read the category'
  checkCategory(category, what)
  checkKeys(options, READ_CATEGORY_KEYS, what)
}

/** Checks the options. Returns what names must begin with. */
export function checkListStreams(options: ListStreamsOptions): readonly string[] {
  const what = 'list the streams'
  checkKeys(options, LIST_STREAMS_KEYS, what)
  const { prefix, category, signal } = options
  if (prefix !== undefined && (typeof prefix !== 'string' || !prefix.isWellFormed())) {
    refuse(`Cannot ${what}: prefix is no string that a name could begin with`)
  }
  if (category !== undefined) checkCategory(category, what)
  checkSignal(signal, what)
  return [...(prefix === undefined ? [] : [prefix]), ...(category === undefined ? [] : [categoryPrefix(category)])]
}

/** A category is the beginning of a stream name, so it is what a name is; a dash follows. */
export function checkCategory(category: unknown, what: string): void {
  const wrong = (reason: string): never => {
    throw new InvalidArgumentError(`Cannot ${what}: ${reason}`, 'ERR_INVALID_NAME')
  }
  if (typeof category !== 'string') return wrong('the category is no string')
  if (category.length === 0) wrong('the category is empty')
  if (!category.isWellFormed()) wrong(`category ${quote(category)} contains a lone surrogate`)
  const bytes = Buffer.byteLength(category, 'utf8')
  if (bytes >= MAX_NAME_BYTES) {
    wrong(`category ${quote(category)} has ${bytes} bytes, the limit is ${MAX_NAME_BYTES - 1}`)
  }
}

export function checkSignal(signal: unknown, what: string): void {
  if (signal !== undefined && !(signal instanceof AbortSignal)) refuse(`Cannot ${what}: signal is no AbortSignal`)
}

/** Checks the filters. Returns what they ask for; undefined when all events are. */
export function criteriaOf(
  options: EventFilterOptions & Pick<ReadAllOptions, 'withoutData'>,
  category: string | undefined,
  what: string,
): EventCriteria | undefined {
  const { types, id, correlationId, withoutData } = options
  if (types !== undefined) checkTypes(types, what)
  if (correlationId !== undefined) {
    if (typeof correlationId !== 'string') refuse(`Cannot ${what}: correlationId is no string`)
    if (!correlationId.isWellFormed()) refuse(`Cannot ${what}: correlationId contains a lone surrogate`)
  }
  if (id !== undefined && (typeof id !== 'string' || uuidBytes(id) === undefined)) {
    refuse(`Cannot ${what}: id is no UUID in canonical lower-case form`)
  }
  if (withoutData !== undefined && typeof withoutData !== 'boolean') {
    refuse(`Cannot ${what}: withoutData is not true or false`)
  }
  const times = timesOf(options, what)
  const filters = [types, id, category, correlationId, times]
  if (filters.every((filter) => filter === undefined)) return undefined
  // Copied: what the caller does to the array afterwards has no effect.
  return { types: types && [...types], id, category, correlationId, times }
}

function checkTypes(types: unknown, what: string): void {
  if (!Array.isArray(types)) refuse(`Cannot ${what}: types is no array`)
  if (types.length === 0 || types.length > MAX_FILTER_TYPES) {
    refuse(`Cannot ${what}: types has ${types.length} elements, not 1 to ${MAX_FILTER_TYPES}`)
  }
  for (const type of types as unknown[]) {
    if (typeof type !== 'string' || type.length === 0 || !type.isWellFormed()) {
      refuse(`Cannot ${what}: types holds ${String(type)}, which is no event type`)
    }
    if (Buffer.byteLength(type, 'utf8') > MAX_TYPE_BYTES) {
      refuse(`Cannot ${what}: types holds one of more than ${MAX_TYPE_BYTES} bytes`)
    }
  }
}

function timesOf({ fromTime, toTime }: EventFilterOptions, what: string): TimeRange | undefined {
  if (fromTime === undefined && toTime === undefined) return undefined
  return { from: timeOf(fromTime, -Infinity, 'fromTime', what), to: timeOf(toTime, Infinity, 'toTime', what) }
}

function timeOf(time: unknown, otherwise: number, name: string, what: string): number {
  if (time === undefined) return otherwise
  const value = time instanceof Date ? time.getTime() : time
  if (typeof value !== 'number' || Number.isNaN(value)) {
    refuse(`Cannot ${what}: ${name} is no valid Date and no number of milliseconds since the epoch`)
  }
  return value
}
