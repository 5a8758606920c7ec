import type { NewEvent } from '../../engine/index.js'
import { JsonValueError, valueFromJson } from '../../kit/json-values.js'
import { BadRecordError } from './bad-record.js'
import type { ImportedEvent } from './imported-event.js'
import { jsonRecord } from './json-record.js'

/** Fields of an event as `annals export` writes them. */
const FIELDS = new Set([
  'stream',
  'offset',
  'position',
  'id',
  'type',
  'timestamp',
  'schemaVersion',
  'tags',
  'commitId',
  'part',
  'metadata',
  'data',
])

/** Makes an event of a line that `annals export` has written, or of one of that form: stream and type, the rest as wanted. */
export function eventRecord(bytes: Buffer): ImportedEvent {
  const { fields, text } = jsonRecord(bytes)
  for (const name in fields) {
    if (!FIELDS.has(name)) throw new BadRecordError(`an event has no field ${JSON.stringify(name)}`)
  }
  const { stream, offset, position, id, type, timestamp, schemaVersion, tags, commitId, part } = fields
  const hasTags = text.includes('"$')
  const value = (name: 'metadata' | 'data'): unknown => (hasTags ? read(name, fields[name]) : fields[name])
  for (const place of [offset, position]) {
    if (place !== undefined && !(Number.isSafeInteger(place) && (place as number) >= 0)) {
      throw new BadRecordError('offset and position are whole numbers from 0 on')
    }
  }
  return {
    stream: textOf('stream', stream),
    event: {
      type: textOf('type', type),
      ...('data' in fields && { data: value('data') }),
      ...('metadata' in fields && { metadata: value('metadata') }),
      ...given('id', id),
      ...given('timestamp', timestamp),
      ...given('schemaVersion', schemaVersion),
      ...given('tags', tags),
    },
    offset: offset as number | undefined,
    commitId: commitId === undefined ? undefined : textOf('commitId', commitId),
    part: part === undefined ? undefined : partOf(part),
  }
}

function read(name: string, json: unknown): unknown {
  try {
    return valueFromJson(json)
  } catch (error) {
    if (error instanceof JsonValueError) throw new BadRecordError(`${name}: ${error.message}`)
    throw error
  }
}

function textOf(name: string, value: unknown): string {
  if (typeof value === 'string') return value
  throw new BadRecordError(value === undefined ? `it has no field ${name}` : `${name} is no string`)
}

/** What is given is checked by the store; null is nothing that it takes. */
function given(name: keyof NewEvent, value: unknown): Partial<NewEvent> {
  return value === undefined ? {} : { [name]: value }
}

function partOf(value: unknown): readonly [number, number] {
  const [number, of] = Array.isArray(value) && value.length === 2 ? (value as unknown[]) : []
  const isPart = Number.isInteger(number) && Number.isSafeInteger(of)
  if (isPart && (number as number) >= 1 && (number as number) <= (of as number)) return [number as number, of as number]
  throw new BadRecordError('part is no [n, of]')
}
