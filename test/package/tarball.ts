import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What `npm pack --json` says about a tarball. */
export interface Packed {
  readonly filename: string
  readonly size: number
  readonly unpackedSize: number
  readonly files: readonly { readonly path: string; readonly size: number }[]
}

/** Packs the package in the current folder into `folder`, as it would be published; dist/ must be built. */
export function pack(folder: string): Packed {
  const output = npm(process.cwd(), 'pack', '--ignore-scripts', '--json', '--pack-destination', folder)
  const [packed] = Object.values(JSON.parse(output) as readonly Packed[] | Readonly<Record<string, Packed>>)
  if (packed === undefined) throw new Error(`npm pack says nothing: ${output}`)
  return packed
}

/** Installs a tarball into an empty application, without network and with install scripts on. Returns what npm said. */
export function install(tarball: string, application: string): string {
  mkdirSync(application)
  writeFileSync(join(application, 'package.json'), JSON.stringify({ name: 'application', private: true }))
  // An empty cache and no network: only what is in the tarball can arrive.
  const cache = join(application, '..', 'empty-cache')
  return npm(application, 'install', '--offline', '--no-audit', '--no-fund', '--cache', cache, tarball)
}

/** Runs Node in a folder; returns how it ended and everything it printed. */
export function node(
  cwd: string,
  ...args: readonly string[]
): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd,
    encoding: 'utf8',
    env: clean(),
    timeout: 60_000,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return { status, stdout, stderr }
}

function npm(cwd: string, ...args: readonly string[]): string {
  return execFileSync('npm', [...args, '--loglevel=error'], {
    cwd,
    encoding: 'utf8',
    env: clean(),
    shell: process.platform === 'win32',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** The environment without what npm and tap leave in it for their children. */
function clean(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(?:npm_|TAP|_TAPJS|NODE_OPTIONS$|NODE_V8_COVERAGE$)/i.test(name)),
  )
}
