// npm run soak -- [--minutes N] [--seed N] [--round N]: crashes, faults and simulated worlds with seeds of the day, for N minutes (default 10).
// Prints progress and what was covered. `--seed N` lives through one world again, `--round N` begins with that round.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { bootstrap } from './bootstrap.mjs'
import { root } from './sources.mjs'

const options = new Map()
for (let i = 2; i < process.argv.length; i += 2) options.set(process.argv[i], Number(process.argv[i + 1]))
for (const [name, value] of options) {
  if (!['--minutes', '--seed', '--round'].includes(name) || !Number.isFinite(value)) {
    console.error(`Unknown option or no number: ${name}`)
    process.exit(2)
  }
}

await bootstrap()
const load = (name) => import(pathToFileURL(join(root, 'build/test/simulation', name)).href)
if (options.has('--seed')) {
  const { simulate } = await load('simulation.js')
  console.log(JSON.stringify(await simulate(options.get('--seed'))))
} else {
  const { soak } = await load('soak.js')
  const seed = options.get('--round') ?? Math.floor(Date.now() / 1000) % 1_000_000
  const { failures } = await soak({ minutes: options.get('--minutes') ?? 10, seed, print: (line) => console.log(line) })
  process.exitCode = failures.length === 0 ? 0 : 1
}
