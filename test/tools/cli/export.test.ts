import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { type NewEvent, openEventStore, type StoredEvent } from '../../../engine/index.js'
import { InterruptedError } from '../../../tools/cli/exit-codes.js'
import { collect } from '../../contract/contract-support.js'
import { anyValue } from '../../engine/format/value-support.js'
import {
  annals,
  annalsHere,
  expectOutput,
  hostileNames,
  sampleFolder,
  sampleStore,
  temporaryFolder,
  unsafeIn,
  writeImage,
} from './run-cli.js'

async function commitsIn(directory: string): Promise<StoredEvent[][]> {
  await using store = await openEventStore(directory, { readOnly: true })
  return await collect(store.readAll().commits())
}

t.test('[L1] everything, a stream, a category, by type, time and place: whole output', async (t) => {
  const cwd = await sampleFolder(t)
  const shown: string[] = []
  for (const words of [
    ['data'],
    ['data', 'account-1'],
    ['-c', 'account', '--from', '2', '--to', '4', 'data'],
    ['-t', 'Opened', '-t', 'Closed of day', 'data'],
    ['--since', '2026-01-05T09:03', '--until', '2026-01-05T09:04:30', 'data'],
    ['-n', '1', 'data', 'account-2'],
    ['data', 'none'],
  ]) {
    const { status, stdout, stderr } = annals(['export', ...words], { cwd })
    t.same({ status, stderr }, { status: 0, stderr: '' })
    shown.push(`$ annals export ${words.join(' ')}\n${stdout}`)
  }
  expectOutput(t, 'export.txt', shown.join('\n'))
  t.match(annals(['export', 'nowhere'], { cwd }), { status: 3, stdout: '', stderr: /there is no such folder/ })
  t.match(annals(['export', '-c', 'a', 'data', 's'], { cwd }), { status: 2, stdout: '' })
})

t.test('[A4] export and import make an identical store, whatever it holds', async (t) => {
  const cwd = temporaryFolder(t)
  const name = fc.oneof(
    fc.constantFrom('a', 'b-1', 'b-2', '../x', '\u001b[2J', '😀'),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
  )
  const event: fc.Arbitrary<NewEvent> = fc.record(
    {
      type: name,
      data: anyValue,
      metadata: fc.dictionary(fc.string(), anyValue, { maxKeys: 3, noNullPrototype: true }),
      timestamp: fc.integer({ min: -8.64e15, max: 8.64e15 }),
      schemaVersion: fc.integer({ min: 0, max: 0xffff }),
      tags: fc.uniqueArray(name, { maxLength: 3 }),
    },
    { requiredKeys: ['type'] },
  )
  const commit = fc.record(
    {
      appends: fc.array(fc.record({ stream: name, events: fc.array(event, { minLength: 1, maxLength: 3 }) }), {
        minLength: 1,
        maxLength: 3,
      }),
      commitId: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
    },
    { requiredKeys: ['appends'] },
  )
  let n = 0
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(commit, { maxLength: 12, selector: ({ commitId }) => commitId ?? {} }),
      async (commits) => {
        const [original, copy] = [join(cwd, `original-${++n}`), join(cwd, `copy-${n}`)]
        const store = await openEventStore(original)
        for (const { appends, commitId } of commits) await store.appendMany(appends, { commitId })
        await store.close()
        const exported = await annalsHere(['export', original], cwd)
        const imported = await annalsHere(['import', copy], cwd, { stdin: exported.stdout })
        assert.deepEqual([exported.status, imported.status], [0, 0], `${exported.stderr}${imported.stdout}`)
        assert.deepEqual(unsafeIn(exported.stdout), [])
        const [before, after] = [await commitsIn(original), await commitsIn(copy)]
        assert.deepStrictEqual(after, before)
        assert.deepStrictEqual(await annalsHere(['export', copy], cwd), exported)
      },
    ),
    { numRuns: 15 },
  )
})

t.test('[fault 68] what is stored reaches the terminal escaped, and comes back as it was', async (t) => {
  const cwd = temporaryFolder(t)
  writeImage(cwd, await hostileNames())
  const { status, stdout } = await annalsHere(['export', 'data'], cwd)
  t.equal(status, 0)
  t.same(unsafeIn(stdout), [])
  t.equal(stdout.trimEnd().split('\n').length, 3)
  await annalsHere(['import', join(cwd, 'copy')], cwd, { stdin: stdout })
  t.strictSame(await commitsIn(join(cwd, 'copy')), await commitsIn(join(cwd, 'data')))
})

t.test('beside a writer; damage is told, Ctrl-C ends it', async (t) => {
  const cwd = temporaryFolder(t)
  const data = join(cwd, 'data')
  await using store = await openEventStore(data)
  await store.append('a', [{ type: 'One' }, { type: 'Two' }])
  await setImmediate() // then the writer tells other processes of it
  const { status, stdout } = annals(['export', 'data'], { cwd })
  t.equal(status, 0)
  t.match(stdout, /"type":"One",.*"part":\[1,2\]\}\n.*"type":"Two",.*"part":\[2,2\]\}\n$/)
  const controller = new AbortController()
  controller.abort(new InterruptedError())
  t.same(await annalsHere(['export', 'data'], cwd, { signal: controller.signal }), {
    status: 130,
    stdout: '',
    stderr: '',
  })
  const other = temporaryFolder(t)
  const log = join(writeImage(other, await sampleStore()), 'log/0000000000000000-0000000001.log')
  const bytes = readFileSync(log)
  bytes[bytes.indexOf('Deposited')]! ^= 1
  writeFileSync(log, bytes)
  const damaged = annals(['export', 'data'], { cwd: other })
  t.equal(damaged.status, 1)
  t.equal(damaged.stdout.trimEnd().split('\n').length, 2, 'what stands before it')
  t.match(damaged.stderr, /^annals: Cannot read .*\nRun "annals verify"/)
})
