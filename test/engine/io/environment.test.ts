import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { hostname } from 'node:os'
import t from 'tap'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { MemoryFileSystem } from '../../../engine/io/memory-file-system.js'
import { nodeEnvironment } from '../../../engine/io/node-environment.js'
import { processIdentity } from '../../../engine/io/process-identity.js'
import { systemError } from '../../../engine/io/system-error.js'

const linux = process.platform === 'linux'

for (const [name, make] of [
  ['node', nodeEnvironment],
  ['memory', memoryEnvironment],
] as const) {
  t.test(`${name}: clock, randomness and timers`, async (t) => {
    const environment = make()
    t.ok(Math.abs(environment.now() - Date.now()) < 1000)
    const start = environment.elapsed()
    await new Promise<void>((resolve) => {
      const keepAlive = setTimeout(() => t.fail('timer did not fire'), 5000)
      environment.after(5, () => {
        clearTimeout(keepAlive)
        resolve()
      })
    })
    t.ok(environment.elapsed() - start >= 4)
    let fired = false
    const timer = environment.after(0, () => (fired = true))
    timer.cancel()
    environment.after(2 ** 40, () => (fired = true))
    await new Promise((resolve) => setTimeout(resolve, 20))
    t.equal(fired, false, 'neither a cancelled timer nor one far away')

    const seen = new Set<string>()
    const id = Buffer.alloc(16)
    for (let i = 0; i < 10_000; i++) {
      environment.random(id)
      seen.add(id.toString('hex'))
    }
    t.equal(seen.size, 10_000, 'across refills of the pool')
    const large = Buffer.alloc(10_000)
    environment.random(large)
    t.ok(new Set(large).size > 200)
    environment.random(Buffer.alloc(0))
  })

  t.test(`${name}: this process is alive`, async (t) => {
    const identity = make().process
    t.match(identity, { pid: process.pid, host: hostname() })
    if (linux || name === 'memory') t.equal(identity.isAlive(process.pid, identity.incarnation), 'alive')
  })
}

t.test('a timer does not keep the process alive', async (t) => {
  const code = `import(${JSON.stringify(new URL('../../../engine/io/node-environment.js', import.meta.url).href)})
    .then(({ nodeEnvironment }) => nodeEnvironment().after(60000, () => {}))`
  const child = spawn(process.execPath, ['-e', code], { stdio: 'inherit', timeout: 10_000 })
  const [status] = (await once(child, 'exit')) as [number | null]
  t.equal(status, 0)
})

t.test('[fault 75] a killed process is dead, a living one alive', { skip: !linux }, async (t) => {
  const { process: identity } = nodeEnvironment()
  const child = spawn('sleep', ['60'])
  await once(child, 'spawn')
  const pid = child.pid ?? 0
  const [boot, namespace] = identity.incarnation.split(':')
  t.match(boot, /^[0-9a-f-]{36}$/)
  t.match(namespace, /^\d+$/)
  t.equal(identity.isAlive(pid, identity.incarnation), 'dead', 'the pid of another process')
  t.equal(identity.isAlive(pid, ''), 'unknown', 'nothing to tell it by')
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.equal(identity.isAlive(pid, `${boot}:${namespace}:1`), 'dead')
})

t.test('isAlive, case by case', async (t) => {
  const files = new MemoryFileSystem()
  const put = (path: string, text: string) => {
    files.makeDirectories(path.slice(0, path.lastIndexOf('/')))
    if (files.stat(path)) files.remove(path)
    const handle = files.open(path, 'create')
    handle.writeSync(Buffer.from(text), 0, text.length, 0)
    handle.close()
  }
  const stat = (pid: number | string, name: string, state: string, start: number, flags = 0) =>
    put(`/proc/${pid}/stat`, `${pid} (${name}) ${state} ${'0 '.repeat(5)}${flags} ${'0 '.repeat(12)}${start} 0 0\n`)
  put('/proc/sys/kernel/random/boot_id', 'boot-1\n')
  stat(process.pid, 'node', 'R', 100)
  stat(7, 'a) R 1 (b', 'S', 700)
  stat(8, 'zombie', 'Z', 800)
  files.makeDirectories('/proc/8/task/8')
  stat(9, 'dying', 'Z', 900)
  files.makeDirectories('/proc/9/task/9')
  files.makeDirectories('/proc/9/task/10')
  stat('7/task/71', 'worker', 'S', 710, 0x400040)
  stat('7/task/72', 'worker', 'R', 720, 0x400044)
  stat('7/task/73', 'worker', 'X', 730)
  files.makeDirectories('/proc/7/task/74')

  let answer: string | undefined
  const identity = processIdentity(files, '42', () => {
    if (answer !== undefined) throw systemError(answer, 'kill')
  })
  t.equal(identity.incarnation, 'boot-1:42:100')
  const cases: [string, string | undefined, number, string, string][] = [
    ['alive', undefined, 7, 'boot-1:42:700', 'same start time, odd name'],
    ['alive', 'EPERM', 7, 'boot-1:42:700', 'of another user'],
    ['dead', undefined, 7, 'boot-1:42:699', 'the pid was given to another process'],
    ['dead', 'EPERM', 7, 'boot-1:42:699', 'and that is of another user'],
    ['dead', 'ESRCH', 7, 'boot-1:42:700', 'no such process'],
    ['dead', 'ESRCH', 7, '', 'no such process, whoever it was'],
    ['dead', undefined, 7, 'boot-0:42:700', 'the machine was started anew'],
    ['unknown', 'ESRCH', 7, 'boot-1:43:700', 'in another container'],
    ['unknown', undefined, 7, '', 'nothing to tell it by'],
    ['dead', 'EPERM', 5, 'boot-0:42:500', 'hidden in /proc, but from before the machine was started anew'],
    ['unknown', 'EPERM', 5, 'boot-1:42:500', 'hidden in /proc'],
    ['unknown', 'EINVAL', 7, 'boot-1:42:700', 'no answer'],
    ['dead', undefined, 8, 'boot-1:42:800', 'a zombie'],
    ['alive', undefined, 9, 'boot-1:42:900', 'killed, with a thread still in a system call'],
    ['alive', undefined, 7, 'boot-1:42:700:71:710', 'a thread of it'],
    ['dead', undefined, 7, 'boot-1:42:700:70:700', 'a thread that has ended'],
    ['dead', undefined, 7, 'boot-1:42:700:71:709', 'its number was given to another thread'],
    ['dead', undefined, 7, 'boot-1:42:700:72:720', 'a thread that is ending'],
    ['dead', undefined, 7, 'boot-1:42:700:73:730', 'a thread that has ended and is still listed'],
    ['alive', undefined, 7, 'boot-1:42:700:74:740', 'a thread that is listed and hidden'],
    ['alive', undefined, 7, 'boot-1:42:700:../7:0', 'no thread'],
    ['dead', undefined, 7, 'boot-1:42:699:71:710', 'a thread of an earlier process'],
    ['dead', 'ESRCH', 7, 'boot-1:42:700:71:710', 'a thread of no process'],
    ['unknown', 'EPERM', 5, 'boot-1:42:500:51:510', 'a thread of a hidden process'],
    ['unknown', 'ESRCH', 0, 'boot-1:42:700', 'not a process but a group'],
    ['unknown', 'ESRCH', -1, 'boot-1:42:700', 'all processes'],
    ['unknown', 'ESRCH', NaN, 'boot-1:42:700', 'no pid'],
  ]
  for (const [verdict, code, pid, incarnation, title] of cases) {
    answer = code
    t.equal(identity.isAlive(pid, incarnation), verdict, title)
  }

  const blind = processIdentity(new MemoryFileSystem(), '', () => {})
  t.equal(blind.incarnation, '', 'no /proc, no incarnation')
  t.equal(blind.isAlive(7, ''), 'unknown')
  t.equal(files.openHandles, 0)
})

t.test('memory: no other process holds the files', async (t) => {
  const { process: identity } = memoryEnvironment()
  t.equal(identity.isAlive(1, 'memory'), 'dead')
  t.equal(identity.isAlive(process.pid, 'other'), 'dead')
})
