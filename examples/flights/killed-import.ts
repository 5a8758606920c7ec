import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface KilledImport {
  /** Indexes of the flights whose appends had resolved, as far as the process could still say so. */
  readonly acknowledged: ReadonlySet<number>
  /** Milliseconds from the moment the store was open to the kill. */
  readonly durationMs: number
}

/**
 * Starts a process that imports all flights and kills it with SIGKILL after so many acknowledgements. Those that were in
 * the pipe then count too.
 */
export async function importAndKill(
  directory: string,
  after: number,
  progress: (acknowledged: number) => void,
): Promise<KilledImport> {
  const script = fileURLToPath(new URL('./import-process.js', import.meta.url))
  const child = spawn(process.execPath, [script, directory], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<NodeJS.Signals | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (_code, signal) => resolve(signal))
  })
  const acknowledged = new Set<number>()
  let begun = 0
  let killed = 0
  // A line that the kill cut short has no newline: it could be another number.
  let rest = ''
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()!
    for (const line of lines) {
      if (line === 'open') begun = performance.now()
      else acknowledged.add(Number(line))
      if (acknowledged.size >= after && killed === 0) {
        killed = performance.now()
        child.kill('SIGKILL')
      }
    }
    progress(acknowledged.size)
  })
  const signal = await ended
  if (signal !== 'SIGKILL') throw new Error(`The import ended by itself after ${acknowledged.size} flights`)
  return { acknowledged, durationMs: killed - begun }
}
