import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { commands } from '../../tools/cli/commands.js'
import { annals, sampleStore, temporaryFolder, untimed, writeImage } from '../tools/cli/run-cli.js'
import { codeBlocks } from './markdown.js'

const FILE = 'docs/cli.md'

/** Files that the samples import. */
const INPUTS: Readonly<Record<string, string>> = {
  'events.ndjson': '{"stream":"a","type":"Opened"}\n{"stream":"a","type":"Closed","data":{"by":"Ada"}}\n',
  'flights.csv': 'id,at,from,to,delay\n00000000-0000-4000-8000-000000000007,2001-01-14 21:55,ORD,JFK,12\n',
  'bad.ndjson': '{"stream":"a"}\n{"stream":"a","type":"Reopened"}\n{"stream":"a","type":"T","offset":1}\n',
}

t.test('[X1] what docs/cli.md shows is what the commands print', async (t) => {
  const cwd = temporaryFolder(t)
  const data = writeImage(cwd, await sampleStore())
  for (const [name, content] of Object.entries(INPUTS)) writeFileSync(join(cwd, name), content)
  let text = readFileSync(FILE, 'utf8')
  const blocks = codeBlocks(FILE, text).filter(({ language }) => language === 'console')
  t.ok(blocks.length > 0)
  for (const { code, line } of blocks) {
    damage(data, join(cwd, 'damaged'))
    const printed: string[] = []
    for (const command of code.split('\n').filter((shown) => shown.startsWith('$ '))) {
      const [name, ...words] = command.slice(2).split(' ')
      t.equal(name, 'annals')
      const { stdout, stderr } = annals(words, { cwd })
      printed.push(
        command,
        `${stderr}${stdout}`
          .trimEnd()
          .replaceAll(cwd, '/var')
          .replaceAll(/[ \t]+$/gm, ''),
      )
    }
    const output = untimed(printed.join('\n'))
    if (process.env['UPDATE_EXPECTED'] !== undefined) {
      text = text.replace(`\`\`\`console\n${code}\n`, () => `\`\`\`console\n${output}\n`)
    } else t.equal(output, code, `${FILE}:${line}`)
  }
  if (process.env['UPDATE_EXPECTED'] !== undefined) writeFileSync(FILE, text)
})

t.test('docs/cli.md has a section for each command', (t) => {
  const sections = [...readFileSync(FILE, 'utf8').matchAll(/^## (\w+)$/gm)].map(([, name]) => name)
  t.same(
    sections.filter((name) => name !== 'Manners'),
    commands.map(({ name }) => name),
  )
  t.end()
})

/** A copy of the store in which a letter of an event in the log is another. */
function damage(data: string, copy: string): void {
  cpSync(data, copy, { recursive: true, force: true })
  const file = join(copy, 'log/0000000000000000-0000000001.log')
  const bytes = readFileSync(file)
  bytes[bytes.indexOf('Deposited')]! ^= 1
  writeFileSync(file, bytes)
}
