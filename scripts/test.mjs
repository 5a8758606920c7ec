// npm test [-- path ...] [--option ...]: installs and builds what is missing, runs the tests whose path contains one of
// the given paths (all without), and ends with a line `N passed, N failed`. Options go to tap.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { bootstrap } from './bootstrap.mjs'
import { root, sourceFiles } from './sources.mjs'

const filters = process.argv.slice(2).filter((word) => !word.startsWith('-'))
const options = process.argv.slice(2).filter((word) => word.startsWith('-'))

const tests = sourceFiles()
  .filter((name) => name.startsWith('test/') && name.endsWith('.test.ts'))
  .filter((name) => filters.length === 0 || filters.some((filter) => matches(name, filter)))
if (tests.length === 0) {
  console.error(`No test file contains ${filters.map((filter) => JSON.stringify(filter)).join(' or ')}`)
  finish({ passed: 0, failed: 0, skipped: 0 }, 1)
} else {
  try {
    await bootstrap({ package: tests.some((name) => /^test\/(?:package\/|docs\/code-blocks)/.test(name)) })
    await runTests()
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    finish({ passed: 0, failed: 1, skipped: 0 }, 1)
  }
}

async function runTests() {
  const { TapSummary } = await import('./tap-summary.mjs')
  const summary = new TapSummary((line) => console.log(line))
  const tap = spawn(
    process.execPath,
    [
      join(root, 'node_modules/tap/dist/esm/run.mjs'),
      '--reporter=tap',
      ...options,
      ...tests.map((name) => `build/${name.replace(/\.ts$/, '.js')}`),
    ],
    { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, FORCE_COLOR: '0' } },
  )
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => tap.kill(signal))
  tap.stdout.on('data', (chunk) => summary.write(chunk))
  const code = await new Promise((resolve, reject) => {
    tap.on('error', reject)
    tap.on('close', (status, signal) => resolve(signal === null ? status : 1))
  })
  finish(await summary.end(tests.length), code)
}

/** `engine/format`, `test/engine/format/`, `build/test/engine/format/frame.test.js` all name the same tests. */
function matches(name, filter) {
  const wanted = filter
    .replaceAll('\\', '/')
    .replace(/^\.?\//, '')
    .replace(/^build\//, '')
    .replace(/\.js$/, '.ts')
  return name.includes(wanted)
}

function finish({ passed, failed, skipped }, code) {
  const ok = code === 0 && failed === 0 && passed > 0
  console.log(`\n${passed} passed, ${ok ? 0 : Math.max(failed, 1)} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
  process.exitCode = ok ? 0 : 1
}
