import { sliceTables } from './crc32c-tables.js'
import { wasmModule } from './crc32c-wasm-module.js'

/** Where the results and the scratch begin in the memory of crc32c-wasm.wat. */
const RESULTS = 16384
const SCRATCH = 16448

/**
 * CRC-32C in WebAssembly. Its memory is 256 KiB and never grows; bytes are copied there, so it pays from a few hundred
 * bytes on: in one range, or in many frames handed over together.
 */
export class WasmCrc32c {
  /** Most bytes that `seal` and `check` take in one call. */
  readonly capacity: number
  /** Digest that the last `seal` or `check` arrived at. */
  get digest(): number {
    return this.#results[0]!
  }
  /** Number of frames that the last `check` found right. */
  get frames(): number {
    return this.#results[1]!
  }

  readonly #exports: Exports
  readonly #memory: Uint8Array
  readonly #results: Uint32Array

  /** Throws where the environment has or allows no WebAssembly. */
  constructor() {
    const module = new WebAssembly.Module(Buffer.from(wasmModule, 'base64'))
    this.#exports = new WebAssembly.Instance(module).exports
    const { buffer } = this.#exports.memory
    new Int32Array(buffer).set(sliceTables)
    this.#memory = new Uint8Array(buffer)
    this.#results = new Uint32Array(buffer, RESULTS, 2)
    this.capacity = buffer.byteLength - SCRATCH
  }

  /** Returns the CRC-32C of bytes [start, end), of any size, continuing from `previous`. */
  crc(bytes: Uint8Array, start: number, end: number, previous: number): number {
    let crc = previous
    for (let at = start; at < end; at += this.capacity) {
      crc = this.#exports.crc(SCRATCH, this.#copyIn(bytes, at, Math.min(end, at + this.capacity)), crc)
    }
    return crc >>> 0
  }

  /** Stores the checksums of the frames that fill [start, end) exactly; `digest` then continues the given one. */
  seal(bytes: Uint8Array, start: number, end: number, digest: number): void {
    const scratchEnd = this.#copyIn(bytes, start, end)
    this.#exports.seal(SCRATCH, scratchEnd, digest)
    bytes.set(this.#memory.subarray(SCRATCH, scratchEnd), start)
  }

  /** Checks the frames that fill [start, end) exactly; returns where the first wrong one starts, or `end`. */
  check(bytes: Uint8Array, start: number, end: number, digest: number): number {
    return this.#exports.check(SCRATCH, this.#copyIn(bytes, start, end), digest) - SCRATCH + start
  }

  #copyIn(bytes: Uint8Array, start: number, end: number): number {
    // Not `subarray`: on a Buffer it takes a slower way round.
    this.#memory.set(new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start), SCRATCH)
    return SCRATCH + end - start
  }
}

/** The functions of crc32c-wasm.wat. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  crc(at: number, end: number, previous: number): number
  seal(at: number, end: number, digest: number): void
  check(at: number, end: number, digest: number): number
}

/** What is used of the global that Node.js 20's type declarations leave out. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: Exports }
}
