import { createInterface } from 'node:readline'
import { BrokenPipeError } from './exit-codes.js'
import type { Terminal } from './terminal.js'

/** Asks a question on a terminal. Only "y" and "yes" are yes. Throws the signal's reason on Ctrl-C. */
export async function ask(question: string, { out, err, input, signal }: Terminal): Promise<boolean> {
  await out.flush()
  err.text(`${question} [y/N] `)
  await err.flush()
  const lines = createInterface({ input, terminal: false })
  try {
    const answer = await new Promise<string>((resolve, reject) => {
      const abort = (): void => reject(signal.reason instanceof Error ? signal.reason : new BrokenPipeError())
      if (signal.aborted) abort()
      signal.addEventListener('abort', abort, { once: true })
      lines.once('line', resolve)
      lines.once('close', () => resolve(''))
    })
    return /^y(?:es)?$/i.test(answer.trim())
  } finally {
    lines.close()
    input.pause()
  }
}
