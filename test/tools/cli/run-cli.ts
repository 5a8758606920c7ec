import { spawnSync } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { SmallFiles, type FilesImage } from '../../support/small-files.js'
import { STORE, stillEnvironment } from '../../support/hostile-store.js'
import { openStore } from '../../../engine/store/open-store.js'
import { main } from '../../../tools/cli/main.js'
import { Output } from '../../../tools/cli/output.js'
import type { NewEvent } from '../../../engine/index.js'

/** The command as it is built. */
export const BINARY = join(process.cwd(), 'build/tools/cli/annals.js')

export interface CliResult {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CliOptions {
  /** Folder it runs in. */
  readonly cwd?: string
  readonly input?: string | Buffer
  readonly env?: NodeJS.ProcessEnv
}

/** Runs `annals` with these arguments, its output going to pipes. */
export function annals(args: readonly string[], { cwd, input = '', env = {} }: CliOptions = {}): CliResult {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BINARY, ...args], {
    cwd,
    input,
    env: { ...cleanEnvironment(), ...env },
    encoding: 'utf8',
    timeout: 60_000,
    maxBuffer: 64 * 1024 * 1024,
  })
  return { status, stdout, stderr }
}

/**
 * The same in this process, for the many: starting a process for each file of a store takes longer than all that is tested. Paths in
 * `folder` are given and shown without it.
 */
export async function annalsHere(
  args: readonly string[],
  folder: string,
  { answer, stdin, isTerminal = false, signal = new AbortController().signal, env = {} }: HereOptions = {},
): Promise<CliResult> {
  const out = new CapturingSink()
  const err = new CapturingSink()
  const words = args.map((word) => (existsSync(join(folder, word)) ? join(folder, word) : word))
  if (isTerminal) for (const sink of [out, err]) Object.assign(sink, { isTTY: true })
  const input = Object.assign(new PassThrough(), { isTTY: answer !== undefined }) as unknown as NodeJS.ReadStream
  const typed = answer ?? stdin
  if (typed !== undefined) (input as unknown as PassThrough).end(typed)
  const terminal = {
    out: new Output(out, () => {}),
    err: new Output(err, () => {}),
    input,
    signal,
    env,
  }
  const status = await main(words, { ...terminal, close: () => {} })
  const here = (text: string): string => text.replaceAll(`${folder}/`, '')
  return { status, stdout: here(out.text), stderr: here(err.text) }
}

export interface HereOptions {
  /** What somebody types. Default: nobody is there. */
  readonly answer?: string
  /** What is piped in. */
  readonly stdin?: string | Buffer
  readonly isTerminal?: boolean
  readonly env?: NodeJS.ProcessEnv
  readonly signal?: AbortSignal
}

class CapturingSink extends EventEmitter {
  text = ''

  write(text: string): boolean {
    this.text += text
    return true
  }
}

/** What command lines print, one after another, each with its exit code where it is not 0. */
export async function transcript(
  folder: string,
  lines: readonly (readonly string[])[],
  options?: HereOptions,
): Promise<string> {
  const printed: string[] = []
  for (const words of lines) {
    const { status, stdout, stderr } = await annalsHere(words, folder, options)
    printed.push(`$ annals ${words.join(' ')}\n${stderr}${stdout}${status === 0 ? '' : `[${status}]\n`}`)
  }
  return printed.join('\n')
}

/** Compares what command lines print with a file; the first of them is also run as the built command, and prints the same. */
export async function expectTranscript(
  t: Test,
  folder: string,
  name: string,
  lines: readonly (readonly string[])[],
): Promise<void> {
  const first = lines[0]!
  const { status, stdout, stderr } = annals(first, { cwd: folder })
  t.same({ status, stderr }, { status: 0, stderr: '' })
  const whole = await transcript(folder, lines)
  t.ok(whole.startsWith(`$ annals ${first.join(' ')}\n${stdout}`), 'as the built command')
  expectOutput(t, name, whole)
}

/** What a command prints with `--json`, line by line. */
export async function jsonLines(folder: string, words: readonly string[]): Promise<Record<string, unknown>[]> {
  const { stdout } = await annalsHere(words, folder)
  const lines = stdout.split('\n').filter((line) => line !== '')
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
}

/** Changes a letter behind the first place where a text stands in a file. */
export function spoil(file: string, text: string): void {
  const bytes = readFileSync(file)
  bytes[bytes.indexOf(text)]! ^= 1
  writeFileSync(file, bytes)
}

/** Where the sample store has its log, and one of its streams. */
export const LOG_FILE = 'data/log/0000000000000000-0000000001.log'
export const STREAM_FILE = 'data/streams/61/account-1@0000000000000000.seg'

/** The environment without what would change colours, or was left by the test runner. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const unwanted = /^(?:TAP|_TAPJS|NODE_OPTIONS$|NODE_V8_COVERAGE$|NO_COLOR$|FORCE_COLOR$)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !unwanted.test(name)))
}

/** A folder that is gone after the test. */
export function temporaryFolder(t: { teardown(done: () => unknown): void }): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'annals-cli-')))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Such a folder with the sample store in `data`. */
export async function sampleFolder(t: { teardown(done: () => unknown): void }): Promise<string> {
  const folder = temporaryFolder(t)
  writeImage(folder, await sampleStore())
  return folder
}

/** Writes the files of a store into `<folder>/data`. */
export function writeImage(folder: string, { files, folders }: FilesImage): string {
  const data = join(folder, 'data')
  for (const name of folders) {
    if (name.startsWith(STORE)) mkdirSync(join(data, name.slice(STORE.length)), { recursive: true })
  }
  for (const [path, bytes] of files) {
    const file = join(data, path.slice(STORE.length))
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, bytes)
  }
  return data
}

const TIME = Date.UTC(2026, 0, 5, 9)
const event = (n: number, fields: NewEvent): NewEvent => ({
  id: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
  timestamp: TIME + 60_000 * n,
  ...fields,
})

/** A small store that is always the same, byte by byte: the one of docs/cli.md. */
export async function sampleStore(): Promise<FilesImage> {
  const files = new SmallFiles()
  const store = await openStore(stillEnvironment(files, 7), STORE, {})
  await store.append('account-1', [event(0, { type: 'Opened', data: { owner: 'Ada', cents: 0 } })])
  await store.append('account-2', [event(1, { type: 'Opened', data: { owner: 'Grace', cents: 0 } })])
  await store.append('account-1', [
    event(2, { type: 'Deposited', data: { cents: 5000 } }),
    event(3, { type: 'Deposited', data: { cents: 250 }, tags: ['branch:north'] }),
  ])
  const metadata = { correlationId: 'transfer-1' }
  await store.appendMany(
    [
      {
        stream: 'account-1',
        events: [event(4, { type: 'Withdrawn', data: { cents: 1200, to: 'account-2' }, metadata })],
      },
      {
        stream: 'account-2',
        events: [event(5, { type: 'Deposited', data: { cents: 1200, from: 'account-1' }, metadata })],
      },
    ],
    { commitId: 'transfer-1' },
  )
  await store.append('audit/2026', [
    event(6, { type: 'Closed of day', data: { at: new Date(TIME), total: 2n ** 70n } }),
  ])
  await store.close()
  return files.image()
}

/** What control sequences look like that somebody has stored. */
export const HOSTILE = '\u001b]0;pwned\u0007\u001b[2J\r\nannals: all is well\u009b31m\u202e\u2028\u007f'

/** A store whose names, types, data, ids and tags try to take over the terminal. */
export async function hostileNames(): Promise<FilesImage> {
  const files = new SmallFiles()
  const store = await openStore(stillEnvironment(files, 8), STORE, {})
  for (let n = 0; n < 3; n++) {
    await store.append(
      `${HOSTILE}-${n}`,
      [
        event(n, {
          type: HOSTILE,
          data: { [HOSTILE]: HOSTILE },
          metadata: { correlationId: HOSTILE },
          tags: [HOSTILE],
        }),
      ],
      { commitId: `${HOSTILE}${n}` },
    )
  }
  await store.close()
  return files.image()
}

/** Characters that a terminal must not be given; the colours of the tool itself are taken away first. */
export function unsafeIn(text: string): string[] {
  // eslint-disable-next-line no-control-regex -- they are what this is about
  const plain = text.replaceAll(/\u001b\[\d+m/g, '')
  // eslint-disable-next-line no-control-regex -- they are what this is about
  return plain.match(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g) ?? []
}

/** Takes out what is otherwise at each run: how long it took, and the time in the name of a folder. */
export function untimed(text: string): string {
  return text
    .replaceAll(/(?<=\b(?:read|verified,|now,|crash,) in )[\d.:]+ m?(?:s|in)\b/g, '1 ms')
    .replaceAll(/aside\/[\dTZ.-]+\//g, 'aside/2026-01-05T10-00-00.000Z/')
}

/** Compares with a file of test/tools/cli/expected. With UPDATE_EXPECTED it is written: read what you commit. */
export function expectOutput(
  t: { equal(a: string, b: string, m: string): unknown },
  name: string,
  output: string,
): void {
  const file = join('test/tools/cli/expected', name)
  if (process.env['UPDATE_EXPECTED'] !== undefined) writeFileSync(file, output)
  t.equal(output, existsSync(file) ? readFileSync(file, 'utf8') : '', name)
}

/** The commits of this repository as NDJSON, oldest first; undefined where there is no git, or this is no checkout. */
export function commitHistory(): string | undefined {
  // NUL is in no message, and everything else may be.
  const format = '--format=%H%x00%aI%x00%an%x00%s'
  const { status, stdout } = spawnSync('git', ['log', '--reverse', format], {
    env: cleanEnvironment(),
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  if (status !== 0) return undefined
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [hash, at, author, subject] = line.split('\0')
      return `${JSON.stringify({ hash, at, author, subject })}\n`
    })
    .join('')
}
