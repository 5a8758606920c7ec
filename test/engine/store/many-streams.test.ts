/**
 * 1,000 streams and the names of 100,000 more, which nobody wrote to. With ANNALS_SOAK=1 10,000 streams of 1,000 events each and
 * the names of 1,000,000 more: minutes, and 5 GB of disk.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const SOAK = process.env['ANNALS_SOAK'] === '1'
const [STREAMS, EACH, NAMES] = SOAK ? [10_000, 1000, 1_000_000] : [1000, 50, 100_000]
if (SOAK) t.setTimeout(0)

t.test('[fault 90] [N1] memory and open files do not grow with the number of streams and names', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'annals-many-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const program = fileURLToPath(new URL('./fixtures/many-streams.js', import.meta.url))
  const child = spawn(
    process.execPath,
    ['--expose-gc', '--max-old-space-size=192', program, folder, String(STREAMS), String(EACH), String(NAMES)],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, NODE_OPTIONS: '' } },
  )
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
  t.equal(await new Promise((resolve) => child.on('close', resolve)), 0)
  const { events, greatest, openFiles } = JSON.parse(text) as Record<string, number>
  t.comment(text)
  t.equal(events, STREAMS * EACH)
  // limits.openFiles, and what Node itself has open.
  t.ok(openFiles! <= 128 + 40, `${openFiles!} open files`)
  // 32 MiB wait for the flush at most twice over, 5,000 streams are remembered.
  t.ok(greatest! < 128 * 1024 * 1024, `${Math.round(greatest! / 1024 / 1024)} MiB`)
})
