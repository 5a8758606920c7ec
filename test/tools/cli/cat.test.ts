import t from 'tap'
import { InterruptedError } from '../../../tools/cli/exit-codes.js'
import {
  annalsHere,
  expectOutput,
  expectTranscript,
  HOSTILE,
  hostileNames,
  jsonLines,
  LOG_FILE,
  sampleFolder,
  spoil,
  STREAM_FILE,
  temporaryFolder,
  transcript,
  unsafeIn,
  writeImage,
} from './run-cli.js'

t.test('[U1] [U2] events of a stream, a category, everything, picked in every way', async (t) => {
  const cwd = await sampleFolder(t)
  await expectTranscript(t, cwd, 'cat.txt', [
    ['cat', 'data'],
    ['cat', 'data', 'account-1'],
    ['cat', '--long', 'data', 'account-1'],
    ['cat', '--json', 'data'],
    ['cat', '--raw', 'data', 'audit/2026'],
    ['cat', '--category', 'account', '--type', 'Opened', 'data'],
    ['cat', '--type', 'Opened', '--type', 'Closed of day', 'data'],
    ['cat', '--from', '2', '--to', '4', 'data'],
    ['cat', '--from', '2', 'data', 'account-1'],
    ['cat', '--since', '2026-01-05T09:03', '--until', '2026-01-05T09:04', 'data'],
    ['cat', '--until', '2026-01-04', 'data'],
    ['cat', '--correlation', 'transfer-1', '--limit', '1', 'data'],
    ['cat', 'data', 'nobody'],
    ['cat', '--json', '--raw', 'data'],
    ['cat', '--category', 'account', 'data', 'account-1'],
    ['cat', '--since', 'soon', 'data'],
    ['cat', 'nowhere'],
  ])
})

t.test('on a terminal a line is as long as there is room', async (t) => {
  const cwd = await sampleFolder(t)
  const { stdout } = await annalsHere(['cat', '--color=never', 'data'], cwd, { isTerminal: true })
  t.match(stdout, /\{ at: 2026-01-0.*…$/m)
  t.ok(stdout.split('\n').every((line) => line.length <= 80))
})

t.test('[U3] what is before the damage is printed, then what is wrong', async (t) => {
  const cwd = await sampleFolder(t)
  spoil(`${cwd}/${LOG_FILE}`, 'Withdrawn')
  spoil(`${cwd}/${STREAM_FILE}`, 'Withdrawn')
  const whole = await transcript(cwd, [
    ['cat', 'data'],
    ['cat', 'data', 'account-1'],
    ['cat', '--limit', '2', 'data', 'account-1'],
    ['cat', 'data', 'account-2'],
  ])
  expectOutput(t, 'cat-damaged.txt', whole)
})

t.test(
  '[U3] of a stream whose own file is damaged, what is before the damage is printed; the log is not asked',
  async (t) => {
    const cwd = await sampleFolder(t)
    spoil(`${cwd}/${STREAM_FILE}`, 'Withdrawn')
    const whole = await transcript(cwd, [
      ['cat', 'data', 'account-1'],
      ['cat', '--limit', '2', 'data', 'account-1'],
      ['cat', '--to', '1', '--json', 'data', 'account-1'],
      ['cat', '--from', '3', 'data', 'account-1'],
      ['cat', '--type', 'Deposited', '--raw', 'data', 'account-1'],
      ['show', 'data', 'account-1@2'],
      ['cat', '--category', 'account', 'data'],
    ])
    expectOutput(t, 'cat-damaged-stream.txt', whole)
    t.match(await annalsHere(['cat', 'data', 'account-1'], cwd), { status: 1, stderr: /ERR_CORRUPT/ })
  },
)

t.test('[fault 68] nothing that is stored reaches the terminal raw', async (t) => {
  const cwd = temporaryFolder(t)
  writeImage(cwd, await hostileNames())
  for (const options of [[], ['--long'], ['--json'], ['--raw'], ['--long', '--color=always']]) {
    const { status, stdout, stderr } = await annalsHere(['cat', ...options, 'data'], cwd)
    t.equal(status, 0)
    t.same(unsafeIn(stdout + stderr), [], options.join(' '))
    t.notMatch(stdout, /^annals: all is well/m, 'no line is forged')
  }
  const [first] = await jsonLines(cwd, ['cat', '--json', 'data'])
  t.match(first, { stream: `${HOSTILE}-0`, type: HOSTILE, tags: [HOSTILE], data: { [HOSTILE]: HOSTILE } })
  const quoted = JSON.stringify(`${HOSTILE}-1`)
  t.equal((await jsonLines(cwd, ['cat', '--json', 'data', quoted])).length, 1, 'a name can be given as it is shown')
})

t.test('Ctrl-C ends it without a word', async (t) => {
  const cwd = await sampleFolder(t)
  const controller = new AbortController()
  controller.abort(new InterruptedError())
  t.same(await annalsHere(['cat', 'data'], cwd, { signal: controller.signal }), { status: 130, stdout: '', stderr: '' })
})
