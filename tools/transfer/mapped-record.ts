import type { NewEvent } from '../../engine/index.js'
import { BadRecordError } from './bad-record.js'
import type { ImportedEvent } from './imported-event.js'
import { recordTime, type TimeUnit } from './record-time.js'
import { type Template, valueAt } from './template.js'

/** Which fields of a record are what of an event. Paths of fields are as templates have them. */
export interface Mapping {
  readonly stream: Template
  readonly type: Template
  /** Field with the time; undefined: the store assigns it. */
  readonly time: string | undefined
  readonly timeUnit: TimeUnit
  /** Field with the id, a UUID; undefined: the store makes one. */
  readonly id: string | undefined
  /** Field that is the data; undefined: the whole record is. */
  readonly data: string | undefined
  /** Field that is the metadata; undefined: there are none. */
  readonly metadata: string | undefined
  readonly tags: readonly Template[]
  readonly group: Template | undefined
  readonly commitId: Template | undefined
  /** Fields whose texts are numbers. */
  readonly numbers: readonly string[]
}

/** Makes an event of the fields of a record. Throws BadRecordError. */
export function mappedRecord(mapping: Mapping, record: Readonly<Record<string, unknown>>): ImportedEvent {
  const group = mapping.group?.(record)
  try {
    return { ...ungrouped(mapping, record), group }
  } catch (error) {
    throw error instanceof BadRecordError ? new BadRecordError(error.message, group) : error
  }
}

function ungrouped(mapping: Mapping, record: Readonly<Record<string, unknown>>): ImportedEvent {
  const fields = mapping.numbers.length === 0 ? record : withNumbers(record, mapping.numbers)
  const { stream, type, time, timeUnit, id, data, metadata, tags, commitId } = mapping
  const event: NewEvent = {
    type: type(fields),
    data: data === undefined ? fields : valueAt(fields, data),
    ...(metadata !== undefined && { metadata: valueAt(fields, metadata) }),
    ...(time !== undefined && { timestamp: recordTime(valueAt(fields, time), timeUnit) }),
    ...(id !== undefined && { id: idOf(valueAt(fields, id), id) }),
    ...(tags.length > 0 && { tags: tags.map((tag) => tag(fields)) }),
  }
  return { stream: stream(fields), event, commitId: commitId?.(fields) }
}

function withNumbers(record: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
  const fields = { ...record }
  for (const name of names) {
    const value = valueAt(record, name)
    if (typeof value === 'number') continue
    const number =
      typeof value === 'string' && /^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?\s*$/i.test(value) ? Number(value) : NaN
    if (Number.isNaN(number)) throw new BadRecordError(`field ${name} is no number: ${JSON.stringify(value)}`)
    fields[name] = number
  }
  return fields
}

function idOf(value: unknown, name: string): string {
  if (typeof value === 'string') return value.toLowerCase()
  throw new BadRecordError(`field ${name} is no UUID`)
}
