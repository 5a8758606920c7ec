/**
 * CRC-32C by implementation and size: `node build/bench/crc.js`. Every result is compared with fast-crc32c's table
 * before anything is timed. The best sample counts: it is the one the least disturbed. Ratios are to that table, which is what an application gets without a native addon.
 */
import Benchmark from 'benchmark'
import { createRequire } from 'node:module'
import { cpus } from 'node:os'
import { Crc32cMethods } from '../engine/format/crc32c-methods.js'
import { loadNative } from '../engine/format/crc32c-native.js'
import { tableCrc32c } from '../engine/format/crc32c-tables.js'
import { WasmCrc32c } from '../engine/format/crc32c-wasm.js'
import { crc32cMethod } from '../engine/format/crc32c.js'

type Ranges = (bytes: Uint8Array, start: number, end: number) => number

const reference = createRequire(import.meta.url)('fast-crc32c/impls/js_crc32c.js') as {
  calculate(bytes: Uint8Array, previous?: number): number
}
const native = loadNative(import.meta.url)
const wasm = new WasmCrc32c()
/** Ranges start here: seldom aligned, as in a file. */
const START = 61

const fastTable: Ranges = (bytes, start, end) => reference.calculate(bytes.subarray(start, end), 0)
const single: Record<string, Ranges> = {
  'fast-crc32c, JavaScript table': fastTable,
  'tables in place': (bytes, start, end) => tableCrc32c(bytes, start, end, 0),
  'WebAssembly, copied in': (bytes, start, end) => wasm.crc(bytes, start, end, 0),
  'chosen without native': chosen(new Crc32cMethods(undefined, wasm)),
}
if (native) {
  single['fast-crc32c, native'] = (bytes, start, end) => native(bytes.subarray(start, end), 0)
  single['chosen with native'] = chosen(new Crc32cMethods(native, wasm))
}

console.log(`Node.js ${process.version}, ${cpus()[0]?.model ?? 'unknown processor'}; here: ${crc32cMethod()}\n`)
for (const size of [16, 64, 160, 300, 1024, 4096, 65_536, 1_048_576]) {
  const bytes = noise(START + size)
  compare(`one range of ${size} bytes`, size, single, (run) => run(bytes, START, START + size))
}

const sealing: Record<string, Ranges> = {
  'fast-crc32c, JavaScript table': (bytes, start, end) => perFrame(bytes, start, end, fastTable),
  'tables, frame by frame': sealed(new Crc32cMethods(undefined, undefined)),
  'bulk in WebAssembly': sealed(new Crc32cMethods(undefined, wasm)),
}
if (native) {
  sealing['native, frame by frame'] = sealed(new Crc32cMethods(native, undefined))
  sealing['native and bulk'] = sealed(new Crc32cMethods(native, wasm))
}
const checking: Record<string, Ranges> = {
  'fast-crc32c, JavaScript table': sealing['fast-crc32c, JavaScript table']!,
  'tables, frame by frame': checked(new Crc32cMethods(undefined, undefined)),
  'bulk in WebAssembly': checked(new Crc32cMethods(undefined, wasm)),
}
if (native) {
  checking['native, frame by frame'] = checked(new Crc32cMethods(native, undefined))
  checking['native and bulk'] = checked(new Crc32cMethods(native, wasm))
}
const windows = [
  [64, 1],
  [64, 1000],
  [300, 1],
  [300, 10],
  [300, 200],
  [600, 300],
  [4096, 100],
] as const
for (const [length, count] of windows) {
  const size = length * count
  const bytes = noise(START + size)
  const view = new DataView(bytes.buffer)
  for (let at = START; at < bytes.length; at += length) view.setUint32(at, length, true)
  compare(`seal ${count} frames of ${length} bytes`, size, sealing, (run) => run(bytes, START, START + size))
  compare(`check ${count} frames of ${length} bytes`, size, checking, (run) => run(bytes, START, START + size))
}

function compare(title: string, size: number, runs: Record<string, Ranges>, call: (run: Ranges) => number): void {
  const names = Object.keys(runs)
  const expected = call(runs[names[0]!]!)
  for (const name of names) {
    if (call(runs[name]!) !== expected) throw new Error(`${name} computes something else for ${title}`)
  }
  const suite = new Benchmark.Suite()
  let sink = 0
  for (const name of names) suite.add(name, () => (sink ^= call(runs[name]!)), { maxTime: 0.2, minSamples: 10 })
  suite.run()
  const rows = suite.map((bench: Benchmark & { name?: string }) => ({
    name: bench.name ?? '',
    ns: Math.min(...(bench.stats.sample as number[])) * 1e9,
  })) as { name: string; ns: number }[]
  console.log(title)
  for (const { name, ns } of rows) {
    const [time, speed, ratio] = [ns.toFixed(ns < 100 ? 1 : 0), (size / ns).toFixed(2), (rows[0]!.ns / ns).toFixed(1)]
    console.log(`  ${name.padEnd(32)}${time.padStart(10)} ns${speed.padStart(9)} GB/s${ratio.padStart(7)} x`)
  }
}

function chosen(methods: Crc32cMethods): Ranges {
  return (bytes, start, end) => methods.crc(bytes, start, end, 0)
}

function sealed(methods: Crc32cMethods): Ranges {
  return (bytes, start, end) => methods.seal(bytes, start, end)
}

function checked(methods: Crc32cMethods): Ranges {
  return (bytes, start, end) => {
    const found = methods.check(bytes, start, end)
    return found.end === end ? found.digest : -1
  }
}

/** Seals as an application with nothing but a checksum function would. */
function perFrame(bytes: Uint8Array, start: number, end: number, crc: Ranges): number {
  const view = new DataView(bytes.buffer)
  let digest = 0
  for (let at = start; at < end; at += view.getUint32(at, true)) {
    view.setUint32(at + 4, crc(bytes, at + 8, at + view.getUint32(at, true)), true)
    digest = reference.calculate(bytes.subarray(at + 4, at + 8), digest)
  }
  return digest
}

/** Bytes that look random and are the same in every run. Not from the Buffer pool: `buffer` is theirs alone. */
function noise(size: number): Buffer {
  const bytes = Buffer.from(new ArrayBuffer(size))
  let state = 1
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}
