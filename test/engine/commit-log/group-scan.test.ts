import t from 'tap'
import { COMMITS_NOT_WHOLE, GroupScanner, OUT_OF_PLACE, type ScanStop } from '../../../engine/commit-log/group-scan.js'
import { crc32c } from '../../../engine/format/crc32c.js'
import { HEADER_FIXED_BYTES } from '../../../engine/format/file-header.js'
import { windowOf } from '../../../engine/format/frame.js'
import { decodeGroup, encodeGroup, type Group, GROUP_BYTES } from '../../../engine/format/group.js'
import { MemoryFileSystem } from '../../../engine/io/memory-file-system.js'
import { MAX_GROUP_BYTES } from '../../../engine/limits.js'
import { numbered, TestMachine } from '../store/test-machine.js'

const START = { sequence: 0, position: 0, epoch: 1 }

/** A log segment of five groups of two events, and where they start. */
async function log(): Promise<{ bytes: Buffer; storeId: Buffer; starts: number[] }> {
  const machine = new TestMachine()
  const store = await machine.open()
  for (let i = 0; i < 5; i++) await store.append(`s${i % 2}`, numbered(2, i))
  await store.close()
  const bytes = machine.contents(machine.find('.log')[0]!)
  const starts: number[] = []
  for (let at = HEADER_FIXED_BYTES; at < bytes.length; at += GROUP_BYTES + bytes.readUInt32LE(at + 72)) starts.push(at)
  return { bytes, storeId: Buffer.from(bytes.subarray(20, 36)), starts }
}

function scannerOf(bytes: Buffer, storeId: Buffer, maxGroupBytes = MAX_GROUP_BYTES): GroupScanner {
  const handle = new MemoryFileSystem().open('/log', 'create')
  handle.writeSync(bytes, 0, bytes.length, 0)
  return new GroupScanner(handle, storeId, maxGroupBytes)
}

function scan(bytes: Buffer, storeId: Buffer, from = HEADER_FIXED_BYTES, end = Infinity, expected = START) {
  const groups: Group[] = []
  const scanner = scannerOf(bytes, storeId)
  const stop: ScanStop = scanner.scan(from, end, expected, (group) => groups.push(group))
  return { groups, stop, ...scanner.behind(stop) }
}

/** Writes a group head again, with other fields and a right checksum. */
function head(bytes: Buffer, at: number, storeId: Buffer, change: Partial<Group>): Buffer {
  const copy = Buffer.from(bytes)
  const group = decodeGroup(windowOf(copy), at, GROUP_BYTES, storeId)!
  encodeGroup(windowOf(copy), at, storeId, { ...group, ...change })
  return copy
}

/** Changes the records of a group, and makes all checksums right again. */
function body(bytes: Buffer, at: number, storeId: Buffer, change: (frame: Buffer, n: number) => void): Buffer {
  const copy = Buffer.from(bytes)
  const end = at + GROUP_BYTES + copy.readUInt32LE(at + 72)
  const crcs: Buffer[] = []
  for (let from = at + GROUP_BYTES, n = 0; from < end; n++) {
    const frame = copy.subarray(from, from + copy.readUInt32LE(from))
    change(frame, n)
    frame.writeUInt32LE(crc32c(frame, 8, frame.length), 4)
    crcs.push(frame.subarray(4, 8))
    from += frame.length
  }
  const joined = Buffer.concat(crcs)
  return head(copy, at, storeId, { digest: crc32c(joined, 0, joined.length) })
}

t.test('[F5] groups are visited in order, whole, and the stop says what would come next', async (t) => {
  const { bytes, storeId, starts } = await log()
  const { groups, stop, behind } = scan(bytes, storeId)
  t.same(
    groups.map(({ sequence, firstPosition, byte }) => [sequence, firstPosition, byte]),
    starts.map((byte, i) => [i, 2 * i, byte]),
  )
  t.match(stop, {
    byte: bytes.length,
    found: 'nothing',
    next: { sequence: 5, position: 10 },
    durable: groups.at(-1)!.durable,
  })
  t.equal(behind, 'none')
  const part = scan(bytes, storeId, starts[1], starts[3], { sequence: 1, position: 2, epoch: 1 })
  t.same(
    part.groups.map(({ sequence }) => sequence),
    [1, 2],
  )
  t.match(part.stop, { byte: starts[3]!, found: 'nothing' })
})

t.test(
  '[fault 40] [fault 42] [fault 43] cut at any byte, and with zeros or rubbish behind, the groups before are whole',
  async (t) => {
    const { bytes, storeId, starts } = await log()
    const last = starts.at(-1)!
    for (let size = last + 1; size < bytes.length; size += 3) {
      const { groups, stop } = scan(bytes.subarray(0, size), storeId)
      if (groups.length !== 4 || stop.byte !== last || stop.found !== 'invalid') t.fail(`cut to ${size}`)
    }
    for (const count of [1, 83, 84, 85, 5000]) {
      t.match(scan(Buffer.concat([bytes, Buffer.alloc(count)]), storeId).stop, { byte: bytes.length, found: 'zeros' })
      t.match(scan(Buffer.concat([bytes, Buffer.alloc(count, 7)]), storeId).stop, {
        byte: bytes.length,
        found: 'invalid',
      })
    }
  },
)

t.test(
  '[fault 39] a flipped bit stops the scan at its group, and what stands behind tells that it was durable',
  async (t) => {
    const { bytes, storeId, starts } = await log()
    for (let at = HEADER_FIXED_BYTES; at < bytes.length; at += 5) {
      const flipped = Buffer.from(bytes)
      flipped[at]! ^= 4
      const group = starts.findLastIndex((start) => start <= at)
      const { groups, stop, behind, nextGroup } = scan(flipped, storeId)
      const right = groups.length === group && stop.byte === starts[group] && stop.found === 'invalid'
      const expected = group === starts.length - 1 ? 'none' : 'durable'
      if (!right || behind !== expected || nextGroup?.byte !== starts[group + 1]) {
        t.match({ stop, behind, nextGroup }, { stop: { byte: starts[group] }, behind: expected }, `byte ${at}`)
      }
    }
  },
)

t.test(
  '[fault 46] [fault 51] a group that is not the next one is refused, though its checksums are right',
  async (t) => {
    const { bytes, storeId, starts } = await log()
    const at = starts[2]!
    const wrong: [Partial<Group>, RegExp][] = [
      [{ sequence: 3 }, /sequence 3 instead of 2/],
      [{ sequence: 1 }, /sequence 1 instead of 2/],
      [{ firstPosition: 5 }, /position 5 instead of 4/],
      [{ byte: at + 1 }, /another place/],
      [{ epoch: 0 }, /contradicts/],
      [{ durable: 9 }, /contradicts/],
      [{ frames: 1 }, /not those of the group/],
      [{ digest: 1 }, /not those of the group/],
      [{ events: 1 }, /not whole/],
      [{ bodyBytes: 2 ** 31 }, /beyond the end/],
    ]
    for (const [change, reason] of wrong) {
      const { groups, stop } = scan(head(bytes, at, storeId, change), storeId)
      t.equal(groups.length, 2)
      t.match(stop, { byte: at, found: 'invalid', reason }, JSON.stringify(change))
    }
    t.match(scan(bytes, Buffer.alloc(16, 9)).stop, { reason: /no group of this store/ })
    t.match(
      scannerOf(bytes, storeId, 10).scan(at, Infinity, { sequence: 2, position: 4, epoch: 1 }, () => {}),
      {
        reason: /beyond the end/,
      },
    )
  },
)

t.test('[M1] records that are no whole commits, out of place or no records of a group are refused', async (t) => {
  const { bytes, storeId, starts } = await log()
  const at = starts[1]!
  const refused = (reason: string | RegExp, change: (frame: Buffer, n: number) => void): void => {
    const { groups, stop } = scan(body(bytes, at, storeId, change), storeId)
    t.equal(groups.length, 1)
    t.match(stop, { byte: at, reason })
  }
  const isEvent = (frame: Buffer): boolean => frame[8] === 2
  refused(COMMITS_NOT_WHOLE, (frame) => isEvent(frame) && (frame[9]! &= ~1))
  refused(COMMITS_NOT_WHOLE, (frame) => isEvent(frame) && (frame[9]! &= ~2))
  refused(COMMITS_NOT_WHOLE, (frame) => isEvent(frame) && (frame[9]! |= 1))
  refused(OUT_OF_PLACE, (frame) => isEvent(frame) && frame.writeBigUInt64LE(99n, 16))
  refused(OUT_OF_PLACE, (frame) => isEvent(frame) && frame.writeUInt16LE(60_000, 12))
  refused(/group starts inside/, (frame) => (frame[8] = 1))
  refused(/./, (frame) => frame.writeUInt32LE(frame.length + 1, frame.length - 4))
})

t.test(
  'groups far behind a stop are found over the border of a window, and those before it are no evidence',
  async (t) => {
    const { bytes, storeId, starts } = await log()
    const at = starts[4]!
    for (const gap of [0, 1, 1024 * 1024 - GROUP_BYTES - 40, 1024 * 1024 - 50, 2_500_000]) {
      const far = Buffer.concat([
        bytes.subarray(0, starts[3]),
        Buffer.alloc(50, 1),
        Buffer.alloc(gap),
        bytes.subarray(at),
      ])
      const byte = starts[3]! + 50 + gap
      const moved = head(far, byte, storeId, { byte })
      const { stop, nextGroup } = scan(moved, storeId)
      t.equal(stop.byte, starts[3])
      t.match(nextGroup, { byte, group: { sequence: 4 } }, `${gap} bytes`)
    }
    const old = Buffer.concat([bytes, Buffer.alloc(10, 1), bytes.subarray(starts[1], starts[2])])
    const byte = bytes.length + 10
    t.equal(scan(head(old, byte, storeId, { byte }), storeId).behind, 'none', 'an older group in a reused block')
  },
)

t.test('[fault 28] [fault 40] a file that is shorter than it was said to be ends there', async (t) => {
  const { bytes, storeId, starts } = await log()
  for (const more of [0, 3, 20, GROUP_BYTES, GROUP_BYTES + 5]) {
    const handle = new MemoryFileSystem().open('/log', 'create')
    handle.writeSync(bytes, 0, starts[3]! + more, 0)
    const groups: Group[] = []
    const scanner = new GroupScanner(handle, storeId, MAX_GROUP_BYTES, bytes.length)
    const stop = scanner.scan(HEADER_FIXED_BYTES, Infinity, START, (group) => groups.push(group))
    t.equal(groups.length, 3)
    t.equal(stop.byte, starts[3])
    t.match(scanner.behind(stop), { behind: 'none' })
  }
})
