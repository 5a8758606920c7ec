import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { openEventStore, type StoredEvent, verifyStore } from '../../../engine/index.js'
import { readFlights } from '../../../examples/flights/flights.js'
import { collect } from '../../contract/contract-support.js'
import { InterruptedError } from '../../../tools/cli/exit-codes.js'
import {
  annals,
  annalsHere,
  BINARY,
  cleanEnvironment,
  commitHistory,
  expectOutput,
  HOSTILE,
  temporaryFolder,
  unsafeIn,
} from './run-cli.js'

/** All events of a store, by commit. */
async function commitsIn(directory: string): Promise<StoredEvent[][]> {
  await using store = await openEventStore(directory, { readOnly: true })
  return await collect(store.readAll().commits())
}

async function eventsIn(directory: string): Promise<StoredEvent[]> {
  return (await commitsIn(directory)).flat()
}

const lines = (...values: readonly unknown[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join('')

t.test('[L1] events of stdin, as export writes them or by hand, into a new store', async (t) => {
  const cwd = temporaryFolder(t)
  const id = '00000000-0000-4000-8000-000000000001'
  const input = lines(
    { stream: 'a', type: 'Opened', data: { n: 1 }, timestamp: 5, id, tags: ['x'], schemaVersion: 2, commitId: 'c' },
    { stream: 'a', type: 'Moved', part: [1, 2], metadata: { m: 1 } },
    { stream: 'b', type: 'Moved', part: [2, 2], data: { at: { $date: '2026-01-05T09:00:00.000Z' } } },
  )
  const { status, stdout, stderr } = annals(['import', 'data'], { cwd, input })
  t.same({ status, stdout, stderr }, { status: 0, stdout: 'imported: 3 events in 2 commits\n', stderr: '' })
  const commits = await commitsIn(join(cwd, 'data'))
  t.match(commits, [
    [
      {
        stream: 'a',
        type: 'Opened',
        data: { n: 1 },
        timestamp: 5,
        id,
        tags: ['x'],
        schemaVersion: 2,
        commitId: 'c',
        metadata: undefined,
      },
    ],
    [
      { stream: 'a', type: 'Moved', data: undefined, metadata: { m: 1 }, commitId: /^import-[0-9a-f]{16}:2$/ },
      { stream: 'b', type: 'Moved', data: { at: new Date('2026-01-05T09:00:00.000Z') } },
    ],
  ])
  const again = await annalsHere(['import', '--json', join(cwd, 'data')], cwd, { stdin: input })
  t.same(JSON.parse(again.stdout), {
    what: 'verdict',
    ok: true,
    records: 3,
    events: 0,
    commits: 0,
    repeats: 2,
    bad: 0,
    stopped: false,
  })
  t.same(await commitsIn(join(cwd, 'data')), commits)
})

t.test('[L1] any NDJSON: which field is what, groups, numbers', async (t) => {
  const cwd = temporaryFolder(t)
  const id = '00000000-0000-4000-8000-00000000000A'
  writeFileSync(
    join(cwd, 'log'),
    lines(
      { who: { name: 'ada' }, kind: 'in', at: '2026-01-05T09:00:00+01:00', uuid: id, tx: 1, n: '7', body: { x: 1 } },
      { who: { name: 'bob' }, kind: 'out', at: 1000, uuid: id.replace(/A$/, 'b'), tx: 1, n: '-7.5e1', body: null },
      { who: { name: 'ada' }, kind: 'in', at: '2000', uuid: id.replace(/A$/, 'c'), tx: 2, n: 8, body: { $date: 'x' } },
    ),
  )
  const mapping = ['--stream', 'user-{who.name}', '--type', 'Went {kind}', '--time', 'at', '--id', 'uuid']
  const more = ['--tag', 'tx:{tx}', '--tag', 'all', '--group', '{tx}', '--number', 'n', '--metadata', 'who']
  const { status, stdout } = await annalsHere(['import', ...mapping, ...more, join(cwd, 'data'), 'log'], cwd)
  t.same({ status, stdout }, { status: 0, stdout: 'imported: 3 events in 2 commits\n' })
  const commits = await commitsIn(join(cwd, 'data'))
  t.same(
    commits.map((commit) => commit.map(({ stream, type, timestamp }) => [stream, type, timestamp])),
    [
      [
        ['user-ada', 'Went in', Date.UTC(2026, 0, 5, 8)],
        ['user-bob', 'Went out', 1000],
      ],
      [['user-ada', 'Went in', 2000]],
    ],
  )
  t.match(commits[0], [
    { id: id.toLowerCase(), tags: ['tx:1', 'all'], metadata: { name: 'ada' }, data: { n: 7, body: { x: 1 } } },
    { data: { n: -75, body: null } },
  ])
  t.match(commits[1], [{ data: { body: { $date: 'x' } } }], 'JSON of others is what it is')
  const ids = ['import', ...mapping, '--commit-id', 'tx-{tx}', '--group', '{tx}', '--data', 'body']
  await annalsHere([...ids, join(cwd, 'other'), 'log'], cwd)
  t.match(await commitsIn(join(cwd, 'other')), [
    [{ commitId: 'tx-1', data: { x: 1 } }, { commitId: 'tx-1' }],
    [{ commitId: 'tx-2' }],
  ])
  const seconds = ['import', '--stream', 's', '--type', 'T', '--time', 'at', '--time-unit', 's']
  await annalsHere([...seconds, join(cwd, 'seconds')], cwd, { stdin: lines({ at: 1.5 }, { at: '3' }) })
  t.match(await commitsIn(join(cwd, 'seconds')), [[{ timestamp: 1500 }], [{ timestamp: 3000 }]])
})

t.test('[L1] CSV: with header and without, any separator, quotes over several lines', async (t) => {
  const cwd = temporaryFolder(t)
  const csv = '\ufeffname,amount,note\r\nada,12.5,"two\r\nlines, ""quoted"""\r\n\r\nbob,-1,\r\n'
  writeFileSync(join(cwd, 'pay.csv'), csv)
  const options = ['--stream', 'user-{name}', '--type', 'Paid', '--number', 'amount']
  const { status, stdout } = await annalsHere(['import', ...options, join(cwd, 'data'), 'pay.csv'], cwd)
  t.same({ status, stdout }, { status: 0, stdout: 'imported: 2 events in 2 commits\n' })
  t.match(await eventsIn(join(cwd, 'data')), [
    { stream: 'user-ada', data: { name: 'ada', amount: 12.5, note: 'two\r\nlines, "quoted"' } },
    { stream: 'user-bob', data: { name: 'bob', amount: -1, note: '' } },
  ])
  const bare = ['--format', 'csv', '--separator', ';', '--columns', 'name;amount', ...options]
  await annalsHere(['import', ...bare, join(cwd, 'data')], cwd, { stdin: 'eve;3\n' })
  t.match((await eventsIn(join(cwd, 'data'))).at(-1), { stream: 'user-eve', data: { amount: 3 } })
})

/** Lines that cannot be stored, each in its way, and between them some that can. */
const BAD: readonly (string | Buffer)[] = [
  '{"stream":"a","type":"Good"}',
  'no json',
  '[1]',
  '"text"',
  'null',
  '{"stream":"a"}',
  '{"type":"T"}',
  '{"stream":"a","type":"T","dta":1}',
  '{"stream":5,"type":"T"}',
  '{"stream":"a","type":null}',
  '{"stream":"","type":"T"}',
  '{"stream":"a","type":""}',
  `{"stream":"${'x'.repeat(1001)}","type":"T"}`,
  '{"stream":"\\ud800","type":"T"}',
  '{"stream":"a","type":"T","data":"\\udfff"}',
  '{"stream":"a","type":"T","id":"1"}',
  '{"stream":"a","type":"T","id":5}',
  '{"stream":"a","type":"T","timestamp":"soon"}',
  '{"stream":"a","type":"T","timestamp":1.5}',
  '{"stream":"a","type":"T","schemaVersion":70000}',
  '{"stream":"a","type":"T","tags":"x"}',
  '{"stream":"a","type":"T","tags":["x","x"]}',
  '{"stream":"a","type":"T","commitId":""}',
  '{"stream":"a","type":"T","metadata":[]}',
  '{"stream":"a","type":"T","offset":-1}',
  '{"stream":"a","type":"T","offset":7}',
  '{"stream":"a","type":"T","part":[2,2]}',
  '{"stream":"a","type":"T","part":"first"}',
  '{"stream":"a","type":"T","data":{"$date":"soon"}}',
  '{"stream":"a","type":"T","data":12345678901234567890}',
  `{"stream":"a","type":"T","data":${'['.repeat(200)}${']'.repeat(200)}}`,
  `{"stream":"a","type":"T","data":"${'x'.repeat(5000)}"}`,
  Buffer.concat([Buffer.from('{"stream":"a","type":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]),
  Buffer.from('{"stream":"a","type":"T"}', 'utf16le'),
  `{"stream":"a","type":"T","data":"12345678901234567890 \\" 123456789012345678901"}`,
  HOSTILE.replaceAll(/[\r\n]/g, ''),
]
const BAD_FILE = Buffer.concat(BAD.flatMap((line) => [Buffer.from(line), Buffer.from('\n')]))

t.test('[L1] a bad line is told with its number and why, and stops, is skipped, or collected', async (t) => {
  const cwd = temporaryFolder(t)
  writeFileSync(join(cwd, 'bad'), BAD_FILE)
  const most = ['--max-line', '4000']
  const skipped = await annalsHere(['import', '--skip', ...most, join(cwd, 'data'), 'bad'], cwd)
  t.same({ status: skipped.status, stderr: skipped.stderr }, { status: 1, stderr: '' })
  t.same(unsafeIn(skipped.stdout), [])
  // What is wrong with the JSON is said by Node.js, each version in its own words.
  expectOutput(t, 'import-bad.txt', skipped.stdout.replaceAll(/(?<=it is no JSON: ).*/g, '…'))
  t.same(
    (await eventsIn(join(cwd, 'data'))).map(({ type }) => type),
    ['Good', 'T'],
    'the good ones are stored',
  )

  const stopped = await annalsHere(['import', ...most, join(cwd, 'other'), 'bad'], cwd)
  t.same(stopped, {
    status: 1,
    stdout: `${skipped.stdout.split('\n')[0]!}\nstopped: 1 event in 1 commit, 1 line not stored\n`,
    stderr: 'Mend that line and run it again, or run it with --skip or --collect <file>.\n',
  })
  t.equal((await eventsIn(join(cwd, 'other'))).length, 1, 'nothing behind it is')

  const collected = await annalsHere(
    ['import', '--json', '--collect', join(cwd, 'kept'), ...most, join(cwd, 'third'), 'bad'],
    cwd,
  )
  const told = collected.stdout.trimEnd().split('\n')
  t.match(JSON.parse(told[0]!), { what: 'bad', line: 2, lines: 1, reason: /^it is no JSON/ })
  t.match(JSON.parse(told.at(-1)!), { what: 'verdict', ok: false, events: 2, bad: BAD.length - 2, stopped: false })
  const good = new Set([0, BAD.length - 2, BAD.findIndex((line) => line.length > 4000)])
  const wanted = Buffer.concat(
    BAD.filter((_, i) => !good.has(i)).flatMap((line) => [Buffer.from(line), Buffer.from('\n')]),
  )
  t.ok(readFileSync(join(cwd, 'kept')).equals(wanted), 'as they were; all but the one that is too long')
  t.match(await annalsHere(['import', '--collect', 'bad', join(cwd, 'third'), 'bad'], cwd), {
    status: 2,
    stderr: 'annals: --collect names the file that is read\n',
  })
  t.ok(readFileSync(join(cwd, 'bad')).equals(BAD_FILE))
})

t.test('[M1] a commit of which a line is bad is not stored at all, nor one that a bad line may be of', async (t) => {
  const cwd = temporaryFolder(t)
  const part = (n: number, of: number, data: unknown): string =>
    JSON.stringify({ stream: 's', type: 'T', data, part: [n, of] })
  const whole = [part(1, 3, 'a'), part(2, 3, 'b'), part(3, 3, 'c')]
  const cases: readonly (readonly [readonly string[], readonly unknown[]])[] = [
    [whole, [['a', 'b', 'c']]],
    [[...whole.slice(0, 2), 'broken', part(1, 1, 'd')], [['d']]],
    [[...whole.slice(1), part(1, 1, 'd')], [['d']]],
    [['broken', ...whole.slice(1), part(1, 1, 'd')], [['d']]],
    [[whole[0]!, whole[2]!, part(1, 1, 'd')], [['d']]],
    [[...whole.slice(0, 2), ...whole], [['a', 'b', 'c']]],
    [whole.slice(0, 2), []],
  ]
  for (const [i, [input, stored]] of cases.entries()) {
    const { stdout } = await annalsHere(['import', '--skip', join(cwd, `parts-${i}`)], cwd, { stdin: input.join('\n') })
    const commits = await commitsIn(join(cwd, `parts-${i}`))
    t.same(
      commits.map((commit) => commit.map(({ data }) => data)),
      stored,
      stdout,
    )
  }
  const group = (g: number, data: unknown): string => JSON.stringify({ g, data })
  const groups: readonly (readonly [readonly string[], readonly unknown[]])[] = [
    [
      [group(1, 'a'), group(1, 'b'), group(2, 'c')],
      [['a', 'b'], ['c']],
    ],
    [[group(1, 'a'), 'broken', group(1, 'b'), group(2, 'c')], [['c']]],
    [[group(1, 'a'), group(1, 'b'), 'broken', group(2, 'c'), group(3, 'd')], [['d']]],
    [['broken', group(1, 'a'), group(2, 'b')], [['b']]],
    [['{"g":1}', group(1, 'a'), group(2, 'b')], [['b']]],
    [
      [group(1, 'a'), '{"g":2}', group(3, 'b')],
      [['a'], ['b']],
    ],
  ]
  for (const [i, [input, stored]] of groups.entries()) {
    const options = ['--skip', '--stream', 's', '--type', 'T', '--group', '{g}', '--data', 'data']
    const { stdout } = await annalsHere(['import', ...options, join(cwd, `groups-${i}`)], cwd, {
      stdin: input.join('\n'),
    })
    const commits = await commitsIn(join(cwd, `groups-${i}`))
    t.same(
      commits.map((commit) => commit.map(({ data }) => data)),
      stored,
      stdout,
    )
  }
})

t.test('[C2] what was mended is imported again: nothing twice, nothing missing', async (t) => {
  const cwd = temporaryFolder(t)
  const data = join(cwd, 'data')
  const run = (stdin: string, ...more: string[]): ReturnType<typeof annalsHere> =>
    annalsHere(['import', '--stream', 's', '--type', 'T', ...more, data], cwd, { stdin })
  const count = async (): Promise<number> => (await eventsIn(data)).length
  await run('{"n":1}\n{"n":2}\n{"n":\n{"n":4}\n')
  t.equal(await count(), 2)
  t.match((await run('{"n":1}\n{"n":2}\n{"n":3}\n{"n":4}\n')).stdout, '2 events in 2 commits, 2 commits stored before')
  t.match(
    (await run('{"n":1}\n{"n":2}\n{"n":3}\n{"n":4}\n{"n":5}\n')).stdout,
    '1 event in 1 commit, 4 commits stored before',
    'a file that has grown',
  )
  t.match(await run('{"n":1}\n{"n":7}\n'), { status: 1, stdout: /line 2 {2}Cannot append with commit id "import-/ })
  t.match((await run('{"n":1}\n{"n":7}\n', '--name', 'another')).stdout, '2 events in 2 commits\n')
  t.match((await run('{"n":1}\n', '--no-commit-ids')).stdout, '1 event in 1 commit\n')
  t.match((await run('{"n":1}\n', '--no-commit-ids')).stdout, '1 event in 1 commit\n')
  t.equal(await count(), 9)
})

t.test('[C2] events that bring their places: known by place and id, others refused, or put at the end', async (t) => {
  const cwd = temporaryFolder(t)
  const data = join(cwd, 'data')
  const place = (offset: number, id: number): string =>
    lines({ stream: 's', offset, type: 'T', id: `00000000-0000-4000-8000-${String(id).padStart(12, '0')}` })
  const run = (stdin: string, ...more: string[]): ReturnType<typeof annalsHere> =>
    annalsHere(['import', ...more, data], cwd, { stdin })
  t.match(await run(place(0, 1) + place(1, 2)), { status: 0, stdout: 'imported: 2 events in 2 commits\n' })
  t.match((await run(place(0, 1) + place(1, 2) + place(2, 3))).stdout, '1 event in 1 commit, 2 commits stored before')
  t.match((await run(place(1, 7))).stdout, '! line 1  offset 1 of stream "s" is another event\n')
  t.match((await run(place(5, 7))).stdout, '! line 1  it is offset 5 of stream "s", which is at version 3\n')
  t.match((await run(place(5, 7), '--renumber')).stdout, 'imported: 1 event in 1 commit\n')
  t.match((await run(place(5, 7), '--renumber')).stdout, 'imported: 0 events in 0 commits, 1 commit stored before\n')
  t.same(
    (await eventsIn(data)).map(({ offset, commitId }) => [offset, commitId !== undefined]),
    [
      [0, false],
      [1, false],
      [2, false],
      [3, true],
    ],
  )
})

t.test('nothing to import, and command lines that cannot be meant', async (t) => {
  const cwd = temporaryFolder(t)
  const data = join(cwd, 'data')
  t.match(await annalsHere(['import', data], cwd, { stdin: '' }), {
    status: 0,
    stdout: 'imported: 0 events in 0 commits\n',
  })
  t.match(await annalsHere(['import', data], cwd, { stdin: '\ufeff\r\n\n' }), { status: 0 })
  writeFileSync(join(cwd, 'x.csv'), 'a,a\n1,2\n')
  const wrong = async (message: string, ...words: string[]): Promise<void> => {
    const { status, stdout, stderr } = await annalsHere(['import', ...words], cwd)
    t.same({ status, stdout }, { status: 2, stdout: '' })
    t.match(stderr, `annals: ${message}\n`)
  }
  const nowhere = join(cwd, 'nowhere')
  const mapping = ['--stream', 's', '--type', 't']
  await wrong('CSV needs --stream and --type', nowhere, 'x.csv')
  await wrong('the header of the CSV cannot be read: two columns are called "a"', ...mapping, nowhere, 'x.csv')
  await wrong('--stream needs --type', '--stream', 's', nowhere)
  await wrong('--time needs --stream and --type', '--time', 'at', nowhere)
  await wrong('--stream "{": a brace that is text is written twice', '--stream', '{', '--type', 't', nowhere)
  await wrong('--separator is for CSV', '--separator', ';', nowhere)
  await wrong(
    '--separator takes one ASCII character that is no quote',
    ...mapping,
    '--separator',
    '"',
    nowhere,
    'x.csv',
  )
  await wrong('--name and --no-commit-ids contradict each other', '--name', 'n', '--no-commit-ids', nowhere)
  t.match(await annalsHere(['import', nowhere, 'no-file'], cwd), {
    status: 3,
    stderr: 'annals: "no-file": there is no such file\n',
  })
  t.notOk(existsSync(nowhere), 'no store is made for them')
})

t.test('on a terminal it shows how far it has come; Ctrl-C ends it', async (t) => {
  const cwd = temporaryFolder(t)
  writeFileSync(join(cwd, 'in'), lines({ stream: 's', type: 'T' }))
  const { stderr } = await annalsHere(['import', join(cwd, 'data'), 'in'], cwd, { isTerminal: true })
  // eslint-disable-next-line no-control-regex -- they are what this is about
  t.match(stderr, /^\r\u001b\[Kimport 100% {2}26 B of 26 B {2}\d events.*\/s\r\u001b\[K$/)
  const controller = new AbortController()
  controller.abort(new InterruptedError())
  const { status, stdout } = await annalsHere(['import', join(cwd, 'data'), 'in'], cwd, { signal: controller.signal })
  t.same({ status, stdout }, { status: 130, stdout: '' })
})

/** Starts an import, gives it the beginning of its input, and ends it as soon as so many events are stored. */
async function importAndEnd(
  directory: string,
  options: readonly string[],
  input: string,
  { after, signal }: { readonly after: number; readonly signal: NodeJS.Signals },
): Promise<{ readonly code: number | null; readonly by: NodeJS.Signals | null }> {
  await (await openEventStore(directory)).close()
  await using store = await openEventStore(directory, { readOnly: true })
  const subscription = store.subscribe({ fromPosition: store.position })
  const child = spawn(process.execPath, [BINARY, 'import', ...options, directory], {
    env: cleanEnvironment(),
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  const alive = setInterval(() => {}, 1000) // following does not keep a process alive
  const ended = new Promise<{ code: number | null; by: NodeJS.Signals | null }>((resolve) =>
    child.on('close', (code, by) => resolve({ code, by })),
  )
  child.stdin.on('error', () => {}) // it is ended while it reads
  child.stdin.write(input)
  let seen = 0
  for await (const batch of subscription.batches(100)) {
    seen += batch.length
    if (seen >= after) break
  }
  child.kill(signal)
  const result = await ended
  clearInterval(alive)
  return result
}

t.test('[C2] killed in the middle, twice, and run again: nothing twice, nothing missing, no half commit', async (t) => {
  const cwd = temporaryFolder(t)
  const records = Array.from({ length: 6000 }, (_, n) => lines({ n, tx: Math.floor(n / 3) }))
  const options = ['--stream', 'tx-{tx}', '--type', 'T', '--group', '{tx}']
  const input = records.join('')
  const data = join(cwd, 'data')
  for (const given of [2000, 4000]) {
    const { by } = await importAndEnd(data, options, records.slice(0, given).join(''), {
      after: 300,
      signal: 'SIGKILL',
    })
    t.equal(by, 'SIGKILL')
    const half = await commitsIn(data)
    t.ok(half.length > 0 && half.length < 2000, `${half.length} commits were stored`)
    t.ok(half.every((commit) => commit.length === 3))
  }
  const { status, stdout } = annals(['import', ...options, 'data'], { cwd, input })
  t.equal(status, 0)
  t.match(stdout, /^imported: [\d,]+ events in [\d,]+ commits?, [\d,]+ commits stored before\n$/)
  t.same(
    (await eventsIn(data)).map(({ data }) => (data as { n: number }).n),
    Array.from({ length: 6000 }, (_, n) => n),
  )
  t.match(await verifyStore(data), { ok: true, findings: [] })
})

t.test('Ctrl-C in the middle closes the store, and it can be run again', async (t) => {
  const cwd = temporaryFolder(t)
  const data = join(cwd, 'data')
  const input = Array.from({ length: 500 }, (_, n) => lines({ stream: 's', type: 'T', data: n })).join('')
  t.same(await importAndEnd(data, [], input, { after: 500, signal: 'SIGINT' }), { code: 130, by: null })
  await using store = await openEventStore(data)
  t.equal(store.recovery.clean, true)
  t.equal(store.stats().events, 500)
})

const WITHOUT_PIPES = process.platform === 'win32' && 'Windows has no named pipes of this kind'

function makePipe(path: string): void {
  if (spawnSync('mkfifo', [path]).status !== 0) throw new Error(`mkfifo ${path} failed`)
}

t.test('Ctrl-C ends an import from a named pipe whose writer says nothing more', { skip: WITHOUT_PIPES }, async (t) => {
  const cwd = temporaryFolder(t)
  const pipe = join(cwd, 'pipe')
  makePipe(pipe)
  const child = spawn(process.execPath, [BINARY, 'import', join(cwd, 'data'), pipe], { env: cleanEnvironment() })
  const ended = once(child, 'close')
  const writer = openSync(pipe, 'w') // waits for the reader
  t.teardown(() => closeSync(writer))
  writeSync(writer, lines({ stream: 's', type: 'T', data: 1 }))
  await setTimeout(500)
  child.kill('SIGINT')
  const late = setTimeout(10_000, ['late'], { ref: false })
  const result = await Promise.race([ended, late])
  child.kill('SIGKILL')
  t.same(result, [130, null])
})

t.test('an import from a named pipe reads it to its end', { skip: WITHOUT_PIPES }, async (t) => {
  const cwd = temporaryFolder(t)
  const pipe = join(cwd, 'pipe')
  makePipe(pipe)
  const source = join(cwd, 'source')
  writeFileSync(source, Array.from({ length: 5000 }, (_, n) => lines({ stream: 's', type: 'T', data: n })).join(''))
  const writer = spawn('sh', ['-c', 'cat "$0" > "$1"', source, pipe])
  const { stdout } = annals(['import', 'data', pipe], { cwd })
  t.match(stdout, /^imported: 5,000 events/)
  writer.kill()
})

t.test('[L1] real input: the history of this repository, and 20,000 flights', async (t) => {
  const cwd = temporaryFolder(t)
  const history = commitHistory()
  await t.test(
    'git log',
    { skip: history === undefined ? 'there is no git here, or this is no checkout' : false },
    async (t) => {
      const mapping = ['--stream', 'author-{author}', '--type', 'Committed', '--time', 'at', '--tag', 'commit:{hash}']
      const { status, stdout } = annals(['import', ...mapping, 'history'], { cwd, input: history! })
      const wanted = history!.trimEnd().split('\n')
      t.same(
        { status, stdout: stdout.replaceAll(/[\d,]+/g, 'n') },
        { status: 0, stdout: 'imported: n events in n commits\n' },
      )
      t.same(
        (await eventsIn(join(cwd, 'history'))).map(({ data }) => data),
        wanted.map((line) => JSON.parse(line) as unknown),
      )
      t.match(await annalsHere(['verify', 'history'], cwd), { status: 0, stdout: /^sound: / })
      const tailed = await annalsHere(['tail', '-n', '2', '--raw', 'history'], cwd)
      t.same(jsonOf(tailed.stdout), jsonOf(wanted.slice(-2).join('\n')), 'the newest commits')
      const exported = await annalsHere(['export', 'history'], cwd)
      t.match(await annalsHere(['import', join(cwd, 'copy')], cwd, { stdin: exported.stdout }), { status: 0 })
      t.same(await annalsHere(['export', 'copy'], cwd), exported, 'an export imported is the same store')
    },
  )
  const flights = readFlights()
  const input = flights.map((flight) => lines(flight)).join('')
  const mapping = ['--stream', 'airport-{origin}', '--type', 'Departed', '--time', 'date']
  const { status, stdout } = annals(['import', ...mapping, 'flights'], { cwd, input })
  t.same({ status, stdout }, { status: 0, stdout: 'imported: 20,000 events in 20,000 commits\n' })
  t.match(annals(['verify', 'flights'], { cwd }), { status: 0, stdout: /^sound: 20,000 events in \d+ streams/ })
  const tailed = annals(['tail', '-n', '3', '--raw', 'flights'], { cwd })
  t.same(
    jsonOf(tailed.stdout),
    jsonOf(
      flights
        .slice(-3)
        .map((flight) => lines(flight))
        .join(''),
    ),
  )
  const exported = annals(['export', '--category', 'airport', 'flights'], { cwd })
  await using store = await openEventStore(join(cwd, 'flights'), { readOnly: true })
  let n = 0
  for await (const { data } of store.readAll()) {
    const flight = flights[n++]
    if ((data as typeof flight)?.date !== flight?.date || (data as typeof flight)?.delay !== flight?.delay) {
      t.same(data, flight)
    }
  }
  t.equal(n, 20_000)
  t.match(exported, { status: 0, stderr: '' })
  t.same(
    jsonOf(exported.stdout).map((line) => (line as { data: unknown }).data),
    jsonOf(input),
    'all of them are exported',
  )
})

/** The values of lines of JSON. */
function jsonOf(text: string): unknown[] {
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as unknown]))
}
