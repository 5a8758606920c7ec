import { type Durability, InvalidArgumentError, type Limits } from '../../engine/index.js'
import type { TortureProgress } from './report.js'
import type { WorkloadShape } from './workload.js'

export interface TortureOptions {
  /** Writers to kill. Default: 50; without a bound when `minutes` is given. */
  readonly rounds?: number | undefined
  /** Goes on for so long, unless `rounds` are over before. Default: until `rounds` are over. */
  readonly minutes?: number | undefined
  /** What is appended, and when each kill is planned. Default: from the clock; the report has it. */
  readonly seed?: number | undefined
  /** Streams that are appended to. Default: 16. */
  readonly streams?: number | undefined
  /** Most characters of the text in one event. Default: 512. */
  readonly eventBytes?: number | undefined
  /** Appends under way at a time. Default: 16. */
  readonly inFlight?: number | undefined
  /** Of the appends. Whatever it is, killing a process must lose nothing that was acknowledged. Default: 'fsync'. */
  readonly durability?: Durability | undefined
  /** Kills between two checks. Whatever it is, the next writer opens the store after each. Default: 10. */
  readonly checkEvery?: number | undefined
  /**
   * Writers to stop with SIGSTOP until another one has taken the store over, and to wake up then. Each takes about 15 seconds. Default: 0.
   */
  readonly pauses?: number | undefined
  /**
   * Fills the disk, once, to see what happens then: the most bytes that may be written for it. Every program that writes to this file
   * system then fails as well, so give it one of its own. Default: undefined, not done.
   */
  readonly fillDisk?: number | undefined
  /**
   * Bounds of the store that differ from `TORTURE_LIMITS`, which make segments so small that they are sealed, flushed and settled all the
   * time.
   */
  readonly limits?: Partial<Limits> | undefined
  /** Called between rounds, and when another part begins. */
  readonly onProgress?: ((progress: TortureProgress) => void) | undefined
  /** Ends it: everything that was made is removed, and it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** The options with what was left out. */
export interface TortureSettings extends WorkloadShape {
  readonly rounds: number
  readonly minutes: number | undefined
  readonly inFlight: number
  readonly durability: Durability
  readonly checkEvery: number
  readonly pauses: number
  readonly fillDisk: number | undefined
  readonly limits: Partial<Limits>
  readonly onProgress: ((progress: TortureProgress) => void) | undefined
  readonly signal: AbortSignal | undefined
}

export const TORTURE_LIMITS: Partial<Limits> = {
  logSegmentBytes: 128 * 1024,
  streamSegmentBytes: 16 * 1024,
  indexIntervalBytes: 1024,
  dirtyBytes: 64 * 1024,
  deferredBytes: 128 * 1024,
  cachedStreams: 64,
  openFiles: 16,
}

const DEFAULT_ROUNDS = 50
const DURABILITIES: readonly unknown[] = ['fsync', 'interval', 'os']
const KEYS = new Set([
  'rounds',
  'minutes',
  'seed',
  'streams',
  'eventBytes',
  'inFlight',
  'durability',
  'checkEvery',
  'pauses',
  'fillDisk',
  'limits',
  'onProgress',
  'signal',
])

/** Completes the options. @throws InvalidArgumentError */
export function settingsOf(options: TortureOptions): TortureSettings {
  const unknown = Object.keys(options).find((name) => !KEYS.has(name))
  if (unknown !== undefined) refuse(`there is no option ${JSON.stringify(unknown)}`)
  const { minutes, durability = 'fsync', limits } = options
  if (minutes !== undefined && !(Number.isFinite(minutes) && minutes > 0)) refuse('minutes is no number above 0')
  if (!DURABILITIES.includes(durability)) refuse(`durability is none of ${DURABILITIES.join(', ')}`)
  const rounds = options.rounds ?? (minutes === undefined ? DEFAULT_ROUNDS : Number.MAX_SAFE_INTEGER)
  return {
    rounds: whole(rounds, 'rounds', 0),
    minutes,
    seed: whole(options.seed ?? Date.now() % 1_000_000_000, 'seed', 0),
    streams: whole(options.streams ?? 16, 'streams', 1, 1_000_000),
    eventBytes: whole(options.eventBytes ?? 512, 'eventBytes', 0, 4 * 1024 * 1024),
    inFlight: whole(options.inFlight ?? 16, 'inFlight', 1, 10_000),
    durability,
    checkEvery: whole(options.checkEvery ?? 10, 'checkEvery', 1),
    pauses: whole(options.pauses ?? 0, 'pauses', 0),
    fillDisk: options.fillDisk === undefined ? undefined : whole(options.fillDisk, 'fillDisk', 1),
    limits: { ...TORTURE_LIMITS, ...limits },
    onProgress: options.onProgress,
    signal: options.signal,
  }
}

function whole(value: number, name: string, least: number, most = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    const upTo = most === Number.MAX_SAFE_INTEGER ? ` of ${least} or more` : ` from ${least} to ${most}`
    refuse(`${name} is no whole number${upTo}`)
  }
  return value
}

function refuse(reason: string): never {
  throw new InvalidArgumentError(`Cannot torture a store: ${reason}`)
}
