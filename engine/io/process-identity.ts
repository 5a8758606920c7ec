import { hostname } from 'node:os'
import type { FileSystem, ProcessIdentity } from './file-system.js'
import { readFullySync } from './transfer.js'
import { isSystemError } from './system-error.js'

/** Asks whether a process exists: throws ESRCH when not, EPERM when it is somebody else's. */
export type Probe = (pid: number) => void

/** `stat`, the largest of the files read here, is one line of about 50 numbers. */
const PROC_FILE_BYTES = 4096

/**
 * Returns the identity of this process. Its incarnation is `<boot>:<pid namespace>:<start time>`, on Linux; elsewhere
 * it is unknown, and a pid that was given to another process looks like the one it belonged to.
 *
 * The namespace is there because containers may share a host name and a folder, and yet not see each other's processes:
 * a pid of another namespace says nothing here.
 *
 * @param files Gives access to /proc.
 * @param namespace The pid namespace of this process, '' if unknown.
 */
export function processIdentity(
  files: FileSystem,
  namespace: string,
  probe: Probe = (pid) => process.kill(pid, 0),
): ProcessIdentity {
  const boot = readLine(files, '/proc/sys/kernel/random/boot_id')
  const incarnationOf = (startTime: string) => [boot, namespace, startTime].join(':')
  const self = readProcess(files, process.pid)

  return {
    pid: process.pid,
    host: hostname(),
    incarnation: self === undefined ? '' : incarnationOf(self.startTime),

    isAlive(pid, incarnation) {
      // Zero and below address groups of processes.
      if (!Number.isSafeInteger(pid) || pid <= 0) return 'unknown'
      const [itsBoot, itsNamespace] = incarnation.split(':')
      if (itsBoot && boot && itsBoot !== boot) return 'dead' // the machine was started anew since
      if (itsNamespace && namespace && itsNamespace !== namespace) return 'unknown'
      try {
        probe(pid)
      } catch (error) {
        if (isSystemError(error, 'ESRCH')) return 'dead'
        if (!isSystemError(error, 'EPERM')) return 'unknown'
      }
      // The pid is somebody's. Whose, only the start time can tell.
      const found = readProcess(files, pid)
      if (found === undefined || incarnation === '') return 'unknown'
      if (found.ended) return 'dead'
      return incarnationOf(found.startTime) === incarnation ? 'alive' : 'dead'
    },
  }
}

interface ProcessState {
  /** Clock ticks from the start of the machine to that of the process. */
  readonly startTime: string
  /** True for a zombie: it writes nothing any more, but has its pid until its parent takes notice. */
  readonly ended: boolean
}

/** Reads /proc/<pid>/stat (proc(5)); undefined where there is none, or it is not shown to this user. */
function readProcess(files: FileSystem, pid: number): ProcessState | undefined {
  const line = readLine(files, `/proc/${pid}/stat`)
  // The second field is the name in parentheses and may hold spaces and parentheses; the third follows the last one.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const state = fields[0]
  const startTime = fields[22 - 3]
  if (startTime === undefined) return undefined
  return { startTime, ended: (state === 'Z' || state === 'X') && isLastThread(files, pid) }
}

/** A killed process whose first thread has ended may still have another one waiting for the disk, in a write. */
function isLastThread(files: FileSystem, pid: number): boolean {
  try {
    return files.list(`/proc/${pid}/task`).length <= 1
  } catch {
    return false
  }
}

/** Reads a small file whose size the system reports as zero; '' when that fails. */
function readLine(files: FileSystem, path: string): string {
  try {
    const handle = files.open(path, 'read')
    try {
      const line = Buffer.alloc(PROC_FILE_BYTES)
      return line.toString('utf8', 0, readFullySync(handle, line, 0, line.length, 0)).trim()
    } finally {
      handle.close()
    }
  } catch {
    return ''
  }
}
