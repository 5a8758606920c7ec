import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { transformSync } from 'esbuild'
import t from 'tap'
import { type CodeBlock, codeBlocks } from './markdown.js'

const RUNS = ['ts', 'js', 'typescript', 'javascript', 'mjs']

const documents = [
  'README.md',
  ...(existsSync('docs') ? readdirSync('docs', { recursive: true, encoding: 'utf8' }) : [])
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name))
    .sort(),
]
const blocks = documents.flatMap((file) => codeBlocks(file, readFileSync(file, 'utf8')))

t.test('[X1] every code block of README and docs runs as it stands', (t) => {
  t.plan(1 + blocks.filter(({ language }) => RUNS.includes(language)).length)
  t.ok(
    blocks.some(({ file, language }) => file === 'README.md' && language === 'ts'),
    'README has an example',
  )
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'annals-blocks-')))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(process.cwd(), join(folder, 'node_modules/annals'), 'junction')

  for (const [index, block] of blocks.entries()) {
    const name = `${block.file}:${block.line}`
    if (!RUNS.includes(block.language)) continue
    t.test(name, { skip: block.notRun ?? false }, (t) => {
      const { status, output } = run(block, join(folder, String(index)))
      t.equal(status, 0, output)
      t.end()
    })
  }
})

t.test('commands in README and CONTRIBUTING name scripts that exist', (t) => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
  const shell = ['README.md', 'CONTRIBUTING.md']
    .flatMap((file) => codeBlocks(file, readFileSync(file, 'utf8')))
    .filter(({ language }) => language === 'sh')
  t.ok(shell.length > 0)
  for (const { file, line, code } of shell) {
    for (const command of code.split('\n')) {
      const [, script] = /^\s*npm (?:run )?([\w:-]+)/.exec(command) ?? []
      if (script === undefined || ['ci', 'install', 'pack'].includes(script)) continue
      t.ok(script in scripts, `${file}:${line}: npm run ${script}`)
    }
  }
  t.end()
})

/** Runs a block as a module of its own, in a folder of its own, with the built package as `annals`. */
function run(block: CodeBlock, folder: string): { status: number | null; output: string } {
  mkdirSync(folder)
  const loader = block.language.startsWith('t') ? 'ts' : 'js'
  const { code } = transformSync(block.code, { loader, format: 'esm', target: 'node20.19', sourcefile: block.file })
  const file = join(folder, 'block.mjs')
  writeFileSync(file, code)
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [file], {
    cwd: folder,
    // What an example leaves for the reader to look at goes with the folder.
    env: { ...process.env, TMPDIR: folder, TEMP: folder, TMP: folder },
    encoding: 'utf8',
    timeout: 30_000,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const end = signal === null ? '' : `ended by ${signal}: does it close its store?\n`
  return { status, output: `${end}${stdout}${stderr}` }
}
