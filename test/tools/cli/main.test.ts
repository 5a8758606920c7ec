import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { commands } from '../../../tools/cli/commands.js'
import {
  annals,
  annalsHere,
  BINARY,
  cleanEnvironment,
  expectOutput,
  sampleFolder,
  sampleStore,
  temporaryFolder,
  writeImage,
} from './run-cli.js'

t.test('help: of annals, and of each command with examples', async (t) => {
  const cwd = temporaryFolder(t)
  const general = annals(['help'])
  t.match(general, { status: 0, stderr: '' })
  expectOutput(t, 'help.txt', general.stdout)
  t.same(annals(['--help']), general)
  t.same(annals([]), { status: 2, stdout: '', stderr: general.stdout }, 'without a command')
  for (const { name, examples } of commands) {
    const help = await annalsHere(['help', name], cwd)
    t.match(help, { status: 0, stderr: '' })
    t.ok(
      help.stdout.split('\n').every((line) => line.length <= 140),
      `${name}: no line is too wide`,
    )
    t.ok(examples.length > 0, name)
    for (const [line] of examples) t.ok(help.stdout.includes(`  $ ${line}\n`), line)
    t.same(await annalsHere([name, '--help'], cwd), help)
    t.same(await annalsHere([name, '-h'], cwd), help)
  }
})

t.test('the version is that of the package', (t) => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  for (const word of ['--version', '-V']) t.same(annals([word]), { status: 0, stdout: `${version}\n`, stderr: '' })
  t.end()
})

t.test('wrong command lines end with 2, say what is wrong, and what was probably meant', async (t) => {
  const cwd = temporaryFolder(t)
  const wrong = async (args: readonly string[], stderr: string): Promise<void> => {
    t.same(await annalsHere(args, cwd), { status: 2, stdout: '', stderr }, args.join(' '))
  }
  const usage = 'Usage: annals inspect <file> [options]\n'
  const see = 'See "annals help inspect".\n'
  await wrong(['inspcet', 'x'], 'annals: there is no command "inspcet"; did you mean "inspect"?\nSee "annals help".\n')
  await wrong(['frobnicate'], 'annals: there is no command "frobnicate"\nSee "annals help".\n')
  await wrong(['\u001b[2J'], 'annals: there is no command "\\u001b[2J"\nSee "annals help".\n')
  await wrong(['help', 'inspec'], 'annals: there is no command "inspec"; did you mean "inspect"?\nSee "annals help".\n')
  await wrong(['inspect'], `annals: inspect needs <file>\n${usage}`)
  await wrong(['inspect', 'a', 'b'], `annals: inspect takes no "b"\n${usage}`)
  await wrong(['inspect', '--hxe', 'a'], `annals: inspect has no option "--hxe"; did you mean --hex?\n${see}`)
  await wrong(['inspect', '--constructor', 'a'], `annals: inspect has no option "--constructor"\n${see}`)
  await wrong(['inspect', 'a', '--record'], 'annals: --record needs a value: --record <n>\n')
  await wrong(['inspect', 'a', '--record', 'x'], 'annals: --record takes a whole number from 0 on, not "x"\n')
  await wrong(['inspect', 'a', '--hex=1'], 'annals: --hex takes no value\n')
  await wrong(['inspect', 'a', '--hex', '--hex'], 'annals: --hex is there twice\n')
  await wrong(['inspect', 'a', '--color=red'], 'annals: --color is one of auto, always, never, not "red"\n')
})

t.test(
  'each command has a file and a test of its name, and --json, unless what it prints is for a program anyway',
  (t) => {
    const forPrograms = new Set(['export', 'completion'])
    for (const { name, options } of commands) {
      t.ok(existsSync(`tools/cli/commands/${name}.ts`), `${name}: a file`)
      t.ok(existsSync(`test/tools/cli/${name}.test.ts`), `${name}: a test`)
      t.equal('json' in options, !forPrograms.has(name), `${name}: --json`)
    }
    t.end()
  },
)

t.test('colours are for terminals, unless NO_COLOR or --color say otherwise', async (t) => {
  const cwd = await sampleFolder(t)
  const coloured = async (words: readonly string[], options: Parameters<typeof annalsHere>[2]): Promise<boolean> =>
    (await annalsHere(['verify', ...words, 'data'], cwd, options)).stdout.includes('\u001b[32m')
  t.equal(await coloured([], {}), false, 'a pipe')
  t.equal(await coloured(['--color', 'always'], {}), true)
  t.equal(await coloured([], { isTerminal: true }), true, 'a terminal')
  t.equal(await coloured(['--color', 'never'], { isTerminal: true }), false)
  for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) {
    t.equal(await coloured([], { isTerminal: true, env }), false, JSON.stringify(env))
  }
})

t.test('whoever reads may go: it ends quietly', async (t) => {
  const cwd = temporaryFolder(t)
  const data = writeImage(cwd, await sampleStore())
  const file = `${data}/log/0000000000000000-0000000001.log`
  const script =
    'for i in 1 2 3 4 5; do set -- "$@" "$1"; done; "$2" "$3" inspect --json --hex "$1" | head -n 1; echo "${PIPESTATUS[0]}"'
  const { stdout, stderr } = spawnSync('bash', ['-c', script, 'bash', file, process.execPath, BINARY], {
    env: cleanEnvironment(),
    encoding: 'utf8',
  })
  t.equal(stderr, '')
  t.match(stdout, /^\{"what":"file",.*\}\n(?:0|141)\n$/s)

  const gone = spawn(process.execPath, [BINARY, 'inspect', '--hex', file], { env: cleanEnvironment() })
  gone.stdout.destroy()
  let said = ''
  gone.stderr.on('data', (text: Buffer) => (said += text.toString()))
  const status = await new Promise((resolve) => gone.on('close', resolve))
  t.same({ status, said }, { status: 141, said: '' })
})
