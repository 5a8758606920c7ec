import { sayName, sayValue } from '../../engine/inspect/say-value.js'
import { escapeUnsafe } from './safe-text.js'

const STEP = '  '

/** A value on as many lines as it takes: each part of it on one, where that has room for it. */
export function* valueLines(value: unknown, columns: number, indent = ''): Generator<string, void> {
  yield* lines(value, columns, indent, '', '')
}

function* lines(
  value: unknown,
  columns: number,
  indent: string,
  before: string,
  after: string,
): Generator<string, void> {
  const room = columns - indent.length - before.length - after.length
  const parts = partsOf(value)
  const text = sayValue(value, parts === undefined ? Infinity : Math.max(0, room))
  if (parts === undefined || !text.endsWith('…')) {
    yield `${indent}${escapeUnsafe(`${before}${text}${after}`)}`
    return
  }
  const [open, close, items] = parts
  yield `${indent}${escapeUnsafe(`${before}${open}`)}`
  for (const [name, item] of items) yield* lines(item, columns, indent + STEP, name, ',')
  yield `${indent}${close}${after}`
}

type Parts = readonly [open: string, close: string, items: Iterable<readonly [name: string, item: unknown]>]

/** What a container holds, and how its literal begins and ends. */
function partsOf(value: unknown): Parts | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (value instanceof Date || value instanceof Uint8Array) return undefined
  const nameless = (items: Iterable<unknown>): (readonly [string, unknown])[] => Array.from(items, (item) => ['', item])
  if (Array.isArray(value)) return ['[', ']', nameless(value)]
  if (value instanceof Set) return ['Set {', '}', nameless(value)]
  if (value instanceof Map) {
    return ['Map {', '}', Array.from(value, ([key, item]) => [`${sayValue(key, Infinity)} => `, item] as const)]
  }
  return ['{', '}', Object.entries(value).map(([key, item]) => [`${sayName(key)}: `, item] as const)]
}
