import { MAX_DEPTH } from '../engine/limits.js'

/**
 * Returns a copy that shares nothing with a value. Takes what events may hold, and throws TypeError for anything else: an instance
 * of a class would come back without its methods.
 */
export function plainCopy(value: unknown, depth = 0): unknown {
  if (typeof value === 'function' || typeof value === 'symbol') {
    throw new TypeError(`a ${typeof value} cannot be copied`)
  }
  if (typeof value !== 'object' || value === null) return value
  if (depth > MAX_DEPTH) throw new TypeError(`it is nested deeper than ${MAX_DEPTH} levels, or in itself`)
  const copy = (item: unknown): unknown => plainCopy(item, depth + 1)
  const prototype = Object.getPrototypeOf(value) as object | null
  if (Array.isArray(value)) return value.map(copy)
  if (prototype === Date.prototype) return new Date(value as Date)
  if (value instanceof Uint8Array) return Uint8Array.from(value)
  if (prototype === Map.prototype) {
    return new Map([...(value as Map<unknown, unknown>)].map(([key, item]) => [copy(key), copy(item)]))
  }
  if (prototype === Set.prototype) return new Set([...(value as Set<unknown>)].map(copy))
  if (prototype !== null && prototype !== Object.prototype) {
    throw new TypeError(`an instance of ${value.constructor.name} cannot be copied: give what it is made of`)
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, copy(item)]))
}

/** Returns roughly how many bytes a value takes. Anything that events may hold; no cycles. */
export function roughBytes(value: unknown): number {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null) return 8
  if (value instanceof Uint8Array) return value.byteLength
  if (value instanceof Date) return 8
  let bytes = 0
  if (value instanceof Map) for (const [key, item] of value) bytes += roughBytes(key) + roughBytes(item)
  else if (Array.isArray(value) || value instanceof Set) for (const item of value) bytes += roughBytes(item)
  else for (const [key, item] of Object.entries(value)) bytes += key.length + roughBytes(item)
  return bytes
}

/** Tells whether somebody handed back a promise where an answer was due. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    typeof (value as { readonly then?: unknown }).then === 'function'
  )
}
