import { join } from 'node:path'
import t from 'tap'
import { abandonOpening, abandonStore } from './fixtures/abandoned-store.js'
import { mkdirSync } from 'node:fs'
import { WriterProcess } from './fixtures/writer-process.js'

const PROCESSES = 8

/** Lets all processes open one store at one moment; returns how many got it and how many may still acknowledge. */
async function round(processes: readonly WriterProcess[], directory: string) {
  const at = Date.now() + 10
  const opened = await Promise.all(processes.map((process) => process.ask(`open ${directory} ${at}`)))
  const checked = await Promise.all(processes.map((process) => process.ask('check')))
  await Promise.all(processes.map((process) => process.ask('release')))
  const refused = opened.filter((answer) => answer.startsWith('ERR_LOCKED'))
  return {
    got: opened.filter((answer) => answer.startsWith('epoch')).length,
    other: opened.filter((answer) => !answer.startsWith('epoch') && !answer.startsWith('ERR_LOCKED')),
    named: refused.filter((answer) => processes.some(({ pid }) => answer === `ERR_LOCKED ${pid}`)).length,
    valid: checked.filter((answer) => answer === 'ok').length,
  }
}

const kinds: readonly [string, number, (directory: string) => void][] = [
  ['a dead lock', 20, (directory) => abandonStore(directory)],
  ['the lock of a dead opener', 5, (directory) => abandonOpening(directory)],
  ['no lock', 20, (directory) => mkdirSync(directory, { recursive: true })],
  ['a silent lock of another host', 2, (directory) => abandonStore(directory, { host: 'elsewhere' }, 60_000)],
]

t.test(`[fault 72] ${PROCESSES} openers at once`, async (t) => {
  const processes = Array.from(
    { length: PROCESSES },
    () => new WriterProcess('', { staleMs: 2000, updateMs: 1000 }, true),
  )
  t.teardown(() => Promise.all(processes.map((process) => process.kill())))
  t.same(new Set(await Promise.all(processes.map((process) => process.answer()))), new Set(['ready']))
  const folder = t.testdir()

  for (const [name, rounds, prepare] of kinds) {
    await t.test(`[fault 72] meet ${name}: one gets it, none is fenced`, async (t) => {
      let named = 0
      for (let i = 0; i < rounds; i++) {
        const directory = join(folder, `${name.replaceAll(' ', '-')}-${i}`)
        prepare(directory)
        const outcome = await round(processes, directory)
        named += outcome.named
        const { got, valid, other } = outcome
        if (got !== 1 || valid !== 1 || other.length > 0) {
          t.fail('not exactly one writer', { got, valid, other, round: i })
        }
      }
      t.comment(`${named} of ${rounds * (PROCESSES - 1)} refused openers were told the pid of a rival`)
      t.pass(`${rounds} rounds`)
    })
  }
})
