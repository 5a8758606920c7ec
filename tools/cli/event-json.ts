import type { StoredEvent } from '../../engine/index.js'
import { valueToJson } from '../../kit/json-values.js'
import { escapeUnsafe } from './safe-text.js'

/**
 * An event as one line of JSON, with the fields that it has: stream, offset, position, id, type, timestamp, schemaVersion, and where there are any
 * tags, commitId, metadata, data. Nothing is lost: see json-values.ts. `more` are further fields, before `data`.
 */
export function eventToJson(event: StoredEvent, more = ''): string {
  const { stream, offset, position, id, type, timestamp, schemaVersion, tags, commitId, metadata, data } = event
  const parts = [
    `{"stream":${JSON.stringify(stream)},"offset":${offset},"position":${position},"id":"${id}"`,
    `"type":${JSON.stringify(type)},"timestamp":${timestamp},"schemaVersion":${schemaVersion}`,
  ]
  if (tags.length > 0) parts.push(`"tags":${JSON.stringify(tags)}`)
  if (commitId !== undefined) parts.push(`"commitId":${JSON.stringify(commitId)}`)
  if (more !== '') parts.push(more)
  if (metadata !== undefined) parts.push(`"metadata":${valueToJson(metadata)}`)
  if (data !== undefined) parts.push(`"data":${valueToJson(data)}`)
  return `${escapeUnsafe(parts.join())}}`
}
