import t from 'tap'
import { KEY_COMMIT_ID, KEY_TAG, KEY_TYPE, KeyHasher, type KeyKind } from '../../../engine/format/key-hash.js'
import { SeededRandom } from '../../support/random.js'

const STORE_ID = Buffer.from('00112233f4f5f6f7ffffffffffffffff', 'hex')

/** The hash as segments-format.md says it, with numbers of any size. */
function documented(storeId: Buffer, kind: number, key: Uint8Array): readonly [high: number, low: number] {
  const mask = 2n ** 32n - 1n
  const mix = (h: bigint): bigint => {
    h = ((h ^ (h >> 16n)) * 0x85ebca6bn) & mask
    h = ((h ^ (h >> 13n)) * 0xc2b2ae35n) & mask
    return h ^ (h >> 16n)
  }
  const lane = (at: number, prime: bigint): bigint => {
    let h = ((BigInt(storeId.readUInt32LE(at)) ^ BigInt(kind)) * prime) & mask
    for (const byte of key) h = ((h ^ BigInt(byte)) * prime) & mask
    return h
  }
  let high = mix(lane(0, 0x9e3779b1n) ^ BigInt(key.length))
  const low = mix(lane(4, 0x5f356495n) ^ high)
  high = mix((high + low) & mask)
  return [Number(high), Number(low)]
}

function hashOf(hasher: KeyHasher, kind: KeyKind, text: string): readonly [high: number, low: number] {
  hasher.hashText(kind, text)
  return [hasher.high, hasher.low]
}

t.test('[C2] a key has the hash that the format says', (t) => {
  const hasher = new KeyHasher(STORE_ID)
  for (const text of ['', 'a', 'order:1', 'käse', '😀', '\0', 'x'.repeat(1000), 'é'.repeat(500)]) {
    for (const kind of [KEY_COMMIT_ID, KEY_TAG, KEY_TYPE] as const) {
      t.same(
        hashOf(hasher, kind, text),
        documented(STORE_ID, kind, Buffer.from(text)),
        `${kind} ${JSON.stringify(text.slice(0, 9))}`,
      )
    }
  }
  const random = new SeededRandom(1)
  for (let n = 0; n < 200; n++) {
    const bytes = Buffer.alloc(random.below(60))
    random.fill(bytes)
    const id = Buffer.alloc(16)
    random.fill(id)
    const other = new KeyHasher(id)
    other.hash(KEY_TAG, bytes, 0, bytes.length)
    if (String([other.high, other.low]) !== String(documented(id, KEY_TAG, bytes))) t.fail(`run ${n}`)
  }
  t.end()
})

t.test('the hash of bytes is that of their text, wherever they stand', (t) => {
  const hasher = new KeyHasher(STORE_ID)
  const expected = hashOf(hasher, KEY_TAG, 'käse')
  const around = Buffer.from('xxkäseyy')
  hasher.hash(KEY_TAG, around, 2, 7)
  t.same([hasher.high, hasher.low], expected)
  hasher.hash(KEY_TAG, around, 3, 3)
  t.same([hasher.high, hasher.low], hashOf(hasher, KEY_TAG, ''), 'no bytes')
  hashOf(hasher, KEY_TAG, 'something longer')
  t.same(hashOf(hasher, KEY_TAG, 'käse'), expected, 'what was hashed before does not matter')
  t.end()
})

t.test('a key has another hash as another kind and in another store', (t) => {
  const hasher = new KeyHasher(STORE_ID)
  const seen = new Set<string>()
  const kinds = [KEY_COMMIT_ID, KEY_TAG, KEY_TYPE] as const
  for (const kind of kinds) seen.add(String(hashOf(hasher, kind, 'same')))
  for (const at of [0, 3, 4, 7]) {
    const other = Buffer.from(STORE_ID)
    other[at]! ^= 1
    seen.add(String(hashOf(new KeyHasher(other), KEY_TAG, 'same')))
  }
  t.equal(seen.size, kinds.length + 4)
  t.end()
})

t.test('hashes of keys that look alike differ, and each of their bits is set in half of them', (t) => {
  const hasher = new KeyHasher(STORE_ID)
  const count = 50_000
  const seen = new Set<number>()
  const set = new Array<number>(64).fill(0)
  for (let n = 0; n < count; n++) {
    const [high, low] = hashOf(hasher, KEY_TAG, `order:${n}`)
    seen.add(high * 2 ** 20 + (low >>> 12))
    for (let bit = 0; bit < 32; bit++) {
      set[bit]! += (low >>> bit) & 1
      set[32 + bit]! += (high >>> bit) & 1
    }
  }
  t.equal(seen.size, count)
  const shares = set.map((times) => times / count)
  t.ok(Math.min(...shares) > 0.48 && Math.max(...shares) < 0.52, `${Math.min(...shares)} to ${Math.max(...shares)}`)
  t.end()
})
