import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { InterruptedError } from '../../../tools/cli/exit-codes.js'
import {
  annals,
  annalsHere,
  expectOutput,
  hostileNames,
  sampleFolder,
  sampleStore,
  temporaryFolder,
  unsafeIn,
  untimed,
  writeImage,
} from './run-cli.js'

const LOG = 'data/log/0000000000000000-0000000001.log'
const STREAM = 'data/streams/61/account-1@0000000000000000.seg'

/** Changes a letter behind the last place where a text stands in a file. */
function spoil(file: string, text: string): void {
  const bytes = readFileSync(file)
  bytes[bytes.lastIndexOf(text)]! ^= 1
  writeFileSync(file, bytes)
}

t.test('[U3] a sound store', async (t) => {
  const cwd = await sampleFolder(t)
  const { status, stdout, stderr } = annals(['verify', 'data'], { cwd })
  t.same({ status, stderr }, { status: 0, stderr: '' })
  t.match(untimed(stdout), /^sound: 7 events in 3 streams; \d+ files, [\d.]+ KiB read in 1 ms\n$/)
  const json = await annalsHere(['verify', '--fast', '--json', 'data'], cwd)
  t.match(JSON.parse(json.stdout), { what: 'verdict', ok: true, findings: 0, truncated: 0, events: 7, streams: 3 })
})

t.test(
  '[U3] damage in log and stream, a wrong index, a strange file: by invariant, file, byte, stream and offset',
  async (t) => {
    const cwd = temporaryFolder(t)
    writeImage(cwd, await sampleStore())
    spoil(join(cwd, LOG), 'Withdrawn')
    spoil(join(cwd, STREAM), 'Opened')
    writeFileSync(join(cwd, LOG.replace('.log', '.idx')), 'no index')
    writeFileSync(join(cwd, 'data/notes.txt'), 'mine')
    const { status, stdout, stderr } = annals(['verify', 'data'], { cwd })
    t.same({ status, stderr }, { status: 1, stderr: '"annals repair" shows what can be healed from the other copy.\n' })
    expectOutput(t, 'verify-damaged.txt', untimed(stdout))
    const json = await annalsHere(['verify', '--json', 'data'], cwd)
    t.equal(json.status, 1)
    const lines = json.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    t.match(lines.at(-1), { what: 'verdict', ok: false, findings: lines.length - 1 })
    t.match(
      lines.find(({ stream }) => stream === 'account-1'),
      {
        what: 'finding',
        invariant: /^I\d+$/,
        severity: 'damage',
        file: /^(?:log|streams)\//,
        byte: Number,
        offset: Number,
      },
    )
    const one = await annalsHere(['verify', '--max', '1', 'data'], cwd)
    t.match(one.stdout, /finding not shown|findings not shown/)
  },
)

t.test('what is no store, or nowhere, ends with 3 and says so', async (t) => {
  const cwd = temporaryFolder(t)
  t.match(await annalsHere(['verify', 'nowhere'], cwd), {
    status: 3,
    stdout: '',
    stderr: /^annals: Cannot verify "nowhere": there is no such folder\n/,
  })
  writeFileSync(join(cwd, 'file'), '')
  t.match(await annalsHere(['verify', 'file'], cwd), { status: 3, stdout: '' })
})

t.test('on a terminal it shows how far it has come, and takes that away', async (t) => {
  const cwd = await sampleFolder(t)
  const { stdout, stderr } = await annalsHere(['verify', 'data'], cwd, { isTerminal: true })
  t.match(stdout, '\u001b[32msound', 'in colour')
  const shown = stderr.split('\r\u001b[K')
  t.same([shown[0], shown.at(-1)], ['', ''], 'on one line, which is taken away')
  for (const line of shown.slice(1, -1)) t.match(line, /^verify +\d+% {2}[\d.]+ (?:KiB|B) of [\d.]+ KiB/)
  const percents = shown.slice(1, -1).map((line) => Number(/\d+/.exec(line)![0]))
  t.same(
    percents,
    [...percents].sort((a, b) => a - b),
  )
  t.equal(percents.at(-1), 100, 'to the end')
})

t.test('Ctrl-C ends it without a word', async (t) => {
  const cwd = await sampleFolder(t)
  const controller = new AbortController()
  controller.abort(new InterruptedError())
  const { status, stdout, stderr } = await annalsHere(['verify', 'data'], cwd, { signal: controller.signal })
  t.same({ status, stdout, stderr }, { status: 130, stdout: '', stderr: '' })
})

t.test('[fault 68] what is stored reaches the terminal escaped', async (t) => {
  const cwd = temporaryFolder(t)
  const data = writeImage(cwd, await hostileNames())
  spoil(join(data, 'log/0000000000000000-0000000001.log'), 'pwned')
  for (const options of [[], ['--json']]) {
    const { status, stdout, stderr } = await annalsHere(['verify', ...options, 'data'], cwd)
    t.equal(status, 1)
    t.match(stdout, /pwned/, 'the stream is named')
    t.same(unsafeIn(stdout + stderr), [])
  }
})
