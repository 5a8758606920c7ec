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

/** What each shell is to complete, in a folder with a file `a-file`: the words so far, and what is offered. */
const WANTED: readonly (readonly [line: string, offered: readonly string[]])[] = [
  ['annals c', ['cat', 'checkpoint', 'completion']],
  ['annals he', ['help']],
  ['annals help in', ['inspect']],
  ['annals ls --r', ['--reverse']],
  ['annals tail --fo', ['--follow']],
  ['annals cat a-', ['a-file']],
  ['annals import --collect a-', ['a-file']],
  ['annals import --format a-', []],
]

/** Why the tests of a shell are left out; false: it is here. */
function without(shell: string): string | false {
  return spawnSync(shell, ['--version']).error === undefined
    ? false
    : `${shell} is not installed; the words of its script are checked below`
}

function folderWithFile(t: Parameters<typeof temporaryFolder>[0], shell: 'fish' | 'zsh'): string {
  const cwd = temporaryFolder(t)
  writeFileSync(join(cwd, 'a-file'), '')
  writeFileSync(join(cwd, 'script'), annals(['completion', shell]).stdout)
  return cwd
}

t.test('fish completes commands, their options, and files', { skip: without('fish') }, (t) => {
  const cwd = folderWithFile(t, 'fish')
  const env = { ...cleanEnvironment(), HOME: cwd }
  for (const [line, offered] of WANTED) {
    const options = { cwd, env, encoding: 'utf8', timeout: 20_000 } as const
    const ask = ['--no-config', '-c', `source script; complete -C '${line}'`]
    const { stdout, stderr } = spawnSync('fish', ask, options)
    const found = stdout.split('\n').flatMap((each) => (each === '' ? [] : [each.split('\t')[0]!]))
    t.same({ line, found, stderr }, { line, found: offered, stderr: '' })
  }
  t.end()
})

t.test('zsh completes commands, their options, and files', { skip: without('zsh') }, (t) => {
  const cwd = folderWithFile(t, 'zsh')
  // In a terminal of its own: a tab lists what is offered, and the next line tells that it has.
  const ask = `zmodload zsh/zpty || exit 1
    zpty z env TERM=dumb zsh -f -i
    zpty -w z "PS1='>'; unset zle_bracketed_paste; autoload -Uz compinit; compinit -u -D; source ./script; bindkey '^I' list-choices; LISTMAX=1000; print rea''dy"
    zpty -r -m z out '*ready*'
    for line in "$@"; do
      zpty -w -n z "$line"$'\\t'$'\\x15'
      zpty -w z "print do''ne"
      zpty -r -m z out '*done*'
      print -r -- "== $line"; print -r -- "\${out//$'\\r'/}"
    done
    zpty -d z`
  const options = { cwd, env: { ...cleanEnvironment(), HOME: cwd }, encoding: 'utf8', timeout: 30_000 } as const
  const { stdout } = spawnSync('zsh', ['-f', '-c', ask, 'zsh', ...WANTED.map(([line]) => line)], options)
  const answers = stdout.split(/^== /m).slice(1)
  t.equal(answers.length, WANTED.length, stdout)
  for (const [i, [line, offered]] of WANTED.entries()) {
    const text = answers[i] ?? ''
    for (const word of offered) t.match(text, new RegExp(`^${word}(?: |\\*|$)`, 'm'), `${line}: ${word}`)
    if (offered.length === 0) t.notMatch(text, /^a-file/m, line)
  }
  t.end()
})

t.test('the words of the scripts for zsh and fish are such as these shells take', async (t) => {
  const cwd = temporaryFolder(t)
  const { stdout: zsh } = await annalsHere(['completion', 'zsh'], cwd)
  // Words in single quotes are the same to all shells; this is what _arguments knows.
  const spec = /^(?:\*?--?[a-z0-9][a-z-]*=?\[(?:[^[\]:\\]|\\.)+\](?::[^:]+:(?:_files)?)?|\*:file:_files)$/
  const lines = zsh.split('\n').filter((line) => line.includes('_arguments'))
  t.equal(lines.length, commands.length)
  for (const line of lines) {
    const words = wordsOf(line.trim().slice('_arguments '.length, -' ;;'.length))
    for (const word of words) if (!spec.test(word)) t.fail(word)
    t.equal(words.at(-1), '*:file:_files')
  }
  const { stdout: fish } = await annalsHere(['completion', 'fish'], cwd)
  const known = /^complete -c annals (?:-f )?-n [^-]+ (?:-a|-l) [^-]/
  for (const line of fish.trimEnd().split('\n')) {
    const words = wordsOf(line)
    if (!known.test(words.join(' '))) t.fail(line)
    if (words.includes('-l')) t.equal(words.at(-2), '-d', 'each option is described')
  }
})

/** Splits a line into words as shells do that are given no more than words in single quotes and a quoted quote. */
function wordsOf(line: string): string[] {
  const pieces = /(?:'[^']*'|\\'|[^\s'\\])+/g
  if (line.replaceAll(pieces, '').trim() !== '') throw new Error(`no shell takes ${line}`)
  return [...line.matchAll(pieces)].map(([word]) => word.replaceAll(/'([^']*)'|\\(')/g, '$1$2'))
}

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
