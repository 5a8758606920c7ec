import t from 'tap'
import { LogDirectory } from '../../../engine/commit-log/log-directory.js'
import { WatermarkReader, WatermarkWriter } from '../../../engine/commit-log/watermark-file.js'
import type { LogPlace } from '../../../engine/format/checkpoint.js'
import { eventPosition } from '../../../engine/format/event-record.js'
import type { Window } from '../../../engine/format/frame.js'
import { GROUP_BYTES } from '../../../engine/format/group.js'
import { logFileName } from '../../../engine/format/names.js'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { ReadHandles } from '../../../engine/segment/read-handles.js'
import { LogFollower } from '../../../engine/store/log-follower.js'
import { FaultyFileSystem } from '../../support/faulty-file-system.js'
import { Forge, groupOf, logSegment, STORE_ID } from '../../support/forge.js'
import { put } from '../recovery/verify-support.js'

const LOG = '/store/log'
const forge = new Forge()

interface SegmentOptions {
  readonly epoch?: number
  /** The segment that it goes on from, and where that ends. */
  readonly after?: Segment
  readonly previousEnd?: number
  readonly sequence?: number
  /** What its header says of how much was durable when it was made. Default: 0. */
  readonly found?: number
  /** The most that its groups say to be durable; usually everything before them. */
  readonly durable?: number
}

/** A log segment of groups of so many events each. */
class Segment {
  readonly base: number
  readonly epoch: number
  readonly path: string
  readonly bytes: Buffer
  /** The places behind its header, and behind each group. */
  readonly places: LogPlace[]

  constructor(
    groups: readonly number[],
    { epoch = 1, after, durable = Infinity, found = 0, ...options }: SegmentOptions = {},
  ) {
    const before = after?.places.at(-1) ?? { sequence: 0, position: 0, byte: 0 }
    const { sequence = before.sequence, previousEnd = before.byte } = options
    this.base = before.position
    this.epoch = epoch
    this.path = `${LOG}/${logFileName(this.base, epoch, '.log')}`
    const link = after === undefined ? {} : { previousBase: after.base, previousEpoch: after.epoch, previousEnd }
    let bytes = logSegment([], { base: this.base, epoch, sequence, durable: found, ...link })
    let position = this.base
    const place = (n: number): LogPlace => ({
      base: this.base,
      epoch,
      byte: bytes.length,
      sequence: sequence + n,
      position,
    })
    this.places = [place(0)]
    for (const [n, count] of groups.entries()) {
      const records = Array.from({ length: count }, (_, i) =>
        forge.event({ stream: 's', offset: position + i, position: position + i }),
      )
      const group = { byte: bytes.length, sequence: sequence + n, firstPosition: position, epoch }
      bytes = Buffer.concat([bytes, groupOf(records, { ...group, durable: Math.min(durable, group.sequence) })])
      position += count
      this.places.push(place(n + 1))
    }
    this.bytes = bytes
  }

  get end(): LogPlace {
    return this.places.at(-1)!
  }
}

/** A follower of a log in memory, and what it has told. */
class Followed {
  readonly #memory = memoryEnvironment().files
  readonly files = new FaultyFileSystem(this.#memory)
  readonly told: string[] = []
  readonly follower: LogFollower
  readonly #handles = new ReadHandles(this.files, 8)

  constructor(segments: readonly Segment[], start?: LogPlace) {
    this.#memory.makeDirectories(LOG)
    for (const segment of segments) this.write(segment)
    const { directory } = LogDirectory.read(this.files, LOG)
    const own = start && directory.segments[directory.find(start)]
    if (own === undefined) directory.clear()
    else directory.keepUpTo(own)
    const watermark = new WatermarkReader(this.files, '/store', STORE_ID)
    const parts = { files: this.files, handles: this.#handles, storeId: STORE_ID, watermark }
    this.follower = new LogFollower(parts, directory, start, {
      began: ({ base, epoch }) => this.told.push(`began ${base} of ${epoch}`),
      group: (_segment, window, from, end) => this.told.push(positionsIn(window, from, end)),
      left: ({ base }, byte, position) => this.told.push(`left ${base} at ${byte}, ${position}`),
    })
  }

  write({ path, bytes }: { readonly path: string; readonly bytes: Buffer }): void {
    put(this.#memory, path, bytes)
    this.#handles.drop(path)
  }

  remove({ path }: Segment): void {
    this.#memory.remove(path)
    this.#handles.drop(path)
  }

  /** A writer says how far the log is committed. */
  mark(writer: number, place: LogPlace): void {
    const watermark = new WatermarkWriter(this.#memory, '/store', STORE_ID, writer)
    watermark.start(place)
    watermark.close()
  }

  /** Goes on to everything that is proven; returns what was told since the last time. */
  readonly advance = (bytes = Infinity): string[] => {
    for (let n = 0; this.follower.advance(bytes); n++) if (n > 1000) throw new Error('it never ends')
    return this.told.splice(0)
  }
}

function positionsIn(window: Window, start: number, end: number): string {
  const positions: number[] = []
  for (let at = start; at < end; at += window.view.getUint32(at, true)) positions.push(eventPosition(window, at))
  return positions.join()
}

t.test('[M4] nothing is shown before there is proof, and nothing beyond it', (t) => {
  const segment = new Segment([2, 1, 3])
  const { follower, advance } = new Followed([segment])
  t.same(advance(), [])
  t.match(follower, { position: 0, active: undefined, damage: undefined })
  follower.prove(segment.places[2]!)
  t.same(advance(), ['began 0 of 1', '0,1', '2'])
  t.match(follower, { position: 3, active: { path: segment.path, end: segment.places[2]!.byte } })
  follower.prove(segment.places[1]!)
  t.same(advance(), [], 'what is proven stays proven')
  follower.prove(segment.end)
  t.same(advance(), ['3,4,5'])
  t.equal(follower.position, 6)
  t.end()
})

t.test('it goes on by some bytes at a time, and by one group at least', (t) => {
  const segment = new Segment([1, 1, 1, 50, 1, 40])
  const followed = new Followed([segment])
  followed.follower.prove(segment.end)
  const [start, first] = segment.places
  const bytes = first!.byte - start!.byte + 10
  for (const told of [['began 0 of 1', '0'], ['1'], ['2']]) {
    t.equal(followed.follower.advance(bytes), true, 'there is more')
    t.same(followed.told.splice(0), told)
  }
  t.equal(followed.follower.advance(bytes), true, 'a group that is longer is taken whole')
  t.ok(followed.follower.position >= 53 && followed.follower.position < 94, 'and not all that follows')
  followed.advance(bytes)
  t.equal(followed.follower.position, 94)
  t.end()
})

t.test('a follower that begins at a checkpoint has what is before it', (t) => {
  const first = new Segment([2])
  const second = new Segment([1, 1], { after: first })
  const { follower, advance, told } = new Followed([first, second], second.places[1])
  t.same(told.splice(0), ['began 2 of 1'])
  t.match(follower, { position: 3, active: { path: second.path, end: second.places[1]!.byte } })
  follower.prove(second.end)
  t.same(advance(), ['3'])
  t.end()
})

t.test('[M4] without a watermark a later group, or a later segment, proves those before it', (t) => {
  const first = new Segment([1, 1, 1])
  const followed = new Followed([first])
  const { follower, advance } = followed
  follower.lookAhead()
  t.same(advance(), ['began 0 of 1', '0', '1'], 'the last group is proven by nothing')
  const second = new Segment([1, 1], { after: first })
  followed.write(second)
  follower.lookAhead()
  t.same(advance(), ['2', `left 0 at ${first.end.byte}, 3`, 'began 3 of 1'])
  t.equal(follower.endOf(first.path), first.end.byte)
  t.equal(follower.endOf(second.path), undefined)
  follower.lookAhead()
  t.same(advance(), ['3'])
  t.end()
})

t.test('groups that say of none before them that it was durable prove nothing', (t) => {
  const segment = new Segment([1, 1, 1, 1], { durable: 2 })
  const { follower, advance } = new Followed([segment])
  follower.lookAhead()
  t.same(advance(), ['began 0 of 1', '0', '1'])
  follower.lookAhead()
  t.same(advance(), [])
  t.end()
})

t.test('[R9] the watermark of the writer proves what it names', (t) => {
  const segment = new Segment([1, 1])
  const followed = new Followed([segment])
  const { follower, advance } = followed
  follower.look()
  t.same(advance(), [], 'there is none yet')
  followed.mark(1, segment.places[1]!)
  follower.look()
  t.same(advance(), ['began 0 of 1', '0'])
  t.end()
})

t.test(
  '[U3] a new writer that has not found what was read is an error; one that is older than the checkpoint is none',
  (t) => {
    const segment = new Segment([1, 1, 1])
    const followed = new Followed([segment], segment.places[1])
    const { follower, advance } = followed
    followed.mark(2, segment.places[0]!)
    follower.look() // its mark was never synced
    followed.mark(3, segment.end)
    follower.look()
    advance()
    followed.mark(4, segment.places[2]!)
    t.throws(() => follower.look(), {
      code: 'ERR_CORRUPT',
      message: /no longer holds what was read/,
      file: segment.path,
    })
    t.end()
  },
)

t.test('what the last writer has promised and the next not found is not waited for', (t) => {
  const segment = new Segment([1, 1])
  const followed = new Followed([new Segment([1])])
  const { follower, advance } = followed
  followed.mark(1, segment.end)
  follower.look()
  advance()
  const next = new Segment([1], { epoch: 2, after: new Segment([1]) })
  followed.write(next)
  followed.mark(2, next.end)
  follower.look()
  t.same(advance().slice(-2), ['began 1 of 2', '1'])
  t.equal(follower.damage, undefined)
  t.end()
})

t.test('[fault 2] a torn end that was never durable is waited at, and is no damage', (t) => {
  const segment = new Segment([1, 1, 1], { durable: 0 })
  const torn = Buffer.from(segment.bytes)
  torn.fill(0, segment.places[2]!.byte + GROUP_BYTES)
  const followed = new Followed([segment])
  followed.write({ path: segment.path, bytes: torn })
  const { follower, advance } = followed
  follower.prove(segment.end)
  t.same(advance(), ['began 0 of 1', '0', '1'])
  t.match(follower, { position: 2, damage: undefined })
  followed.write(segment)
  t.same(advance(), [], 'it is not looked at again')
  const cut = new Segment([1, 1], { durable: 0 })
  const next = new Segment([1], { epoch: 2, after: cut })
  followed.write(next)
  followed.mark(2, next.end)
  follower.look()
  t.same(advance(), [`left 0 at ${cut.end.byte}, 2`, 'began 2 of 2', '2'], 'the next writer has cut it off')
  t.end()
})

t.test(
  '[U3] [fault 39] what was once durable and is wrong is damage: reads end there with an error, and not in silence',
  (t) => {
    for (const proof of ['a later group', 'the next segment', 'a checkpoint'] as const) {
      const first = new Segment([1, 1, 1], proof === 'a later group' ? {} : { durable: 0 })
      const second = new Segment([1], { after: first, found: proof === 'the next segment' ? 3 : 0 })
      const damaged = Buffer.from(first.bytes)
      damaged[first.places[1]!.byte + GROUP_BYTES + 40]! ^= 1
      const followed = new Followed([first, second])
      followed.write({ path: first.path, bytes: damaged })
      const { follower, advance } = followed
      follower.prove(proof === 'the next segment' ? second.end : first.end, proof === 'a checkpoint')
      t.same(advance(), ['began 0 of 1', '0'], proof)
      t.match(follower.damage, { code: 'ERR_CORRUPT', file: first.path, byte: first.places[1]!.byte })
      t.equal(
        follower.position,
        proof === 'the next segment' ? 4 : 3,
        'what is behind the damage is known by its place',
      )
      if (proof === 'the next segment') t.match(follower.active, { path: second.path, end: second.end.byte })
      if (proof === 'the next segment') t.equal(follower.endOf(first.path), first.end.byte)
      follower.prove(second.end)
      t.same(advance(), [], 'it never goes on')
    }
    t.end()
  },
)

t.test('a segment that holds nothing may be replaced by that of a later writer', (t) => {
  const first = new Segment([1])
  const empty = new Segment([], { after: first, epoch: 2 })
  const followed = new Followed([first, empty])
  const { follower, advance } = followed
  follower.prove(empty.end)
  follower.lookAhead()
  t.same(advance(), ['began 0 of 1', '0', `left 0 at ${first.end.byte}, 1`, 'began 1 of 2'])
  const next = new Segment([1, 1], { after: first, epoch: 3 })
  followed.remove(empty)
  followed.write(next)
  follower.prove(next.end)
  t.same(advance(), ['began 0 of 1', `left 0 at ${first.end.byte}, 1`, 'began 1 of 3', '1', '2'])
  t.equal(follower.position, 3)
  t.end()
})

t.test('[U3] a later writer that counts less of a segment than was read is an error', (t) => {
  const first = new Segment([1, 1])
  const followed = new Followed([first])
  followed.follower.prove(first.end)
  followed.advance()
  const less = new Segment([1])
  const next = new Segment([1, 1, 1], { epoch: 2, after: less })
  followed.write(next)
  followed.follower.prove(next.end)
  t.throws(() => followed.advance(), { code: 'ERR_CORRUPT', message: /no longer holds what was read/ })
  t.end()
})

t.test('[U3] a segment that does not go on where the one before ends is an error', (t) => {
  const first = new Segment([1])
  const next = new Segment([1], { after: first, sequence: 5 })
  const { follower, advance } = new Followed([first, next])
  follower.prove(next.end)
  t.throws(() => advance(), { code: 'ERR_CORRUPT', file: next.path, message: /does not go on/ })
  t.end()
})

t.test('a segment that is not there yet is waited for; one of a newer version is refused', (t) => {
  const first = new Segment([1])
  const next = new Segment([1], { after: first })
  const followed = new Followed([first])
  const { follower, advance } = followed
  follower.prove(next.end)
  t.same(advance(), [])
  followed.write({ path: next.path, bytes: next.bytes.subarray(0, 40) })
  t.same(advance(), [], 'nor is one that has no header yet')
  const newer = Buffer.from(next.bytes)
  newer[8] = 99
  followed.write({ path: next.path, bytes: newer })
  t.throws(() => advance(), { code: 'ERR_FORMAT' })
  followed.write(next)
  t.same(advance().length, 5)
  t.equal(follower.position, 2)
  t.end()
})

t.test('what is ahead of the proof can be looked at, across segments, as far as it is right', (t) => {
  const first = new Segment([1, 2])
  const second = new Segment([1, 1], { after: first })
  const followed = new Followed([first, second])
  const ahead = (): string[] => {
    const seen: string[] = []
    followed.follower.eachAhead((window, start, end) => seen.push(positionsIn(window, start, end)))
    return seen
  }
  t.same(ahead(), ['0', '1,2', '3', '4'])
  followed.follower.prove(first.places[1]!)
  followed.advance()
  t.same(ahead(), ['1,2', '3', '4'])
  const torn = Buffer.from(second.bytes)
  torn[second.places[1]!.byte + GROUP_BYTES + 40]! ^= 1
  followed.write({ path: second.path, bytes: torn })
  t.same(ahead(), ['1,2', '3'])
  t.equal(followed.follower.position, 1, 'and nothing is shown by it')
  t.end()
})

t.test('[fault 27] what the disk refuses is told, and no group is taken in twice', (t) => {
  const segment = new Segment([1, 1, 1])
  const followed = new Followed([segment])
  const { follower, advance, told } = followed
  follower.prove(segment.end)
  follower.advance(1)
  told.splice(0)
  followed.files.setFaults({ only: ({ kind }) => kind === 'read', failAt: 1, code: 'EIO' })
  t.throws(() => follower.advance(Infinity), { code: 'EIO' })
  followed.files.setFaults()
  t.same(advance(), ['1', '2'])
  t.end()
})
