import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openEventStore } from '../../../engine/index.js'
import {
  annals,
  annalsHere,
  expectOutput,
  hostileNames,
  sampleStore,
  temporaryFolder,
  unsafeIn,
  untimed,
  writeImage,
} from './run-cli.js'

const LOG = 'log/0000000000000000-0000000001.log'
const STREAM = 'streams/61/account-1@0000000000000000.seg'

/** A store of which the log lacks one event and a stream another. */
async function damagedStore(
  t: Parameters<typeof temporaryFolder>[0],
): Promise<{ cwd: string; sound: Map<string, Buffer> }> {
  const cwd = temporaryFolder(t)
  const data = writeImage(cwd, await sampleStore())
  const sound = new Map([LOG, STREAM].map((file) => [file, readFileSync(join(data, file))]))
  for (const [file, text] of [
    [LOG, 'Withdrawn'],
    [STREAM, 'Opened'],
  ] as const) {
    const bytes = readFileSync(join(data, file))
    bytes[bytes.indexOf(text)]! ^= 1
    writeFileSync(join(data, file), bytes)
  }
  return { cwd, sound }
}

/** All files of a folder and what is in them. */
function contents(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
  return new Map(
    names
      .filter((name) => statSync(join(folder, name)).isFile())
      .map((name) => [name, readFileSync(join(folder, name), 'hex')]),
  )
}

t.test('[L1] shows the plan, does it, sets aside what it replaces, and verifies', async (t) => {
  const { cwd, sound } = await damagedStore(t)
  const { status, stdout, stderr } = annals(['repair', '--yes', 'data'], { cwd })
  t.same({ status, stderr }, { status: 0, stderr: '' })
  expectOutput(t, 'repair.txt', untimed(stdout))
  for (const [file, bytes] of sound) t.ok(readFileSync(join(cwd, 'data', file)).equals(bytes), file)
  t.ok(existsSync(join(cwd, 'data/aside')))
  const again = await annalsHere(['repair', '--yes', 'data'], cwd)
  t.match(again, { status: 0, stdout: /^sound: .*\nNothing is to be repaired.\n$/s, stderr: '' })
})

t.test('[L1] changes nothing with --dry-run, with "no", and where nobody can be asked', async (t) => {
  const { cwd } = await damagedStore(t)
  const before = contents(join(cwd, 'data'))
  const dry = await annalsHere(['repair', '--dry-run', 'data'], cwd)
  t.match(dry, { status: 1, stdout: /^plan {2}2 files$/m, stderr: '' })
  const alone = await annalsHere(['repair', 'data'], cwd)
  t.same(
    { status: alone.status, stderr: alone.stderr },
    {
      status: 2,
      stderr: 'annals: nothing was changed: nobody can be asked here\nRun it with --yes, or on a terminal.\n',
    },
  )
  t.equal(alone.stdout, untimedLike(alone.stdout, dry.stdout), 'the plan is shown all the same')
  for (const answer of ['n\n', '\n', '', 'maybe\n']) {
    const { status, stderr } = await annalsHere(['repair', 'data'], cwd, { answer })
    t.same(
      { status, stderr },
      { status: 1, stderr: 'Do this? What is replaced is set aside first. [y/N] Nothing was changed.\n' },
    )
  }
  t.same(contents(join(cwd, 'data')), before)
  const yes = await annalsHere(['repair', 'data'], cwd, { answer: 'yes\n' })
  t.match(yes, { status: 0, stdout: /^done {2}\d+ files$/m })
})

t.test('[L1] what cannot be healed is said, and ends with 1', async (t) => {
  const { cwd } = await damagedStore(t)
  const data = join(cwd, 'data')
  for (const file of [LOG, STREAM]) {
    const bytes = readFileSync(join(data, file))
    bytes[bytes.indexOf('Deposited')]! ^= 1
    writeFileSync(join(data, file), bytes)
  }
  const { status, stdout } = await annalsHere(['repair', '--yes', 'data'], cwd)
  t.equal(status, 1)
  t.match(stdout, /^ {2}x (?:log|streams)\/\S+:\d+ /m)
  t.match(stdout, /^damaged: /m)
})

t.test('[L1] --json', async (t) => {
  const { cwd } = await damagedStore(t)
  t.match(await annalsHere(['repair', '--json', 'data'], cwd), {
    status: 2,
    stdout: '',
    stderr: 'annals: --json needs --yes or --dry-run\n',
  })
  const parse = (text: string): Record<string, unknown>[] =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  const dry = await annalsHere(['repair', '--json', '--dry-run', 'data'], cwd)
  t.match(parse(dry.stdout).at(-1), {
    what: 'verdict',
    ok: false,
    isDryRun: true,
    wasOk: false,
    actions: 2,
    failures: 0,
  })
  const done = await annalsHere(['repair', '--json', '--yes', 'data'], cwd)
  const lines = parse(done.stdout)
  t.match(lines[0], { what: 'action', file: /^(?:log|streams)\//, action: String, aside: /^aside\// })
  t.match(lines.at(-1), { what: 'verdict', ok: true, isDryRun: false, wasOk: false })
})

t.test('[L1] [F4] a store that is open is left alone, and who has it is named', async (t) => {
  const { cwd } = await damagedStore(t)
  const data = join(cwd, 'data')
  const store = await openEventStore(data)
  t.teardown(() => store.close())
  const { status, stderr } = annals(['repair', '--yes', 'data'], { cwd })
  t.equal(status, 3)
  t.match(stderr, new RegExp(`^annals: .*process ${process.pid} on .* has it open since`))
  t.match(stderr, /^This needs the store for itself: stop that process first\.$/m)
})

t.test('[fault 68] what is stored reaches the terminal escaped', async (t) => {
  const cwd = temporaryFolder(t)
  const data = writeImage(cwd, await hostileNames())
  const bytes = readFileSync(join(data, LOG))
  bytes[bytes.lastIndexOf('pwned')]! ^= 1
  writeFileSync(join(data, LOG), bytes)
  for (const options of ['--dry-run', '--yes']) {
    const { stdout, stderr } = await annalsHere(['repair', options, 'data'], cwd)
    t.match(stdout, /^plan/m)
    t.same(unsafeIn(stdout + stderr), [])
  }
})

/** The first text, if it is the second but for how long it took. */
function untimedLike(text: string, other: string): string {
  return untimed(text) === untimed(other) ? text : other
}
