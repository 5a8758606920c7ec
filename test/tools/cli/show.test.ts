import t from 'tap'
import { openStore } from '../../../engine/store/open-store.js'
import { stillEnvironment, STORE } from '../../support/hostile-store.js'
import { SmallFiles } from '../../support/small-files.js'
import {
  annalsHere,
  expectOutput,
  expectTranscript,
  hostileNames,
  sampleFolder,
  spoil,
  STREAM_FILE,
  temporaryFolder,
  transcript,
  unsafeIn,
  writeImage,
} from './run-cli.js'

t.test('[U1] [B4] an event by stream and offset, by position, by id', async (t) => {
  const cwd = await sampleFolder(t)
  await expectTranscript(t, cwd, 'show.txt', [
    ['show', 'data', 'account-1@3'],
    ['show', 'data', '@3'],
    ['show', 'data', '00000000-0000-4000-8000-00000000000A'],
    ['show', 'data', '00000000-0000-4000-8000-000000000006'],
    ['show', '--json', 'data', 'audit/2026@0'],
    ['show', '--raw', 'data', 'audit/2026@0'],
    ['show', 'data', 'account-1@4'],
    ['show', 'data', 'nobody@0'],
    ['show', 'data', '@7'],
    ['show', 'data', 'account-1'],
    ['show', '--json', '--raw', 'data', '@1'],
  ])
  spoil(`${cwd}/${STREAM_FILE}`, 'Withdrawn')
  t.match(await annalsHere(['show', 'data', 'account-1@3'], cwd), {
    status: 1,
    stdout: '',
    stderr: /^annals: .*account-1@.*checksum/,
  })
})

t.test('[A4] values that do not fit on a line', async (t) => {
  const cwd = temporaryFolder(t)
  const files = new SmallFiles()
  const store = await openStore(stillEnvironment(files, 7), STORE, {})
  const data = {
    lines: [{ sku: 'tea', quantity: 2, note: 'x'.repeat(70) }, { sku: 'cup' }],
    prices: new Map<unknown, unknown>([
      ['tea', 450n],
      [{ deep: true }, new Set(['y'.repeat(80), -0])],
    ]),
    bytes: new Uint8Array(40),
    'a key': undefined,
    ['__proto__x']: new Date(0),
  }
  await store.append('order', [{ type: 'Placed', data, id: '00000000-0000-4000-8000-000000000000', timestamp: 0 }])
  await store.close()
  writeImage(cwd, files.image())
  expectOutput(
    t,
    'show-long.txt',
    await transcript(cwd, [
      ['show', 'data', 'order@0'],
      ['show', '--raw', 'data', '@0'],
    ]),
  )
})

t.test('[fault 68] nothing that is stored reaches the terminal raw', async (t) => {
  const cwd = temporaryFolder(t)
  writeImage(cwd, await hostileNames())
  for (const options of [[], ['--json'], ['--raw'], ['--color=always']]) {
    const { status, stdout, stderr } = await annalsHere(['show', ...options, 'data', '@1'], cwd)
    t.equal(status, 0)
    t.match(stdout, /pwned/)
    t.same(unsafeIn(stdout + stderr), [], options.join(' '))
  }
  const odd = await annalsHere(['show', 'data', '\u001b[2J@5'], cwd)
  t.same(odd, { status: 1, stdout: '', stderr: 'There is no event "\\u001b[2J@5".\n' })
})
