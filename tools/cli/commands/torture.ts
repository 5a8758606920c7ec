import { describeReport, type TortureProgress, type TortureReport, tortureStore } from '../../torture/index.js'
import type { Command } from '../command.js'
import { EXIT, type ExitCode, UsageError } from '../exit-codes.js'
import { count } from '../numbers.js'
import type { ParsedArguments } from '../parsed-arguments.js'
import { Progress } from '../progress.js'
import { quoted, safeJson } from '../safe-text.js'
import type { Terminal } from '../terminal.js'

const MEBIBYTE = 1024 * 1024
/** Options that make the same run again, with the seed and the rounds. */
const REPEATED = ['streams', 'event-bytes', 'in-flight', 'durability', 'check-every', 'pauses', 'fill-disk'] as const

export const torture: Command = {
  name: 'torture',
  summary: 'kill writers on a disk of yours, and look whether anything is lost',
  operands: ['<folder>'],
  options: {
    rounds: { value: '<n>', help: 'writers to kill (default 50; with --minutes without a bound)' },
    minutes: { value: '<n>', help: 'go on for so long' },
    seed: { value: '<n>', help: 'what is appended and when each kill is planned (default: from the clock, printed)' },
    streams: { value: '<n>', help: 'streams (default 16)' },
    'event-bytes': { value: '<n>', help: 'most characters in one event (default 512)' },
    'in-flight': { value: '<n>', help: 'appends under way at a time (default 16)' },
    durability: { value: '<d>', help: 'fsync, interval or os (default fsync)' },
    'check-every': { value: '<n>', help: 'kills between two checks (default 10)' },
    pauses: { value: '<n>', help: 'writers to stop, replace and wake up, 15 seconds each (default 0)' },
    'fill-disk': {
      value: '<MiB>',
      help: 'fill the disk once, with so much at most; other programs on it fail meanwhile',
    },
    json: { help: 'the report as one JSON object' },
  },
  description: `
Kills processes that write to a store in the folder, again and again, and looks whether anything is lost that was acknowledged. The
folder must be empty or not there yet; it should be on the disk you want to know about. It is removed, unless something was found:
then it is kept, and the exit code is 1. "annals-torture" is the same.`,
  examples: [
    ['annals torture /mnt/disk/torture', 'kill fifty writers on that disk'],
    [
      'annals torture --minutes 10 --pauses 2 /mnt/disk/torture',
      'for ten minutes, and two of them stopped and woken up',
    ],
    ['annals torture --json /mnt/disk/torture | jq .sync', 'what does a sync cost here?'],
  ],
  run,
}

async function run(args: ParsedArguments, { out, err, signal }: Terminal): Promise<ExitCode> {
  const directory = args.operands[0]!
  const mebibytes = amount(args, 'fill-disk')
  const progress = new Progress(err, 'torture')
  const report = await tortureStore(directory, {
    rounds: amount(args, 'rounds'),
    minutes: amount(args, 'minutes'),
    seed: amount(args, 'seed'),
    streams: amount(args, 'streams'),
    eventBytes: amount(args, 'event-bytes'),
    inFlight: amount(args, 'in-flight'),
    durability: args.oneOf('durability', ['fsync', 'interval', 'os']),
    checkEvery: amount(args, 'check-every'),
    pauses: amount(args, 'pauses'),
    fillDisk: mebibytes === undefined ? undefined : mebibytes * MEBIBYTE,
    signal,
    onProgress: (at) => progress.say(progressLine(at)),
  }).finally(() => progress.end())
  const replay = replayOf(directory, args, report)
  if (args.has('json')) out.line(safeJson({ ...report, replay }))
  else {
    out.line(`${describeReport(report)}\nSeed ${report.seed}. The same commits and planned kills again:\n  ${replay}`)
  }
  return report.ok ? EXIT.fine : EXIT.findings
}

/** A number of any kind: which ones can be meant, the harness knows. Throws UsageError. */
function amount(args: ParsedArguments, name: string): number | undefined {
  const text = args.text(name)
  if (text === undefined) return undefined
  const value = text.trim() === '' ? NaN : Number(text)
  if (Number.isNaN(value)) throw new UsageError(`--${name} takes a number, not ${quoted(text)}`)
  return value
}

/** The command with the seed, and with as many rounds as were lived through. */
function replayOf(directory: string, args: ParsedArguments, { seed, kills, kept }: TortureReport): string {
  const words = [`--seed ${seed}`, `--rounds ${kills}`]
  for (const name of REPEATED) if (args.has(name)) words.push(`--${name} ${args.text(name)!}`)
  const folder = kept === undefined ? directory : `${directory}-again`
  return `npx annals torture ${quoted(folder)} ${words.join(' ')}`
}

function progressLine({ part, kills, acknowledged, elapsedMs }: TortureProgress): string {
  return `${Math.round(elapsedMs / 1000)} s, ${part}: ${count(kills)} kills, ${count(acknowledged)} commits acknowledged`
}
