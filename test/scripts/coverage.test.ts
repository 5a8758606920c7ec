import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { transformSync } from 'esbuild'
import t from 'tap'

type Count = (offset: number) => number
interface Place {
  readonly kind: string
  readonly line: number
  readonly count: (passed: Count) => number
  readonly mark?: { readonly reason: string } | undefined
}
const load = async (name: string): Promise<unknown> =>
  import(pathToFileURL(join(process.cwd(), `scripts/coverage/${name}.mjs`)).href)
const { findBranches } = (await load('branches')) as {
  findBranches: (code: string, map: unknown, source: string) => { branches: Place[]; lines: Place[] }
}
const { countsOf } = (await load('counts')) as { countsOf: (functions: unknown) => Count }

/** Runs a program and returns what it has not passed. */
function missed(folder: string, source: string): { branches: string[]; lines: number[]; marked: string[] } {
  const { code, map } = transformSync(source, { loader: 'ts', format: 'esm', sourcemap: true, sourcefile: 'a.ts' })
  const file = join(folder, 'a.mjs')
  writeFileSync(file, code)
  execFileSync(process.execPath, [file], { env: { NODE_V8_COVERAGE: join(folder, 'v8') } })
  const { branches, lines } = findBranches(code, JSON.parse(map), source)
  const counts = readdirSync(join(folder, 'v8')).flatMap((name) => {
    const { result } = JSON.parse(readFileSync(join(folder, 'v8', name), 'utf8')) as {
      result: { url: string; functions: unknown }[]
    }
    return result.filter(({ url }) => url === pathToFileURL(file).href).map(({ functions }) => countsOf(functions))
  })
  t.equal(counts.length, 1)
  const not = branches.filter(({ count }) => count(counts[0]!) <= 0)
  return {
    branches: not.filter(({ mark }) => mark === undefined).map(({ kind, line }) => `${line} ${kind}`),
    lines: lines.filter(({ count }) => count(counts[0]!) <= 0).map(({ line }) => line),
    marked: not.flatMap(({ mark }) => mark?.reason ?? []),
  }
}

t.test('branches that were not passed are named as they stand in TypeScript', async (t) => {
  const source = `interface Unused { readonly x: number }
function passed(n: number, word?: string): string {
  if (n > 1) return 'many'
  for (const x of [] as string[]) {
    word = x
  }
  const text = word ?? 'none'
  return n === 1 ? text : (text || 'x') && ''
}
function never(): void {}
switch (passed(1)) {
  case 'a':
    never()
    break
  default:
}
if (passed(1) === 'none') passed(1)
try {
  passed(1)
} catch {
  never()
}
// Not reached by tests: on other machines only
export const other = passed(1) === 'other' ? 1 : 2
`
  t.same(missed(t.testdir(), source), {
    branches: [
      ...['3 if', '4 loop', '8 : side', '8 behind &&', '8 behind ||'],
      ...['10 function', '13 case', '17 never false', '20 catch'],
    ],
    lines: [5, 13, 14, 21],
    marked: ['on other machines only'],
  })
})

t.test('a program that passes everything misses nothing', async (t) => {
  const source = `const f = (n: number): string => (n > 1 ? 'many' : 'few')
for (const n of [1, 2]) {
  if (f(n) === 'many') f(n)
}
`
  t.same(missed(t.testdir(), source), { branches: [], lines: [], marked: [] })
})

t.test('the innermost range counts', async (t) => {
  const passed = countsOf([
    { ranges: [{ startOffset: 0, endOffset: 100, count: 1 }] },
    {
      ranges: [
        { startOffset: 10, endOffset: 50, count: 7 },
        { startOffset: 20, endOffset: 30, count: 0 },
        { startOffset: 30, endOffset: 40, count: 5 },
      ],
    },
  ])
  t.same([0, 10, 20, 29, 30, 40, 49, 50, 99, 100].map(passed), [1, 7, 0, 0, 5, 7, 7, 1, 1, 0])
})
