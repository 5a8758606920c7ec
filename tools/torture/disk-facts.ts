import { existsSync, readFileSync, realpathSync, statfsSync } from 'node:fs'
import { arch, platform, release } from 'node:os'
import { basename, dirname, join } from 'node:path'

/** What the system says of the disk under a folder. What it does not say is undefined; all of it may be hearsay in a virtual machine. */
export interface DiskFacts {
  readonly system: string
  readonly node: string
  /** Type, source, mount point and options of the file system. Linux only. */
  readonly fileSystem: string | undefined
  readonly source: string | undefined
  readonly mountPoint: string | undefined
  readonly mountOptions: string | undefined
  /** Name of the block device, and what the kernel says of its cache: 'write back' (needs flushes) or 'write through'. */
  readonly device: string | undefined
  readonly model: string | undefined
  readonly writeCache: string | undefined
  readonly rotational: boolean | undefined
  /** What kind of machine it is, when it says so: the maker of a virtual one, or 'container'. */
  readonly machine: string | undefined
  /** Bytes that this user may still write. */
  readonly freeBytes: number
}

interface Mount {
  readonly device: string
  readonly point: string
  readonly options: string
  readonly type: string
  readonly source: string
}

/** Reads what can be read without any right; never throws for what is not there. */
export function diskFacts(directory: string): DiskFacts {
  const path = realpathSync(directory)
  const mount = mountOf(path, readText('/proc/self/mountinfo') ?? '')
  const block = mount === undefined ? undefined : blockDevice(mount)
  const of = (name: string): string | undefined => (block === undefined ? undefined : readText(join(block, name)))
  const { bavail, bsize } = statfsSync(path)
  const rotational = of('queue/rotational')
  return {
    system: `${platform()} ${release()} ${arch()}`,
    node: process.versions.node,
    fileSystem: mount?.type,
    source: mount?.source,
    mountPoint: mount?.point,
    mountOptions: mount?.options,
    device: block === undefined ? undefined : basename(block),
    model: of('device/model'),
    writeCache: of('queue/write_cache'),
    rotational: rotational === undefined ? undefined : rotational === '1',
    machine: machineName(),
    freeBytes: bavail * bsize,
  }
}

/** Finds the mount that a path is on: the deepest one above it, and of those at one place the last. See proc(5). */
export function mountOf(path: string, mountInfo: string): Mount | undefined {
  let found: Mount | undefined
  for (const line of mountInfo.split('\n')) {
    const [before, after] = line.split(' - ')
    if (before === undefined || after === undefined) continue
    const [, , device, , point, options] = before.split(' ')
    const [type, source, superOptions] = after.split(' ')
    if (device === undefined || point === undefined || options === undefined || type === undefined) continue
    const at = unescaped(point)
    if (at !== '/' && path !== at && !path.startsWith(`${at}/`)) continue
    if (found !== undefined && at.length < found.point.length) continue
    const all = [...new Set(`${options},${superOptions ?? ''}`.split(',').filter((option) => option !== ''))]
    found = { device, point: at, options: all.join(','), type, source: unescaped(source ?? '') }
  }
  return found
}

/** Spaces, tabs, newlines and backslashes are octal in mountinfo. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)))
}

/** Returns the folder in /sys of the disk that a mount is on; a partition has its disk above it. */
function blockDevice({ device, source }: Mount): string | undefined {
  const names = [
    `/sys/dev/block/${device}`,
    ...(source.startsWith('/dev/') ? [`/sys/class/block/${basename(source)}`] : []),
  ]
  for (const name of names) {
    if (!existsSync(name)) continue
    const folder = realpathSync(name)
    if (existsSync(join(folder, 'queue'))) return folder
    if (existsSync(join(dirname(folder), 'queue'))) return dirname(folder)
  }
  return undefined
}

function machineName(): string | undefined {
  const container = existsSync('/.dockerenv') || existsSync('/run/.containerenv') ? 'container' : undefined
  const names = [readText('/sys/class/dmi/id/sys_vendor'), readText('/sys/class/dmi/id/product_name'), container]
  const known = names.filter((name) => name !== undefined && name !== '')
  return known.length === 0 ? undefined : known.join(', ')
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}
