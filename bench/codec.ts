/**
 * Encodes and decodes the benchmark's events beside msgpackr and JSON: `node build/bench/codec.js [variant …]`.
 *
 * Every codec must return what it was given before its time counts. Data and metadata are encoded one by one, as the store
 * does, and come from a pool, since one value repeated would flatter every cache. Only ratios within one run mean anything.
 */
import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import Benchmark from 'benchmark'
import { Packr } from 'msgpackr'
import { ByteWriter } from '../engine/format/byte-writer.js'
import { ShapeTable } from '../engine/format/shapes.js'
import { ValueDecoder } from '../engine/format/value-decoder.js'
import { ValueEncoder } from '../engine/format/value-encoder.js'
import { defaultLimits } from '../engine/limits.js'
import { variants, type Variant } from './events.js'

const POOL_EVENTS = 512
/** What the others are compared with. */
const YARDSTICK = 'msgpackr maps'
const BUFFER_BYTES = 1024 * 1024
const ROUNDS = 6
const ROUND_SECONDS = 0.15

/** A way to make bytes of values; `encode` may leave them in a buffer of its own. */
interface Codec {
  readonly name: string
  encode(value: unknown): void
  /** The bytes of `value`, to keep. */
  bytes(value: unknown): Buffer
  decode(bytes: Buffer, start: number, end: number): unknown
}

function annals(name: string, learn: boolean): Codec {
  const shapes = new ShapeTable()
  const encoder = new ValueEncoder(shapes, { learn, maxShapes: defaultLimits.shapes })
  const decoder = new ValueDecoder(shapes)
  const writer = new ByteWriter(Buffer.allocUnsafeSlow(BUFFER_BYTES), (least) =>
    Buffer.allocUnsafeSlow(Math.max(BUFFER_BYTES, least)),
  )
  const encode = (value: unknown) => {
    encoder.begin()
    writer.mark = writer.length
    encoder.encode(writer, value, 'data')
  }
  return {
    name,
    encode,
    bytes(value) {
      // Only here: to repeat the pool while time is taken must not make frequent what is not.
      if (encoder.proposed.length > 0) encoder.adopt()
      encode(value)
      return Buffer.from(writer.bytes.subarray(writer.mark, writer.length))
    },
    decode: (bytes, start, end) => decoder.decode(bytes, start, end),
  }
}

function msgpackr(name: string, packr: Packr): Codec {
  return {
    name,
    encode: (value) => packr.pack(value),
    bytes: (value) => Buffer.from(packr.pack(value)),
    decode: (bytes, start, end) => packr.unpack(bytes, { start, end }) as unknown,
  }
}

const json: Codec = {
  name: 'JSON',
  encode: (value) => Buffer.from(JSON.stringify(value)),
  bytes: (value) => Buffer.from(JSON.stringify(value)),
  decode: (bytes, start, end) => JSON.parse(bytes.toString('utf8', start, end)) as unknown,
}

function codecs(): readonly Codec[] {
  return [
    annals('annals shapes', true),
    annals('annals maps', false),
    msgpackr(YARDSTICK, new Packr({ useRecords: false })),
    msgpackr('msgpackr records', new Packr({ structures: [] })),
    json,
  ]
}

async function compare(variant: Variant): Promise<void> {
  const events = Array.from({ length: POOL_EVENTS }, (_, n) => variant.event(n))
  const values = events.flatMap(({ data, metadata }) => (metadata === undefined ? [data] : [data, metadata]))
  const encoding: Benchmark[] = []
  const decoding: Benchmark[] = []
  const sizes = new Map<string, number>()
  for (const codec of codecs()) {
    // Shapes and records are learnt in a first round.
    for (const value of values) codec.encode(value)
    const parts = values.map((value) => codec.bytes(value))
    const all = Buffer.concat(parts)
    const ranges: { start: number; end: number }[] = []
    for (const part of parts) {
      const start = ranges.at(-1)?.end ?? 0
      ranges.push({ start, end: start + part.length })
    }
    for (const [index, { start, end }] of ranges.entries()) {
      assert.deepStrictEqual(codec.decode(all, start, end), values[index], `${codec.name} changes values`)
    }
    sizes.set(codec.name, all.length / POOL_EVENTS)
    const encode = () => {
      for (const value of values) codec.encode(value)
    }
    const decode = () => {
      for (const { start, end } of ranges) codec.decode(all, start, end)
    }
    encoding.push(new Benchmark(codec.name, encode, { maxTime: ROUND_SECONDS }))
    decoding.push(new Benchmark(codec.name, decode, { maxTime: ROUND_SECONDS }))
  }
  const encoded = await run(encoding)
  const decoded = await run(decoding)
  console.log(`\n${variant.name}\n${row('', 'encode ns', '', 'decode ns', '', 'bytes')}`)
  for (const [name, bytes] of sizes) {
    const ratio = (times: ReadonlyMap<string, number>) => `x${(times.get(name)! / times.get(YARDSTICK)!).toFixed(2)}`
    const cells = [
      encoded.get(name)!.toFixed(0),
      ratio(encoded),
      decoded.get(name)!.toFixed(0),
      ratio(decoded),
      bytes.toFixed(0),
    ]
    console.log(row(name, ...cells))
  }
}

/**
 * Nanoseconds per event of each benchmark. They take turns, so that a busy moment of the machine meets all of them, and the
 * fastest sample counts, since what disturbs only ever slows down.
 */
async function run(benchmarks: readonly Benchmark[]): Promise<ReadonlyMap<string, number>> {
  const result = new Map<string, number>()
  for (let round = 0; round < ROUNDS; round++) {
    for (const benchmark of benchmarks) {
      benchmark.run()
      const fastest = (Math.min(...(benchmark.stats.sample as number[])) * 1e9) / POOL_EVENTS
      const { name = '' } = benchmark as { readonly name?: string }
      result.set(name, Math.min(fastest, result.get(name) ?? Infinity))
      await setImmediate()
    }
  }
  return result
}

function row(name: string, ...cells: readonly string[]): string {
  return `  ${name.padEnd(18)}${cells.map((cell) => cell.padStart(11)).join('')}`
}

async function main(names: readonly string[]): Promise<void> {
  for (const variant of variants) if (names.length === 0 || names.includes(variant.name)) await compare(variant)
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})
