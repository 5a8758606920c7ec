import t from 'tap'
import {
  annalsHere,
  expectOutput,
  expectTranscript,
  hostileNames,
  LOG_FILE,
  sampleFolder,
  spoil,
  temporaryFolder,
  transcript,
  unsafeIn,
  writeImage,
} from './run-cli.js'

t.test('[M1] [M5] commits in their order, and of a stream or a filter what it takes', async (t) => {
  const cwd = await sampleFolder(t)
  await expectTranscript(t, cwd, 'log.txt', [
    ['log', 'data'],
    ['log', 'data', 'account-1'],
    ['log', '--json', 'data'],
    ['log', '--type', 'Deposited', 'data'],
    ['log', '--from', '2', '--limit', '2', 'data'],
    ['log', '--limit', '0', 'data'],
    ['log', '--since', '2026-01-05T09:05', 'data'],
    ['log', 'data', 'nobody'],
  ])
})

t.test('[U3] commits before the damage are listed, then what is wrong', async (t) => {
  const cwd = await sampleFolder(t)
  spoil(`${cwd}/${LOG_FILE}`, 'Withdrawn')
  expectOutput(t, 'log-damaged.txt', await transcript(cwd, [['log', 'data']]))
})

t.test('[fault 68] names, types and commit ids reach the terminal escaped', async (t) => {
  const cwd = temporaryFolder(t)
  writeImage(cwd, await hostileNames())
  for (const options of [[], ['--json'], ['--color=always']]) {
    const { status, stdout, stderr } = await annalsHere(['log', ...options, 'data'], cwd)
    t.equal(status, 0)
    t.equal(stdout.split('\n').length, 4, 'a line for each commit')
    t.same(unsafeIn(stdout + stderr), [])
  }
})
