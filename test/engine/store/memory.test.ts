import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

/** Runs a program with a small heap and returns what it prints as JSON. */
async function run(folder: string, phase: 'write' | 'read'): Promise<Record<string, number>> {
  const program = fileURLToPath(new URL('./fixtures/large-stream.js', import.meta.url))
  const child = spawn(process.execPath, ['--expose-gc', '--max-old-space-size=64', program, folder, phase], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const code = await new Promise((resolve) => child.on('close', resolve))
  if (code !== 0) throw new Error(`the child ended with ${String(code)}`)
  return JSON.parse(text) as Record<string, number>
}

t.test(
  '[R8] [fault 37] a stream of 240 MB is written and read with a heap of 64 MB, growing it by less than 32',
  { timeout: 120_000 },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'annals-large-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const written = await run(folder, 'write')
    t.ok(written['bytes']! >= 240_000_000, `${written['bytes']!} bytes`)
    const read = await run(folder, 'read')
    t.equal(read['events'], written['events'])
    t.equal(read['bytes'], written['bytes'])
    t.ok(read['growth']! < 32 * 1024 * 1024, `heap and buffers grew by ${read['growth']!} bytes`)
  },
)
