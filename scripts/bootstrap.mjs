// Brings a checkout to the point where `build/` can run, from nothing but Node and git: installs when node_modules is
// missing or not what package-lock.json says, builds when a source is newer than the last build.
// `--package` builds dist/ as well.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root, sourceFiles } from './sources.mjs'

const [major, minor] = process.versions.node.split('.').map(Number)

/** Installs and builds what is missing. Returns when everything is there; throws when that failed. */
export async function bootstrap({ package: wantsPackage = false } = {}) {
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new Error(`annals needs Node 20.19 or later, this is ${process.versions.node}`)
  }
  if (!installed()) {
    console.log('Installing the development dependencies (npm ci) ...')
    npm(root, 'ci', '--no-audit', '--no-fund')
  }
  if (!existsSync(join(root, '.tap/plugins'))) {
    run(process.execPath, [join(root, 'node_modules/tap/dist/esm/run.mjs'), 'build'])
  }
  const sources = changed('sources')
  const needsPackage = wantsPackage && changed('package')
  if (!sources && !needsPackage) return
  const { buildSources, buildPackage } = await import('./build.mjs')
  if (sources) await buildSources()
  if (needsPackage) await buildPackage()
}

/** Tells whether node_modules holds the versions of package-lock.json. */
function installed() {
  const hidden = join(root, 'node_modules/.package-lock.json')
  if (!existsSync(hidden)) return false
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  const present = JSON.parse(readFileSync(hidden, 'utf8')).packages
  return Object.entries(wanted).every(
    ([path, { version, optional }]) =>
      path === '' || present[path]?.version === version || (optional === true && present[path] === undefined),
  )
}

/** Tells whether a source, or the build itself, is newer than the last build of a part, or a source is gone. */
function changed(part) {
  const stamp = join(root, 'build', `.${part}`)
  if (!existsSync(stamp)) return true
  if (part === 'package' && !existsSync(join(root, 'dist/index.js'))) return true
  const built = statSync(stamp).mtimeMs
  const scripts = ['bundling', 'build', 'sources'].map((name) => `scripts/${name}.mjs`)
  const inputs = [...sourceFiles(), ...scripts, 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json']
  const relevant = part === 'package' ? inputs.filter((name) => !/^(?:test|bench|examples)\//.test(name)) : inputs
  return relevant.some(
    (name) =>
      statSync(join(root, name)).mtimeMs > built ||
      (part === 'sources' && name.endsWith('.ts') && !existsSync(join(root, 'build', name.replace(/\.ts$/, '.js')))),
  )
}

/** Runs npm in a folder, the one that this was started by if so. */
export function npm(folder, ...args) {
  const cli = process.env.npm_execpath
  if (cli?.endsWith('.js')) run(process.execPath, [cli, ...args], { cwd: folder })
  else run('npm', args, { cwd: folder, shell: process.platform === 'win32' })
}

function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], ...options })
  if (error) throw error
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed with exit code ${status}`)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await bootstrap({ package: process.argv.includes('--package') })
}
