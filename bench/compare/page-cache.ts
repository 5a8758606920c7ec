/** Takes the files of a folder out of the page cache, as far as their owner may: with posix_fadvise, which Node.js does not have. */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

const SCRIPT = `
import os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        fd = os.open(os.path.join(folder, name), os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)
`
/** dd drops one file a process. */
const MOST_FILES = 500

/** Returns the reason when nothing could be dropped. */
export function dropPageCache(folder: string): string | undefined {
  if (process.platform !== 'linux') return `the page cache cannot be dropped for a file on ${process.platform}`
  if (succeeds('python3', ['-c', SCRIPT, folder])) return undefined
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  if (files.length > MOST_FILES) return 'python3 is missing, and dd would need too long for so many files'
  for (const { parentPath, name } of files) {
    const path = join(parentPath, name)
    if (!succeeds('sync', [path]) || !succeeds('dd', [`if=${path}`, 'of=/dev/null', 'iflag=nocache', 'count=0'])) {
      return 'neither python3 nor a dd with nocache is there to drop the page cache'
    }
  }
  return undefined
}

function succeeds(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}
