/**
 * Every error annals throws or rejects with. One base class, one table of codes; each code has a heading of the same
 * name in `docs/errors.md` that says what to do.
 */
export type ErrorCode =
  | 'ERR_INVALID_ARGUMENT'
  | 'ERR_INVALID_NAME'
  | 'ERR_INVALID_EVENT'
  | 'ERR_TOO_LARGE'
  | 'ERR_OVERLOADED'
  | 'ERR_VERSION_CONFLICT'
  | 'ERR_QUERY_CONFLICT'
  | 'ERR_COMMIT_ID_REUSED'
  | 'ERR_CLOSED'
  | 'ERR_READ_ONLY'
  | 'ERR_LOCKED'
  | 'ERR_LOCK_LOST'
  | 'ERR_WRITER_FAILED'
  | 'ERR_OUTCOME_UNKNOWN'
  | 'ERR_NO_SPACE'
  | 'ERR_IO'
  | 'ERR_CORRUPT'
  | 'ERR_FORMAT'
  | 'ERR_NOT_FOUND'
  | 'ERR_NOT_A_STORE'
  | 'ERR_NOT_A_BACKUP'
  | 'ERR_UNKNOWN_EVENT'
  | 'ERR_UPCAST'
  | 'ERR_EVOLVE'
  | 'ERR_AGGREGATE_NOT_FOUND'
  | 'ERR_PROJECTION_HANDLER'
  | 'ERR_PROJECTION_CHANGED'
  | 'ERR_PROJECTION_EXISTS'
  | 'ERR_PROJECTION_MOVED'
  | 'ERR_PROJECTION_DAMAGED'
  | 'ERR_NOT_PROJECTED'
  | 'ERR_REACTION'
  | 'ERR_REACTOR_MOVED'

/** Base class of all errors of annals. `code` is stable; messages are for people and may change. */
export class AnnalsError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
    this.code = code
  }
}

/** ERR_INVALID_ARGUMENT, ERR_INVALID_NAME: the caller passed something that can never work. Nothing was written. */
export class InvalidArgumentError extends AnnalsError {
  constructor(
    message: string,
    code: 'ERR_INVALID_ARGUMENT' | 'ERR_INVALID_NAME' = 'ERR_INVALID_ARGUMENT',
    options?: ErrorOptions,
  ) {
    super(code, message, options)
  }
}

/** ERR_INVALID_EVENT: a value cannot be stored so that it comes back equal. Nothing was written. */
export class InvalidEventError extends AnnalsError {
  /** Where in the event, for example `data.items[2].price`. */
  readonly path: string
  /** Why, without where. */
  readonly reason: string

  constructor(path: string, reason: string, options?: ErrorOptions) {
    super('ERR_INVALID_EVENT', `Cannot store ${path}: ${reason}`, options)
    this.path = path
    this.reason = reason
  }
}

/** ERR_TOO_LARGE: something is beyond a limit. Nothing was written. */
export class TooLargeError extends AnnalsError {
  readonly limit: number
  readonly actual: number

  constructor(message: string, limit: number, actual: number) {
    super('ERR_TOO_LARGE', message)
    this.limit = limit
    this.actual = actual
  }
}

export type ExpectedVersion = number | 'any' | 'noStream' | 'streamExists'

/** ERR_VERSION_CONFLICT: the stream is not at the expected version. Nothing was written; reload and decide again. */
export class VersionConflictError extends AnnalsError {
  readonly stream: string
  readonly expected: ExpectedVersion
  /** The current version: the number of events in the stream, 0 when there is no such stream. */
  readonly actual: number

  constructor(stream: string, expected: ExpectedVersion, actual: number) {
    const wanted = typeof expected === 'number' ? `version ${expected}` : `'${expected}'`
    super(
      'ERR_VERSION_CONFLICT',
      `Cannot append to stream ${quote(stream)}: expected ${wanted}, current version is ${actual}`,
    )
    this.stream = stream
    this.expected = expected
    this.actual = actual
  }
}

/** ERR_QUERY_CONFLICT: an event matches the query that none may match. Nothing was written; read again what the decision rests on. */
export class QueryConflictError extends AnnalsError {
  /** Position of the newest event that matches. */
  readonly position: number
  /** Only events behind this position were looked at; −1: all. */
  readonly after: number

  constructor(position: number, after: number) {
    const where = after < 0 ? '' : ` after position ${after}`
    super('ERR_QUERY_CONFLICT', `Cannot append: the event at position ${position} matches failIfEventsMatch${where}`)
    this.position = position
    this.after = after
  }
}

/** ERR_COMMIT_ID_REUSED: a commit with this id is stored and has other content. Nothing was written. */
export class CommitIdReusedError extends AnnalsError {
  readonly commitId: string
  /** Position of the first event of the commit that has the id. */
  readonly position: number
  /** The first difference. */
  readonly reason: string

  constructor(commitId: string, position: number, reason: string) {
    super(
      'ERR_COMMIT_ID_REUSED',
      `Cannot append with commit id ${quote(commitId)}: the commit at position ${position} has it already and is another: ${reason}`,
    )
    this.commitId = commitId
    this.position = position
    this.reason = reason
  }
}

/** ERR_LOCKED: another writer has the store open. */
export class StoreLockedError extends AnnalsError {
  /** Process that holds the store; undefined when it left no trace. */
  readonly pid: number | undefined
  readonly host: string | undefined
  /** When it opened the store, milliseconds since the epoch. */
  readonly since: number | undefined

  constructor(directory: string, holder?: { pid: number; host: string; since: number }, options?: ErrorOptions) {
    const who = holder
      ? `process ${holder.pid} on ${quote(holder.host)} has it open since ${new Date(holder.since).toISOString()}`
      : 'another process has it open'
    super('ERR_LOCKED', `Cannot open store ${quote(directory)} for writing: ${who}`, options)
    this.pid = holder?.pid
    this.host = holder?.host
    this.since = holder?.since
  }
}

/** ERR_CORRUPT: stored bytes are not what was written. Never served; `verify` lists all, `repair` heals. */
export class CorruptionError extends AnnalsError {
  /** What is wrong, without where. */
  readonly reason: string
  readonly file: string
  /** Byte offset in the file where the damage starts. */
  readonly byte: number
  readonly stream: string | undefined
  /** Offset in the stream of the first event that cannot be served. */
  readonly offset: number | undefined

  constructor(
    reason: string,
    at: { file: string; byte: number; stream?: string | undefined; offset?: number | undefined },
    options?: ErrorOptions,
  ) {
    const what =
      at.stream === undefined
        ? ''
        : ` (stream ${quote(at.stream)}${at.offset === undefined ? '' : `, offset ${at.offset}`})`
    super(
      'ERR_CORRUPT',
      `Cannot read ${quote(at.file)} at byte ${at.byte}${what}: ${reason}; run verify, then repair`,
      options,
    )
    this.reason = reason
    this.file = at.file
    this.byte = at.byte
    this.stream = at.stream
    this.offset = at.offset
  }
}

/** What the system says when the disk, or what this user may have of it, is full. */
const FULL = ['ENOSPC', 'EDQUOT', 'EFBIG']

/** ERR_IO, or ERR_NO_SPACE: turns what the system reported into an error that says what could not be done; leaves errors of annals as they are. */
export function asIoError(error: unknown, what: string): Error {
  if (error instanceof AnnalsError || !(error instanceof Error)) return error as Error
  const { code, path, errno } = error as NodeJS.ErrnoException
  if (code === undefined || errno === undefined) return error
  const where = path === undefined ? '' : ` at ${quote(path)}`
  const kind = FULL.includes(code) ? 'ERR_NO_SPACE' : 'ERR_IO'
  return new AnnalsError(kind, `Cannot ${what}: the system reported ${code}${where}`, { cause: error })
}

/** Names what was under way in what the system reports. */
export async function named<Result>(what: string, work: Promise<Result>): Promise<Result> {
  try {
    return await work
  } catch (error) {
    throw asIoError(error, what)
  }
}

/** ERR_FORMAT: the file is of a version this annals does not read. It is left as it is. */
export function newerVersion(file: string, readVersion: number, writeVersion: number): AnnalsError {
  return new AnnalsError(
    'ERR_FORMAT',
    `Cannot read ${quote(file)}: it needs format version ${readVersion} (written by version ${writeVersion}), this annals reads version 1; use a newer annals`,
  )
}

/** Quotes a value for a message: control characters escaped, long values cut. */
export function quote(value: string): string {
  const short = value.length > 120 ? `${value.slice(0, 117)}...` : value
  return JSON.stringify(short).replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
