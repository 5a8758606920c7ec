import { InvalidEventError } from '../errors.js'
import { MAX_DEPTH, MAX_SHAPE_KEYS } from '../limits.js'
import type { ByteWriter } from './byte-writer.js'
import { ShapeLearner, ShapeNode, type ValueSink } from './shape-learner.js'
import type { ShapeDefinition, ShapeTable } from './shapes.js'
import { EXT_MAP, EXT_SET, SHAPED } from './value-format.js'
import { isDisguised, kindOf } from './value-kinds.js'
import { describe, Refusal, TOO_DEEP } from './value-refusal.js'
import {
  writeArrayHeader,
  writeBigint,
  writeBinary,
  writeMapHeader,
  writeNumber,
  writeString,
  writeTimestamp,
  writeUndefined,
} from './value-tokens.js'

const NO_SHAPES: readonly ShapeDefinition[] = Object.freeze([])

/**
 * Encodes values as `docs/values.md` defines it, straight into a writer, and refuses what would not come back equal.
 *
 * Shapes are taken into use in three steps, so that no value can be written before the definition it needs: the encoder
 * *proposes* a key list it has seen often; the owner writes the definition; `adopt` makes the encoder use it.
 */
export class ValueEncoder implements ValueSink {
  readonly #shapes: ShapeTable
  readonly #learner: ShapeLearner | undefined
  readonly #root = new ShapeNode()
  readonly #compile: boolean
  #used: number[] = []
  /** Number of the current record, to list each shape once. */
  #record = 1
  #busy = false

  /**
   * Uses every shape that `shapes` holds now, and those adopted later.
   *
   * @param options.learn propose new shapes; false for stores without
   * @param options.maxShapes shapes after which no more are proposed
   */
  constructor(shapes: ShapeTable, options: { readonly learn: boolean; readonly maxShapes: number }) {
    this.#shapes = shapes
    this.#compile = shapes.compiles
    this.#learner = options.learn ? new ShapeLearner(shapes, options.maxShapes) : undefined
    for (const definition of shapes.definitions()) this.#root.add(definition)
  }

  /** Ids of the shapes used since `begin`, each once, in the order of first use. */
  get used(): readonly number[] {
    return this.#used
  }

  /** Starts a record: `used` is empty again. */
  begin(): void {
    if (this.#used.length > 0) this.#used = []
    this.#record++
  }

  /** Shapes worth having, with the ids they will get. Mostly empty. Not in use until `adopt`. */
  get proposed(): readonly ShapeDefinition[] {
    return this.#learner === undefined ? NO_SHAPES : this.#learner.proposed
  }

  /**
   * Takes the proposed shapes into use. The owner has put all of their definitions where every reader of the next record finds
   * them, and where no roll-back of a record removes them.
   */
  adopt(): void {
    if (this.#learner === undefined) return
    for (const definition of this.#learner.take()) {
      this.#shapes.define(definition)
      this.#root.add(definition)
    }
  }

  /**
   * Appends the encoding of `value`.
   *
   * @param root what paths in errors begin with: `data`, `metadata`
   * @throws InvalidEventError if the value would not come back equal; and whatever the writer's overflow throws. The
   *   writer then holds the beginning of an encoding, which the caller takes back
   */
  encode(writer: ByteWriter, value: unknown, root: string): void {
    if (this.#busy) throw new InvalidEventError(root, 'it is appended by a getter of another event')
    this.#busy = true
    try {
      this.write(writer, value, 0)
    } catch (error) {
      if (error instanceof Refusal) throw error.toError(root)
      throw error
    } finally {
      this.#busy = false
    }
  }

  /** Writes a value inside of another. For the writers of shapes; everybody else calls `encode`. */
  write(writer: ByteWriter, value: unknown, depth: number): void {
    switch (typeof value) {
      case 'string':
        if (!writeString(writer, value)) throw new Refusal('it has a lone surrogate, so it is no Unicode text')
        return
      case 'number':
        writeNumber(writer, value)
        return
      case 'object':
        if (value === null) writer.u8(0xc0)
        else this.#writeObject(writer, value, depth)
        return
      case 'boolean':
        writer.u8(value ? 0xc3 : 0xc2)
        return
      case 'undefined':
        writeUndefined(writer)
        return
      case 'bigint':
        writeBigint(writer, value)
        return
      case 'function':
        throw new Refusal('a function is not data')
      case 'symbol':
        throw new Refusal('a symbol is not data')
    }
  }

  /** Adds a step to the path of a refusal. For the writers of shapes. */
  locate(error: unknown, writer: ByteWriter, container: object, key: string): unknown {
    return locate(refusalOf(error, writer), container, 'property', key)
  }

  #writeObject(writer: ByteWriter, value: object, depth: number): void {
    let kind
    try {
      kind = kindOf(value)
    } catch (error) {
      throw new Refusal('it cannot be read', error)
    }
    switch (kind) {
      case 'plain':
        return this.#writePlain(writer, value as Record<string, unknown>, depth)
      case 'array':
        return this.#writeArray(writer, value as unknown[], depth)
      case 'date': {
        const time = Date.prototype.getTime.call(value)
        if (Number.isNaN(time)) throw new Refusal('it is an invalid date')
        refuseExtras(value)
        return writeTimestamp(writer, time)
      }
      case 'bytes':
        if ((value as Uint8Array).length > 0xffffffff) throw new Refusal('it has more than 4,294,967,295 bytes')
        return writeBinary(writer, value as Uint8Array)
      case 'map':
        return this.#writeMap(writer, value as Map<unknown, unknown>, depth)
      case 'set':
        return this.#writeSet(writer, value as Set<unknown>, depth)
      case undefined:
        throw new Refusal(describe(value))
    }
  }

  #writePlain(writer: ByteWriter, value: Record<string, unknown>, depth: number): void {
    if (depth >= MAX_DEPTH) throw new Refusal(TOO_DEEP)
    let at: string | undefined
    try {
      const keys = Object.keys(value)
      if (Object.getOwnPropertySymbols(value).length > 0) throw new Refusal('it has a symbol as a key')
      if (keys.length === 0 && isDisguised(value)) throw new Refusal('it is not the plain object it looks like')
      const shape = this.#find(keys)
      if (shape !== undefined) {
        if (shape.usedIn !== this.#record) this.#use(shape)
        writer.u8(SHAPED)
        writeNumber(writer, shape.id)
        if (shape.values !== undefined) return shape.values(this, writer, value, depth + 1, keys)
        if (this.#compile) shape.count(keys)
        for (let index = 0; index < keys.length; index++) {
          at = keys[index]!
          this.write(writer, value[at], depth + 1)
        }
        return
      }
      this.#learner?.see(keys)
      writeMapHeader(writer, keys.length)
      for (let index = 0; index < keys.length; index++) {
        at = keys[index]!
        if (!writeString(writer, at)) throw new Refusal('its key has a lone surrogate, so it is no Unicode text')
        this.write(writer, value[at], depth + 1)
      }
    } catch (error) {
      const refusal = refusalOf(error, writer)
      throw at === undefined ? refusal : locate(refusal, value, 'property', at)
    }
  }

  #find(keys: readonly string[]): ShapeNode | undefined {
    const count = keys.length
    if (count > MAX_SHAPE_KEYS) return undefined
    let node: ShapeNode | undefined = this.#root
    for (let index = 0; index < count; index++) {
      const key = keys[index]!
      node = node.lastKey === key ? node.lastChild : node.child(key)
      if (node === undefined) return undefined
    }
    return node.id === 0 ? undefined : node
  }

  #use(shape: ShapeNode): void {
    shape.usedIn = this.#record
    this.#used.push(shape.id)
  }

  #writeArray(writer: ByteWriter, value: readonly unknown[], depth: number): void {
    if (depth >= MAX_DEPTH) throw new Refusal(TOO_DEEP)
    let at: number | undefined
    try {
      const count = value.length
      writeArrayHeader(writer, count)
      for (let index = 0; index < count; index++) {
        at = index
        const element = value[index]
        if (element === undefined && !Object.hasOwn(value, index)) throw new Refusal('the array has a hole here')
        this.write(writer, element, depth + 1)
      }
      at = undefined
      if (Object.keys(value).length !== count) throw new Refusal('it is an array with properties besides its elements')
      if (Object.getOwnPropertySymbols(value).length > 0) throw new Refusal('it has a symbol as a key')
    } catch (error) {
      const refusal = refusalOf(error, writer)
      throw at === undefined ? refusal : locate(refusal, value, 'property', at)
    }
  }

  #writeMap(writer: ByteWriter, value: ReadonlyMap<unknown, unknown>, depth: number): void {
    if (depth >= MAX_DEPTH) throw new Refusal(TOO_DEEP)
    refuseExtras(value)
    const count = value.size
    const body = beginExtension(writer, EXT_MAP)
    writeMapHeader(writer, count)
    let at = 0
    let inKey = true
    let name: string | number = 0
    try {
      for (const [key, element] of Map.prototype.entries.call(value) as MapIterator<[unknown, unknown]>) {
        inKey = true
        this.write(writer, key, depth + 1)
        inKey = false
        name = typeof key === 'string' ? key : at
        this.write(writer, element, depth + 1)
        // A getter may have changed it; one that always adds would never end.
        if (++at > count) break
      }
    } catch (error) {
      throw locate(refusalOf(error, writer), value, inKey ? 'map key' : 'map value', inKey ? at : name)
    }
    if (at !== count) throw new Refusal('it changed while it was read')
    endExtension(writer, body)
  }

  #writeSet(writer: ByteWriter, value: ReadonlySet<unknown>, depth: number): void {
    if (depth >= MAX_DEPTH) throw new Refusal(TOO_DEEP)
    refuseExtras(value)
    const count = value.size
    const body = beginExtension(writer, EXT_SET)
    writeArrayHeader(writer, count)
    let at = 0
    try {
      for (const element of Set.prototype.values.call(value) as SetIterator<unknown>) {
        this.write(writer, element, depth + 1)
        if (++at > count) break
      }
    } catch (error) {
      throw locate(refusalOf(error, writer), value, 'set value', at)
    }
    if (at !== count) throw new Refusal('it changed while it was read')
    endExtension(writer, body)
  }
}

/** Writes an extension header with room for a 32-bit length. Returns where the body starts, relative to the mark. */
function beginExtension(writer: ByteWriter, type: number): number {
  writer.u8(0xc9)
  writer.u32(0)
  writer.u8(type)
  return writer.length - writer.mark
}

function endExtension(writer: ByteWriter, body: number): void {
  const start = writer.mark + body
  writer.view.setUint32(start - 5, writer.length - start)
}

/** Dates, Maps and Sets can carry properties like any object; they would be lost. */
function refuseExtras(value: object): void {
  if (Reflect.ownKeys(value).length > 0) throw new Refusal('it has properties of its own, which would be lost')
}

/** What the writer threw stays what it is; anything else was thrown by a getter or a proxy. */
function refusalOf(error: unknown, writer: ByteWriter): unknown {
  if (error instanceof Refusal || error === writer.failure) return error
  return new Refusal('reading it failed', error)
}

function locate(
  refusal: unknown,
  container: object,
  kind: 'property' | 'map key' | 'map value' | 'set value',
  key: string | number,
): unknown {
  return refusal instanceof Refusal ? refusal.within(container, kind, key) : refusal
}
