import type { Command } from '../command.js'
import { eventSelection, readSelection, SELECTION_OPTIONS } from '../event-selection.js'
import { EventView, VIEW_OPTIONS } from '../event-view.js'
import { EXIT, type ExitCode } from '../exit-codes.js'
import type { ParsedArguments } from '../parsed-arguments.js'
import { reading } from '../reading.js'
import type { Terminal } from '../terminal.js'

export const cat: Command = {
  name: 'cat',
  summary: 'print the events of a stream, a category, or everything',
  operands: ['<store>', '[stream]'],
  options: { ...SELECTION_OPTIONS, ...VIEW_OPTIONS },
  description: `
Prints events in the order of the stream, or, without one, in the order of commits: offset or position, time, whose, type, data. The
store may be open elsewhere. A name that is shown in quotes can be given so: '"two\\nlines"'.`,
  examples: [
    ['annals cat ./data account-1', 'the events of a stream'],
    ['annals cat ./data --category account --type Opened --since 2h', 'what was opened in the last two hours'],
    [
      'annals cat ./data --from 1000 --limit 20 --long',
      'twenty events from position 1000 on, with all that is known of them',
    ],
    [`annals cat --json ./data account-1 | jq '.data.cents'`, 'one field of each'],
  ],
  run,
}

async function run(args: ParsedArguments, { out, signal }: Terminal): Promise<ExitCode> {
  const [directory, stream] = args.operands
  const selection = eventSelection(args, stream)
  const view = new EventView(out, args, selection.stream !== undefined)
  await reading(directory!, async (store) => {
    for await (const event of readSelection(store, selection, signal)) {
      view.add(event)
      const waits = out.drain()
      if (waits !== undefined) await waits
    }
  })
  return EXIT.fine
}
