/** A reader in another process, while writers append, roll their log, are killed, and others go on. */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { type EventStore, openEventStore } from '../../engine/index.js'

t.setTimeout(120_000)

const WRITERS = 5

function start(name: string, directory: string): ChildProcess {
  const path = fileURLToPath(new URL(`./fixtures/${name}.js`, import.meta.url))
  return fork(path, [directory], { execArgv: [] })
}

t.test(
  '[fault 80] [fault 81] [F4] [M4] [R13] a reader process sees every commit once, whole and in order, whatever becomes of the writers',
  async (t) => {
    const directory = join(t.testdir(), 'store')
    await (await openEventStore(directory)).close()
    const reader = start('following-reader', directory)
    const seen: number[] = []
    const errors: unknown[] = []
    reader.on('message', (message: { position?: number; data?: number; error?: string }) => {
      if (message.error !== undefined) errors.push(message.error)
      if (message.position === undefined) return
      if (message.position !== seen.length || message.data !== message.position) errors.push(message)
      seen.push(message.position)
    })
    await once(reader, 'message')
    let acknowledged = -1
    for (let n = 0; n < WRITERS; n++) {
      const writer = start('counting-writer', directory)
      writer.on('message', ({ position }: { position: number }) => (acknowledged = Math.max(acknowledged, position)))
      await once(writer, 'message')
      await setTimeout(150 + 90 * n)
      writer.kill('SIGKILL')
      await once(writer, 'close')
    }
    const store = await openEventStore(directory)
    const { events } = store.stats()
    t.ok(acknowledged > 0 && events > acknowledged, `${events} events, ${acknowledged} is the last acknowledged`)
    for (let wait = 0; wait < 200 && seen.length < events; wait++) await setTimeout(50)
    t.equal(seen.length, events)
    t.same(errors, [])
    await store.close()
    reader.send('stop')
    await once(reader, 'close')
    t.equal(reader.exitCode, 0)
  },
)

const WAITING = fileURLToPath(new URL('./fixtures/waiting-reader.js', import.meta.url))

t.test('[R13] [F4] a process that does nothing but follow lives for as long as it waits', async (t) => {
  const directory = join(t.testdir(), 'store')
  const writer = await openEventStore(directory)
  const reader = spawn(process.execPath, [WAITING, directory], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(reader, 'close')
  const lines: string[] = []
  for await (const chunk of reader.stdout.setEncoding('utf8')) {
    lines.push(...(chunk as string).trim().split('\n'))
    if (lines.length > 2) continue
    // Longer than anything that a process waits for which has nothing to do.
    await setTimeout(700)
    await writer.append('a', [{ type: 'T', data: lines.length === 1 ? 'first' : 'end' }])
  }
  await ended
  t.same(lines, ['ready', 'first', 'end'])
  t.equal(reader.exitCode, 0)
  await writer.close()
})

t.test('[R13] [F4] a worker thread follows the writer of its own process', async (t) => {
  const directory = join(t.testdir(), 'store')
  const writer = await openEventStore(directory)
  const worker = new Worker(WAITING, { workerData: directory })
  const ended = once(worker, 'exit')
  const lines: unknown[] = []
  worker.on('message', (line) => lines.push(line))
  await once(worker, 'message')
  for (let n = 0; n < 200; n++) await writer.append(n % 2 === 0 ? 'a' : 'b', [{ type: 'T', data: n }])
  await writer.append('a', [{ type: 'T', data: 'end' }])
  t.same(await ended, [0])
  t.same(lines, ['ready', ...Array.from({ length: 100 }, (_, i) => String(2 * i)), 'end'])
  await writer.close()
})

t.test('[fault 31] [fault 32] a store without write permission is read, and not a byte of it changes', async (t) => {
  const directory = join(t.testdir(), 'store')
  const writer = await openEventStore(directory)
  for (let n = 0; n < 20; n++) await writer.append(`s-${n % 3}`, [{ type: 'Counted', data: n }])
  await writer.close()
  const before = snapshot(directory)
  for (const [path] of before) chmodSync(path, statSync(path).isDirectory() ? 0o555 : 0o444)
  try {
    const store = await openEventStore(directory, { readOnly: true })
    const read: unknown[] = []
    for await (const { data } of store.readAll()) read.push(data)
    t.same(read, [...Array(20).keys()])
    const stream: unknown[] = []
    for await (const { data } of store.readStream('s-1')) stream.push(data)
    t.same(stream, [1, 4, 7, 10, 13, 16, 19])
    const asWriter = store as unknown as EventStore
    await t.rejects(asWriter.append('s-1', [{ type: 'Counted', data: 20 }]), { code: 'ERR_READ_ONLY' })
    await store.close()
    t.same(snapshot(directory), before)
  } finally {
    for (const [path] of before) chmodSync(path, 0o755)
  }
})

/** All files and folders with size and time of change. */
function snapshot(directory: string): [string, number, number][] {
  const found: [string, number, number][] = []
  for (const name of readdirSync(directory, { recursive: true }) as string[]) {
    const path = join(directory, name)
    const { size, mtimeMs } = statSync(path)
    found.push([path, size, mtimeMs])
  }
  return found.sort(([a], [b]) => (a < b ? -1 : 1))
}
