import { defaultLimits, type Limits, MAX_COMMIT_BYTES, MAX_SEGMENT_BYTES, MAX_SHAPE_ID } from '../limits.js'
import { DURABILITIES, type Durability } from '../types/durability.js'
import { checkKeys, oneOf, refuse, wholeNumber } from './option-checks.js'

/** How a store is opened. */
export interface OpenOptions {
  /** See `ReadOnlyOptions`. Default: false. */
  readonly readOnly?: false | undefined
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

/** How a store is opened for reading only, beside whoever writes to it. */
export interface ReadOnlyOptions extends Pick<OpenOptions, 'networkFileSystem' | 'limits'> {
  /** Takes no lock and writes nothing. */
  readonly readOnly: true
}

export interface Settings {
  readonly create: boolean
  readonly durability: Durability
  readonly syncIntervalMs: number
  readonly shapes: boolean
  readonly networkFileSystem: 'refuse' | 'allow'
  readonly limits: Limits
}

const OPEN_KEYS = new Set([
  'readOnly',
  'create',
  'durability',
  'syncIntervalMs',
  'shapes',
  'networkFileSystem',
  'limits',
])
const LEAST_LIMIT: Partial<Record<keyof Limits, number>> = {
  groupBytes: 4096,
  indexIntervalBytes: 64,
  readWindowBytes: 4096,
  openFiles: 4,
  cachedStreams: 16,
  logSegmentBytes: 512,
  streamSegmentBytes: 256,
}

const READ_KEYS = new Set(['readOnly', 'networkFileSystem', 'limits'])

export function settingsOf(options: OpenOptions | ReadOnlyOptions): Settings {
  const what = 'open the store'
  if (isReadOnly(options)) {
    checkKeys(options, READ_KEYS, `${what} for reading only`)
    return settingsOf({ ...options, readOnly: false, create: false })
  }
  checkKeys(options, OPEN_KEYS, what)
  for (const name of ['readOnly', 'create', 'shapes'] as const) {
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

/** Tells how a store is to be opened. */
export function isReadOnly(options: OpenOptions | ReadOnlyOptions): options is ReadOnlyOptions {
  return typeof options === 'object' && (options as ReadOnlyOptions | null)?.readOnly === true
}

/** Throws InvalidArgumentError. */
export function limitsOf(limits: Partial<Limits>, what: string): Limits {
  checkKeys(limits, new Set(Object.keys(defaultLimits)), what)
  for (const [name, value] of Object.entries(limits)) {
    wholeNumber(value, `limits.${name}`, what, LEAST_LIMIT[name as keyof Limits] ?? 1)
  }
  const all: { -readonly [Name in keyof Limits]: number } = { ...defaultLimits, ...limits }
  if (limits.deferredBytes === undefined) all.deferredBytes = 8 * all.dirtyBytes
  if (all.commitBytes > MAX_COMMIT_BYTES) refuse(`Cannot ${what}: limits.commitBytes is at most ${MAX_COMMIT_BYTES}`)
  if (all.shapes > MAX_SHAPE_ID) refuse(`Cannot ${what}: limits.shapes is at most ${MAX_SHAPE_ID}`)
  for (const name of ['logSegmentBytes', 'streamSegmentBytes'] as const) {
    if (all[name] > MAX_SEGMENT_BYTES) refuse(`Cannot ${what}: limits.${name} is at most ${MAX_SEGMENT_BYTES}`)
  }
  if (all.eventBytes > all.commitBytes) refuse(`Cannot ${what}: limits.eventBytes is above limits.commitBytes`)
  return all
}
