/** Processes that open one store at one moment, again and again: one gets it, and goes on where the one before it was closed or killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { openEventStore, verifyStore } from '../../engine/index.js'
import { nodeEnvironment } from '../../engine/io/node-environment.js'
import { DEAD } from '../engine/lock/fixtures/abandoned-store.js'

t.setTimeout(120_000)

const SCRIPT = fileURLToPath(new URL('fixtures/racing-opener.js', import.meta.url))
// Only where the system tells which process a pid is, a dead one is known at once.
const knowsTheDead = nodeEnvironment().process.isAlive(DEAD.pid, DEAD.incarnation) === 'dead'

class Opener {
  readonly #child: ChildProcess = spawn(process.execPath, [SCRIPT], { stdio: ['pipe', 'pipe', 'inherit'] })
  readonly #lines: AsyncIterator<string> = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()

  get pid(): number {
    return this.#child.pid!
  }

  async answer(): Promise<string> {
    const next = await this.#lines.next()
    return next.done === true ? 'ended' : next.value
  }

  ask(line: string): Promise<string> {
    this.#child.stdin!.write(`${line}\n`)
    return this.answer()
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }
}

function start(t: Test): Opener {
  const opener = new Opener()
  t.teardown(() => opener.kill())
  return opener
}

for (const count of [2, 8]) {
  t.test(`[fault 72] [F4] ${count} processes race to open one store: exactly one wins`, async (t) => {
    const directory = join(t.testdir(), 'store')
    const openers = Array.from({ length: count }, () => start(t))
    for (const opener of openers) t.equal(await opener.answer(), 'ready')
    const rounds = 12
    const winners: number[] = []
    for (let round = 0; round < rounds; round++) {
      const at = Date.now() + 10
      const answers = await Promise.all(openers.map((opener) => opener.ask(`open ${directory} ${at}`)))
      const winner = answers.findIndex((answer) => answer.startsWith('open'))
      t.equal(answers[winner], `open ${round + 1}`, `round ${round}: it appended behind all before it`)
      const others = answers.filter((_, i) => i !== winner)
      t.ok(
        others.every((answer) => answer.startsWith('ERR_LOCKED')),
        `round ${round}: ${answers.join(', ')}`,
      )
      winners.push(openers[winner]!.pid)
      if (knowsTheDead && round % 3 === 2) {
        await openers[winner]!.kill() // the next race meets a dead lock, and a log that nobody has closed
        openers[winner] = start(t)
        await openers[winner].answer()
      } else t.equal(await openers[winner]!.ask('close'), 'done')
    }
    await Promise.all(openers.map((opener) => opener.kill()))
    const store = await openEventStore(directory)
    const pids: unknown[] = []
    for await (const { data } of store.readStream('race')) pids.push((data as { pid: number }).pid)
    await store.close()
    t.same(pids, winners, 'the events are those of the winners, in order')
    t.match(await verifyStore(directory), { ok: true, events: rounds })
  })
}
