import type { StoredEvent } from '../../engine/index.js'
import { sayValue } from '../../engine/inspect/say-value.js'
import type { OptionSpec } from './command.js'
import { eventToJson } from './event-json.js'
import { UsageError } from './exit-codes.js'
import { valueToJson } from '../../kit/json-values.js'
import { time } from './numbers.js'
import type { Output } from './output.js'
import type { ParsedArguments } from './parsed-arguments.js'
import { escapeUnsafe, shortened, showName } from './safe-text.js'

/** Options of commands that print events. */
export const VIEW_OPTIONS = {
  long: { short: 'l', help: 'ids, tags and metadata too, and values to their end' },
  json: { help: 'one JSON object a line, without loss' },
  raw: { help: 'only the data, as JSON, one a line' },
} as const satisfies Readonly<Record<string, OptionSpec>>

/** Columns grow with what comes, and no further. */
const WIDEST = 40

/** Prints events, one after another, as it is asked for by `VIEW_OPTIONS`. */
export class EventView {
  readonly #out: Output
  readonly #format: 'pretty' | 'json' | 'raw'
  readonly #long: boolean
  readonly #ofStream: boolean
  #number = 1
  #place = 12
  #type = 10

  /** `ofStream`: all events are of one stream, which need not be named each time. Throws UsageError. */
  constructor(out: Output, args: ParsedArguments, ofStream: boolean) {
    if (args.has('json') && args.has('raw')) throw new UsageError('--json or --raw, not both')
    this.#out = out
    this.#format = args.has('json') ? 'json' : args.has('raw') ? 'raw' : 'pretty'
    this.#long = args.has('long')
    this.#ofStream = ofStream
  }

  /** Adds the lines of an event to the output. */
  add(event: StoredEvent): void {
    if (this.#format === 'json') this.#out.line(eventToJson(event))
    else if (this.#format === 'raw') this.#out.line(escapeUnsafe(valueToJson(event.data)))
    else this.#pretty(event)
  }

  #pretty(event: StoredEvent): void {
    const { paint, isTerminal, columns } = this.#out
    const { stream, offset, position, timestamp, type, data } = event
    const number = String(this.#ofStream ? offset : position)
    this.#number = Math.max(this.#number, number.length)
    const name = showName(stream)
    const place = this.#ofStream ? '' : `${name}@${offset}`
    this.#place = Math.min(WIDEST, Math.max(this.#place, place.length))
    const word = showName(type)
    this.#type = Math.min(WIDEST, Math.max(this.#type, word.length))
    const gap = this.#ofStream ? 0 : Math.max(0, this.#place - place.length) + 2
    const when = time(timestamp)
    const used = this.#number + 2 + when.length + 2 + place.length + gap + Math.max(this.#type, word.length) + 2
    const room = isTerminal && !this.#long ? Math.max(8, columns - used) : Infinity
    const said = data === undefined ? '' : shortened(escapeUnsafe(sayValue(data, room)), room)
    const whose = this.#ofStream ? '' : `${paint('green', name)}@${offset}${' '.repeat(gap)}`
    const what = `${paint('bold', word)}${' '.repeat(Math.max(0, this.#type - word.length))}`
    this.#out.line(`${number.padStart(this.#number)}  ${paint('dim', when)}  ${whose}${what}  ${said}`.trimEnd())
    if (this.#long) this.#more(event)
  }

  #more(event: StoredEvent): void {
    const indent = ' '.repeat(this.#number + 2)
    for (const [name, text] of moreOf(event)) this.#out.line(`${indent}${this.#out.paint('dim', name)} ${text}`)
  }
}

/** Position or offset, id, schema version, commit, tags, metadata: the latter where there are any. */
function moreOf({
  position,
  id,
  schemaVersion,
  commitId,
  tags,
  metadata,
}: StoredEvent): [name: string, text: string][] {
  return [
    ['position', String(position)],
    ['id', escapeUnsafe(id)],
    ...(schemaVersion === 1 ? [] : ([['schema version', String(schemaVersion)]] as [string, string][])),
    ...(commitId === undefined ? [] : ([['commit', showName(commitId)]] as [string, string][])),
    ...(tags.length === 0 ? [] : ([['tags', tags.map(showName).join(' ')]] as [string, string][])),
    ...(metadata === undefined
      ? []
      : ([['metadata', escapeUnsafe(sayValue(metadata, Infinity))]] as [string, string][])),
  ]
}
