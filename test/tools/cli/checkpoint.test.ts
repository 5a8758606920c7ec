import { spawn } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { openEventStore, verifyStore } from '../../../engine/index.js'
import { annals, annalsHere, cleanEnvironment, sampleStore, temporaryFolder, untimed, writeImage } from './run-cli.js'

/** Appends to many streams in a process that is killed when it has said so. */
async function killedWriter(directory: string): Promise<void> {
  const script = `
    import { openEventStore } from ${JSON.stringify(join(process.cwd(), 'build/engine/index.js'))}
    const store = await openEventStore(${JSON.stringify(directory)})
    await store.appendMany(Array.from({ length: 400 }, (_, n) => ({ stream: 's-' + n, events: [{ type: 'T' }] })))
    process.stdout.write('done')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  child.kill('SIGKILL')
  await new Promise((resolve) => child.on('close', resolve))
}

t.test('[L1] writes all events to the files of their streams, also after a crash', async (t) => {
  const cwd = temporaryFolder(t)
  await killedWriter(join(cwd, 'data'))
  const { status, stdout, stderr } = annals(['checkpoint', 'data'], { cwd })
  t.same(
    { status, stdout: untimed(stdout), stderr },
    {
      status: 0,
      stdout: 'checkpoint: 400 events, 400 settled now, 400 events read again after a crash, in 1 ms\n',
      stderr: '',
    },
  )
  t.match(await verifyStore(join(cwd, 'data')), { ok: true, findings: [], events: 400, streams: 400 })
  const again = await annalsHere(['checkpoint', '--json', 'data'], cwd)
  t.match(JSON.parse(again.stdout), {
    what: 'verdict',
    ok: true,
    events: 400,
    settled: 0,
    clean: true,
    readAgain: 0,
    tornBytes: 0,
  })
})

t.test('what cannot be opened for writing', async (t) => {
  const cwd = temporaryFolder(t)
  t.match(annals(['checkpoint', 'nowhere'], { cwd }), { status: 3, stdout: '' })
  const data = writeImage(cwd, await sampleStore())
  await using store = await openEventStore(data)
  t.match(annals(['checkpoint', 'data'], { cwd }), { status: 3, stdout: '', stderr: /has it open/ })
  await store.close()
  t.match(annals(['checkpoint', 'data'], { cwd }), { status: 0, stdout: /^checkpoint: 7 events, 0 settled now, in/ })
})
