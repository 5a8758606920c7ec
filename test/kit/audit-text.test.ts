import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { openMemoryStore } from '../../engine/index.js'
import { AUDIT_COLUMNS, auditCsv, auditLog, auditNdjson } from '../../kit/index.js'
import { valueFromJson } from '../../kit/json-values.js'
import { collect } from '../contract/contract-support.js'
import { anyValue } from '../engine/format/value-support.js'

/** Reads CSV as RFC 4180 has it, and takes nothing else. */
function readCsv(text: string): string[][] {
  const rows: string[][] = []
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/y
  let row: string[] = []
  while (cell.lastIndex < text.length) {
    const { lastIndex } = cell
    const found = cell.exec(text)
    if (found === null) throw new Error(`no CSV at ${lastIndex}: ${text.slice(lastIndex, lastIndex + 40)}`)
    row.push(found[1]?.replaceAll('""', '"') ?? found[2]!)
    if (found[3] === ',') continue
    rows.push(row)
    row = []
  }
  return rows
}

// eslint-disable-next-line no-control-regex -- they are what this is about
const CONTROL = /[\u0000-\u0009\u000b-\u000c\u000e-\u001f\u007f-\u009f\u2028-\u202e\ufeff]/

t.test('[U1] NDJSON is exact: every value comes back, one line for each event', async () => {
  const property = fc.asyncProperty(fc.array(anyValue, { minLength: 1, maxLength: 5 }), async (values) => {
    await using store = await openMemoryStore()
    await store.append(
      's\n"1',
      values.map((data) => ({ type: 'T\u2028\u001b', data })),
    )
    const lines = (await collect(auditNdjson(auditLog(store)))).join('').split('\n')
    if (lines.pop() !== '' || lines.length !== values.length) throw new Error('another number of lines')
    const events = await collect(store.readAll())
    for (const [i, line] of lines.entries()) {
      if (CONTROL.test(line)) throw new Error(`control characters in ${line}`)
      const { data, stream, type, id, who } = JSON.parse(line) as Record<string, unknown>
      assert.deepStrictEqual([stream, type, id, who], ['s\n"1', 'T\u2028\u001b', events[i]!.id, undefined])
      assert.deepStrictEqual(valueFromJson(data), values[i])
    }
  })
  await fc.assert(property, { numRuns: 50 })
})

t.test('[U1] CSV is RFC 4180, whatever stands in it', async (t) => {
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom('"', '""', ',', ';', '\r\n', '\n', ' ', "'", '=1+1', '\u202e', 'ä'),
  )
  const property = fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 6 }), async (texts) => {
    await using store = await openMemoryStore()
    await store.append(
      's',
      texts.map((who) => ({ type: 'T', data: { who }, metadata: { userId: who } })),
    )
    const written = (await collect(auditCsv(auditLog(store)))).join('')
    const [header, ...rows] = readCsv(written) as [string[], ...string[][]]
    if (CONTROL.test(written)) throw new Error(`control characters in ${written}`)
    t.same(header, AUDIT_COLUMNS)
    t.equal(rows.length, texts.length)
    for (const [i, row] of rows.entries()) {
      t.equal(row.length, header.length)
      assert.deepStrictEqual(JSON.parse(row[header.indexOf('data')]!), { who: texts[i] })
    }
  })
  await fc.assert(property, { numRuns: 50 })
})

t.test('[fault 68] nothing in CSV is taken for a formula, and nothing moves a cursor', async (t) => {
  await using store = await openMemoryStore()
  const hostile = [
    '=1+1',
    '+1+1',
    '-1+1',
    '@SUM(A1)',
    '\t=1',
    '\r=1',
    '\n=1',
    ' =1',
    '＝1',
    "=cmd|' /C calc'!A0",
    '-2+3+cmd|x',
    '=HYPERLINK("http://x","y")',
  ]
  await store.append(
    's',
    hostile.map((userId) => ({ type: userId, data: userId, metadata: { userId } })),
  )
  const columns = ['who', 'type', 'data'] as const
  const rows = readCsv((await collect(auditCsv(auditLog(store), { columns }))).join(''))
  for (const [who, type, data] of rows.slice(1)) {
    for (const cell of [who!, type!]) t.match(cell, /^(?:'|\\[tnr])/, cell)
    t.match(data, /^"/, 'JSON of a string begins with a quotation mark')
  }
  await store.append('n', [
    { type: 'T\u001b[2J', data: -5 },
    { type: 'T', data: [-5] },
    { type: 'T', data: -1n },
  ])
  t.same((await collect(auditCsv(auditLog(store, { stream: 'n' }), { columns: ['type', 'data', 'who'] }))).slice(1), [
    'T\\u001b[2J,-5,\r\n',
    'T,[-5],\r\n',
    'T,"{""$bigint"":""-1""}",\r\n',
  ])
})

t.test('columns that there are not are refused; the log is read as it is written', async (t) => {
  await using store = await openMemoryStore()
  t.throws(() => auditCsv(auditLog(store), { columns: ['offset', 'owner' as never] }), {
    code: 'ERR_INVALID_ARGUMENT',
    message: /"owner"/,
  })
  t.throws(() => auditCsv(auditLog(store), { columns: [] }), { code: 'ERR_INVALID_ARGUMENT' })
  t.same(await collect(auditCsv(auditLog(store), { columns: ['offset'] })), ['offset\r\n'])
  let read = 0
  async function* endless(): AsyncGenerator<never> {
    for (;;) {
      read++
      yield { data: 1 } as never
    }
  }
  for (const write of [auditNdjson, auditCsv]) {
    read = 0
    for await (const line of write(endless())) if (line !== '' && read === 3) break
    t.equal(read, 3, 'nothing is gathered')
  }
})
