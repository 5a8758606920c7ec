import { readFileSync } from 'node:fs'
import { type ExpectedVersion, type NewEvent, openEventStore } from '../../../engine/index.js'
import type { Command } from '../command.js'
import { nameOf } from '../event-selection.js'
import { EXIT, type ExitCode, UsageError } from '../exit-codes.js'
import { JsonValueError, valueFromJson } from '../../../kit/json-values.js'
import type { ParsedArguments } from '../parsed-arguments.js'
import { quoted, safeJson, showName } from '../safe-text.js'
import type { Terminal } from '../terminal.js'
import { parseTime } from '../times.js'

export const append: Command = {
  name: 'append',
  summary: 'append one event by hand',
  operands: ['<store>', '<stream>', '<type>', '[data]'],
  options: {
    file: { short: 'f', value: '<file>', help: 'take the data from a file, - for stdin' },
    text: { help: 'the data are text as it is, and no JSON' },
    metadata: { short: 'm', value: '<json>', help: 'metadata, an object' },
    tag: { short: 't', value: '<tag>', repeats: true, help: 'a tag' },
    id: { value: '<uuid>', help: 'id of the event (default: a random one)' },
    time: { value: '<time>', help: 'its timestamp (default: now)' },
    'schema-version': { value: '<n>', help: 'version of the schema of its data (default 1)' },
    'expected-version': {
      short: 'e',
      value: '<n>',
      help: 'the version the stream must be at, or noStream, streamExists',
    },
    'commit-id': { value: '<id>', help: 'makes it safe to repeat: what is stored already is not stored again' },
    create: { help: 'make the store when there is none' },
    json: { help: 'one JSON object: what was written' },
  },
  description: `
Appends one event to a stream, as one commit, and waits until it is on disk. Data are JSON; values that JSON does not have are written
as "annals export" writes them, {"$date":"2026-01-05T09:00:00.000Z"}. Without data the event has none. Nobody else may have the store
open for writing.
A version that is another, or a commit id that is taken, is refused: nothing is written, and the exit code is 1.`,
  examples: [
    ['annals append ./data account-1 Deposited \'{"cents":500}\'', 'one event'],
    ['annals append -e 3 -m \'{"by":"ada"}\' -t branch:north ./data account-1 Closed', 'if the stream is at version 3'],
    ['annals append --commit-id fix-1 -f correction.json ./data account-1 Corrected', 'once, however often it is run'],
  ],
  run,
}

async function run(args: ParsedArguments, { out, input }: Terminal): Promise<ExitCode> {
  const [directory, stream, type, argument] = args.operands as [string, string, string, string | undefined]
  const expectedVersion = expectedOf(args)
  const file = args.text('file')
  if (file !== undefined && argument !== undefined) throw new UsageError('data are an argument or --file, not both')
  const text = file === undefined ? argument : file === '-' ? await textOf(input) : readFileSync(file, 'utf8')
  const metadata = args.text('metadata')
  const id = args.text('id')
  const time = args.text('time')
  const event: NewEvent = {
    type: nameOf(type),
    data: text === undefined ? undefined : args.has('text') ? text : json(text, 'data'),
    ...(metadata !== undefined && { metadata: json(metadata, 'metadata') }),
    ...(id !== undefined && { id }),
    ...(time !== undefined && { timestamp: parseTime(time, 'time', Date.now(), 'from') }),
    schemaVersion: args.number('schema-version'),
    ...(args.has('tag') && { tags: args.texts('tag') }),
  }
  const store = await openEventStore(directory, { create: args.has('create') })
  try {
    const options = { expectedVersion, commitId: args.text('commit-id') }
    const result = await store.append(nameOf(stream), [event], options)
    if (args.has('json')) out.line(safeJson({ what: 'appended', ...result, isRepeat: result.isRepeat === true }))
    else {
      const { stream: name, lastOffset, position, isRepeat } = result
      const word = isRepeat === true ? 'stored before' : 'appended'
      out.line(`${word}: ${out.paint('green', showName(name))}@${lastOffset}, position ${position}`)
    }
  } finally {
    await store.close()
  }
  return EXIT.fine
}

function expectedOf(args: ParsedArguments): ExpectedVersion | undefined {
  const text = args.text('expected-version')
  if (text === undefined || text === 'any' || text === 'noStream' || text === 'streamExists') return text
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new UsageError(`--expected-version takes a whole number, noStream, streamExists or any, not ${quoted(text)}`)
}

function json(text: string, what: string): unknown {
  try {
    return valueFromJson(JSON.parse(text))
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof JsonValueError)) throw error
    throw new UsageError(
      `${what}: ${error.message}`,
      what === 'data' ? 'Data are JSON; text is "in quotes", or with --text as it is.' : undefined,
    )
  }
}

async function textOf(input: NodeJS.ReadStream): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of input) pieces.push(piece as Buffer)
  return Buffer.concat(pieces).toString('utf8')
}
