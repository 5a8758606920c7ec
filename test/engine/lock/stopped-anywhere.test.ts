import { mkdirSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import type { Done, Environment } from '../../../engine/io/file-system.js'
import { nodeEnvironment } from '../../../engine/io/node-environment.js'
import { acquireWriterLock } from '../../../engine/lock/acquire-writer-lock.js'
import type { WriterLock } from '../../../engine/lock/writer-lock.js'
import { abandonOpening, abandonStore } from './fixtures/abandoned-store.js'

/** More calls than an opening and a check make. */
const MAX_CALLS = 200

class StoppableOpener {
  readonly #shared = new Int32Array(new SharedArrayBuffer(12))
  readonly #worker = new Worker(new URL('fixtures/stoppable-opener.js', import.meta.url), {
    workerData: this.#shared.buffer,
    execArgv: [],
  })

  async ask(directory: string, command: string): Promise<string> {
    const answer = once(this.#worker, 'message')
    this.#worker.postMessage({ directory, command })
    return (await answer)[0] as string
  }

  /** Begins to open and returns when it stands still before its n-th call; `true` if it never came to that. */
  async stopAt(directory: string, call: number): Promise<{ ended: boolean; answer: Promise<string> }> {
    this.#shared.fill(0)
    this.#shared[2] = call
    const state = { ended: false }
    const answer = this.ask(directory, 'open').finally(() => (state.ended = true))
    while (Atomics.load(this.#shared, 0) !== 1 && !state.ended) await sleep(1)
    return { ended: state.ended, answer }
  }

  goOn(): void {
    this.#shared[2] = 0
    Atomics.store(this.#shared, 0, 2)
    Atomics.notify(this.#shared, 0)
  }

  end(): Promise<number> {
    return this.#worker.terminate()
  }
}

/** A world where waiting takes no time, and it is later: after a day every lock but a renewed one looks abandoned. */
function later(milliseconds: number): Environment {
  const real = nodeEnvironment()
  let waited = 0
  // There is no power cut here, and thousands of openings.
  const files = new Proxy(real.files, {
    get(target, name) {
      if (name === 'syncDirectory') return (_path: string, done: Done) => setImmediate(done, null)
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  return {
    ...real,
    files,
    now: () => Date.now() + milliseconds + waited,
    elapsed: () => performance.now() + waited,
    after(delay, callback) {
      waited += delay
      const timer = setImmediate(callback)
      return { cancel: () => clearImmediate(timer) }
    },
  }
}

async function attempt(environment: Environment, directory: string): Promise<WriterLock | undefined> {
  try {
    return await acquireWriterLock(environment, directory, { storeId: new Uint8Array(16) })
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_LOCKED') throw error
    return undefined
  }
}

function isValid(lock: WriterLock | undefined): boolean {
  try {
    lock?.check()
    return lock !== undefined
  } catch {
    return false
  }
}

const starts: readonly [string, (directory: string) => void][] = [
  ['no lock', (directory) => mkdirSync(directory, { recursive: true })],
  ['a dead lock', (directory) => abandonStore(directory)],
  ['the lock of a dead opener', (directory) => abandonOpening(directory)],
]
const rivals: readonly [string, Environment, number][] = [
  ['one rival', later(0), 1],
  ['one rival a day later', later(86_400_000), 1],
  ['eighteen rivals a day later', later(86_400_000), 18], // so many that the numbers of the first are removed again
]

const opener = new StoppableOpener()
t.teardown(() => opener.end())

for (const [start, prepare] of starts) {
  for (const [name, environment, times] of rivals) {
    t.test(
      `[F4] [fault 71] [fault 72] [fault 75] stopped at any call, ${start}, ${name}: never two writers`,
      async (t) => {
        const folder = t.testdir()
        let calls = 1
        let taken = 0
        let none = 0
        for (; calls < MAX_CALLS; calls++) {
          const directory = join(folder, String(calls))
          prepare(directory)
          const { ended, answer } = await opener.stopAt(directory, calls)
          let rival: WriterLock | undefined
          for (let i = 0; i < times && !ended; i++) {
            await rival?.release()
            rival = await attempt(environment, directory)
          }
          if (rival !== undefined) taken++
          opener.goOn()
          const opened = await answer
          const valid = {
            opener: opened === 'done' && (await opener.ask(directory, 'check')) === 'done',
            rival: isValid(rival),
          }
          if (valid.opener && valid.rival) t.fail('two writers', { call: calls })
          if (!valid.opener && !valid.rival) none++
          if (valid.opener && rival !== undefined) t.fail('woke up and fenced who had come in between', { call: calls })
          await opener.ask(directory, 'release')
          await opener.ask(directory, 'forget')
          if (valid.rival && !isValid(rival)) t.fail('the stopped one removed the lock of the rival', { call: calls })
          await rival?.release()
          if (ended) break
        }
        t.ok(calls > 15 && calls < MAX_CALLS, `${calls - 1} places to stop at`)
        // Between looking at the dead lock and removing it: rmdir takes no condition, so the lock of a rival who came in
        // between is removed, and the rival has to open again. Nobody acknowledges what the other does not see.
        t.ok(none <= (start === 'no lock' ? 0 : 1), `nobody got it at ${none} of them`)
        t.ok(taken > 0, `the rival got it at ${taken} of them`)
      },
    )
  }
}
