import t from 'tap'
import { openStore } from '../../../engine/store/open-store.js'
import { stillEnvironment, STORE } from '../../support/hostile-store.js'
import { SmallFiles } from '../../support/small-files.js'
import {
  annalsHere,
  expectOutput,
  expectTranscript,
  hostileNames,
  jsonLines,
  sampleFolder,
  spoil,
  STREAM_FILE,
  temporaryFolder,
  transcript,
  unsafeIn,
  writeImage,
} from './run-cli.js'

t.test('[L1] streams with version, bytes and last time, by prefix, category and order', async (t) => {
  const cwd = await sampleFolder(t)
  await expectTranscript(t, cwd, 'ls.txt', [
    ['ls', '--sort', 'name', 'data'],
    ['ls', '--sort', 'name', 'data', 'a'],
    ['ls', '--sort', 'name', '--reverse', 'data', 'account-'],
    ['ls', '--sort', 'bytes', '--limit', '2', 'data'],
    ['ls', '--sort', 'time', '--names', 'data'],
    ['ls', '--sort', 'version', '--reverse', '-1', 'data'],
    ['ls', '--sort', 'name', '--json', '--category', 'account', 'data'],
    ['ls', '--limit', '0', '--names', 'data'],
    ['ls', 'data', 'nobody'],
    ['ls', '--sort', 'size', 'data'],
    ['ls', '--category=', 'data'],
    ['ls', 'nowhere'],
  ])
  const names = (await annalsHere(['ls', '-1', 'data'], cwd)).stdout.trimEnd().split('\n')
  t.same(names.sort(), ['account-1', 'account-2', 'audit/2026'], 'unsorted, each once')
  t.equal((await annalsHere(['ls', '-1', '-n', '2', 'data'], cwd)).stdout.split('\n').length, 3)
})

t.test(
  '[N1] many streams come while others are still looked for, and no more are kept than are asked for',
  async (t) => {
    const cwd = temporaryFolder(t)
    const files = new SmallFiles()
    const store = await openStore(stillEnvironment(files, 5), STORE, {})
    await store.appendMany(
      Array.from({ length: 3000 }, (_, n) => ({ stream: `n-${n}`, events: [{ type: 'T', timestamp: n }] })),
    )
    await store.close()
    writeImage(cwd, files.image())
    const top = await annalsHere(['ls', '--sort', 'time', '-1', '-n', '3', 'data'], cwd)
    t.equal(top.stdout, 'n-2999\nn-2998\nn-2997\n')
    const all = await jsonLines(cwd, ['ls', '--json', 'data'])
    t.equal(new Set(all.map(({ stream }) => stream)).size, 3000)
  },
)

t.test('[U3] a damaged stream is listed with what is wrong, the others as ever', async (t) => {
  const cwd = await sampleFolder(t)
  spoil(`${cwd}/${STREAM_FILE}`, 'Withdrawn')
  expectOutput(
    t,
    'ls-damaged.txt',
    await transcript(cwd, [
      ['ls', '--sort', 'name', 'data'],
      ['ls', '--sort', 'name', '--json', 'data'],
    ]),
  )
})

t.test('[fault 68] names reach the terminal escaped, and can be given as they are shown', async (t) => {
  const cwd = temporaryFolder(t)
  writeImage(cwd, await hostileNames())
  for (const options of [[], ['--json'], ['--names'], ['--color=always']]) {
    const { status, stdout, stderr } = await annalsHere(['ls', ...options, 'data'], cwd)
    t.equal(status, 0)
    t.same(unsafeIn(stdout + stderr), [])
    t.equal(stdout.match(/pwned/g)?.length, 3)
  }
  const [name] = (await annalsHere(['ls', '--names', 'data'], cwd)).stdout.split('\n') as [string]
  t.equal((await annalsHere(['ls', '--names', 'data', name], cwd)).stdout, `${name}\n`)
})
