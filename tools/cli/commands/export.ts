import { breathe } from '../breathe.js'
import type { Command } from '../command.js'
import { eventToJson } from '../event-json.js'
import { eventSelection, readSelection, SELECTION_OPTIONS } from '../event-selection.js'
import { EXIT, type ExitCode } from '../exit-codes.js'
import { count, plural } from '../numbers.js'
import type { ParsedArguments } from '../parsed-arguments.js'
import { Progress } from '../progress.js'
import { reading } from '../reading.js'
import type { Terminal } from '../terminal.js'

export const exportCommand: Command = {
  name: 'export',
  summary: 'write events as NDJSON, without loss',
  operands: ['<store>', '[stream]'],
  options: SELECTION_OPTIONS,
  description: `
Writes events to stdout, a line each, in the order of the stream, or of commits: everything, a stream, a category, or what else is picked.
Nothing is lost: values that JSON does not have are objects with one key such as {"$date":"2026-01-05T09:00:00.000Z"}, and the events of
one commit say so, "part":[1,3]. "annals import" makes an identical store of an export of everything. The store may be open elsewhere.`,
  examples: [
    ['annals export ./data > events.ndjson', 'everything'],
    ['annals export ./data account-1 | jq .data', 'one stream'],
    [
      'annals export -c account --since 2026-01-05 ./data | annals import --renumber ./other',
      'a category from a day on, into another store',
    ],
  ],
  run,
}

async function run(args: ParsedArguments, { out, err, signal }: Terminal): Promise<ExitCode> {
  const [directory, stream] = args.operands as [string, string | undefined]
  const selection = eventSelection(args, stream)
  const progress = out.isTerminal ? undefined : new Progress(err, 'export')
  const pause = breathe(signal)
  let events = 0
  let written = 0
  const rate = (): string => {
    const perSecond = Math.round((1000 * events) / Math.max(1, progress!.spentMs))
    return `${plural(events, 'event')}, ${count(perSecond)}/s`
  }
  await reading(directory, async (store) => {
    for await (const commit of readSelection(store, selection, signal).commits()) {
      const of = commit.length
      for (const [i, event] of commit.entries()) {
        const line = eventToJson(event, of === 1 ? '' : `"part":[${i + 1},${of}]`)
        out.line(line)
        written += line.length + 1
        await out.drain()
      }
      events += of
      await pause()
      progress?.show(written, undefined, rate)
    }
    await out.flush()
  }).finally(() => progress?.end())
  return EXIT.fine
}
