import { MAX_SHAPE_ID, MAX_SHAPE_KEY_BYTES, MAX_SHAPE_KEYS } from '../limits.js'
import { ValueFormatError } from './value-format.js'

/** A key list that recurs. An object of this shape is stored as the id and the values in this order. */
export interface ShapeDefinition {
  /** 1 to 65,535, never used for another key list of the same store. */
  readonly id: number
  /** 1 to 64 different keys, at most 2,048 bytes of UTF-8 together. */
  readonly keys: readonly string[]
}

/** What a shape reader takes its values from. */
export interface ValueSource {
  /** Reads the next value; `depth` is the number of containers around it. */
  read(depth: number): unknown
}

/** Builds an object of one shape from the values that follow in `source`. */
export type ShapeReader = (source: ValueSource, depth: number) => object

/** A known shape and its reader. */
export class Shape implements ShapeDefinition {
  readonly id: number
  readonly keys: readonly string[]
  /** Replaced by a compiled one after some use. */
  reader: ShapeReader

  constructor(id: number, keys: readonly string[], compile: boolean) {
    this.id = id
    this.keys = keys
    let uses = 0
    // Compiling costs as much as some dozen reads, so a file with many shapes and few objects of each stays cheap.
    this.reader = (source, depth) => {
      if (compile && ++uses === COMPILE_AFTER_USES) this.reader = compileReader(keys)
      return readByLoop(keys, source, depth)
    }
  }
}

/** Uses after which code is made for a shape, on either side. */
export const COMPILE_AFTER_USES = 32

/** The shapes of a store. Its owner makes every definition durable before the first value that uses it. */
export class ShapeTable {
  readonly #byId = new Map<number, Shape>()
  readonly #disputed = new Set<number>()
  readonly #compile: boolean
  #nextId = 1

  /** @param options.compile default: whether this process may make functions from text */
  constructor(options?: { readonly compile?: boolean | undefined }) {
    this.#compile = options?.compile ?? canCompile()
  }

  /** Whether code may be made for shapes. */
  get compiles(): boolean {
    return this.#compile
  }

  /** Number of known shapes. */
  get size(): number {
    return this.#byId.size
  }

  /** An id that was never used: one more than the largest known one. Beyond 65,535 there is none left. */
  get nextId(): number {
    return this.#nextId
  }

  get(id: number): Shape | undefined {
    return this.#byId.get(id)
  }

  /** All known shapes, in the order in which they were defined. */
  definitions(): readonly ShapeDefinition[] {
    return [...this.#byId.values()]
  }

  /**
   * Makes a shape known. Defining it again with the same keys does nothing.
   *
   * @throws ValueFormatError if the id stands for other keys, or the definition is outside the bounds of the format
   */
  define(definition: ShapeDefinition): Shape {
    const { id, keys } = definition
    const known = this.#byId.get(id)
    if (known !== undefined) {
      if (!sameKeys(known.keys, keys)) throw new ValueFormatError('shape id is defined twice with different keys', 0)
      return known
    }
    if (this.#disputed.has(id)) throw new ValueFormatError('shape id is defined twice with different keys', 0)
    if (!Number.isInteger(id) || id < 1 || id > MAX_SHAPE_ID) throw new ValueFormatError('shape id is out of range', 0)
    const reason = refuseKeys(keys)
    if (reason !== undefined) throw new ValueFormatError(reason, 0)
    const shape = new Shape(id, Object.freeze([...keys]), this.#compile)
    this.#byId.set(id, shape)
    if (id >= this.#nextId) this.#nextId = id + 1
    return shape
  }

  /** Two lists of keys claim this id, and nobody knows which is right: values that use it cannot be decoded any more. */
  dispute(id: number): void {
    this.#byId.delete(id)
    this.#disputed.add(id)
  }
}

/** Why these keys cannot be a shape; undefined when they can. */
export function refuseKeys(keys: readonly string[]): string | undefined {
  if (keys.length < 1 || keys.length > MAX_SHAPE_KEYS) return 'number of shape keys is out of range'
  let byteCount = 0
  for (const key of keys) {
    if (typeof key !== 'string') return 'shape key is not a string'
    if (!isWellFormed(key)) return 'shape key is not well-formed Unicode'
    byteCount += Buffer.byteLength(key)
  }
  if (byteCount > MAX_SHAPE_KEY_BYTES) return 'shape keys are too long'
  if (new Set(keys).size !== keys.length) return 'shape key occurs twice'
  return undefined
}

/** True when `text` has no lone surrogate. */
export function isWellFormed(text: string): boolean {
  // Node 20 has it; the type library of es2023 does not.
  return (text as string & { isWellFormed(): boolean }).isWellFormed()
}

/**
 * Sets an own property of an object that was just made, whatever its name is. A plain assignment to `__proto__` would set the
 * prototype; one to `1023` would make V8 set aside 12 KB for the indexes below, two thousand times the bytes that ask for it.
 *
 * @param sparse what the call for the last property returned; at first false
 * @returns whether V8 keeps the indexes of `target` in a table, which the first index brings about
 */
export function setOwn(target: Record<string, unknown>, key: string, value: unknown, sparse: boolean): boolean {
  const first = key.charCodeAt(0)
  if (first === 0x5f && key === '__proto__') {
    Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true })
  } else if (!sparse && first >= 0x31 && first <= 0x39 && key.length > 1) {
    // Only the table can hold a read-only element, and it stays when that is made like the others.
    Object.defineProperty(target, key, { value, writable: false, enumerable: true, configurable: true })
    Object.defineProperty(target, key, { writable: true })
    return true
  } else {
    target[key] = value
  }
  return sparse
}

function sameKeys(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((key, index) => key === b[index])
}

function readByLoop(keys: readonly string[], source: ValueSource, depth: number): object {
  const result: Record<string, unknown> = {}
  let sparse = false
  for (const key of keys) sparse = setOwn(result, key, source.read(depth), sparse)
  return result
}

/**
 * Compiles `{ "id": source.read(depth), … }`: an object literal is several times as fast as assignments by name. Keys come
 * from files, so they appear in the text as JSON strings only; computed, so that `__proto__` is a key like any other.
 */
function compileReader(keys: readonly string[]): ShapeReader {
  const fields = keys.map((key) => {
    const name = JSON.stringify(key)
    return `${key === '__proto__' ? `[${name}]` : name}: source.read(depth)`
  })
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- measured: see above; loops where this is forbidden
  return new Function('source', 'depth', `return { ${fields.join(', ')} }`) as ShapeReader
}

/** False under `--disallow-code-generation-from-strings` and the like. */
function canCompile(): boolean {
  try {
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- this asks whether it is allowed
    return (new Function('return true') as () => boolean)()
  } catch {
    return false
  }
}
