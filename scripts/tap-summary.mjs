import { Parser } from 'tap-parser'

/**
 * Reads the TAP of a run of many files, prints a line per file and the diagnostics of what failed, and counts.
 *
 * A test is a test function without test functions inside; one that only groups others counts when an assertion of its
 * own failed, or when it broke without any of its parts breaking. A file without test functions is one test.
 */
export class TapSummary {
  #parser = new Parser()
  #print
  #done
  #files = 0
  #total = { passed: 0, failed: 0, skipped: 0 }
  #problems = []
  #skipped = []

  constructor(print) {
    this.#print = print
    this.#done = new Promise((resolve) => this.#parser.on('complete', resolve))
    this.#parser.on('bailout', (reason) => this.#fail(['bail out'], { message: reason }))
    watch(this.#parser, {
      onTest: (test) => this.#file(test),
      // The runner itself broke off, for example because a file never ended.
      onAssert: (point) => point.ok || this.#fail([point.name], point.diag),
    })
  }

  write(chunk) {
    this.#parser.write(chunk)
  }

  /** Returns the counts. `expected` is how many files were to run: one that left no result is a failure. */
  async end(expected) {
    this.#parser.end()
    await this.#done
    if (this.#files < expected) {
      this.#fail([`${expected - this.#files} of ${expected} test files`], { message: 'gave no result' })
    }
    if (this.#skipped.length > 0) this.#print('')
    for (const line of this.#skipped) this.#print(line)
    for (const { path, diag } of this.#problems) {
      this.#print(`\nFAILED ${path.join(' > ')}`)
      for (const line of explain(diag)) this.#print(`  ${line}`)
    }
    return this.#total
  }

  #file(test) {
    this.#files += 1
    const before = { ...this.#total }
    const name = test.point.name.replace(/^build\//, '').replace(/\.js$/, '')
    // A file that holds no test proves nothing.
    if (test.point.skip === 'no tests found') this.#fail([name], { message: 'holds no test' })
    else this.#count(test, [name])
    const [passed, failed, skipped] = ['passed', 'failed', 'skipped'].map((key) => this.#total[key] - before[key])
    const parts = [`${passed} passed`]
    if (failed > 0) parts.push(`${failed} failed`)
    if (skipped > 0) parts.push(`${skipped} skipped`)
    if (typeof test.point.time === 'number') parts.push(`${(test.point.time / 1000).toFixed(1)} s`)
    this.#print(`${failed > 0 ? 'FAIL' : 'ok  '} ${name} (${parts.join(', ')})`)
  }

  #count({ point, tests, asserts }, path) {
    const before = this.#total.failed
    for (const test of tests) this.#count(test, [...path, test.point.name])
    const broken = asserts.filter(({ ok, skip, todo }) => !ok && !skip && !todo)
    if (tests.length > 0) {
      for (const assert of asserts) if (assert.skip || assert.todo) this.#skip([...path, assert.name], assert)
      if (broken.length > 0) this.#fail([...path, broken[0].name], broken[0].diag)
      else if (!point.ok && !point.todo && this.#total.failed === before) this.#fail(path, point.diag)
    } else if (point.skip || point.todo) this.#skip(path, point)
    else if (broken.length > 0) this.#fail([...path, broken[0].name], broken[0].diag)
    else if (point.ok) this.#total.passed += 1
    else this.#fail(path, point.diag)
  }

  #skip(path, { skip, todo }) {
    this.#total.skipped += 1
    const reason = [skip, todo].find((value) => typeof value === 'string')
    this.#skipped.push(`SKIPPED ${path.join(' > ')}${reason === undefined ? '' : `: ${reason}`}`)
  }

  #fail(path, diag) {
    this.#total.failed += 1
    this.#problems.push({ path, diag })
  }
}

/** Reports the test functions and the assertions directly below a parser. A test's own point comes after its parts. */
function watch(parser, { onTest, onAssert }) {
  let open
  parser.on('child', (inner) => {
    const test = { tests: [], asserts: [] }
    open = test
    watch(inner, { onTest: (part) => test.tests.push(part), onAssert: (point) => test.asserts.push(point) })
  })
  parser.on('assert', (point) => {
    if (open === undefined) onAssert(point)
    else onTest({ ...open, point })
    open = undefined
  })
}

/** Returns what a person needs of a diagnostic: message, difference, place. */
function explain(diag) {
  const { diff, found, wanted, message, at, stack, tapError, exitCode, signal, ...rest } = diag ?? {}
  const lines = []
  const add = (label, value) => {
    if (value === undefined || value === null || value === '') return
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    lines.push(...`${label}${text}`.trimEnd().split('\n'))
  }
  add('', message)
  add('', tapError)
  add('', diff)
  if (diff === undefined) {
    add('found: ', found)
    add('wanted: ', wanted)
  }
  for (const key of ['expired', 'failReason', 'reason', 'error', 'errors', 'code', 'cause']) add(`${key}: `, rest[key])
  if (exitCode) add('exit code: ', exitCode)
  add('signal: ', signal)
  if (stack) add('', stack)
  else if (at?.fileName) add('at ', `${at.fileName}:${at.lineNumber}`)
  return lines
}
