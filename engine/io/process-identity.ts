import { hostname } from 'node:os'
import type { FileSystem, ProcessIdentity } from './file-system.js'
import { readFullySync } from './transfer.js'
import { isSystemError } from './system-error.js'

/** Asks whether a process exists: throws ESRCH when not, EPERM when it is somebody else's. */
export type Probe = (pid: number) => void

/** `stat`, the largest of the files read here, is one line of about 50 numbers. */
const PROC_FILE_BYTES = 4096

/**
 * Returns the identity of this process, and of the thread that calls. The incarnation is
 * `<boot>:<pid namespace>:<start time>`, on Linux, followed by `:<thread id>:<start time of the thread>` in a worker;
 * elsewhere it is unknown, and a pid that was given to another process looks like the one it belonged to.
 *
 * A worker that has ended is dead though its process lives: what it had open, nobody writes to any more. The system keeps
 * the list of threads, so that all copies of this package and all processes see the same.
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
  const ownThread = self && readOwnThread(files)

  return {
    pid: process.pid,
    host: hostname(),
    incarnation: self === undefined ? '' : [incarnationOf(self.startTime), ...(ownThread ?? [])].join(':'),

    isAlive(pid, incarnation) {
      // Zero and below address groups of processes.
      if (!Number.isSafeInteger(pid) || pid <= 0) return 'unknown'
      const [itsBoot, itsNamespace, itsStart, thread, threadStart = ''] = incarnation.split(':')
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
      if (incarnationOf(found.startTime) !== [itsBoot, itsNamespace, itsStart].join(':')) return 'dead'
      return thread !== undefined && hasEnded(files, pid, [thread, threadStart]) ? 'dead' : 'alive'
    },
  }
}

interface ProcessState {
  /** Clock ticks from the start of the machine to that of the process. */
  readonly startTime: string
  /** True for a zombie: it writes nothing any more, but has its pid until its parent takes notice. */
  readonly ended: boolean
}

/** Number of a thread in the whole system, and its start time. */
type Thread = readonly [id: string, startTime: string]

/** Set in the flags of a thread when it begins to end: it never gets back from the kernel to its code. */
const PF_EXITING = 4

/** Reads the state of a process; undefined where there is none, or it is not shown to this user. */
function readProcess(files: FileSystem, pid: number): ProcessState | undefined {
  const found = readStat(files, `/proc/${pid}/stat`)
  return found && { startTime: found.startTime, ended: found.ended && isLastThread(files, pid) }
}

/** Returns the thread that calls; undefined for the first one, which is there as long as its process, or if unknown. */
function readOwnThread(files: FileSystem): Thread | undefined {
  try {
    // The system answers whoever asks, and synchronous calls are made by the thread itself.
    const [, pid, id] = /^\/proc\/(\d+)\/task\/(\d+)$/.exec(files.realPath('/proc/thread-self')) ?? []
    if (id === undefined || pid !== String(process.pid) || id === pid) return undefined
    const found = readStat(files, `/proc/${pid}/task/${id}/stat`)
    return found && [id, found.startTime]
  } catch {
    return undefined
  }
}

/** Tells whether a thread of a process that lives has certainly ended. */
function hasEnded(files: FileSystem, pid: number, [id, startTime]: Thread): boolean {
  if (!/^\d+$/.test(id)) return false
  const path = `/proc/${pid}/task/${id}`
  try {
    if (files.stat(path) === undefined) return true
  } catch {
    return false
  }
  const found = readStat(files, `${path}/stat`)
  return found !== undefined && (found.startTime !== startTime || found.ended || found.ending)
}

/** Reads a file `stat` of a process or thread (proc(5)). */
function readStat(files: FileSystem, path: string) {
  const line = readLine(files, path)
  // The second field is the name in parentheses and may hold spaces and parentheses; the third follows the last one.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const state = fields[0]
  const flags = fields[9 - 3]
  const startTime = fields[22 - 3]
  if (startTime === undefined) return undefined
  return { startTime, ended: state === 'Z' || state === 'X', ending: (Number(flags) & PF_EXITING) !== 0 }
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
