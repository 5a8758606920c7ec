import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { commands } from '../../tools/cli/commands.js'
import { annals, sampleStore, temporaryFolder, untimed, writeImage } from '../tools/cli/run-cli.js'
import { codeBlocks } from './markdown.js'

const FILE = 'docs/cli.md'

t.test('[X1] what docs/cli.md shows is what the commands print', async (t) => {
  const cwd = temporaryFolder(t)
  const data = writeImage(cwd, await sampleStore())
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
