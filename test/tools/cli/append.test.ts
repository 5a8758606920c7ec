import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openEventStore } from '../../../engine/index.js'
import { escapeUnsafe } from '../../../tools/cli/safe-text.js'
import { collect } from '../../contract/contract-support.js'
import { annals, annalsHere, HOSTILE, temporaryFolder, unsafeIn } from './run-cli.js'

t.test('[L1] one event: data as argument, from a file, from stdin, as text, or none', async (t) => {
  const cwd = temporaryFolder(t)
  const data = join(cwd, 'data')
  t.match(annals(['append', 'data', 's', 'T'], { cwd }), { status: 3, stdout: '', stderr: /there is no such folder/ })
  t.same(annals(['append', '--create', 'data', 's', 'First', '{"at":{"$date":"2026-01-05T09:00:00.000Z"}}'], { cwd }), {
    status: 0,
    stdout: 'appended: s@0, position 0\n',
    stderr: '',
  })
  writeFileSync(join(cwd, 'body.json'), '[1,2]')
  const run = (words: readonly string[], stdin?: string): ReturnType<typeof annalsHere> =>
    annalsHere(['append', ...words], cwd, stdin === undefined ? {} : { stdin })
  await run(['-f', join(cwd, 'body.json'), data, 's', 'File'])
  await run(['-f', '-', data, 's', 'Stdin'], '"piped"')
  await run(['--text', data, 's', 'Text', '{no json'])
  await run([data, 's', 'None'])
  const id = '00000000-0000-4000-8000-000000000001'
  const all = [
    '-m',
    '{"by":"ada"}',
    '-t',
    'a',
    '-t',
    'b',
    '--id',
    id,
    '--time',
    '2026-01-05T09:30',
    '--schema-version',
    '3',
  ]
  const json = await run([...all, '-e', '5', '--commit-id', 'c', '--json', data, 's', '"two words"', 'null'])
  t.match(JSON.parse(json.stdout), {
    what: 'appended',
    stream: 's',
    firstOffset: 5,
    version: 6,
    position: 5,
    isRepeat: false,
  })
  t.same(
    (await run([...all, '--commit-id', 'c', data, 's', 'two words', 'null'])).stdout,
    'stored before: s@5, position 5\n',
  )
  await using store = await openEventStore(data, { readOnly: true })
  t.match(await collect(store.readStream('s')), [
    { type: 'First', data: { at: new Date('2026-01-05T09:00:00.000Z') } },
    { type: 'File', data: [1, 2] },
    { type: 'Stdin', data: 'piped' },
    { type: 'Text', data: '{no json' },
    { type: 'None', data: undefined },
    {
      type: 'two words',
      data: null,
      metadata: { by: 'ada' },
      tags: ['a', 'b'],
      id,
      timestamp: Date.UTC(2026, 0, 5, 9, 30),
      schemaVersion: 3,
      commitId: 'c',
    },
  ])
})

t.test('what is refused, and how it ends', async (t) => {
  const cwd = temporaryFolder(t)
  const data = join(cwd, 'data')
  await using store = await openEventStore(data)
  const ended = async (status: number, stderr: RegExp, ...words: string[]): Promise<void> => {
    const result = await annalsHere(['append', ...words], cwd)
    t.match(result, { status, stdout: '', stderr }, escapeUnsafe(words.join(' ')))
    t.same(unsafeIn(result.stderr), [])
  }
  await ended(3, /another process has it open|process \d+ on .* has it open/, data, 's', 'T')
  await store.close()
  await ended(
    2,
    /annals: data: .*\nData are JSON; text is "in quotes", or with --text as it is\./,
    data,
    's',
    'T',
    '{a',
  )
  await ended(2, /data: \$date takes a time/, data, 's', 'T', '{"$date":1}')
  await ended(2, /--file, not both/, '-f', 'x', data, 's', 'T', '1')
  await ended(2, /--expected-version takes a whole number/, '-e', 'new', data, 's', 'T')
  await ended(2, /Cannot store metadata: metadata is a plain object/, '-m', '[]', data, 's', 'T')
  await ended(2, /empty stream name/, data, '""', 'T')
  await ended(2, /Cannot store id/, '--id', HOSTILE, data, 's', 'T')
  await ended(1, /expected version 3, current version is 0/, '-e', '3', data, 's', 'T')
  await ended(1, /current version is 0/, '-e', 'streamExists', data, HOSTILE, 'T')
  await ended(3, /no such file/, '-f', join(cwd, 'none'), data, 's', 'T')
  t.match(await annalsHere(['append', '-e', 'noStream', '--commit-id', 'c', data, 's', 'T', '1'], cwd), { status: 0 })
  await ended(1, /Cannot append with commit id "c"/, '--commit-id', 'c', data, 's', 'T', '2')
  const hostile = await annalsHere(['append', data, HOSTILE, 'T'], cwd)
  t.equal(hostile.status, 0)
  t.same(unsafeIn(hostile.stdout), [])
})
