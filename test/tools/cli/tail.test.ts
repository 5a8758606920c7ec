import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openEventStore } from '../../../engine/index.js'
import {
  annalsHere,
  BINARY,
  cleanEnvironment,
  expectOutput,
  expectTranscript,
  hostileNames,
  LOG_FILE,
  sampleFolder,
  spoil,
  STREAM_FILE,
  temporaryFolder,
  transcript,
  unsafeIn,
  writeImage,
} from './run-cli.js'

t.test('the last events of a stream, a category, everything', async (t) => {
  const cwd = await sampleFolder(t)
  await expectTranscript(t, cwd, 'tail.txt', [
    ['tail', '-n', '2', 'data'],
    ['tail', 'data'],
    ['tail', '-n', '2', 'data', 'account-1'],
    ['tail', '-n', '1', '--category', 'account', '--type', 'Opened', 'data'],
    ['tail', '--from', '5', 'data'],
    ['tail', '--since', '2026-01-05T09:05', '--json', 'data'],
    ['tail', '-n', '1', '--until', '2026-01-05T09:03', '--raw', 'data', 'account-1'],
    ['tail', '-n', '0', 'data'],
    ['tail', '--from', '9', 'data'],
    ['tail', 'data', 'nobody'],
    ['tail', '--follow', '--to', '3', 'data'],
    ['tail', '-n', '100001', 'data'],
  ])
})

t.test('the last events are found from the end, wherever they are', async (t) => {
  const cwd = temporaryFolder(t)
  const store = await openEventStore(join(cwd, 'data'), { durability: 'os' })
  const event = (n: number) => ({ type: n % 700 === 5 ? 'Rare' : 'Usual', data: n })
  await store.append(
    'a-1',
    Array.from({ length: 3000 }, (_, n) => event(n)),
  )
  await store.close()
  const raw = async (...options: string[]): Promise<number[]> => {
    const { stdout } = await annalsHere(['tail', '--raw', ...options, 'data'], cwd)
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map(Number)
  }
  t.same(await raw('--type', 'Rare', '-n', '3'), [1405, 2105, 2805])
  t.same(await raw('--type', 'Rare', '-n', '30'), [5, 705, 1405, 2105, 2805])
  t.same(
    await raw('-n', '1000'),
    Array.from({ length: 1000 }, (_, n) => 2000 + n),
  )
  t.same(await raw('--type', 'Rare', '--from', '800', '--to', '2200', '-n', '1'), [2105])
})

t.test('[R13] --follow prints what another process appends, each event once, until Ctrl-C', async (t) => {
  const cwd = temporaryFolder(t)
  const store = await openEventStore(join(cwd, 'data'))
  const append = (stream: string, type: string, n: number) => store.append(stream, [{ type, data: n, timestamp: 0 }])
  for (let n = 0; n < 3; n++) await append('a-1', 'Before', n)
  const follow = (...words: string[]) => {
    const child = spawn(process.execPath, [BINARY, 'tail', '--follow', '--raw', ...words], {
      cwd,
      env: cleanEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    const printed = (text: string) =>
      new Promise<void>((resolve) => {
        const look = (): void => {
          if (said.includes(text)) resolve()
        }
        child.stdout.on('data', look)
        look()
      })
    child.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()))
    const ended = new Promise<object>((resolve) => child.on('close', (code, signal) => resolve({ code, signal, said })))
    return { child, printed, ended }
  }
  const [all, one, category] = [
    follow('-n', '2', 'data'),
    follow('data', 'b-1'),
    follow('-c', 'a', '-t', 'Now', 'data'),
  ]
  await all.printed('1\n2\n')
  for (let n = 3; n < 6; n++) {
    await append('a-1', 'Now', n)
    await append('b-1', 'Now', 10 * n)
  }
  await Promise.all([all.printed('50\n'), one.printed('50\n'), category.printed('5\n')])
  for (const { child } of [all, one, category]) child.kill('SIGINT')
  t.same(await all.ended, { code: 130, signal: null, said: '1\n2\n3\n30\n4\n40\n5\n50\n' })
  t.same(await one.ended, { code: 130, signal: null, said: '30\n40\n50\n' })
  t.same(await category.ended, { code: 130, signal: null, said: '3\n4\n5\n' })

  // Whoever reads may go: the next line ends it.
  const left = follow('-n', '1', 'data')
  await left.printed('50\n')
  left.child.stdout.destroy()
  await append('a-1', 'Now', 6)
  t.match(await left.ended, { code: 141, signal: null })
  await store.close()
})

t.test('[U3] of a stream whose own file is damaged, the last events before the damage are printed', async (t) => {
  const cwd = await sampleFolder(t)
  spoil(`${cwd}/${STREAM_FILE}`, 'Withdrawn')
  const whole = await transcript(cwd, [
    ['tail', 'data', 'account-1'],
    ['tail', '-n', '2', 'data', 'account-1'],
    ['tail', '-n', '0', 'data', 'account-1'],
    ['tail', '-f', '--from', '1', 'data', 'account-1'],
    ['tail', '-n', '1', '--type', 'Opened', 'data', 'account-1'],
    ['tail', '-n', '1', 'data', 'account-2'],
  ])
  expectOutput(t, 'tail-damaged-stream.txt', whole)
})

t.test('[U3] of a damaged log what is before the damage is printed, then what is wrong', async (t) => {
  const cwd = await sampleFolder(t)
  spoil(join(cwd, LOG_FILE), 'Withdrawn')
  const whole = await transcript(cwd, [
    ['tail', 'data'],
    ['tail', '-f', '--from', '2', 'data'],
    ['tail', '-n', '1', 'data', 'account-2'],
    ['tail', '-n', '2', '--json', 'data'],
    ['tail', '-f', 'data'],
    ['tail', '-f', '-n', '1', '--category', 'account', 'data'],
    ['tail', '-n', '0', 'data'],
  ])
  expectOutput(t, 'tail-damaged.txt', whole)
})

t.test('[U3] damage further back than what is wanted is not met by the way', async (t) => {
  const cwd = temporaryFolder(t)
  const data = join(cwd, 'data')
  const store = await openEventStore(data, { limits: { logSegmentBytes: 16 * 1024 } })
  for (let n = 0; n < 100; n++) await store.append(`s-${n % 3}`, [{ type: 'T', data: { n, text: 'x'.repeat(300) } }])
  await store.close()
  const [first] = readdirSync(join(data, 'log'))
    .filter((name) => name.endsWith('.log'))
    .sort()
  const bytes = readFileSync(join(data, 'log', first!))
  bytes[bytes.lastIndexOf('xxx')]! ^= 1
  writeFileSync(join(data, 'log', first!), bytes)
  const count = async (...words: string[]): Promise<unknown> => {
    const { status, stdout, stderr } = await annalsHere(['tail', '--raw', ...words], cwd)
    const printed = stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as { n: number }).n)
    return { status, printed, said: /^annals: Cannot read "data\/log\/\d+-\d+\.log" at byte \d+/.test(stderr) }
  }
  t.same(await count('--from', '97', 'data'), { status: 0, printed: [97, 98, 99], said: false })
  t.same(await count('-n', '2', 'data', 's-0'), { status: 0, printed: [96, 99], said: false })
  const { printed } = (await count('--from', '0', '-n', '100', 'data')) as { printed: number[] }
  t.ok(printed.length > 10 && printed.length < 60, `${printed.length} events before the damage`)
  t.same(
    printed,
    printed.map((_, i) => i),
  )
})

t.test('[fault 68] nothing that is stored reaches the terminal raw', async (t) => {
  const cwd = temporaryFolder(t)
  writeImage(cwd, await hostileNames())
  for (const options of [[], ['--json'], ['--raw'], ['--long', '--color=always']]) {
    const { status, stdout, stderr } = await annalsHere(['tail', ...options, 'data'], cwd)
    t.equal(status, 0)
    t.match(stdout, /pwned/)
    t.same(unsafeIn(stdout + stderr), [])
  }
})
