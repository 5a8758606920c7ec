// Builds the package. `build/` mirrors the sources one to one: tests, tools, benchmarks and examples run from there.
// `dist/` is what is published: the engine, the kit and its test helpers as bundled modules that share what they have in common (an error
// of the store is the same class everywhere), their declarations, the licences of what is bundled, and the tools, which use the engine's
// module: the command `annals` and the crash harness.
// `--sources` leaves dist/ alone.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { bundling } from './bundling.mjs'
import { root, sourceFiles } from './sources.mjs'

const common = {
  absWorkingDir: root,
  bundle: true,
  charset: 'utf8',
  format: 'esm',
  logLevel: 'warning',
  platform: 'node',
  target: 'node20.19',
}

/** What is published keeps its names and lines, so that stack traces can be read, and none of what is only long. */
const published = { ...common, legalComments: 'none', minifySyntax: true }

/** What is published beside the engine: an entry of the package, and what it starts as a process. */
const TOOLS = ['index', 'writer'].map((name) => `tools/torture/${name}.ts`)

/** The commands of the package, and where each begins. */
const COMMANDS = { annals: 'tools/cli/annals.ts', torture: 'tools/cli/annals-torture.ts' }

/** Transpiles every source file into build/ and removes what no longer has a source. */
export async function buildSources() {
  const begun = new Date()
  const entryPoints = sourceFiles()
  await build({
    ...common,
    entryPoints,
    outdir: 'build',
    outbase: '.',
    sourcemap: true,
    plugins: [bundling({ sources: true })],
  })
  const wanted = new Set(entryPoints.map((name) => name.replace(/\.ts$/, '.js')))
  for (const name of readdirSync(join(root, 'build'), { recursive: true, encoding: 'utf8' })) {
    const script = name.replaceAll(sep, '/').replace(/\.map$/, '')
    if (script.endsWith('.js') && !wanted.has(script)) rmSync(join(root, 'build', name))
  }
  stamp('sources', begun)
}

/** The modules of dist/, and where each begins. */
const ENTRIES = { index: 'engine/index.ts', kit: 'kit/index.ts', testing: 'kit/testing/index.ts' }

/** Builds dist/. `entries` and `outdir` are for trying the bundling itself. */
export async function buildPackage({ entries = ENTRIES, outdir = 'dist', declarations = true } = {}) {
  const begun = new Date()
  rmSync(join(root, outdir), { recursive: true, force: true })
  const { metafile } = await build({
    ...published,
    entryPoints: entries,
    outdir,
    splitting: true,
    chunkNames: 'shared_[hash]',
    metafile: true,
    plugins: [bundling()],
  })
  if (entries === ENTRIES) {
    await buildCommand(outdir)
    await build({
      ...published,
      entryPoints: TOOLS,
      outdir,
      outbase: '.',
      plugins: [engineBeside()],
    })
  }
  writeFileSync(join(root, outdir, 'THIRD-PARTY-NOTICES.txt'), notices(Object.keys(metafile.inputs)))
  if (declarations) {
    execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    prune(
      join(root, outdir),
      [...Object.values(entries), TOOLS[0]].map((entry) => join(root, outdir, entry.replace(/\.ts$/, '.d.ts'))),
    )
  }
  stamp('package', begun)
}

/** Bundles the commands. They have no engine and no harness of their own: they import those beside them, as applications do. */
async function buildCommand(outdir) {
  const engine = {
    name: 'engine',
    setup: ({ onResolve }) =>
      onResolve({ filter: /\/(?:engine|torture)\/index\.js$/ }, ({ path }) => ({
        path: path.includes('/torture/') ? './tools/torture/index.js' : './index.js',
        external: true,
      })),
  }
  await build({
    ...published,
    entryPoints: COMMANDS,
    outdir,
    splitting: true,
    chunkNames: 'shared_[hash]',
    plugins: [engine, bundling()],
  })
  for (const name of Object.keys(COMMANDS)) chmodSync(join(root, outdir, `${name}.js`), 0o755)
}

/** Returns the licence texts of all packages among the bundled files. */
function notices(inputs) {
  const names = new Set()
  for (const input of inputs) {
    const name = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(input)?.[1]
    if (name !== undefined) names.add(name)
  }
  const parts = ['annals contains the following packages.\n']
  for (const name of [...names].sort()) {
    const folder = join(root, 'node_modules', name)
    const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry))
    if (file === undefined) throw new Error(`Cannot bundle ${name}: it has no licence text`)
    const text = readFileSync(join(folder, file), 'utf8').trim()
    parts.push(`${'-'.repeat(80)}\n${name} ${version} (${license})\n\n${text}\n`)
  }
  return parts.join('\n')
}

/** Leaves the engine out of the tools: they import the module that the application has, so that there is one copy of it. */
function engineBeside() {
  return {
    name: 'engine-beside',
    setup(build) {
      build.onResolve({ filter: /\/engine\/index\.js$/ }, () => ({ path: '../../index.js', external: true }))
    },
  }
}

/** Removes the declarations that cannot be reached from `starts`: they describe what nobody can import. */
function prune(folder, starts) {
  const reached = new Set()
  const visit = (file) => {
    if (reached.has(file)) return
    reached.add(file)
    for (const [, path] of readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g)) {
      visit(join(dirname(file), path.replace(/\.js$/, '.d.ts')))
    }
  }
  for (const start of starts) visit(start)
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (name.endsWith('.d.ts') && !reached.has(join(folder, name))) rmSync(join(folder, name))
  }
}

/** Notes that a part is built from the sources as they were at `begun`, for scripts/bootstrap.mjs. */
function stamp(part, begun) {
  const file = join(root, 'build', `.${part}`)
  mkdirSync(join(root, 'build'), { recursive: true })
  writeFileSync(file, '')
  utimesSync(file, begun, begun)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await buildSources()
  if (!process.argv.includes('--sources')) {
    await buildPackage()
    console.log(`dist/index.js: ${Math.round(statSync(join(root, 'dist/index.js')).size / 1024)} KiB`)
  }
}
