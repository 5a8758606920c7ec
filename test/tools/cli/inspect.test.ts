import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { crc32c } from '../../../engine/format/crc32c.js'
import { encodeHeader } from '../../../engine/format/file-header.js'
import { FILE_KINDS } from '../../../engine/inspect/header-fields.js'
import { openStore } from '../../../engine/store/open-store.js'
import { hostileStore, stillEnvironment, STORE } from '../../support/hostile-store.js'
import { type FilesImage, SmallFiles } from '../../support/small-files.js'
import {
  annals,
  annalsHere,
  expectOutput,
  hostileNames,
  sampleStore,
  temporaryFolder,
  unsafeIn,
  writeImage,
} from './run-cli.js'

const LOG = 'data/log/0000000000000000-0000000001.log'
const STREAM = 'data/streams/61/account-1@0000000000000000.seg'

/** All files of a folder, relative to it. */
function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(folder, name)).isFile())
    .sort()
}

t.test('[L1] every kind of file of a sound store, whole output', async (t) => {
  const cwd = temporaryFolder(t)
  const data = writeImage(cwd, await sampleStore())
  const whole: string[] = []
  for (const file of filesOf(data)) {
    const { status, stdout, stderr } = await annalsHere(['inspect', `data/${file}`], cwd)
    t.same({ status, stderr }, { status: 0, stderr: '' }, file)
    t.match(stdout, /^sound: /m, file)
    whole.push(`$ annals inspect data/${file}\n${stdout}`)
  }
  expectOutput(t, 'inspect-all.txt', whole.join('\n'))
})

t.test('[L1] several segments of each kind, with seals, indexes, tables and key files', async (t) => {
  const kinds = new Set<string>()
  const stores = [await hostileStore({ closed: true }), await hostileStore({ closed: false }), await manyStreams()]
  for (const { image, all } of stores) {
    const cwd = temporaryFolder(t)
    const data = writeImage(cwd, image)
    let events = 0
    for (const file of filesOf(data).filter((name) => !/streams.*n-\d/.test(name))) {
      const { status, stdout } = await annalsHere(['inspect', '--json', `data/${file}`], cwd)
      t.equal(status, 0, file)
      const lines = stdout.trimEnd().split('\n')
      const first = JSON.parse(lines[0]!) as { kind: string }
      const last = JSON.parse(lines.at(-1)!) as { events: number }
      kinds.add(first.kind)
      if (first.kind === 'log segment') events += last.events
      t.match(last, { what: 'verdict', ok: true, problems: 0 }, file)
    }
    t.equal(events, all.length, 'all events are in the log')
  }
  const all = [...Object.values(FILE_KINDS), 'epoch file']
  t.same([...kinds].sort(), all.sort(), 'every kind of file was there')
})

/** A store with a stream that has an index, and with more streams than closing settles, so that it leaves a stream table. */
async function manyStreams(): Promise<{ readonly image: FilesImage; readonly all: readonly unknown[] }> {
  const files = new SmallFiles()
  const store = await openStore(stillEnvironment(files, 5), STORE, {})
  const events = Array.from({ length: 100 }, (_, n) => ({ type: 'Large', data: 'x'.repeat(1000), timestamp: n }))
  await store.append('large', events)
  const streams = Array.from({ length: 300 }, (_, n) => ({ stream: `n-${n}`, events: [{ type: 'Small' }] }))
  await store.appendMany(streams)
  await store.close()
  return { image: files.image(), all: [...events, ...streams] }
}

t.test(
  '[L1] a flipped bit, a cut end, a wrong name: what is right, where it goes wrong, which invariant',
  async (t) => {
    const cwd = temporaryFolder(t)
    writeImage(cwd, await sampleStore())
    const log = readFileSync(join(cwd, LOG))
    const at = log.indexOf('Deposited')
    log[at]! ^= 1
    writeFileSync(join(cwd, 'flipped.log'), log)
    truncateSync(join(cwd, STREAM), statSync(join(cwd, STREAM)).size - 10)
    writeFileSync(join(cwd, '0000000000000007-0000000001.log'), readFileSync(join(cwd, LOG)))
    writeFileSync(join(cwd, 'cut.log'), readFileSync(join(cwd, LOG)).subarray(0, -30))
    const whole: string[] = []
    for (const file of ['flipped.log', 'cut.log', STREAM, '0000000000000007-0000000001.log']) {
      const { status, stdout, stderr } = await annalsHere(['inspect', file], cwd)
      t.same({ status, stderr }, { status: 1, stderr: '' }, file)
      whole.push(`$ annals inspect ${file}\n${stdout}`)
    }
    expectOutput(t, 'inspect-damaged.txt', whole.join('\n'))
  },
)

t.test('[L1] --hex names every byte of the file once; --record shows one record', async (t) => {
  const cwd = temporaryFolder(t)
  const data = writeImage(cwd, await sampleStore())
  for (const file of filesOf(data).filter((name) => !name.endsWith('.key'))) {
    const { stdout } = await annalsHere(['inspect', '--hex', `data/${file}`], cwd)
    const bytes = [...stdout.matchAll(/^ {2}[0-9a-f]{4,} {2}((?:[0-9a-f]{2} )*[0-9a-f]{2})(?: {2}|$)/gm)].map(
      ([, hex]) => hex!.trim(),
    )
    const dumped = Buffer.from(bytes.join(' ').replaceAll(' ', ''), 'hex')
    t.equal(dumped.toString('hex'), readFileSync(join(data, file)).toString('hex'), file)
  }
  const one = annals(['inspect', '--hex', '--color=always', '--record', '7', LOG], { cwd })
  t.same({ status: one.status, stderr: one.stderr }, { status: 0, stderr: '' })
  t.match(one.stdout, '\u001b[', 'in colour')
  expectOutput(t, 'inspect-record.txt', one.stdout)
  const none = await annalsHere(['inspect', '--record', '99', LOG], cwd)
  t.match(none, { status: 2, stdout: '', stderr: /^annals: there is no record 99: the file has \d+ records$/m })
})

t.test('[fault 68] what is stored reaches the terminal escaped', async (t) => {
  const cwd = temporaryFolder(t)
  const data = writeImage(cwd, await hostileNames())
  for (const file of filesOf(data)) {
    for (const options of [[], ['--hex'], ['--json', '--hex'], ['--color=always', '--hex']]) {
      const { status, stdout, stderr } = await annalsHere(['inspect', ...options, `data/${file}`], cwd)
      t.equal(status, 0)
      t.same(unsafeIn(stdout + stderr), [], `${options.join(' ')} ${file}`)
      t.notMatch(stdout, /^annals: all is well/m, 'no line is forged')
    }
  }
})

t.test('files that are none of a store, and files that cannot be read', async (t) => {
  const cwd = temporaryFolder(t)
  writeFileSync(join(cwd, 'letter.txt'), 'Dear Sir')
  t.match(await annalsHere(['inspect', 'letter.txt'], cwd), {
    status: 3,
    stdout: '',
    stderr:
      /^annals: Cannot inspect "letter.txt": neither what it begins with nor its name is that of a file of a store\n/,
  })
  t.match(await annalsHere(['inspect', 'nowhere'], cwd), {
    status: 3,
    stdout: '',
    stderr: 'annals: Cannot inspect "nowhere": there is no such file\n',
  })
  writeFileSync(join(cwd, 'newer.log'), newer())
  t.match(await annalsHere(['inspect', 'newer.log'], cwd), { status: 3, stdout: '', stderr: /needs format version 9/ })
  for (const name of [
    'checkpoint',
    'annals',
    '0000000001',
    'a@0000000000000000.seg',
    '0000000000000000-0000000001.key',
  ]) {
    writeFileSync(join(cwd, name), '')
    t.match(
      await annalsHere(['inspect', name], cwd),
      { status: 1, stderr: '', stdout: /! I1 at byte 0: / },
      `empty ${name}`,
    )
  }
})

/** The header of a version that is not there yet. */
function newer(): Buffer {
  const header = encodeHeader({ kind: 'L', storeId: Buffer.alloc(16, 1) })
  header.writeUInt16LE(9, 8)
  header.writeUInt32LE(crc32c(header, 20, header.length, crc32c(header, 0, 16)), 16)
  return header
}
