/**
 * Files as an enemy or a broken disk could leave them: records and blocks that are whole and in the wrong place, numbers changed under
 * right checksums, derived files of other stores, of other times, and of noise. Opening and reading end, serve what was stored and
 * nothing else, and where something is missing it is told, by the store or by `verify`.
 */
import t from 'tap'
import { crc32c } from '../../engine/format/crc32c.js'
import { FULL, ONE_IN } from '../support/crash-scale.js'
import {
  framesOf,
  groupsOf,
  headerBytes,
  overwritten,
  type Piece,
  swapped,
  withInserted,
  without,
  withRightChecksums,
} from '../support/crafted-files.js'
import {
  changed,
  hostileStore,
  type HostileStore,
  largestAllocation,
  type Outcome,
  readHostile,
  STORE,
  verifyHostile,
} from '../support/hostile-store.js'
import { SeededRandom } from '../support/random.js'

t.setTimeout(3_600_000)

/** Nothing that these stores hold needs more at once. */
const MOST_BYTES = 1024 * 1024

type Changes = Readonly<Record<string, Buffer | undefined>>

/** Closed before others are opened and left: locks of one process are told apart by their path, and all these have the same. */
const closedStore = await hostileStore({ closed: true })
const otherStores = [
  await hostileStore({ closed: true, commits: 9 }),
  await hostileStore({ closed: true, seed: 2 }),
  await hostileStore({ closed: true, seed: 3, storeId: storeIdOf(closedStore) }),
]
const killedStore = await hostileStore({ closed: false })

function storeIdOf({ image }: HostileStore): Buffer {
  return Buffer.from(image.files.get(`${STORE}/annals`)!.subarray(20, 36))
}

/** Runs many cases and collects what went wrong in them. */
class Cases {
  readonly wrong: string[] = []
  count = 0
  whole = 0
  #offered = 0
  readonly #truth: HostileStore

  constructor(truth: HostileStore) {
    this.#truth = truth
  }

  /** `onlyFound`: a change under right checksums that only the other copy can contradict; `verify` must say so. */
  async run(what: string, changes: Changes, onlyFound = false): Promise<void> {
    if (this.#offered++ % ONE_IN !== 0) return
    const { image } = this.#truth
    if (Object.entries(changes).every(([path, bytes]) => bytes !== undefined && image.files.get(path)?.equals(bytes))) {
      return
    }
    if (++this.count % 64 === 0) await new Promise((resolve) => setImmediate(resolve))
    try {
      const after = changed(image, changes)
      const found = await verifyHostile(after)
      const damage = typeof found === 'string' || found.some(({ severity }) => severity === 'damage')
      if (onlyFound && damage) return
      const { whole, told, torn }: Outcome = await readHostile(this.#truth, after, { silent: damage })
      if (whole) this.whole++
      else if (!told && torn === 0 && !damage) throw new Error(`nobody tells: verify finds ${JSON.stringify(found)}`)
    } catch (error) {
      this.wrong.push(`${what}: ${(error as Error).stack}`)
    }
  }
}

/** Runs cases on a closed and on a killed store, with an eye on memory. */
function suite(title: string, least: number, work: (cases: Cases, truth: HostileStore) => Promise<void>): void {
  for (const truth of [closedStore, killedStore]) {
    t.test(`${title}, ${truth === closedStore ? 'closed' : 'killed'}`, async (t) => {
      const cases = new Cases(truth)
      const largest = await largestAllocation(() => work(cases, truth))
      t.comment(`${cases.count} cases, ${cases.whole} of them read whole, largest allocation ${largest} bytes`)
      t.same(cases.wrong.slice(0, 4), [], `${cases.wrong.length} of ${cases.count} cases went wrong`)
      t.ok(cases.count >= Math.floor(least / ONE_IN), `${cases.count} cases`)
      t.ok(largest <= MOST_BYTES, `${largest} bytes at once`)
    })
  }
}

const isLog = (path: string): boolean => path.endsWith('.log')
const isRecord = (path: string): boolean => isLog(path) || path.endsWith('.seg')

function recordFiles({ image }: HostileStore): [string, Buffer][] {
  return [...image.files].filter(([path]) => isRecord(path))
}

/** Everything in a file that could be in the wrong place: its frames, and its groups with what belongs to them. */
function piecesOf(path: string, bytes: Buffer): Piece[][] {
  return isLog(path) ? [framesOf(bytes), groupsOf(bytes)] : [framesOf(bytes)]
}

suite('[fault 44] records and groups removed, repeated, swapped', 1_000, async (cases, truth) => {
  for (const [path, bytes] of recordFiles(truth)) {
    for (const pieces of piecesOf(path, bytes)) {
      for (const [i, piece] of pieces.entries()) {
        await cases.run(`${path}: ${i} removed`, { [path]: without(bytes, piece) })
        const own = bytes.subarray(piece.start, piece.end)
        for (const at of [...pieces.map(({ start }) => start), pieces.at(-1)!.end]) {
          await cases.run(`${path}: ${i} again at ${at}`, { [path]: withInserted(bytes, at, own) })
        }
        for (let j = i + 1; j < pieces.length; j++) {
          await cases.run(`${path}: ${i} and ${j} swapped`, { [path]: swapped(bytes, piece, pieces[j]!) })
        }
      }
    }
  }
})

suite('[fault 44] records and groups of other files of the store', 1_000, async (cases, truth) => {
  const files = recordFiles(truth)
  for (const [path, bytes] of files) {
    const places = framesOf(bytes)
    for (const [other, otherBytes] of files) {
      if (other === path) continue
      for (const pieces of piecesOf(other, otherBytes)) {
        for (const [i, piece] of pieces.entries()) {
          const own = otherBytes.subarray(piece.start, piece.end)
          const place = places[i % places.length]!
          const what = `${path}: at ${place.start} what ${other} has at ${piece.start}`
          await cases.run(what, { [path]: withInserted(bytes, place.start, own) })
          const instead = Buffer.concat([bytes.subarray(0, place.start), own, bytes.subarray(place.end)])
          await cases.run(`${what} instead`, { [path]: instead })
          await cases.run(`${what}, moved`, {
            [path]: Buffer.concat([bytes, own]),
            [other]: without(otherBytes, piece),
          })
        }
      }
    }
  }
})

suite('[fault 44] blocks written to another place, in the same file and in others', 1_000, async (cases, truth) => {
  const files = [...truth.image.files]
  for (const [from, source] of files) {
    for (let at = 0; at < source.length; at += 512) {
      const block = source.subarray(at, at + 512)
      for (const [path, bytes] of files) {
        const step = path === from || FULL ? 512 : 1024
        for (let to = 0; to < bytes.length; to += step) {
          await cases.run(`${from} ${at} to ${path} ${to}`, { [path]: overwritten(bytes, to, block) })
        }
      }
    }
  }
})

suite('[fault 41] bytes zeroed: 512 and 4,096 at once', 500, async (cases, truth) => {
  for (const [path, bytes] of truth.image.files) {
    for (const size of [512, 4096]) {
      for (let at = 0; at < bytes.length; at += FULL ? 1 : 37) {
        await cases.run(`${path}: ${size} at ${at}`, { [path]: overwritten(bytes, at, Buffer.alloc(size)) })
      }
    }
  }
})

suite('[fault 40] every file cut', 1_000, async (cases, truth) => {
  for (const [path, bytes] of truth.image.files) {
    const ends = new Set(isRecord(path) ? framesOf(bytes).flatMap(({ start, end }) => [start, end]) : [])
    for (let size = 0; size < bytes.length; size++) {
      if (!FULL && size % 13 !== 0 && ![size - 1, size, size + 1].some((near) => ends.has(near))) continue
      // What was written last before a kill may be missing from its end: nobody had said that it was durable.
      const unproven = isLog(path) && size >= (groupsOf(bytes).at(-1)?.start ?? Infinity) && truth === killedStore
      if (!unproven) await cases.run(`${path}: cut to ${size}`, { [path]: bytes.subarray(0, size) })
    }
  }
})

/** Other numbers in a field of so many bytes: one more, one less, far away, none, beyond all. */
function otherNumbers(bytes: Buffer, at: number, size: 1 | 2 | 4 | 8): Buffer[] {
  const read = (): bigint => (size === 8 ? bytes.readBigUInt64LE(at) : BigInt(bytes.readUIntLE(at, size)))
  const most = 2n ** BigInt(8 * size) - 1n
  const flags = size === 1 ? [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n].map((bit) => read() ^ (1n << bit)) : []
  const near = [read() + 1n, read() - 1n, read() + 1000n, 0n, 1n, 2n ** 31n, 2n ** 53n, 2n ** 60n, most]
  return (size === 1 ? flags : near).map((number) => {
    const copy = Buffer.from(bytes)
    const value = BigInt.asUintN(8 * size, number)
    if (size === 8) copy.writeBigUInt64LE(value, at)
    else copy.writeUIntLE(Number(value), at, size)
    return copy
  })
}

/** The fields of a header that a right checksum could hide, and of each kind of frame: byte and size. */
const HEADER = [
  [8, 2],
  [20, 8],
  [36, 8],
  [44, 8],
  [52, 8],
  [60, 8],
  [68, 8],
  [76, 8],
  [84, 8],
  [92, 2],
] as const
const FIELDS: Readonly<Record<number, readonly (readonly [number, 1 | 2 | 4 | 8])[]>> = {
  1: [
    [12, 4],
    [16, 8],
    [24, 8],
    [32, 8],
    [40, 8],
    [48, 8],
    [56, 8],
    [64, 4],
    [68, 4],
    [72, 4],
  ],
  2: [
    [8, 1],
    [9, 1],
    [12, 2],
    [14, 2],
    [16, 8],
    [24, 8],
    [56, 4],
    [60, 2],
    [62, 2],
  ],
  3: [
    [10, 2],
    [12, 2],
    [14, 2],
  ],
  4: [[16, 8]],
}

suite('[fault 51] numbers repeated, skipped and going back under right checksums', 1_000, async (cases, truth) => {
  for (const [path, bytes] of recordFiles(truth)) {
    for (const [at, size] of HEADER) {
      for (const copy of otherNumbers(bytes, at, size)) {
        await cases.run(`${path}: header, ${at}`, { [path]: withRightChecksums(copy) })
      }
    }
    for (const { start, kind } of framesOf(bytes)) {
      for (const [at, size] of FIELDS[kind]!) {
        // The position of an event is checked in the log, its offset in the stream; each only there.
        const onlyFound = kind === 2 && at === (isLog(path) ? 24 : 16)
        for (const copy of otherNumbers(bytes, start + at, size)) {
          await cases.run(`${path}: ${start}, field ${at}`, { [path]: withRightChecksums(copy) }, onlyFound)
        }
      }
    }
  }
})

suite(
  '[fault 49] derived files of others, of earlier times, of noise under right checksums',
  300,
  async (cases, truth) => {
    const random = new SeededRandom(7)
    const derived = (path: string): boolean => /\.(idx|tab|key)$|\/checkpoint$/.test(path)
    for (const [path, bytes] of truth.image.files) {
      if (!derived(path)) continue
      for (const other of [truth, ...otherStores]) {
        for (const [from, contents] of other.image.files) {
          if (derived(from)) await cases.run(`${path}: what stands in ${from}`, { [path]: contents })
        }
      }
      for (let i = 0; i < 40; i++) {
        const noise = Buffer.from(bytes)
        random.fill(noise.subarray(headerBytes(bytes) + random.below(bytes.length - headerBytes(bytes))))
        await cases.run(`${path}: noise ${i}`, { [path]: noise })
        await cases.run(`${path}: noise ${i} with right checksums`, { [path]: derivedChecksums(path, noise) })
      }
    }
  },
)

/** Right checksums for an index, a key file or a checkpoint. */
function derivedChecksums(path: string, noise: Buffer): Buffer {
  const bytes = Buffer.from(noise)
  const seed = crc32c(bytes, 16, 20)
  const start = headerBytes(bytes)
  if (path.endsWith('.idx')) {
    for (let at = start; at + 36 <= bytes.length; at += 36) {
      bytes.writeUInt32LE(crc32c(bytes, at, at + 32, seed), at + 32)
    }
  } else if (path.endsWith('.tab')) {
    bytes.writeUInt32LE(crc32c(bytes, start + 16, bytes.length, crc32c(bytes, start, start + 12)), start + 12)
  } else if (path.endsWith('.key')) {
    const blocks = bytes.length - 4096
    bytes.writeUInt32LE(crc32c(bytes, start + 32, blocks, crc32c(bytes, start, start + 28, seed)), start + 28)
    bytes.writeUInt32LE(crc32c(bytes, blocks + 4, bytes.length, crc32c(Buffer.alloc(4), 0, 4, seed)), blocks)
  } else {
    bytes.writeUInt32LE(bytes.length - start - 8, start)
    bytes.writeUInt32LE(crc32c(bytes, start + 8, bytes.length), start + 4)
  }
  return bytes
}

suite('[fault 52] files of newer versions', 10, async (cases, truth) => {
  for (const [path, bytes] of truth.image.files) {
    for (const [at, version] of [
      [8, 2],
      [8, 0xffff],
      [10, 2],
    ] as const) {
      const newer = Buffer.from(bytes)
      newer.writeUInt16LE(version, at)
      if (isRecord(path)) await cases.run(`${path}: ${version} at ${at}`, { [path]: withRightChecksums(newer) })
      else {
        const length = path.includes('/epoch/') ? undefined : headerBytes(newer)
        if (length !== undefined) newer.writeUInt32LE(crc32c(newer, 20, length, crc32c(newer, 0, 16)), 16)
        await cases.run(`${path}: ${version} at ${at}`, { [path]: newer })
      }
    }
  }
})
