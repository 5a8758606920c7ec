import { AnnalsError } from '../errors.js'

const NO_SPACE = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** What a failed write to the log means to those who waited for it. */
export function failureOfWrite(error: unknown): AnnalsError {
  if (error instanceof AnnalsError) return error
  const { code, message } = error as NodeJS.ErrnoException
  if (code !== undefined && NO_SPACE.has(code)) {
    return new AnnalsError(
      'ERR_NO_SPACE',
      `Cannot append: the disk is full (${code}); nothing of this append is stored. Make room, then open the store again`,
      { cause: error },
    )
  }
  return new AnnalsError(
    'ERR_IO',
    `Cannot append: writing the log failed (${code ?? message}); open the store again to go on`,
    { cause: error },
  )
}

/**
 * What a failed sync means. The system has forgotten what it could not write, so the bytes may or may not survive;
 * recovery decides, and until then nobody can know.
 */
export function failureOfSync(error: unknown): AnnalsError {
  if (error instanceof AnnalsError) return error
  const { code, message } = error as NodeJS.ErrnoException
  return new AnnalsError(
    'ERR_OUTCOME_UNKNOWN',
    `Cannot tell whether the append is stored: syncing the log failed (${code ?? message}); open the store again and read`,
    { cause: error },
  )
}

/** Tells whether a failed durable write may have failed in its sync: a write-through write reports both in one call. */
export function isOfSync({ code, syscall }: NodeJS.ErrnoException, durable: boolean): boolean {
  return syscall === 'fdatasync' || syscall === 'fsync' || (durable && code === 'EIO')
}

/** What those hear whose group was being written when the writer failed for another reason. A lost lock says the same, and why. */
export function outcomeUnknown(error: AnnalsError): AnnalsError {
  if (error.code === 'ERR_OUTCOME_UNKNOWN' || error.code === 'ERR_LOCK_LOST') return error
  return new AnnalsError(
    'ERR_OUTCOME_UNKNOWN',
    'Cannot tell whether the append is stored: the writer failed while it was being written; open the store again and read',
    { cause: error },
  )
}
