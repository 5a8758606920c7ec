import { join } from 'node:path'
import type { Counted, Done, FileHandle, FileSystem } from './file-system.js'
import { isSystemError, systemError } from './system-error.js'

/**
 * Whole transfers over a file system whose single reads and writes may be short. A disk that fills up in the middle of
 * a write reports a short count and no error; the error comes with the next call, which these functions make.
 */

/** Reads `length` bytes, or up to the end of the file. Returns how many: fewer than `length` only at the end. */
export function readFullySync(
  handle: FileHandle,
  target: Uint8Array,
  offset: number,
  length: number,
  position: number,
): number {
  let total = 0
  while (total < length) {
    const bytes = handle.readSync(target, offset + total, length - total, position + total)
    if (bytes === 0) break
    total += bytes
  }
  return total
}

/** As `readFullySync`, off the main thread. On an error the count tells how many bytes of `target` are filled. */
export function readFully(
  handle: FileHandle,
  target: Uint8Array,
  offset: number,
  length: number,
  position: number,
  done: Counted,
): void {
  let total = 0
  const next: Counted = (error, bytes) => {
    total += bytes
    if (error !== null || bytes === 0 || total === length) return done(error, total)
    handle.read(target, offset + total, length - total, position + total, next)
  }
  handle.read(target, offset, length, position, next)
}

/** Writes all `length` bytes. After an error any part of them may be in the file. Throws ENOSPC when none is taken. */
export function writeFullySync(
  handle: FileHandle,
  source: Uint8Array,
  offset: number,
  length: number,
  position: number,
): void {
  let total = 0
  while (total < length) {
    const bytes = handle.writeSync(source, offset + total, length - total, position + total)
    if (bytes === 0) throw systemError('ENOSPC', 'write')
    total += bytes
  }
}

/** As `writeFullySync`, off the main thread. `source` stays untouched by the caller until `done`. */
export function writeFully(
  handle: FileHandle,
  source: Uint8Array,
  offset: number,
  length: number,
  position: number,
  done: Done,
): void {
  let total = 0
  const next: Counted = (error, bytes) => {
    if (error !== null) return done(error)
    total += bytes
    if (total === length) return done(null)
    if (bytes === 0) return done(systemError('ENOSPC', 'write'))
    handle.write(source, offset + total, length - total, position + total, next)
  }
  handle.write(source, offset, length, position, next)
}

/**
 * Returns the contents of a small file, or undefined when there is none. The buffer is the caller's.
 *
 * @throws EFBIG when the file is larger than `limitBytes`; nothing was allocated for it.
 */
export function readFileSync(files: FileSystem, path: string, limitBytes: number): Buffer | undefined {
  let handle: FileHandle
  try {
    handle = files.open(path, 'read')
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined
    throw error
  }
  try {
    const size = handle.size()
    if (size > limitBytes) throw systemError('EFBIG', 'read', path)
    const contents = Buffer.allocUnsafeSlow(size)
    return contents.subarray(0, readFullySync(handle, contents, 0, size, 0))
  } finally {
    handle.close()
  }
}

/**
 * Replaces the contents of a small file in one step: after a crash it has the old contents or the new ones. Durable when
 * `done` is called without an error; after an error either may stand there. Only one replacement of a name at a time.
 *
 * The order is the promise: the bytes are synced before the name points to them, the folder after it does.
 *
 * @param bytes Stay untouched by the caller until `done`.
 * @param temporaryName What the file is called until it is whole. Default: the name and `.tmp`.
 * @param mayReplace Called just before the file gets its name; throws when it must not.
 */
export function replaceFile(
  files: FileSystem,
  directory: string,
  name: string,
  bytes: Uint8Array,
  done: Done,
  temporaryName = `${name}.tmp`,
  mayReplace?: () => void,
): void {
  const path = join(directory, name)
  const temporary = join(directory, temporaryName)
  let handle: FileHandle
  try {
    if (files.stat(temporary) !== undefined) files.remove(temporary) // left over by a crash, its bytes never counted
    handle = files.open(temporary, 'create')
  } catch (error) {
    setImmediate(done, error as NodeJS.ErrnoException)
    return
  }

  const fail = (error: NodeJS.ErrnoException) => {
    try {
      handle.close()
      files.remove(temporary)
    } catch {
      // The first error is the one to tell; what stays behind is removed by the next replacement.
    }
    done(error)
  }
  const put = () => {
    try {
      handle.close()
      mayReplace?.()
      files.rename(temporary, path)
    } catch (error) {
      return fail(error as NodeJS.ErrnoException)
    }
    files.syncDirectory(directory, done)
  }
  writeFully(handle, bytes, 0, bytes.byteLength, 0, (writeError) => {
    if (writeError !== null) return fail(writeError)
    handle.sync((syncError) => (syncError === null ? put() : fail(syncError)))
  })
}

/** Turns a call that takes a `Done` into a promise: for work behind the appends, where a promise per call costs nothing that counts. */
export function completion(call: (done: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => call((error) => (error === null ? resolve() : reject(error))))
}
