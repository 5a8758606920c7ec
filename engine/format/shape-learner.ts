import { MAX_SHAPE_ID, MAX_SHAPE_KEYS } from '../limits.js'
import type { ByteWriter } from './byte-writer.js'
import { COMPILE_AFTER_USES, refuseKeys, type ShapeDefinition, type ShapeTable } from './shapes.js'

/** Sightings after which a key list becomes a shape while the table is empty. */
const FIRST_SIGHTINGS = 8
/** Doublings of the sightings wanted until the table is full, so that its last places go to what is really frequent. */
const DOUBLINGS = 8
/** Key lists being counted. */
const MAX_CANDIDATES = 1024
/** UTF-16 units of all key lists being counted. */
const MAX_CANDIDATE_LENGTH = 256 * 1024
/** At most every n-th object is looked at while nothing recurs. */
const MAX_STRIDE = 64

/**
 * Decides which key lists become shapes: those seen often. Memory is bounded whatever the keys are: when too many
 * lists wait, counting starts over, and a count that never gets anywhere is made less and less often.
 */
export class ShapeLearner {
  readonly #table: ShapeTable
  readonly #maxShapes: number
  readonly #counts = new Map<string, number>()
  #length = 0
  #stride = 1
  #skip = 0
  #proposed: ShapeDefinition[] = []

  constructor(table: ShapeTable, maxShapes: number) {
    this.#table = table
    this.#maxShapes = maxShapes
  }

  /** What has been seen often enough and waits for `take`. */
  get proposed(): readonly ShapeDefinition[] {
    return this.#proposed
  }

  /** Returns what was proposed and forgets it. */
  take(): readonly ShapeDefinition[] {
    const taken = this.#proposed
    this.#proposed = []
    return taken
  }

  /** Counts an object that was written as a plain map. */
  see(keys: readonly string[]): void {
    if (this.#skip > 0) {
      this.#skip--
      return
    }
    this.#skip = this.#stride - 1
    const shapes = this.#table.size + this.#proposed.length
    if (shapes >= this.#maxShapes || this.#table.nextId + this.#proposed.length > MAX_SHAPE_ID) return
    if (keys.length === 0 || keys.length > MAX_SHAPE_KEYS) return
    // Keys with NUL may be confused with others; they are then counted together, which is harmless.
    const list = keys.join('\0')
    const count = this.#counts.get(list)
    if (count === undefined) this.#add(list)
    else if (count + 1 < this.#sightingsWanted(shapes)) this.#counts.set(list, count + 1)
    else this.#propose(list, keys)
  }

  #sightingsWanted(shapes: number): number {
    return FIRST_SIGHTINGS * 2 ** Math.floor((DOUBLINGS * shapes) / this.#maxShapes)
  }

  #add(list: string): void {
    if (this.#counts.size >= MAX_CANDIDATES || this.#length + list.length > MAX_CANDIDATE_LENGTH) {
      this.#counts.clear()
      this.#length = 0
      this.#stride = Math.min(this.#stride * 2, MAX_STRIDE)
      if (list.length > MAX_CANDIDATE_LENGTH) return
    }
    this.#counts.set(list, 1)
    this.#length += list.length
  }

  #propose(list: string, keys: readonly string[]): void {
    this.#counts.delete(list)
    this.#length -= list.length
    this.#stride = 1
    if (refuseKeys(keys) !== undefined) return
    // The list may wait already: a proposal is used only after its owner has written the definition.
    const waiting = this.#proposed.some((shape) => shape.keys.length === keys.length && shape.keys.join('\0') === list)
    if (waiting) return
    this.#proposed.push({ id: this.#table.nextId + this.#proposed.length, keys: [...keys] })
  }
}

/** What a shape writer hands its values to. */
export interface ValueSink {
  /** Writes the next value; `depth` is the number of containers around it. */
  write(writer: ByteWriter, value: unknown, depth: number): void
  /** Makes of an error what is to be thrown: it knows now that it came from property `key` of `container`. */
  locate(error: unknown, writer: ByteWriter, container: object, key: string): unknown
}

/** Writes the values of an object whose keys are those of one shape. */
type ShapeWriter = (sink: ValueSink, writer: ByteWriter, value: object, depth: number, keys: readonly string[]) => void

/** A step in the tree of known shapes: the key lists that begin alike share their first nodes. */
export class ShapeNode {
  /** The child taken last and its key: compared first, by pointer, before the map is asked. */
  lastKey: string | undefined = undefined
  lastChild: ShapeNode | undefined = undefined
  /** Id of the shape whose keys end here; 0: none. */
  id = 0
  /** When the shape was listed as used last; see ValueEncoder.begin. */
  usedIn = 0
  /** Writes the values of this shape; undefined until it has been used a while. */
  values: ShapeWriter | undefined = undefined
  #uses = 0
  readonly #children = new Map<string, ShapeNode>()

  /** The node after `key`, if a shape goes that way. Whoever looks compares with `lastKey` first. */
  child(key: string): ShapeNode | undefined {
    const child = this.#children.get(key)
    if (child !== undefined) {
      this.lastKey = key
      this.lastChild = child
    }
    return child
  }

  /** Counts a use by the general writer, and makes one for this shape in time. */
  count(keys: readonly string[]): void {
    if (++this.#uses === COMPILE_AFTER_USES) this.values = compileWriter(keys)
  }

  /** Adds the path of a shape below this node, which is the root. */
  add(shape: ShapeDefinition): void {
    let children = this.#children
    let node: ShapeNode
    for (const key of shape.keys) {
      node = children.get(key) ?? new ShapeNode()
      children.set(key, node)
      children = node.#children
    }
    node!.id = shape.id // a shape has keys
  }
}

/**
 * Compiles `sink.write(writer, value["id"], depth); …`: V8 then knows where each property is, where `value[key]` for changing
 * keys has to search. Keys appear in the text as JSON strings only.
 */
function compileWriter(keys: readonly string[]): ShapeWriter {
  const writes = keys.map((key, index) => `at = ${index}; sink.write(writer, value[${JSON.stringify(key)}], depth);`)
  const body = `let at = 0
    try { ${writes.join(' ')} } catch (error) { throw sink.locate(error, writer, value, keys[at]) }`
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- measured: see above; not done where it is forbidden
  return new Function('sink', 'writer', 'value', 'depth', 'keys', body) as ShapeWriter
}
