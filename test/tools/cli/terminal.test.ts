import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openEventStore } from '../../../engine/index.js'
import { inTerminal, noTerminal, screen } from './pseudo-terminal.js'
import { hostileNames, sampleFolder, temporaryFolder, writeImage } from './run-cli.js'

const COLUMNS = 60
const skip = noTerminal() ?? false

t.test('progress is one line that goes up to 100 % and is gone in the end', { skip }, async (t) => {
  const cwd = temporaryFolder(t)
  const store = await openEventStore(join(cwd, 'data'), { durability: 'os' })
  for (let n = 0; n < 30; n++) {
    await store.append(`a-${n}`, [{ type: 'Large', data: 'x'.repeat(100_000) }])
  }
  await store.close()
  const session = inTerminal(['verify', 'data'], cwd, COLUMNS)
  t.equal(await session.ended, 0)
  const written = session.written()
  // eslint-disable-next-line no-control-regex -- they are what this is about
  const shown = [...written.matchAll(/\r\u001b\[Kverify +(\d+)%([^\r\n]*)/g)]
  const percents = shown.map(([, percent]) => Number(percent))
  t.same(
    percents,
    [...percents].sort((a, b) => a - b),
  )
  t.equal(percents.at(-1), 100)
  for (const [line] of shown) t.ok(line.length - '\r\u001b[K'.length < COLUMNS, 'no line wraps')
  const [verdict, ...rest] = screen(written)
  t.match(verdict, /^sound: 30 events in 30 streams; /)
  t.same(rest, [''], 'nothing else is left on the screen')
  t.match(written, '\u001b[32msound', 'in colour')
})

t.test(
  '[R13] tail --follow shows what is appended as it comes, on lines that fit, and Ctrl-C ends it',
  { skip },
  async (t) => {
    const cwd = temporaryFolder(t)
    const store = await openEventStore(join(cwd, 'data'))
    const append = (type: string, data: unknown) => store.append('a-1', [{ type, data, timestamp: 0 }])
    await append('Before', { note: 'y'.repeat(200) })
    const session = inTerminal(['tail', '-f', 'data', 'a-1'], cwd, COLUMNS)
    await session.until('Before')
    await append('First', '\u001b[2J\r\n')
    await session.until('First')
    await append('Second', 2)
    await session.until('Second')
    session.type('\u0003')
    t.equal(await session.ended, 130)
    const lines = screen(session.written()).map((line) => line.replace(/\^C$/, ''))
    const time = '1970-01-01T00:00:00.000Z'
    t.same(lines.slice(0, 3), [
      `0  ${time}  Before      { note: "yyyyyyyyy…`.slice(0, COLUMNS),
      `1  ${time}  First       "\\u001b[2J\\r\\n"`,
      `2  ${time}  Second      2`,
    ])
    await store.close()
  },
)

t.test('[fault 68] a hostile store in a terminal leaves a screen as any other', { skip }, async (t) => {
  const cwd = temporaryFolder(t)
  writeImage(cwd, await hostileNames())
  const session = inTerminal(['cat', '--long', 'data'], cwd, 400)
  t.equal(await session.ended, 0)
  const lines = screen(session.written())
  t.equal(lines.filter((line) => line.includes('pwned')).length, 3 * 4, 'names, commit, tags, metadata of each')
  t.notOk(lines.some((line) => line.startsWith('annals:')))
})

t.test('repair asks in a terminal, and takes "no" and Ctrl-C for an answer', { skip }, async (t) => {
  const cwd = await sampleFolder(t)
  writeFileSync(join(cwd, 'data/checkpoint'), 'damaged')
  const no = inTerminal(['repair', 'data'], cwd, COLUMNS)
  await no.until('[y/N] ')
  no.type('n\n')
  t.equal(await no.ended, 0)
  t.match(no.written(), /Nothing was changed\./)
  const interrupted = inTerminal(['repair', 'data'], cwd, COLUMNS)
  await interrupted.until('[y/N] ')
  interrupted.type('\u0003')
  t.equal(await interrupted.ended, 130)
})
