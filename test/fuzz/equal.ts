/** Deep equality of stored values: numbers by Object.is, and nothing taken for something else. */
export function equal(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false
  if (a instanceof Date) return a.getTime() === (b as Date).getTime()
  if (a instanceof Uint8Array) return Buffer.compare(a, b as Uint8Array) === 0
  if (Array.isArray(a)) {
    return a.length === (b as unknown[]).length && a.every((one, i) => equal(one, (b as unknown[])[i]))
  }
  if (a instanceof Map) return equal([...a], [...(b as Map<unknown, unknown>)])
  if (a instanceof Set) return equal([...a], [...(b as Set<unknown>)])
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  return keys.every(
    (key) => Object.hasOwn(b, key) && equal((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
  )
}
