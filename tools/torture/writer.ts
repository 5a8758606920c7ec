// A process that opens a store and appends until it is killed. Started by writer-process.ts; see writer-messages.ts for what it is
// told and what it says. It says so with calls that return when the system has the bytes: what was said before a kill arrives.
import { readSync, writeSync } from 'node:fs'
import { openEventStore } from '../../engine/index.js'
import { Workload } from './workload.js'
import { encodeMessage, openPatiently, type WriterJob, type WriterMessage } from './writer-messages.js'

function say(message: WriterMessage): void {
  const bytes = Buffer.from(encodeMessage(message))
  for (let at = 0; at < bytes.length;) at += writeSync(1, bytes, at)
}

/** Waits, without any work, for the line with the job. */
function readJob(): WriterJob | undefined {
  const chunk = Buffer.alloc(65_536)
  let text = ''
  while (!text.includes('\n')) {
    const count = readSync(0, chunk)
    if (count === 0) return undefined // whoever started it is gone
    text += chunk.toString('utf8', 0, count)
  }
  return JSON.parse(text) as WriterJob
}

async function write({ directory, open, workload: shape, first, inFlight }: WriterJob): Promise<void> {
  const workload = new Workload(shape)
  say({ kind: 'opening' })
  const store = await openPatiently(() => openEventStore(directory, open))
  say({ kind: 'opened' })
  let next = first
  const append = async (): Promise<never> => {
    for (;;) {
      const commit = next++
      await store.appendMany(workload.commit(commit))
      say({ kind: 'acknowledged', commit })
    }
  }
  await Promise.all(Array.from({ length: inFlight }, append))
}

say({ kind: 'ready' })
const job = readJob()
if (job !== undefined) {
  write(job).catch((error: unknown) => {
    const { code, cause, message } = error as { code?: string; cause?: { code?: string }; message?: string }
    say({ kind: 'failed', code: code ?? 'none', cause: cause?.code ?? '', message: message ?? String(error) })
    process.exit(1)
  })
}
