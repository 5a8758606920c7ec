import { BadRecordError } from '../transfer/bad-record.js'
import { CsvEnds, csvFields } from '../transfer/csv.js'
import { eventRecord } from '../transfer/event-record.js'
import type { ImportOptions } from '../transfer/importer.js'
import type { RecordDecoder } from '../transfer/imported-event.js'
import { jsonRecord } from '../transfer/json-record.js'
import { type Mapping, mappedRecord } from '../transfer/mapped-record.js'
import { lineEnds, type SourceRecord, splitRecords } from '../transfer/records.js'
import { parseTemplate, type Template, TemplateError } from '../transfer/template.js'
import { UsageError } from './exit-codes.js'
import { plural } from './numbers.js'
import type { ParsedArguments } from './parsed-arguments.js'
import { quoted } from './safe-text.js'

/** Four times what an event may have: JSON is longer, and bytes in base64 are. */
const MOST_RECORD_BYTES = 64 * 1024 * 1024

/** How the file is read. */
export interface Reading {
  readonly decode: RecordDecoder
  /** Splits the file into records. `header` hears of the one that is none. */
  records(chunks: AsyncIterable<Buffer>, header: (bytes: Buffer) => void): AsyncIterable<readonly SourceRecord[]>
}

/** What the options say of the file. Throws UsageError. */
export function readingOf(args: ParsedArguments, file: string | undefined): Reading {
  const format = args.oneOf('format', ['ndjson', 'csv']) ?? (file?.toLowerCase().endsWith('.csv') ? 'csv' : 'ndjson')
  const mapping = mappingOf(args)
  const most = args.number('max-line', 1) ?? MOST_RECORD_BYTES
  if (format === 'csv') {
    if (mapping === undefined) {
      throw new UsageError('CSV needs --stream and --type', 'They say what of a line is an event.')
    }
    return csvReading(args, mapping, most)
  }
  for (const name of ['separator', 'columns'] as const) if (args.has(name)) throw new UsageError(`--${name} is for CSV`)
  return {
    decode: mapping === undefined ? eventRecord : (bytes) => mappedRecord(mapping, jsonRecord(bytes).fields),
    records: (chunks) => splitRecords(chunks, lineEnds(), most),
  }
}

function csvReading(args: ParsedArguments, mapping: Mapping, most: number): Reading {
  const separator = args.text('separator') ?? ','
  if (!/^[\t !#-~]$/.test(separator)) throw new UsageError('--separator takes one ASCII character that is no quote')
  const given = args.text('columns')
  let columns = given === undefined ? undefined : columnsOf(Buffer.from(given), separator)
  return {
    decode(bytes) {
      const fields = csvFields(bytes, separator)
      if (fields.length !== columns!.length) {
        throw new BadRecordError(`it has ${plural(fields.length, 'field')}, not ${columns!.length}`)
      }
      return mappedRecord(mapping, Object.fromEntries(fields.map((field, i) => [columns![i]!, field])))
    },
    async *records(chunks, header) {
      for await (const records of splitRecords(chunks, new CsvEnds(separator), most)) {
        const first = columns === undefined ? records[0] : undefined
        if (first !== undefined) {
          columns = columnsOf(first.bytes, separator)
          header(first.bytes!)
        }
        yield first === undefined ? records : records.slice(1)
      }
    },
  }
}

function columnsOf(bytes: Buffer | undefined, separator: string): string[] {
  try {
    if (bytes === undefined) throw new BadRecordError('it is too long')
    const columns = csvFields(bytes, separator)
    const twice = columns.find((name, i) => columns.indexOf(name) !== i)
    if (twice !== undefined) throw new BadRecordError(`two columns are called ${JSON.stringify(twice)}`)
    return columns
  } catch (error) {
    if (!(error instanceof BadRecordError)) throw error
    throw new UsageError(`the header of the CSV cannot be read: ${error.message}`)
  }
}

const MAPPING_OPTIONS = ['time', 'time-unit', 'id', 'data', 'metadata', 'tag', 'number', 'commit-id', 'group'] as const

function mappingOf(args: ParsedArguments): Mapping | undefined {
  const template = (name: string, text: string): Template => {
    try {
      return parseTemplate(text)
    } catch (error) {
      if (error instanceof TemplateError) throw new UsageError(`--${name} ${quoted(text)}: ${error.message}`)
      throw error
    }
  }
  const optional = (name: string): Template | undefined => {
    const text = args.text(name)
    return text === undefined ? undefined : template(name, text)
  }
  const stream = optional('stream')
  const type = optional('type')
  if (stream === undefined && type === undefined) {
    const without = MAPPING_OPTIONS.find((name) => args.has(name))
    if (without !== undefined) throw new UsageError(`--${without} needs --stream and --type`)
    return undefined
  }
  if (stream === undefined || type === undefined) {
    throw new UsageError(
      `--${stream === undefined ? 'type' : 'stream'} needs --${stream === undefined ? 'stream' : 'type'}`,
    )
  }
  return {
    stream,
    type,
    time: args.text('time'),
    timeUnit: args.oneOf('time-unit', ['ms', 's']) ?? 'ms',
    id: args.text('id'),
    data: args.text('data'),
    metadata: args.text('metadata'),
    tags: args.texts('tag').map((text) => template('tag', text)),
    group: optional('group'),
    commitId: optional('commit-id'),
    numbers: args.texts('number'),
  }
}

/** What commit ids are made of. Throws UsageError. */
export function idsOf(args: ParsedArguments): ImportOptions['ids'] {
  const name = args.text('name')
  if (args.has('no-commit-ids')) {
    if (name !== undefined) throw new UsageError('--name and --no-commit-ids contradict each other')
    return 'none'
  }
  return name === undefined ? 'digest' : { name }
}
