/**
 * docs/testing.md says which fault of the catalogue is tested where. Compared with the titles of the tests, so that neither can
 * be forgotten: a row names exactly the files that have `[fault n]` in a title.
 */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'

const ROW = /^\| (\d+) \| [^|]+ \| (.+) \|$/

/** Files of each row of the table of tested faults, and the numbers of those that are not tested. */
function documented(text: string): { readonly tested: Map<number, string[]>; readonly untested: number[] } {
  const tested = new Map<number, string[]>()
  const untested: number[] = []
  const [first, second] = text.split('## Not tested yet') as [string, string]
  for (const line of first.split('\n')) {
    const row = ROW.exec(line)
    if (row !== null) tested.set(Number(row[1]), [...row[2]!.matchAll(/`([^`]+)`/g)].map(([, file]) => file!).sort())
  }
  for (const line of second.split('\n')) {
    const row = ROW.exec(line)
    if (row !== null) untested.push(Number(row[1]))
  }
  return { tested, untested }
}

/** The files with a number in a title, or in a list that titles are made from (`fault: 24`). */
function titled(): Map<number, string[]> {
  const found = new Map<number, Set<string>>()
  for (const name of readdirSync('test', { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts')) continue
    const path = name.replaceAll('\\', '/').replace(/(\.test)?\.ts$/, '')
    if (path.startsWith('docs/')) continue
    for (const [, a, b] of readFileSync(`test/${name}`, 'utf8').matchAll(/\[fault (\d+)\]|\bfault: (\d+)/g)) {
      const number = Number(a ?? b)
      found.set(number, (found.get(number) ?? new Set()).add(path))
    }
  }
  return new Map([...found].map(([number, files]) => [number, [...files].sort()]))
}

t.test('docs/testing.md names each fault once, and the test files that have it in a title', (t) => {
  const { tested, untested } = documented(readFileSync('docs/testing.md', 'utf8'))
  const titles = titled()
  const numbers = [...tested.keys(), ...untested].sort((a, b) => a - b)
  t.same(
    numbers,
    Array.from({ length: 90 }, (_, i) => i + 1),
    'faults 1 to 90, each in one table',
  )
  for (const [number, files] of tested) t.same(files, titles.get(number) ?? [], `fault ${number}`)
  t.same([...titles.keys()].filter((number) => !tested.has(number)).sort(), [], 'tested, and not in the table')
  t.end()
})
