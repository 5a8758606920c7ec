import { BrokenPipeError, EXIT, InterruptedError } from './exit-codes.js'
import { Output } from './output.js'
import { coloured, type ColourChoice, plain, wantsColour } from './paint.js'

/** What a command talks to: data goes to `out`, talk to `err`. */
export interface Terminal {
  readonly out: Output
  readonly err: Output
  readonly input: NodeJS.ReadStream
  /** Aborts on Ctrl-C, and when nobody reads the output any more. */
  readonly signal: AbortSignal
  readonly env: NodeJS.ProcessEnv
  /** Gives the signals of the process back. */
  close(): void
}

/** The terminal of this process. */
export function processTerminal(): Terminal {
  const controller = new AbortController()
  const out = new Output(process.stdout, () => controller.abort(new BrokenPipeError()))
  // What cannot be said is no reason to stop.
  const err = new Output(process.stderr, () => {})
  const interrupt = (): void => {
    // The second time somebody means it.
    if (controller.signal.aborted) process.exit(EXIT.interrupted)
    controller.abort(new InterruptedError())
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  return {
    out,
    err,
    input: process.stdin,
    signal: controller.signal,
    env: process.env,
    close() {
      process.off('SIGINT', interrupt)
      process.off('SIGTERM', interrupt)
    },
  }
}

/** Decides on colours, for each of the two by itself. */
export function setColours({ out, err, env }: Terminal, choice: ColourChoice): void {
  for (const output of [out, err]) output.paint = wantsColour(choice, output.isTerminal, env) ? coloured : plain
}
