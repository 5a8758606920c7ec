import { AnnalsError } from '../../engine/index.js'

/** How a command ends. The numbers are promised in docs/cli.md. */
export const EXIT = {
  fine: 0,
  /** Something is wrong with what was looked at. */
  findings: 1,
  /** The command line is wrong; nothing was done. */
  usage: 2,
  /** A file or the store could not be read or written. */
  io: 3,
  /** Ended by Ctrl-C. */
  interrupted: 130,
  /** Whoever read the output has gone. */
  brokenPipe: 141,
} as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** A command line that cannot be meant. `hint` says what to do. */
export class UsageError extends Error {
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.name = 'UsageError'
    this.hint = hint
  }
}

/** Whoever read the output has gone: nothing is left to say. */
export class BrokenPipeError extends Error {
  override readonly name = 'BrokenPipeError'
}

/** Ctrl-C. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError'
}

const HINTS: Readonly<Record<string, string>> = {
  ERR_LOCKED: 'This needs the store for itself: stop that process first.',
  ERR_NOT_A_STORE: 'A store is a folder with a file "annals" and the folders "log" and "streams".',
  ERR_FORMAT: 'A newer annals wrote it; nothing was changed.',
  ERR_CORRUPT: 'Run "annals verify" to see all that is wrong, then "annals repair" (ERR_CORRUPT).',
  ERR_NO_SPACE: 'Make room on the disk and run it again.',
}
const SYSTEM_HINTS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is no folder',
  ELOOP: 'it is a symbolic link',
  ENOSPC: 'the disk is full',
}

/** Errors of what was asked for. */
const USAGE: ReadonlySet<string> = new Set([
  'ERR_INVALID_ARGUMENT',
  'ERR_INVALID_NAME',
  'ERR_INVALID_EVENT',
  'ERR_TOO_LARGE',
])
/** Errors that say how the store is, and not that it could not be used. */
const FINDINGS: ReadonlySet<string> = new Set(['ERR_CORRUPT', 'ERR_VERSION_CONFLICT', 'ERR_COMMIT_ID_REUSED'])

/** What to say about an error, and how to end. */
export function explain(error: unknown): {
  readonly code: ExitCode
  readonly message?: string
  readonly hint?: string
} {
  if (error instanceof BrokenPipeError) return { code: EXIT.brokenPipe }
  if (error instanceof InterruptedError) return { code: EXIT.interrupted }
  if (error instanceof UsageError) return { code: EXIT.usage, message: error.message, ...hintOf(error.hint) }
  if (error instanceof AnnalsError) {
    const usage = USAGE.has(error.code)
    const code = usage ? EXIT.usage : FINDINGS.has(error.code) ? EXIT.findings : EXIT.io
    return { code, message: error.message, ...hintOf(HINTS[error.code]) }
  }
  const { code, path, message, stack } = error as NodeJS.ErrnoException
  if (code !== undefined && typeof path === 'string') {
    return { code: EXIT.io, message: `${JSON.stringify(path)}: ${SYSTEM_HINTS[code] ?? `the system reported ${code}`}` }
  }
  return { code: EXIT.io, message: code === undefined ? `internal error: ${stack ?? String(error)}` : message }
}

function hintOf(hint: string | undefined): { readonly hint?: string } {
  return hint === undefined ? {} : { hint }
}
