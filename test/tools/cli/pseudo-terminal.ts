import { spawn, spawnSync } from 'node:child_process'
import { BINARY, cleanEnvironment } from './run-cli.js'

/** Why there can be no pseudo-terminal here; undefined: there can. `script` is the one of util-linux. */
export function noTerminal(): string | undefined {
  const { error, stdout } = spawnSync('script', ['--version'], { encoding: 'utf8' })
  return error === undefined && stdout.includes('util-linux') ? undefined : 'there is no "script" of util-linux'
}

/** A command that runs in a terminal of its own, and somebody who types. */
export interface TerminalSession {
  /** Everything that was written, with its control sequences. */
  readonly written: () => string
  /** Resolves when a text was written. */
  until(text: string): Promise<void>
  type(text: string): void
  /** The exit code. */
  readonly ended: Promise<number | null>
}

/** Runs `annals` in a pseudo-terminal of so many columns. */
export function inTerminal(args: readonly string[], cwd: string, columns: number): TerminalSession {
  const quoted = [process.execPath, BINARY, ...args].map((word) => `'${word}'`).join(' ')
  const child = spawn('script', ['-qefc', `stty cols ${columns} rows 24 && exec ${quoted}`, '/dev/null'], {
    cwd,
    env: { ...cleanEnvironment(), SHELL: '/bin/sh', TERM: 'xterm' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let written = ''
  const waiting = new Set<() => void>()
  child.stdout.on('data', (bytes: Buffer) => {
    written += bytes.toString()
    for (const look of waiting) look()
  })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  return {
    written: () => written,
    until: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!written.includes(text)) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
        ended.then(() => reject(new Error(`ended without ${JSON.stringify(text)}: ${written}`)), reject)
      }),
    type: (text) => child.stdin.write(text),
    ended,
  }
}

/** What stands on a screen after this was written: lines, carriage returns, "clear to the end of the line" and colours. */
export function screen(written: string): string[] {
  const lines = ['']
  let column = 0
  // eslint-disable-next-line no-control-regex -- they are what this is about
  for (const [token] of written.matchAll(/\u001b\[[\d;]*[A-Za-z]|[^]/gu)) {
    const line = lines.at(-1)!
    if (token === '\r') column = 0
    else if (token === '\n') lines.push('')
    else if (token === '\u001b[K') lines[lines.length - 1] = line.slice(0, column)
    else if (token.startsWith('\u001b[') && token.endsWith('m')) continue
    else if (/^[^\p{Cc}]$/u.test(token)) {
      lines[lines.length - 1] = line.slice(0, column) + token + line.slice(column + 1)
      column++
    } else throw new Error(`what does a terminal do with ${JSON.stringify(token)}?`)
  }
  return lines
}
