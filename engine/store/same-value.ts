/**
 * Tells whether a value that was stored is the one that is given again: equal as `docs/values.md` says that values come back. The order of the keys
 * of an object, of a Map and of a Set does not count; numbers are the same by Object.is.
 */
export function sameValue(stored: unknown, given: unknown): boolean {
  if (Object.is(stored, given)) return true
  if (typeof stored !== 'object' || stored === null || typeof given !== 'object' || given === null) return false
  if (Array.isArray(stored)) {
    return (
      Array.isArray(given) && stored.length === given.length && stored.every((item, i) => sameValue(item, given[i]))
    )
  }
  if (stored instanceof Date) return given instanceof Date && Object.is(stored.getTime(), given.getTime())
  if (stored instanceof Uint8Array) {
    return given instanceof Uint8Array && stored.length === given.length && Buffer.compare(stored, given) === 0
  }
  if (stored instanceof Map) return given instanceof Map && sameMap(stored, given)
  if (stored instanceof Set) return given instanceof Set && sameSet(stored, given)
  if (Array.isArray(given) || ArrayBuffer.isView(given)) return false
  if (given instanceof Date || given instanceof Map || given instanceof Set) return false
  return sameFields(stored as Record<string, unknown>, given as Record<string, unknown>)
}

function sameFields(stored: Record<string, unknown>, given: Record<string, unknown>): boolean {
  const keys = Object.keys(stored)
  if (keys.length !== Object.keys(given).length) return false
  return keys.every((key) => Object.hasOwn(given, key) && sameValue(stored[key], given[key]))
}

function sameMap(stored: ReadonlyMap<unknown, unknown>, given: ReadonlyMap<unknown, unknown>): boolean {
  if (stored.size !== given.size) return false
  // Keys that are objects are found by going along both in order, others by themselves.
  const others = given.entries()
  for (const [key, value] of stored) {
    const [otherKey, otherValue] = others.next().value!
    if (sameValue(key, otherKey) && sameValue(value, otherValue)) continue
    if (!given.has(key) || !sameValue(value, given.get(key))) return false
  }
  return true
}

function sameSet(stored: ReadonlySet<unknown>, given: ReadonlySet<unknown>): boolean {
  if (stored.size !== given.size) return false
  const others = given.values()
  for (const item of stored) if (!sameValue(item, others.next().value) && !given.has(item)) return false
  return true
}
