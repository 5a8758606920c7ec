import { once } from 'node:events'
import { fork, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { openEventStore } from '../../../engine/index.js'
import { countUp, datas, numbered } from './test-machine.js'

const PROGRAM = fileURLToPath(new URL('./fixtures/open-where-open.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'annals-forked-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

async function answer(child: ChildProcess | Worker): Promise<unknown> {
  const [message] = (await once(child, 'message')) as [unknown]
  await once(child, 'exit')
  return message
}

t.test(
  '[fault 79] [F4] what is forked from a process with an open store cannot append, and takes nothing away when it ends',
  async (t) => {
    const directory = join(folder, 'forked')
    const store = await openEventStore(directory)
    await store.append('a', numbered(1))
    const refused = { code: 'ERR_LOCKED', pid: process.pid, host: hostname() }
    const environment = { ...process.env, NODE_OPTIONS: '' }
    t.match(await answer(fork(PROGRAM, [directory], { execArgv: [], env: environment })), refused, 'child_process.fork')
    t.match(await answer(new Worker(PROGRAM, { argv: [directory], execArgv: [] })), refused, 'a worker thread')
    const primary = fork(PROGRAM, [join(folder, 'clustered'), 'cluster'], { execArgv: [], env: environment })
    const { pid } = primary
    t.match(await answer(primary), {
      pid,
      workers: [
        { code: 'ERR_LOCKED', pid },
        { code: 'ERR_LOCKED', pid },
      ],
      version: 2,
    })

    // The open store is no value that could be handed over.
    t.throws(() => structuredClone(store).append.bind(store), TypeError)
    t.equal((await store.append('a', numbered(1, 1))).version, 2, 'the lock is still ours')
    await store.close()
    t.match(await answer(fork(PROGRAM, [directory], { execArgv: [], env: environment })), { version: 3 })
    const again = await openEventStore(directory)
    t.same(await datas(again.readStream('a')), [...countUp(2), 'from elsewhere'])
    await again.close()
  },
)
