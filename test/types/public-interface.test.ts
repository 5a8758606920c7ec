import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

/** The tests run from `build/`; the sources stand beside it. */
function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'tsconfig.json'))) folder = dirname(folder)
  return folder
}

const root = findRoot()
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')

function compile(file: string): { readonly status: number | null; readonly output: string } {
  const config = join(root, 'test', 'types', `tsconfig.${process.pid}.json`)
  writeFileSync(config, JSON.stringify({ extends: '../../tsconfig.json', files: [file], include: [] }))
  try {
    const { status, stdout } = spawnSync(process.execPath, [compiler, '--noEmit', '-p', config], { encoding: 'utf8' })
    return { status, output: stdout }
  } finally {
    rmSync(config)
  }
}

t.test(
  '[A3] the public interface accepts what it should, and refuses what it should',
  { timeout: 120_000 },
  async (t) => {
    t.match(compile('public-interface.ts'), { status: 0, output: '' })
  },
)

t.test('[G7] [G8] the kit infers its unions, and wrong data does not compile', { timeout: 120_000 }, async (t) => {
  t.match(compile('kit.ts'), { status: 0, output: '' })
})

t.test('a type test that is wrong is noticed', { timeout: 120_000 }, async (t) => {
  const source = readFileSync(join(root, 'test', 'types', 'public-interface.ts'), 'utf8')
  const name = `wrong.${process.pid}.ts`
  const path = join(root, 'test', 'types', name)
  writeFileSync(
    path,
    source
      .replace("durability: 'never'", "durability: 'os'")
      .replace('data: { amount: 1 } }', 'data: { amount: "1" } }'),
  )
  try {
    const { status, output } = compile(name)
    t.not(status, 0)
    t.match(output, /TS2578/, 'an expected error that does not come')
    t.match(output, /TS2322/, 'an error that is not expected')
  } finally {
    rmSync(path)
  }
})
