import type { ReadOnlyEventStore, StoredEvent } from '../../../engine/index.js'
import type { Command } from '../command.js'
import { eventToJson } from '../event-json.js'
import { nameOf } from '../event-selection.js'
import { EXIT, type ExitCode, UsageError } from '../exit-codes.js'
import { valueToJson } from '../../../kit/json-values.js'
import { time } from '../numbers.js'
import type { Output } from '../output.js'
import type { ParsedArguments } from '../parsed-arguments.js'
import { reading } from '../reading.js'
import { escapeUnsafe, quoted, showName } from '../safe-text.js'
import type { Terminal } from '../terminal.js'
import { valueLines } from '../value-lines.js'

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
/** Where output is no terminal, lines are as long as this at most if they can be broken. */
const COLUMNS = 100

export const show: Command = {
  name: 'show',
  summary: 'print one event, with all that is known of it',
  operands: ['<store>', '<event>'],
  options: {
    json: { help: 'as one JSON object, without loss' },
    raw: { help: 'only the data, as JSON' },
  },
  description: `
Shows the event <stream>@<offset>, the one at @<position> of the store, or the one with an id. An id is looked for in the whole log.
Ends with 1 when there is no such event.`,
  examples: [
    ['annals show ./data account-1@3', 'an event of a stream'],
    ['annals show ./data @1200', 'the event at a position of the store'],
    ['annals show ./data 4f9c4c86-6c3e-4d0e-8c11-0d1e7c3b2a90', 'the event with this id'],
  ],
  run,
}

async function run(args: ParsedArguments, { out, err, signal }: Terminal): Promise<ExitCode> {
  const [directory, word] = args.operands as [string, string]
  if (args.has('json') && args.has('raw')) throw new UsageError('--json or --raw, not both')
  const event = await reading(directory, (store) => find(store, word, signal))
  if (event === undefined) {
    err.line(`There is no event ${quoted(word)}.`)
    await err.flush()
    return EXIT.findings
  }
  if (args.has('json')) out.line(eventToJson(event))
  else if (args.has('raw')) out.line(escapeUnsafe(valueToJson(event.data)))
  else print(event, out)
  return EXIT.fine
}

/** Reads the event that a word names: `<stream>@<offset>`, `@<position>`, or an id. Throws UsageError. */
async function find(store: ReadOnlyEventStore, word: string, signal: AbortSignal): Promise<StoredEvent | undefined> {
  const [, stream, digits] = /^(.*)@(\d+)$/s.exec(word) ?? []
  const number = Number(digits)
  if (stream !== undefined && Number.isSafeInteger(number)) {
    const events =
      stream === ''
        ? store.readAll({ fromPosition: number, limit: 1, signal })
        : store.readStream(nameOf(stream), { fromOffset: number, limit: 1, signal })
    for await (const event of events) return event
    return undefined
  }
  if (!UUID.test(word)) {
    throw new UsageError(`${quoted(word)} is no event`, 'Name it as <stream>@<offset>, @<position> or by its id.')
  }
  for await (const event of store.readAll({ id: word.toLowerCase(), limit: 1, signal })) return event
  return undefined
}

function print(event: StoredEvent, out: Output): void {
  const { stream, offset, position, type, timestamp, id, schemaVersion, commitId, tags, metadata, data } = event
  out.line(`${out.paint('green', showName(stream))}@${offset}  ${out.paint('bold', showName(type))}`)
  const field = (name: string, text: string): void => out.line(`  ${out.paint('dim', name.padEnd(8))}  ${text}`)
  field('position', String(position))
  field('time', time(timestamp))
  field('id', escapeUnsafe(id))
  field('schema', `version ${schemaVersion}`)
  if (commitId !== undefined) field('commit', showName(commitId))
  if (tags.length > 0) field('tags', tags.map(showName).join('  '))
  const columns = out.isTerminal ? out.columns : COLUMNS
  for (const [name, value] of Object.entries({ metadata, data })) {
    if (value === undefined) continue
    out.line(`  ${out.paint('dim', name)}`)
    for (const line of valueLines(value, columns, '    ')) out.line(line)
  }
}
