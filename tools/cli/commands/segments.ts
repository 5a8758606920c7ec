import { listSegments, type SegmentFile } from '../../../engine/index.js'
import type { Command } from '../command.js'
import { nameOf } from '../event-selection.js'
import { EXIT, type ExitCode } from '../exit-codes.js'
import { fileIn } from '../findings.js'
import { bytes, count } from '../numbers.js'
import type { Paint } from '../paint.js'
import type { ParsedArguments } from '../parsed-arguments.js'
import { escapeUnsafe, safeJson, showName } from '../safe-text.js'
import { checkFile, type FileCheck } from '../segment-check.js'
import type { Terminal } from '../terminal.js'

const HEADING = '          base    events       bytes  state   index    check    file'

export const segments: Command = {
  name: 'segments',
  summary: 'list the segment files of a store or a stream, and check each',
  operands: ['<store>', '[stream]'],
  options: {
    fast: { help: 'names and sizes only, without reading the files' },
    log: { help: 'only the log segments' },
    json: { help: 'one JSON object a line' },
  },
  description: `
Lists the log segments, then the stream segments, or those of one stream: position or offset of the first event, number of events, bytes,
whether more may come (open) or not (sealed), its index, and what reading it from end to end says:
  sound    everything in it is right
  torn     its end is not; a writer is at work on it, or a crash left it so: "annals verify" tells whether anything is lost
  damaged  it is not what was written; the exit code is then 1
The store may be open, or too damaged to be opened. "annals inspect" looks into one of the files.`,
  examples: [
    ['annals segments ./data', 'every segment of the store, checked'],
    ['annals segments ./data account-1', 'those of one stream'],
    ['annals segments --fast --log ./data', 'the log segments and their sizes, at once'],
    [`annals segments --json ./data | jq -r 'select(.check == "damaged") | .file'`, 'the damaged files'],
  ],
  run,
}

async function run(args: ParsedArguments, { out, signal }: Terminal): Promise<ExitCode> {
  const [store, stream] = args.operands as [string, string | undefined]
  const isJson = args.has('json')
  let shown = 0
  let damaged = 0
  for (const segment of listSegments(store, { stream: nameOf(stream) })) {
    if (args.has('log') && segment.kind !== 'log') break
    const check = args.has('fast') ? undefined : await checkFile(segment.path, signal)
    const index =
      segment.index === undefined || args.has('fast') ? undefined : (await checkFile(segment.index, signal)).check
    if (signal.aborted) throw signal.reason as Error
    const row = rowOf(segment, store, check, index)
    if (row.check === 'damaged' || row.index === 'damaged') damaged++
    if (shown++ === 0 && !isJson) out.line(out.paint('dim', HEADING))
    out.line(isJson ? safeJson(row) : lineOf(row, out.paint))
    await out.drain()
  }
  return damaged > 0 ? EXIT.findings : EXIT.fine
}

function rowOf(
  segment: SegmentFile,
  store: string,
  check: FileCheck | undefined,
  index: FileCheck['check'] | undefined,
) {
  const { kind, path, stream, base, nextBase, epoch, isOrphan, bytes: size } = segment
  const events = nextBase === undefined ? check?.events : nextBase - base
  const state = isOrphan === true ? 'fenced' : nextBase !== undefined || check?.hasSeal === true ? 'sealed' : 'open'
  const there = segment.index === undefined ? 'none' : 'there'
  const found = check && { check: check.check, firstProblem: check.firstProblem, invariant: check.invariant }
  const wrong = check?.message === undefined ? {} : { message: check.message }
  const file = fileIn(store, path)
  return { kind, file, stream, base, epoch, events, bytes: size, state, index: index ?? there, ...found, ...wrong }
}
type Row = ReturnType<typeof rowOf>

function lineOf(row: Row, paint: Paint): string {
  const { file, stream, base, events, bytes: size, state, index, check = '-', firstProblem, invariant, message } = row
  const colour = { sound: 'green', torn: 'yellow', damaged: 'red', '-': 'dim' } as const
  const numbers = `${count(base).padStart(14)}  ${(events === undefined ? '?' : count(events)).padStart(8)}  ${bytes(size).padStart(10)}`
  const painted = `${paint(index === 'damaged' ? 'red' : 'dim', index.padEnd(7))}  ${paint(colour[check], check.padEnd(7))}`
  const whose = stream === undefined ? '' : `  ${paint('green', showName(stream))}`
  const where = invariant === undefined ? '' : `${invariant} `
  const wrong = message === undefined ? '' : `  ${where}at byte ${firstProblem ?? 0}: ${escapeUnsafe(message)}`
  return `${numbers}  ${state.padEnd(6)}  ${painted}  ${showName(file)}${whose}${paint(colour[check], wrong)}`
}
