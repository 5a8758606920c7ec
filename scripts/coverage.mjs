// npm run coverage [-- path ...]: runs the quick suites, or those of the given test paths, under V8's coverage and prints which share of
// the branches and lines of each folder they have passed, and every branch that none has, with its file and line. Paths that do not begin
// with test/ choose the sources to print. Unless tests were chosen it ends with 1 when a folder is below its threshold.
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bootstrap } from './bootstrap.mjs'
import { findBranches } from './coverage/branches.mjs'
import { countsOf } from './coverage/counts.mjs'
import { root, sourceFiles } from './sources.mjs'

/** The share of branches, in hundredths, that a folder must reach; what is in none of them counts for the last line only. */
const THRESHOLDS = {
  'engine/format': 100,
  'engine/commit-log': 100,
  'engine/recovery': 100,
  'engine/lock': 100,
  everything: 95,
}

/** What is measured. */
const MEASURED = /^(?:engine|kit|tools)\//

/** What runs when no test is named: quick, and small samples of what takes long. */
const SUITES = /^test\/(?:engine|contract|property|crash|fuzz|golden|kit|tools|examples|simulation)\//

/** Suites that take long whatever the scale and pass nothing that others do not. */
const LEFT_OUT = /^test\/(?:crash\/(?:kill-loop|bit-flip|crafted|truncate)|engine\/store\/(?:memory|many-streams))\./

const SCALES = {
  ANNALS_CRASH_SCALE: '0.02',
  ANNALS_FUZZ_INPUTS: '20000',
  ANNALS_PROPERTY_RUNS: '50',
  ANNALS_RACE_RUNS: '20',
  TAP_TIMEOUT: '600',
}

const words = process.argv.slice(2).map((word) => word.replace(/^\.?\//, ''))
const testWords = words.filter((word) => word.startsWith('test/'))
const sourceWords = words.filter((word) => !word.startsWith('test/'))

const names = sourceFiles()
const tests = names
  .filter((name) => name.startsWith('test/') && name.endsWith('.test.ts'))
  .filter((name) =>
    testWords.length > 0 ? testWords.some((word) => name.includes(word)) : SUITES.test(name) && !LEFT_OUT.test(name),
  )

await bootstrap({ package: tests.some((name) => name.startsWith('test/tools/')) })
const measured = new Map(names.filter((name) => MEASURED.test(name)).map((name) => [name, measure(name)]))
const failed = await runAll()
report()

/** Returns what can be covered in a source, with counts of nought. */
function measure(name) {
  const built = join(root, 'build', name.replace(/\.ts$/, '.js'))
  const map = JSON.parse(readFileSync(`${built}.map`, 'utf8'))
  const found = findBranches(readFileSync(built, 'utf8'), map, readFileSync(join(root, name), 'utf8'))
  for (const each of [...found.branches, ...found.lines]) each.passed = 0
  return found
}

/** Runs the tests, as many at a time as there are processors, and returns those that failed. */
async function runAll() {
  const waiting = [...tests]
  const failures = []
  const runSome = async () => {
    for (let test = waiting.shift(); test !== undefined; test = waiting.shift()) {
      const folder = mkdtempSync(join(tmpdir(), 'annals-coverage-'))
      try {
        const begun = Date.now()
        const status = await run(test, folder)
        const seconds = Math.round((Date.now() - begun) / 1000)
        console.log(`${status === 0 ? 'passed' : 'FAILED'} ${test} (${seconds} s)`)
        if (status !== 0) failures.push(test)
        for (const file of readdirSync(folder)) count(join(folder, file))
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, runSome))
  return failures
}

function run(test, folder) {
  const child = spawn(process.execPath, [join(root, 'build', test.replace(/\.ts$/, '.js'))], {
    cwd: root,
    stdio: 'ignore',
    env: { ...SCALES, ...process.env, NODE_V8_COVERAGE: folder },
    timeout: 600_000,
    killSignal: 'SIGKILL',
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
}

/** Adds the counts of one process. A process that was killed while it wrote them leaves half a file: it has none. */
function count(file) {
  let scripts
  try {
    scripts = JSON.parse(readFileSync(file, 'utf8')).result
  } catch (error) {
    if (error instanceof SyntaxError) return
    throw error
  }
  for (const { url, functions } of scripts) {
    const found = measured.get(nameOf(url))
    if (found === undefined) continue
    const passed = countsOf(functions)
    for (const each of [...found.branches, ...found.lines]) each.passed += Math.max(0, each.count(passed))
  }
}

/** Returns the source that a script is built from. Threads and modules loaded twice have a query in their address. */
function nameOf(url) {
  if (!url.startsWith('file://')) return undefined
  const path = fileURLToPath(url.replace(/[?#].*$/, ''))
  const build = join(root, 'build/')
  return path.startsWith(build) ? path.slice(build.length).replaceAll('\\', '/').replace(/\.js$/, '.ts') : undefined
}

function report() {
  const rows = new Map()
  for (const [name, { branches, lines }] of measured) {
    const folder = name.split('/').slice(0, -1).slice(0, 2).join('/')
    for (const key of [folder, 'everything']) {
      if (!rows.has(key)) rows.set(key, { branches: [0, 0], lines: [0, 0] })
      const row = rows.get(key)
      tally(row.branches, branches)
      tally(row.lines, lines)
    }
  }
  rows.set('everything', take(rows, 'everything')) // last

  const listed = [...measured].filter(
    ([name]) => sourceWords.length === 0 || sourceWords.some((word) => name.includes(word)),
  )
  console.log('\nBranches that no test passes:')
  for (const [name, { branches }] of listed) {
    for (const { kind, line, column, mark, passed } of branches) {
      if (passed === 0 && mark === undefined) console.log(`  ${name}:${line}:${column} ${kind}`)
    }
  }
  console.log('\nBranches that no test can pass here, and why:')
  const wrong = []
  for (const [name, { branches, marks }] of listed) {
    for (const mark of marks) {
      console.log(`  ${name}:${mark.line} ${mark.reason}`)
      const isNeeded = branches.some((branch) => branch.mark === mark && branch.passed === 0)
      if (!isNeeded) wrong.push(`${name}:${mark.line}: marked, and passed all the same`)
    }
  }

  console.log(`\n${'folder'.padEnd(20)} ${'branches'.padStart(22)} ${'lines'.padStart(22)}`)
  for (const [folder, { branches, lines }] of rows) {
    console.log(`${folder.padEnd(20)} ${share(branches).padStart(22)} ${share(lines).padStart(22)}`)
    const threshold = THRESHOLDS[folder]
    if (branches[0] * 100 < branches[1] * threshold) wrong.push(`${folder}: below ${threshold} % of the branches`)
  }
  for (const test of failed) console.log(`FAILED ${test}`)
  if (testWords.length === 0) for (const line of wrong) console.log(line)
  process.exitCode = failed.length > 0 || (testWords.length === 0 && wrong.length > 0) ? 1 : 0
}

function tally(sums, all) {
  for (const { passed, mark } of all) {
    if (passed === 0 && mark !== undefined) continue
    sums[0] += passed > 0 ? 1 : 0
    sums[1]++
  }
}

function take(map, key) {
  const value = map.get(key)
  map.delete(key)
  return value
}

function share([passed, all]) {
  return `${passed} of ${all}, ${all === 0 ? '-' : (Math.floor((passed / all) * 1000) / 10).toFixed(1)} %`
}
