import { InvalidArgumentError, quote } from '../errors.js'
import { defaultLimits, type Limits, MAX_COMMIT_BYTES, MAX_SEGMENT_BYTES, MAX_SHAPE_ID } from '../limits.js'
import { DURABILITIES, type Durability } from '../types/durability.js'
import type { ExpectedVersion } from '../types/event.js'
import type {
  AppendManyOptions,
  AppendOptions,
  ReadAllOptions,
  ReadStreamOptions,
  StreamAppend,
} from '../types/event-store.js'

/** How a store is opened. */
export interface OpenOptions {
  /** Create the store when there is none. Default: true. */
  readonly create?: boolean | undefined
  /** When appends are acknowledged that do not say it themselves. Default: 'fsync'. */
  readonly durability?: Durability | undefined
  /** Milliseconds after which 'interval' appends are synced. Default: 100. */
  readonly syncIntervalMs?: number | undefined
  /** Write recurring key sets once, as shapes. Default: true. `false` writes plain MessagePack. */
  readonly shapes?: boolean | undefined
  /** Network file systems give no guarantee that a lock or a sync does what it says. Default: 'refuse'. */
  readonly networkFileSystem?: 'refuse' | 'allow' | undefined
  /** Bounds that differ from `defaultLimits`. */
  readonly limits?: Partial<Limits> | undefined
}

export interface Settings {
  readonly create: boolean
  readonly durability: Durability
  readonly syncIntervalMs: number
  readonly shapes: boolean
  readonly networkFileSystem: 'refuse' | 'allow'
  readonly limits: Limits
}

const OPEN_KEYS = new Set(['create', 'durability', 'syncIntervalMs', 'shapes', 'networkFileSystem', 'limits'])
const APPEND_KEYS = new Set(['expectedVersion', 'durability'])
const APPEND_MANY_KEYS = new Set(['durability'])
const STREAM_APPEND_KEYS = new Set(['stream', 'events', 'expectedVersion'])
const READ_STREAM_KEYS = new Set(['fromOffset', 'toOffset', 'limit', 'direction', 'signal'])
const READ_ALL_KEYS = new Set(['fromPosition', 'toPosition', 'limit', 'signal'])
const LEAST_LIMIT: Partial<Record<keyof Limits, number>> = {
  groupBytes: 4096,
  indexIntervalBytes: 64,
  readWindowBytes: 4096,
  openFiles: 4,
  cachedStreams: 16,
  logSegmentBytes: 512,
  streamSegmentBytes: 256,
}

function refuse(message: string): never {
  throw new InvalidArgumentError(message)
}

function checkKeys(options: unknown, known: ReadonlySet<string>, what: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    refuse(`Cannot ${what}: the options are no object`)
  }
  for (const key of Object.keys(options)) {
    if (!known.has(key)) refuse(`Cannot ${what}: unknown option ${quote(key)}; known are ${[...known].join(', ')}`)
  }
}

function wholeNumber(value: unknown, name: string, what: string, least = 0): number {
  if (!Number.isSafeInteger(value) || (value as number) < least) {
    refuse(`Cannot ${what}: ${name} is ${String(value)}, not a whole number from ${least}`)
  }
  return value as number
}

function oneOf<T extends string>(value: unknown, allowed: readonly T[], name: string, what: string): T {
  if (!allowed.includes(value as T)) {
    refuse(`Cannot ${what}: ${name} is ${quote(String(value))}, not one of ${allowed.join(', ')}`)
  }
  return value as T
}

export function settingsOf(options: OpenOptions): Settings {
  const what = 'open the store'
  checkKeys(options, OPEN_KEYS, what)
  for (const name of ['create', 'shapes'] as const) {
    if (options[name] !== undefined && typeof options[name] !== 'boolean') {
      refuse(`Cannot ${what}: ${name} is not true or false`)
    }
  }
  return {
    create: options.create ?? true,
    durability: oneOf(options.durability ?? 'fsync', DURABILITIES, 'durability', what),
    syncIntervalMs: wholeNumber(options.syncIntervalMs ?? 100, 'syncIntervalMs', what, 1),
    shapes: options.shapes ?? true,
    networkFileSystem: oneOf(options.networkFileSystem ?? 'refuse', ['refuse', 'allow'], 'networkFileSystem', what),
    limits: limitsOf(options.limits ?? {}, what),
  }
}

function limitsOf(limits: Partial<Limits>, what: string): Limits {
  checkKeys(limits, new Set(Object.keys(defaultLimits)), what)
  for (const [name, value] of Object.entries(limits)) {
    wholeNumber(value, `limits.${name}`, what, LEAST_LIMIT[name as keyof Limits] ?? 1)
  }
  const all = { ...defaultLimits, ...limits }
  if (all.commitBytes > MAX_COMMIT_BYTES) refuse(`Cannot ${what}: limits.commitBytes is at most ${MAX_COMMIT_BYTES}`)
  if (all.shapes > MAX_SHAPE_ID) refuse(`Cannot ${what}: limits.shapes is at most ${MAX_SHAPE_ID}`)
  for (const name of ['logSegmentBytes', 'streamSegmentBytes'] as const) {
    if (all[name] > MAX_SEGMENT_BYTES) refuse(`Cannot ${what}: limits.${name} is at most ${MAX_SEGMENT_BYTES}`)
  }
  if (all.eventBytes > all.commitBytes) refuse(`Cannot ${what}: limits.eventBytes is above limits.commitBytes`)
  return all
}

export function checkAppendOptions(options: AppendOptions): void {
  checkKeys(options, APPEND_KEYS, 'append')
  checkExpectedVersion(options.expectedVersion)
  checkDurability(options.durability)
}

export function checkAppendMany(appends: readonly StreamAppend[], options: AppendManyOptions): void {
  checkKeys(options, APPEND_MANY_KEYS, 'append')
  checkDurability(options.durability)
  if (!Array.isArray(appends)) refuse('Cannot append: appendMany takes an array of { stream, events }')
  for (const append of appends as readonly StreamAppend[]) {
    checkKeys(append, STREAM_APPEND_KEYS, 'append')
    checkExpectedVersion(append.expectedVersion)
  }
}

function checkDurability(durability: unknown): void {
  if (durability !== undefined) oneOf(durability, DURABILITIES, 'durability', 'append')
}

function checkExpectedVersion(expected: ExpectedVersion | undefined): void {
  if (expected === undefined || expected === 'any' || expected === 'noStream' || expected === 'streamExists') return
  if (typeof expected !== 'number' || !Number.isSafeInteger(expected) || expected < 0) {
    refuse(
      `Cannot append: expectedVersion is ${String(expected)}, not a whole number from 0, 'any', 'noStream' or 'streamExists'`,
    )
  }
}

export function checkReadStream(options: ReadStreamOptions): void {
  const what = 'read the stream'
  checkKeys(options, READ_STREAM_KEYS, what)
  for (const name of ['fromOffset', 'toOffset', 'limit'] as const) {
    if (options[name] !== undefined) wholeNumber(options[name], name, what)
  }
  if (options.direction !== undefined) oneOf(options.direction, ['forward', 'backward'], 'direction', what)
  checkSignal(options.signal, what)
}

export function checkReadAll(options: ReadAllOptions): void {
  const what = 'read the store'
  checkKeys(options, READ_ALL_KEYS, what)
  for (const name of ['fromPosition', 'toPosition', 'limit'] as const) {
    if (options[name] !== undefined) wholeNumber(options[name], name, what)
  }
  checkSignal(options.signal, what)
}

function checkSignal(signal: unknown, what: string): void {
  if (signal !== undefined && !(signal instanceof AbortSignal)) refuse(`Cannot ${what}: signal is no AbortSignal`)
}
