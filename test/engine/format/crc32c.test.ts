import t from 'tap'
import { spawnSync } from 'node:child_process'
import { Crc32cMethods } from '../../../engine/format/crc32c-methods.js'
import { loadNative } from '../../../engine/format/crc32c-native.js'
import { WasmCrc32c } from '../../../engine/format/crc32c-wasm.js'
import { checkFrames, crc32c, crc32cMethod, sealFrames } from '../../../engine/format/crc32c.js'

const native = loadNative(import.meta.url)
const wasm = new WasmCrc32c()
const ways: [string, Crc32cMethods][] = [
  ['tables', new Crc32cMethods(undefined, undefined)],
  ['WebAssembly', new Crc32cMethods(undefined, wasm)],
  ['a stand-in for the addon', new Crc32cMethods((bytes, previous) => bitwise(bytes, 0, bytes.length, previous), wasm)],
]
if (native) {
  ways.push(['native', new Crc32cMethods(native, undefined)], ['native and bulk', new Crc32cMethods(native, wasm)])
}

const seed = Number(process.env['SEED'] ?? Date.now() % 1e9)
t.comment(`SEED=${seed}`)
const random = generator(seed)

t.test('[F2] crc32c gives the published results', async (t) => {
  const vectors: [string, Uint8Array, number][] = [
    ['32 zeros (RFC 3720 B.4)', new Uint8Array(32), 0x8a9136aa],
    ['32 ones (RFC 3720 B.4)', new Uint8Array(32).fill(255), 0x62a8ab43],
    ['incrementing (RFC 3720 B.4)', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ['decrementing (RFC 3720 B.4)', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
    ['123456789', Buffer.from('123456789'), 0xe3069283],
    ['nothing', new Uint8Array(0), 0],
  ]
  for (const [name, bytes, expected] of vectors) {
    t.equal(crc32c(bytes, 0, bytes.length), expected, name)
    t.equal(wasm.crc(bytes, 0, bytes.length, 0), expected, `${name}, WebAssembly`)
    if (native) t.equal(native(bytes, 0), expected, `${name}, native`)
  }
})

t.test('[F2] every way computes what the definition says, for all lengths and alignments', async (t) => {
  const bytes = noise(320)
  for (let length = 0; length <= 300; length++) {
    for (let start = 0; start < 8; start++) {
      const expected = bitwise(bytes, start, start + length, 0)
      for (const [name, methods] of ways) {
        if (methods.crc(bytes, start, start + length, 0) !== expected) {
          throw new Error(`${name}: ${length} bytes from ${start}`)
        }
      }
      if (wasm.crc(bytes, start, start + length, 0) !== expected) {
        throw new Error(`copied in: ${length} bytes from ${start}`)
      }
    }
  }
  t.pass(ways.map(([name]) => name).join(', '))
})

t.test('[F2] crc32c continues an earlier result wherever the bytes are cut', async (t) => {
  for (const size of [400, 600_000]) {
    const bytes = noise(size)
    const whole = bitwise(bytes, 0, size, 0)
    for (const [name, methods] of ways) {
      for (const cut of [0, 1, 7, 159, 160, 161, size - 1, size]) {
        t.equal(methods.crc(bytes, cut, size, methods.crc(bytes, 0, cut, 0)), whole, `${name}, ${cut} of ${size}`)
      }
    }
  }
})

t.test('[F2] sealFrames stores the checksum of each frame and returns the digest of them', async (t) => {
  const capacity = wasm.capacity
  const shapes: Record<string, number[]> = {
    none: [],
    'the smallest': [16],
    small: Array.from({ length: 900 }, () => 16 + random(400)),
    mixed: Array.from({ length: 200 }, () => 16 + random(random(4) === 0 ? 9000 : 500)),
    'around the scratch': [capacity, 16, capacity - 1, capacity + 1, 100, 300, capacity - 16, 16, 16],
    'beyond the scratch': [3 * capacity + 5, 40, 2 * capacity],
  }
  for (const [shape, lengths] of Object.entries(shapes)) {
    const { bytes, start, end, starts } = unsealed(lengths)
    const view = viewOf(bytes)
    const crcs = new Uint8Array(lengths.length * 4)
    starts.forEach((at, i) => viewOf(crcs).setUint32(i * 4, bitwise(bytes, at + 8, at + lengths[i]!, 0), true))
    const digest = bitwise(crcs, 0, crcs.length, 0)
    for (const [name, methods] of ways) {
      const copy = bytes.slice()
      t.equal(methods.seal(copy, start, end), digest, `${shape}, ${name}: digest`)
      starts.forEach((at, i) => view.setUint32(at + 4, viewOf(crcs).getUint32(i * 4, true), true))
      t.ok(Buffer.compare(copy, bytes) === 0, `${shape}, ${name}: only the checksums changed`)
      t.same(methods.check(copy, start, end), { end, digest, frames: lengths.length }, `${shape}, ${name}: check`)
    }
  }
})

t.test('[F2] sealFrames refuses lengths that do not fill the range', async (t) => {
  for (const [name, methods] of ways) {
    for (const length of [0, 1, 15, 17, 33, 2 ** 31, 2 ** 32 - 1]) {
      const { bytes, start, end, starts } = unsealed([...Array<number>(20).fill(100), 32])
      viewOf(bytes).setUint32(starts[20]!, length, true)
      const before = bytes.slice()
      t.throws(() => methods.seal(bytes, start, end), RangeError, `${name}, ${length}`)
      t.same(bytes.subarray(end), before.subarray(end), 'nothing behind the range was touched')
    }
    t.throws(() => methods.seal(new Uint8Array(64), 0, 65), RangeError)
    t.throws(() => methods.check(new Uint8Array(64), -1, 64), RangeError)
    t.throws(() => methods.crc(new Uint8Array(64), 33, 32, 0), RangeError)
  }
})

t.test('[F2] checkFrames stops at the frame with the flipped bit', async (t) => {
  const lengths = [16, 40, 200, 17, 330, 64, 500, 24, 60, 300, 100, 90, 80, 70, 60]
  const { bytes, start, end, starts } = unsealed(lengths)
  ways[0]![1].seal(bytes, start, end)
  for (const [name, methods] of ways) {
    for (let bit = start * 8; bit < end * 8; bit++) {
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      const damaged = starts.findLastIndex((at) => at <= bit >> 3)
      const found = methods.check(bytes, start, end)
      const digest = crcOfFields(bytes, starts.slice(0, damaged))
      if (found.end !== starts[damaged] || found.frames !== damaged || found.digest !== digest) {
        throw new Error(`${name}: bit ${bit} in frame ${damaged}: ${JSON.stringify(found)}`)
      }
      bytes[bit >> 3]! ^= 1 << (bit & 7)
    }
    t.equal(methods.check(bytes, start, end).end, end, `${name}: undamaged again`)
  }
})

t.test('[F2] checkFrames stops at a hostile length and reads nothing behind the range', async (t) => {
  for (const [name, methods] of ways) {
    for (const length of [0, 1, 15, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 8, 2 ** 32 - 1, 101]) {
      const { bytes, start, end, starts } = unsealed(Array<number>(20).fill(100))
      methods.seal(bytes, start, end)
      viewOf(bytes).setUint32(starts[19]!, length, true)
      t.equal(methods.check(bytes, start, end).end, starts[19], `${name}: ${length}`)
    }
    const { bytes, start, end, starts } = unsealed(Array<number>(20).fill(100))
    methods.seal(bytes, start, end)
    for (const cut of [1, 4, 8, 15, 16, 99]) {
      t.equal(methods.check(bytes, start, starts[19]! + cut).end, starts[19], `${name}: ${cut} bytes of the last frame`)
    }
    t.same(methods.check(bytes, start, start), { end: start, digest: 0, frames: 0 }, `${name}: no bytes`)
  }
})

t.test('[Z1] the exported calls work with whatever was found here', async (t) => {
  t.equal(crc32cMethod(), native ? 'native' : 'wasm')
  const { bytes, start, end } = unsealed([16, 3000, 400])
  const digest = sealFrames(bytes, start, end)
  t.same(checkFrames(bytes, start, end), { end, digest, frames: 3 })
})

t.test('[Z1] without WebAssembly and addons the tables take over', async (t) => {
  const url = new URL('../../../engine/format/crc32c.js', import.meta.url).href
  const script = `import { crc32cMethod } from '${url}'; console.log(crc32cMethod())`
  const run = (...flags: string[]) =>
    spawnSync(process.execPath, [...flags, '--input-type=module', '-e', script], { encoding: 'utf8', env: {} })
  t.match(run('--no-addons'), { stdout: 'wasm\n', stderr: '' })
  // Not its stderr: Node.js 20 itself warns there of --jitless.
  t.match(run('--no-addons', '--jitless'), { stdout: 'tables\n' })
})

/** The definition: one bit at a time. */
function bitwise(bytes: Uint8Array, start: number, end: number, previous: number): number {
  let crc = ~previous
  for (let at = start; at < end; at++) {
    crc ^= bytes[at]!
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

function crcOfFields(bytes: Uint8Array, starts: number[]): number {
  return starts.reduce((digest, at) => bitwise(bytes, at + 4, at + 8, digest), 0)
}

/** Frames of these lengths between strange bytes, in a buffer that is itself a part of one. */
function unsealed(lengths: number[]): { bytes: Uint8Array; start: number; end: number; starts: number[] } {
  const start = 5
  const starts: number[] = []
  const end = lengths.reduce((at, length) => (starts.push(at), at + length), start)
  const bytes = noise(end + 20).subarray(3)
  starts.forEach((at, i) => viewOf(bytes).setUint32(at, lengths[i]!, true))
  return { bytes, start, end, starts }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function noise(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, () => random(256))
}

function generator(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
