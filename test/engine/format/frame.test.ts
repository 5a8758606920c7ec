import fc from 'fast-check'
import t from 'tap'
import { crc32c } from '../../../engine/format/crc32c.js'
import {
  checkFrame,
  FRAME_EVENT,
  FRAME_GROUP,
  FRAME_SEAL,
  frameAround,
  type FrameKind,
  isZero,
  MIN_FRAME_BYTES,
  readU64,
  sealFrame,
  windowOf,
  writeU64,
} from '../../../engine/format/frame.js'

function frame(body: Uint8Array, kind: number = FRAME_EVENT, before = 0): Buffer {
  const length = MIN_FRAME_BYTES - 3 + body.length
  const window = windowOf(Buffer.alloc(before + length + 3))
  frameAround(window.view, before, length, kind as FrameKind)
  window.bytes.set(body, before + 9)
  sealFrame(window, before, length)
  return window.bytes.subarray(0, before + length)
}

const body = fc.uint8Array({ minLength: 3, maxLength: 100 })
const check = (bytes: Buffer, start = 0, end = bytes.length, max = 1000) => checkFrame(windowOf(bytes), start, end, max)

t.test('[F2] a frame has its length at both ends, its checksum over what follows, and its kind', (t) => {
  const bytes = frame(Buffer.from('hello'))
  t.equal(bytes.length, 18)
  t.equal(bytes.readUInt32LE(0), 18)
  t.equal(bytes.readUInt32LE(4), crc32c(bytes, 8, 18))
  t.equal(bytes[8], FRAME_EVENT)
  t.equal(bytes.toString('latin1', 9, 14), 'hello')
  t.equal(bytes.readUInt32LE(14), 18)
  t.end()
})

t.test('checkFrame accepts what was written, anywhere in a window', (t) => {
  fc.assert(
    fc.property(body, fc.integer({ min: FRAME_GROUP, max: FRAME_SEAL }), fc.nat(40), (body, kind, before) => {
      const bytes = frame(body, kind, before)
      return check(bytes, before) === bytes.length - before
    }),
  )
  t.end()
})

t.test('[U3] checkFrame refuses every frame in which a bit was flipped', (t) => {
  fc.assert(
    fc.property(body, fc.nat(), (body, at) => {
      const bytes = frame(body)
      bytes[(at >> 3) % bytes.length]! ^= 1 << (at & 7)
      return typeof check(bytes) !== 'number'
    }),
    { numRuns: 1000 },
  )
  t.end()
})

t.test('[fault 4] zero-filled space never parses, whatever its size', (t) => {
  for (let size = 0; size < 200; size++) t.equal(check(Buffer.alloc(size)), 'zeros', `${size} bytes`)
  t.end()
})

t.test('[fault 50] hostile lengths are refused before anything is read by them', (t) => {
  const whole = frame(Buffer.alloc(20, 7))
  const withLength = (length: number): unknown => {
    const bytes = Buffer.from(whole)
    bytes.writeUInt32LE(length, 0)
    return check(bytes)
  }
  t.equal(withLength(0), 'length', 'zero with a checksum behind it')
  for (const length of [1, 4, MIN_FRAME_BYTES - 1, 1001, 2 ** 31, 2 ** 32 - 1]) t.equal(withLength(length), 'length')
  t.equal(withLength(whole.length + 1), 'short')
  t.equal(withLength(1000), 'short', 'the largest that is allowed')
  t.equal(withLength(whole.length - 1), 'trailer')
  t.equal(check(whole, 0, whole.length, whole.length - 1), 'length', 'above the limit')
  t.end()
})

t.test('checkFrame says why: cut, wrong trailer, wrong checksum, unknown kind', (t) => {
  const whole = frame(Buffer.alloc(20, 7))
  for (let end = 1; end < whole.length; end++) t.equal(check(whole, 0, end), 'short')
  for (const kind of [0, 5, 255]) t.equal(check(frame(Buffer.alloc(20), kind)), 'kind')
  const flipped = (at: number): unknown => {
    const bytes = Buffer.from(whole)
    bytes[at]! ^= 1
    return check(bytes)
  }
  t.equal(flipped(4), 'crc')
  t.equal(flipped(12), 'crc')
  t.equal(flipped(whole.length - 1), 'trailer')
  t.end()
})

t.test('unsigned 64-bit integers hold every safe integer; larger ones read as NaN', (t) => {
  const { view } = windowOf(Buffer.alloc(24))
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      writeU64(view, 5, value)
      return readU64(view, 5) === value && view.getBigUint64(5, true) === BigInt(value)
    }),
  )
  for (const value of [2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
    view.setBigUint64(5, value, true)
    t.ok(Number.isNaN(readU64(view, 5)), String(value))
  }
  t.end()
})

t.test('isZero tells whether a range holds nothing but zeros', (t) => {
  const bytes = Buffer.alloc(100)
  bytes[50] = 1
  t.ok(isZero(bytes, 0, 50))
  t.ok(isZero(bytes, 51, 100))
  t.notOk(isZero(bytes, 0, 51))
  t.notOk(isZero(bytes, 50, 51))
  t.ok(isZero(bytes, 50, 50))
  t.end()
})
