// Builds the package. `build/` mirrors the sources one to one: tests, tools, benchmarks and examples run from there.
// `dist/` is what is published: the engine as one bundled module, and its declarations.
import { execFileSync } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)
const sourcesOnly = process.argv.includes('--sources')
const common = { platform: 'node', target: 'node20.19', format: 'esm', logLevel: 'warning' }

const sources = ['engine', 'tools', 'test', 'bench', 'examples'].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
    .map((name) => join(folder, name)),
)
await build({ ...common, entryPoints: sources, outdir: 'build', outbase: '.', sourcemap: true })

if (!sourcesOnly) {
  rmSync('dist', { recursive: true, force: true })
  await build({
    ...common,
    entryPoints: ['engine/index.ts'],
    outfile: 'dist/index.js',
    bundle: true,
    banner: { js: "import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);" },
  })
  execFileSync('npx', ['tsc', '-p', 'tsconfig.build.json'], { stdio: 'inherit' })
}
