import { constants } from 'node:os'

/** What the system says for the codes that annals makes itself; other codes are described by their name alone. */
const MESSAGES: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EAGAIN: 'resource temporarily unavailable',
  EBADF: 'bad file descriptor',
  EEXIST: 'file already exists',
  EFBIG: 'file too large',
  EINTR: 'interrupted system call',
  EINVAL: 'invalid argument',
  EIO: 'i/o error',
  EISDIR: 'illegal operation on a directory',
  EMFILE: 'too many open files',
  ENAMETOOLONG: 'name too long',
  ENOENT: 'no such file or directory',
  ENOSPC: 'no space left on device',
  ENOTDIR: 'not a directory',
  ENOTEMPTY: 'directory not empty',
  EROFS: 'read-only file system',
  EXDEV: 'cross-device link not permitted',
}

/** Makes an error that looks like the one Node throws for a failed system call. */
export function systemError(code: string, syscall: string, path?: string): NodeJS.ErrnoException {
  const place = path === undefined ? '' : ` '${path}'`
  const error: NodeJS.ErrnoException = new Error(`${code}: ${MESSAGES[code] ?? code}, ${syscall}${place}`)
  const errno = (constants.errno as Readonly<Record<string, number>>)[code]
  if (errno !== undefined) error.errno = -errno
  error.code = code
  error.syscall = syscall
  if (path !== undefined) error.path = path
  return error
}

/** Tells whether a thrown value is the system error with this code. */
export function isSystemError(error: unknown, code: string): error is NodeJS.ErrnoException {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code
}
