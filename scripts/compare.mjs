// npm run compare [-- --quick] [--rounds n] [--only engine,...] [row ...]: installs and builds what is missing, the packages to compare with
// among it, and runs the comparison. Those packages are installed in bench/compare, for nobody else.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { bootstrap, npm } from './bootstrap.mjs'
import { root } from './sources.mjs'

await bootstrap()
const folder = join(root, 'bench/compare')
if (!existsSync(join(folder, 'node_modules'))) {
  console.error('Installing the packages to compare with (npm ci) ...')
  npm(folder, 'ci', '--no-audit', '--no-fund')
}
const { status } = spawnSync(process.execPath, [join(root, 'build/bench/compare/index.js'), ...process.argv.slice(2)], {
  stdio: 'inherit',
})
process.exitCode = status ?? 1
