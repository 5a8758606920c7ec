import { types } from 'node:util'

/** What an object is stored as; undefined: it is not plain data. */
export type ObjectKind = 'plain' | 'array' | 'date' | 'map' | 'set' | 'bytes' | undefined

/**
 * Says what an object is stored as, by its prototype and by what it is inside: only instances of the class itself come back
 * equal, so instances of classes derived from it, and objects that merely claim the prototype, are none.
 */
export function kindOf(value: object): ObjectKind {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype) return Array.isArray(value) ? undefined : 'plain'
  if (Array.isArray(value)) return isPrototypeOf(prototype, Array) ? 'array' : undefined
  if (prototype === null) return 'plain'
  if (types.isDate(value)) return isPrototypeOf(prototype, Date) ? 'date' : undefined
  if (types.isMap(value)) return isPrototypeOf(prototype, Map) ? 'map' : undefined
  if (types.isSet(value)) return isPrototypeOf(prototype, Set) ? 'set' : undefined
  if (types.isUint8Array(value)) {
    return prototype === Buffer.prototype || isPrototypeOf(prototype, Uint8Array) ? 'bytes' : undefined
  }
  return isRootPrototype(prototype) ? 'plain' : undefined
}

type Class = { readonly name: string; readonly prototype: object }

/** True for the prototype of a built-in class, of this realm or of another (`node:vm`, which test runners use). */
function isPrototypeOf(prototype: unknown, builtIn: Class): boolean {
  if (prototype === builtIn.prototype) return true
  if (prototype === null || typeof prototype !== 'object') return false
  const constructor: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value
  if (typeof constructor !== 'function' || constructor.name !== builtIn.name) return false
  return isNative(constructor)
}

/** True for `Object.prototype` of another realm. */
function isRootPrototype(prototype: unknown): boolean {
  return (
    typeof prototype === 'object' &&
    prototype !== null &&
    Object.getPrototypeOf(prototype) === null &&
    isPrototypeOf(prototype, Object)
  )
}

function isNative(constructor: unknown): boolean {
  return /\{\s*\[native code\]\s*\}$/.test(Function.prototype.toString.call(constructor as () => void))
}

/**
 * True for objects that look plain because their prototype was changed: what is inside them would be lost. Asked only about
 * objects without keys; it would be the dearest part of encoding.
 */
export function isDisguised(value: object): boolean {
  return (
    types.isNativeError(value) ||
    types.isBoxedPrimitive(value) ||
    types.isRegExp(value) ||
    types.isDate(value) ||
    types.isMap(value) ||
    types.isSet(value) ||
    types.isPromise(value) ||
    types.isAnyArrayBuffer(value) ||
    ArrayBuffer.isView(value)
  )
}
