import { parseArgs } from 'node:util'
import { AnnalsError, type Durability, InvalidArgumentError } from '../../engine/index.js'
import type { TortureProgress, TortureReport } from './report.js'
import { describeReport, tortureStore } from './index.js'
import type { TortureOptions } from './settings.js'

/** Where a command writes, and what may end it. */
export interface CommandOutput {
  readonly out: (text: string) => void
  readonly error: (text: string) => void
  /** Shows progress, on one line that is written again and again; undefined where nobody looks. */
  readonly progress: ((line: string) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

const USAGE = `annals-torture <folder> [options]

Kills processes that write to a store in the folder, again and again, and looks whether anything is lost that
was acknowledged. The folder must be empty or not there yet; it should be on the disk you want to know about.

  --rounds N        writers to kill (default 50; with --minutes without a bound)
  --minutes N       go on for so long
  --seed N          what is appended and when each kill is planned (default: from the clock, printed)
  --streams N       streams (default 16)
  --event-bytes N   most characters in one event (default 512)
  --in-flight N     appends under way at a time (default 16)
  --durability D    fsync, interval or os (default fsync)
  --check-every N   kills between two checks (default 10)
  --pauses N        writers to stop, replace and wake up, 15 seconds each (default 0)
  --fill-disk N     fill the disk once, with N MiB at most; other programs on it fail meanwhile
  --json            print the report as JSON
  --help

Exit code: 0 nothing found, 1 something found (the folder is kept), 2 usage, 3 the system refused something.
`

const OPTIONS = {
  rounds: { type: 'string' },
  minutes: { type: 'string' },
  seed: { type: 'string' },
  streams: { type: 'string' },
  'event-bytes': { type: 'string' },
  'in-flight': { type: 'string' },
  durability: { type: 'string' },
  'check-every': { type: 'string' },
  pauses: { type: 'string' },
  'fill-disk': { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

/** Runs `annals-torture` with its arguments; returns the exit code. */
export async function tortureCommand(args: readonly string[], output: CommandOutput): Promise<number> {
  let parsed
  try {
    parsed = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  } catch (error) {
    output.error(`${(error as Error).message}\n\n${USAGE}`)
    return 2
  }
  const { values, positionals } = parsed
  if (values.help === true) {
    output.out(USAGE)
    return 0
  }
  const [directory, ...others] = positionals
  if (directory === undefined || others.length > 0) {
    output.error(`Name one folder\n\n${USAGE}`)
    return 2
  }
  const number = (name: Exclude<keyof typeof OPTIONS, 'json' | 'help'>): number | undefined =>
    values[name] === undefined ? undefined : Number(values[name].trim() === '' ? NaN : values[name])
  const mebibytes = number('fill-disk')
  const options: TortureOptions = {
    rounds: number('rounds'),
    minutes: number('minutes'),
    seed: number('seed'),
    streams: number('streams'),
    eventBytes: number('event-bytes'),
    inFlight: number('in-flight'),
    durability: values.durability as Durability | undefined,
    checkEvery: number('check-every'),
    pauses: number('pauses'),
    fillDisk: mebibytes === undefined ? undefined : mebibytes * 1024 * 1024,
    signal: output.signal,
    onProgress: output.progress === undefined ? undefined : (progress) => output.progress!(progressLine(progress)),
  }
  let report
  try {
    report = await tortureStore(directory, options)
  } catch (error) {
    if (isAborted(output.signal)) return 130
    output.error(`${(error as Error).message}\n`)
    if (error instanceof InvalidArgumentError) return 2
    if (error instanceof AnnalsError) return 3
    throw error
  } finally {
    output.progress?.('')
  }
  const again = replayOf(directory, args, report)
  const words = `${describeReport(report)}\nSeed ${report.seed}. The same commits and planned kills again:\n  ${again}\n`
  output.out(values.json === true ? `${JSON.stringify({ ...report, replay: again }, undefined, 2)}\n` : words)
  return report.ok ? 0 : 1
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true
}

/** The command with the seed, and with as many rounds as were lived through. */
function replayOf(directory: string, args: readonly string[], { seed, kills, kept }: TortureReport): string {
  const { values } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  const same = ['streams', 'event-bytes', 'in-flight', 'durability', 'check-every', 'pauses', 'fill-disk'] as const
  const words = [`--seed ${seed}`, `--rounds ${kills}`]
  for (const name of same) if (values[name] !== undefined) words.push(`--${name} ${values[name]}`)
  const folder = kept === undefined ? directory : `${directory}-again`
  return `npx annals-torture ${JSON.stringify(folder)} ${words.join(' ')}`
}

function progressLine({ part, kills, acknowledged, elapsedMs }: TortureProgress): string {
  return `${Math.round(elapsedMs / 1000)} s, ${part}: ${kills} kills, ${acknowledged.toLocaleString('en')} commits acknowledged`
}
