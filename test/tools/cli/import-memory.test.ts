import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import t from 'tap'
import { openEventStore } from '../../../engine/index.js'
import { BINARY, type CliResult, cleanEnvironment, temporaryFolder } from './run-cli.js'

const MIB = 2 ** 20
/** Says at the end how much memory the process had resident at most. */
const TELL_PEAK = `data:text/javascript,process.on('exit',()=>process.stderr.write('peak '+process.resourceUsage().maxRSS))`

/** Runs `annals` with a heap of so many MiB, on an input that is nowhere as a whole. Returns what it printed and its peak in MiB. */
async function imported(
  cwd: string,
  { heapMib, words }: { readonly heapMib: number; readonly words: readonly string[] },
  input: Iterable<Buffer>,
): Promise<CliResult & { readonly peakMib: number }> {
  const options = [`--max-old-space-size=${heapMib}`, '--max-semi-space-size=1', '--import', TELL_PEAK]
  const child = spawn(process.execPath, [...options, BINARY, 'import', ...words], { cwd, env: cleanEnvironment() })
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (bytes: Buffer) => (said[name] += bytes.toString()))
  }
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  await pipeline(Readable.from(input, { objectMode: true }), child.stdin).catch(() => undefined) // it may have ended
  const status = await ended
  const [, stderr, kib] = /^(.*)peak (\d+)$/s.exec(said.stderr) ?? [undefined, said.stderr, '0']
  return { status, stdout: said.stdout, stderr, peakMib: Number(kib) / 1024 }
}

t.test('[R8] an import needs memory for what is on its way, whatever is behind it', async (t) => {
  const cwd = temporaryFolder(t)
  const lines = 15_000
  const text = 'x'.repeat(4000)
  const input = function* (): Generator<Buffer> {
    for (let n = 0; n < lines; n += 100) {
      let some = ''
      for (let i = n; i < n + 100; i++) some += `{"n":${i},"of":"s-${i % 10}","text":"${text}"}\n`
      yield Buffer.from(some)
    }
  }
  const words = ['--stream', '{of}', '--type', 'T', 'data']
  // What is imported is more than the heap, and more than there may be outside of it.
  const { status, stdout, stderr, peakMib } = await imported(cwd, { heapMib: 48, words }, input())
  t.same({ status, stdout, stderr }, { status: 0, stdout: 'imported: 15,000 events in 15,000 commits\n', stderr: '' })
  t.ok(peakMib > 0 && peakMib < 256, `${Math.round(peakMib)} MiB for 60 MB of lines`)
})

t.test('[R8] a line beyond --max-line is told by its number, and is never in memory as a whole', async (t) => {
  const cwd = temporaryFolder(t)
  const piece = Buffer.alloc(MIB, 'y')
  const input = function* (): Generator<Buffer> {
    yield Buffer.from('{"stream":"a","type":"First"}\n{"stream":"a","type":"Long","data":"')
    for (let n = 0; n < 160; n++) yield piece
    yield Buffer.from('"}\n{"stream":"a","type":\n{"stream":"a","type":"Last"}\n')
  }
  const words = ['--max-line', '65536', '--collect', 'kept', 'data']
  const { status, stdout, stderr, peakMib } = await imported(cwd, { heapMib: 48, words }, input())
  t.equal(status, 1)
  t.equal(stderr, '')
  t.match(
    stdout,
    /^! line 2 {2}it is too long \(--max-line\), and not collected\n! line 3 {2}.*\nimported: 2 events in 2 commits, 2 lines not stored\n$/,
  )
  t.equal(readFileSync(join(cwd, 'kept'), 'utf8'), '{"stream":"a","type":\n', 'of it only the place is kept')
  t.ok(peakMib > 0 && peakMib < 160, `${Math.round(peakMib)} MiB for a line of 160 MiB`)
  await using store = await openEventStore(join(cwd, 'data'), { readOnly: true })
  t.equal((await store.streamInfo('a')).version, 2)
})
