import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { commands } from '../../../tools/cli/commands.js'
import { SHELLS } from '../../../tools/cli/completion-scripts.js'
import { annals, annalsHere, cleanEnvironment, temporaryFolder } from './run-cli.js'

t.test('bash completes commands, their options, and files', (t) => {
  const cwd = temporaryFolder(t)
  writeFileSync(join(cwd, 'a file'), '')
  const { status, stdout: script, stderr } = annals(['completion', 'bash'])
  t.same({ status, stderr }, { status: 0, stderr: '' })
  writeFileSync(join(cwd, 'completion'), script)
  // As bash does at a tab: the words so far, and which of them is being written.
  const ask = `source ./completion; for line in "$@"; do
    IFS=, read -ra COMP_WORDS <<< "$line"; [[ $line == *, ]] && COMP_WORDS+=(''); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
    _annals; (IFS=,; echo "\${COMPREPLY[*]}")
  done; complete -p annals`
  const lines = [
    'annals,c',
    'annals,help,in',
    'annals,ls,--r',
    'annals,tail,--fo',
    'annals,cat,a',
    'annals,nothing,--x',
    'annals,',
  ]
  const { stdout, stderr: said } = spawnSync('bash', ['--norc', '-c', ask, 'bash', ...lines], {
    cwd,
    env: cleanEnvironment(),
    encoding: 'utf8',
  })
  t.equal(said, '')
  const starting = (letters: string): string =>
    [...commands.map(({ name }) => name), 'help'].filter((name) => name.startsWith(letters)).join(',')
  t.same(stdout.split('\n'), [
    starting('c'),
    starting('in'),
    '--reverse',
    '--follow',
    'a file',
    '',
    starting(''),
    'complete -o filenames -F _annals annals',
    '',
  ])
  t.end()
})

t.test('each script is one that its shell takes, and names all commands and options', async (t) => {
  const cwd = temporaryFolder(t)
  for (const shell of SHELLS) {
    const { status, stdout: script } = await annalsHere(['completion', shell], cwd)
    t.equal(status, 0)
    for (const { name, options } of commands) {
      t.ok(script.includes(name), `${shell}: ${name}`)
      for (const option of Object.keys(options)) t.ok(script.includes(option), `${shell}: ${name} --${option}`)
    }
    const file = join(cwd, `completion.${shell}`)
    writeFileSync(file, script)
    const { error, status: syntax, stderr } = spawnSync(shell, ['-n', file], { encoding: 'utf8' })
    if (error === undefined) t.same({ syntax, stderr }, { syntax: 0, stderr: '' }, shell)
    else t.match(error, { code: 'ENOENT' }, `${shell} is not here`)
  }
})

t.test('another shell is refused', async (t) => {
  t.same(await annalsHere(['completion', 'tcsh'], 'nowhere'), {
    status: 2,
    stdout: '',
    stderr: 'annals: there is no completion for "tcsh"\nThere is one for bash, zsh, fish.\n',
  })
})
