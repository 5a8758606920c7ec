import { MAX_DEPTH } from '../engine/limits.js'

/**
 * Values of events as JSON and back, without loss. What JSON has is as it is; everything else is an object with one key:
 *
 * - `{"$date":"2026-01-05T09:00:00.000Z"}`, `{"$bigint":"18446744073709551616"}`, `{"$bytes":"<base64>"}`
 * - `{"$number":"NaN"}`, also `Infinity` and `-Infinity`; -0 is the number `-0`
 * - `{"$map":[[key,value],…]}`, `{"$set":[element,…]}`, `{"$undefined":true}`
 * - `{"$object":{…}}`: an object whose only key begins with `$`
 */

/** A JSON text that cannot be read as the value of an event. */
export class JsonValueError extends Error {
  override readonly name = 'JsonValueError'
}

/** Writes a value as JSON on one line. */
export function valueToJson(value: unknown): string {
  return isJson(value) ? JSON.stringify(value) : write(value)
}

/** Makes the value of what JSON.parse returned. Throws JsonValueError. */
export function valueFromJson(json: unknown): unknown {
  return read(json, 0)
}

/** Whether JSON has all that is in the value: then JSON.stringify writes it, which is several times as fast. */
function isJson(value: unknown): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0)
    case 'object':
      break
    default:
      return false
  }
  if (value === null) return true
  if (Array.isArray(value)) return value.every(isJson)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return false
  let keys = 0
  let last = ''
  for (const key in value) {
    if (!isJson((value as Record<string, unknown>)[key])) return false
    keys++
    last = key
  }
  return !(keys === 1 && last.startsWith('$'))
}

function write(value: unknown): string {
  if (value === undefined) return '{"$undefined":true}'
  if (typeof value === 'bigint') return `{"$bigint":"${value}"}`
  if (typeof value === 'number') {
    if (Object.is(value, -0)) return '-0'
    return Number.isFinite(value) ? String(value) : `{"$number":"${value}"}`
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (value instanceof Date) return `{"$date":"${value.toISOString()}"}`
  if (value instanceof Uint8Array) return `{"$bytes":"${Buffer.from(value).toString('base64')}"}`
  if (Array.isArray(value)) return `[${value.map(write).join()}]`
  if (value instanceof Map) {
    return `{"$map":[${Array.from(value, ([key, item]) => `[${write(key)},${write(item)}]`).join()}]}`
  }
  if (value instanceof Set) return `{"$set":[${Array.from(value, write).join()}]}`
  const keys = Object.keys(value)
  const fields = keys.map((key) => `${JSON.stringify(key)}:${write((value as Record<string, unknown>)[key])}`)
  const object = `{${fields.join()}}`
  return keys.length === 1 && keys[0]!.startsWith('$') ? `{"$object":${object}}` : object
}

function read(json: unknown, depth: number): unknown {
  if (typeof json !== 'object' || json === null) return json
  if (depth > 2 * MAX_DEPTH) throw new JsonValueError(`it is nested more than ${MAX_DEPTH} levels deep`)
  if (Array.isArray(json)) return json.map((item) => read(item, depth + 1))
  const keys = Object.keys(json)
  const tag = keys.length === 1 && keys[0]!.startsWith('$') ? keys[0]! : undefined
  if (tag !== undefined && Object.hasOwn(TAGS, tag)) {
    return TAGS[tag]!((json as Record<string, unknown>)[tag], depth + 1)
  }
  return readObject(json, depth)
}

function readObject(json: object, depth: number): object {
  const object = {}
  for (const [key, item] of Object.entries(json)) {
    const value = read(item, depth + 1)
    // An assignment to __proto__ would change the object itself.
    if (key !== '__proto__') (object as Record<string, unknown>)[key] = value
    else Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
  }
  return object
}

const NUMBERS: Readonly<Record<string, number>> = { NaN, Infinity, '-Infinity': -Infinity }

const TAGS: Readonly<Record<string, (content: unknown, depth: number) => unknown>> = {
  $date(content) {
    const time = typeof content === 'string' ? Date.parse(content) : NaN
    return Number.isNaN(time) ? refuse('$date', 'a time such as "2026-01-05T09:00:00.000Z"') : new Date(time)
  },
  $bigint(content) {
    if (typeof content !== 'string' || !/^-?\d+$/.test(content)) return refuse('$bigint', 'digits in a string')
    return BigInt(content)
  },
  $bytes(content) {
    const isBase64 = typeof content === 'string' && /^(?:[\w+/-]{4})*(?:[\w+/-]{2,3}={0,2})?$/.test(content)
    return isBase64 ? new Uint8Array(Buffer.from(content, 'base64')) : refuse('$bytes', 'base64 in a string')
  },
  $number(content) {
    const known = typeof content === 'string' && Object.hasOwn(NUMBERS, content)
    return known ? NUMBERS[content] : refuse('$number', '"NaN", "Infinity" or "-Infinity"')
  },
  $undefined: (content) => (content === true ? undefined : refuse('$undefined', 'true')),
  $map(content, depth) {
    const isPair = (pair: unknown): pair is [unknown, unknown] => Array.isArray(pair) && pair.length === 2
    if (!Array.isArray(content) || !content.every(isPair)) return refuse('$map', 'an array of pairs')
    return new Map(content.map(([key, item]) => [read(key, depth), read(item, depth)]))
  },
  $set(content, depth) {
    if (!Array.isArray(content)) return refuse('$set', 'an array')
    return new Set(content.map((item) => read(item, depth)))
  },
  $object(content, depth) {
    const isObject = typeof content === 'object' && content !== null && !Array.isArray(content)
    return isObject ? readObject(content, depth) : refuse('$object', 'an object')
  },
}

function refuse(tag: string, what: string): never {
  throw new JsonValueError(`${tag} takes ${what}`)
}
