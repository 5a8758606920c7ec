import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'

interface Summary {
  write(chunk: string): void
  end(expected: number): Promise<{ passed: number; failed: number; skipped: number }>
}
const { TapSummary } = (await import(pathToFileURL(join(process.cwd(), 'scripts/tap-summary.mjs')).href)) as {
  TapSummary: new (print: (line: string) => void) => Summary
}

async function summarise(expected: number, ...tap: readonly string[]) {
  const lines: string[] = []
  const summary = new TapSummary((line) => lines.push(line))
  summary.write(`TAP version 14\n${tap.join('\n')}\n1..${expected}\n`)
  return { ...(await summary.end(expected)), lines }
}

const file = (ok: string, ...lines: readonly string[]) =>
  ['# Subtest: build/test/a.test.js', ...lines.map((line) => `    ${line}`), `${ok} 1 - build/test/a.test.js`].join(
    '\n',
  )
const test = (ok: string, number: number, name: string, ...lines: readonly string[]) => [
  `# Subtest: ${name}`,
  ...lines.map((line) => `    ${line}`),
  `${ok} ${number} - ${name}`,
]

t.test('test functions are counted, not assertions', async (t) => {
  const { passed, failed, skipped } = await summarise(
    1,
    file(
      'ok',
      ...test('ok', 1, 'two assertions', 'ok 1 - a', 'ok 2 - b', '1..2'),
      ...test('ok', 2, 'group', ...test('ok', 1, 'x', 'ok 1', '1..1'), ...test('ok', 2, 'y', 'ok 1', '1..1'), '1..2'),
      '1..2',
    ),
  )
  t.same({ passed, failed, skipped }, { passed: 3, failed: 0, skipped: 0 })
})

t.test('a failure is counted once, with the path to it', async (t) => {
  const { passed, failed, lines } = await summarise(
    1,
    file(
      'not ok',
      ...test('ok', 1, 'good', 'ok 1', '1..1'),
      ...test('not ok', 2, 'group', ...test('not ok', 1, 'bad', 'not ok 1 - is equal', '1..1'), '1..1'),
      '1..2',
    ),
  )
  t.same({ passed, failed }, { passed: 1, failed: 1 })
  t.ok(lines.includes('\nFAILED test/a.test > group > bad > is equal'))
})

t.test('an assertion of a group that failed beside its tests is counted', async (t) => {
  const { passed, failed } = await summarise(
    1,
    file(
      'not ok',
      ...test('not ok', 1, 'group', ...test('ok', 1, 'x', 'ok 1', '1..1'), 'not ok 2 - own', '1..2'),
      '1..1',
    ),
  )
  t.same({ passed, failed }, { passed: 1, failed: 1 })
})

t.test('a file that passed all its tests and then died has failed', async (t) => {
  const { passed, failed } = await summarise(1, file('not ok', ...test('ok', 1, 'x', 'ok 1', '1..1'), '1..1'))
  t.same({ passed, failed }, { passed: 1, failed: 1 })
})

t.test('a test that ended before its plan has failed', async (t) => {
  const { failed } = await summarise(1, file('not ok', ...test('not ok', 1, 'x', 'ok 1', '1..2'), '1..1'))
  t.equal(failed, 1)
})

t.test('a file without tests, and one without a result, have failed', async (t) => {
  const empty = await summarise(
    1,
    '# Subtest: build/test/a.test.js\n    1..0 # no tests found\nok 1 - build/test/a.test.js # SKIP no tests found',
  )
  t.same([empty.passed, empty.failed], [0, 1])
  const gone = await summarise(2, file('ok', ...test('ok', 1, 'x', 'ok 1', '1..1'), '1..1'))
  t.ok(gone.failed >= 1)
  t.match(gone.lines.join('\n'), /1 of 2 test files/)
})

t.test('what is skipped is named with its reason and is no pass', async (t) => {
  const { passed, failed, skipped, lines } = await summarise(
    1,
    file('ok', ...test('ok', 1, 'x', 'ok 1', '1..1'), 'ok 2 - needs root # SKIP not root', '1..2'),
  )
  t.same({ passed, failed, skipped }, { passed: 1, failed: 0, skipped: 1 })
  t.ok(lines.includes('SKIPPED test/a.test > needs root: not root'))
})
