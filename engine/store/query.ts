import { eachEventTag, eventOptionsStart, eventStreamBytes, EVENT_FIXED_BYTES } from '../format/event-record.js'
import type { Window } from '../format/frame.js'
import { KEY_TAG, KEY_TYPE, type KeyHasher, type KeyKind } from '../format/key-hash.js'
import { MAX_QUERY_PARTS, MAX_TAG_BYTES, MAX_TYPE_BYTES } from '../limits.js'
import type { Query } from '../types/query.js'
import { checkKeys, refuse } from './option-checks.js'

const QUERY_KEYS = new Set(['items'])
const ITEM_KEYS = new Set(['types', 'tags'])

/** A type or tag as it stands in records and in the index of keys. */
export interface QueryKey {
  readonly text: string
  readonly bytes: Buffer
  readonly high: number
  readonly low: number
}

/** An item of a query; no types: any type. */
export interface CompiledItem {
  readonly types: readonly QueryKey[]
  readonly tags: readonly QueryKey[]
}

/** Refuses what is no query. */
export function checkQuery(query: unknown, name: string, what: string): asserts query is Query {
  checkKeys(query, QUERY_KEYS, what)
  const { items } = query as { items?: unknown }
  checkList(items, `${name}.items`, what)
  if (items.length === 0) refuse(`Cannot ${what}: ${name}.items is empty`)
  for (const [i, item] of items.entries()) {
    const at = `${name}.items[${i}]`
    checkKeys(item, ITEM_KEYS, what)
    const { types = [], tags = [] } = item as { types?: unknown; tags?: unknown }
    checkTexts(types, `${at}.types`, MAX_TYPE_BYTES, what)
    checkTexts(tags, `${at}.tags`, MAX_TAG_BYTES, what)
    if (types.length === 0 && tags.length === 0) {
      refuse(`Cannot ${what}: ${at} names neither types nor tags, so that every event would match`)
    }
  }
}

function checkList(value: unknown, name: string, what: string): asserts value is readonly unknown[] {
  if (!Array.isArray(value)) refuse(`Cannot ${what}: ${name} is no array`)
  if (value.length > MAX_QUERY_PARTS) {
    refuse(`Cannot ${what}: ${name} has ${value.length} entries, the limit is ${MAX_QUERY_PARTS}`)
  }
}

function checkTexts(value: unknown, name: string, most: number, what: string): asserts value is readonly string[] {
  checkList(value, name, what)
  for (const text of value) {
    if (typeof text !== 'string' || text.length === 0 || !text.isWellFormed() || Buffer.byteLength(text) > most) {
      refuse(`Cannot ${what}: ${name} has an entry that is no string of 1 to ${most} bytes of UTF-8`)
    }
  }
}

/** A query that was checked, ready to be compared with records. What the caller does to it afterwards has no effect. */
export class CompiledQuery {
  readonly items: readonly CompiledItem[]

  constructor(query: Query, hasher: KeyHasher) {
    const keyOf = (kind: KeyKind, text: string): QueryKey => {
      hasher.hashText(kind, text)
      return { text, bytes: Buffer.from(text, 'utf8'), high: hasher.high, low: hasher.low }
    }
    this.items = query.items.map(({ types = [], tags = [] }) => ({
      types: types.map((type) => keyOf(KEY_TYPE, type)),
      tags: tags.map((tag) => keyOf(KEY_TAG, tag)),
    }))
  }

  /** Tells whether an event record matches, from its envelope alone. */
  matches(window: Window, at: number): boolean {
    for (const item of this.items) if (itemMatches(item, window, at)) return true
    return false
  }
}

/** Tells whether an event record matches an item. */
export function itemMatches({ types, tags }: CompiledItem, window: Window, at: number): boolean {
  if (types.length > 0) {
    const start = at + EVENT_FIXED_BYTES + eventStreamBytes(window, at)
    const end = eventOptionsStart(window, at)
    if (!types.some(({ bytes }) => isAt(window.bytes, start, end, bytes))) return false
  }
  for (const { bytes } of tags) {
    let found = false as boolean
    eachEventTag(window, at, (start, end) => {
      found = isAt(window.bytes, start, end, bytes)
      return !found
    })
    if (!found) return false
  }
  return true
}

function isAt(bytes: Buffer, start: number, end: number, wanted: Buffer): boolean {
  if (end - start !== wanted.length) return false
  for (let i = 0; i < wanted.length; i++) if (bytes[start + i] !== wanted[i]) return false
  return true
}
