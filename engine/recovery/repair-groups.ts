import type { ExpectedGroup } from '../commit-log/group-scan.js'
import { checkFrames } from '../format/crc32c.js'
import { eventFlags, eventShapeCount, eventShapeId, FLAG_FIRST, FLAG_LAST } from '../format/event-record.js'
import { readU64, type Window, windowOf } from '../format/frame.js'
import { encodeGroup, GROUP_BYTES } from '../format/group.js'
import { encodeShape } from '../format/shape-record.js'
import type { ShapeTable } from '../format/shapes.js'

/** A stretch of the log to be made again from its events. */
export interface GroupsToBuild {
  readonly storeId: Buffer
  /** Where it starts in its file. */
  readonly byte: number
  readonly expected: ExpectedGroup
  readonly next: ExpectedGroup
  /** The records of its events, in order. */
  readonly events: readonly Buffer[]
  readonly shapes: ShapeTable
  /** Shapes that are defined in the file before. */
  readonly defined: ReadonlySet<number>
  /** What stands there now: where several answers are right, the one most like it is taken. */
  readonly present: Buffer
}

/**
 * Makes groups again from their events. One lost group becomes what it was, byte by byte; how the commits were divided among
 * several is not known any more, and does not matter. Undefined when the events are not whole commits.
 */
export function buildGroups(build: GroupsToBuild): Buffer | undefined {
  const commits = commitsOf(build.events)
  const groups = build.next.sequence - build.expected.sequence
  if (commits === undefined || groups < 1 || groups > commits.length) return undefined
  const defined = new Set(build.defined)
  const parts: Buffer[] = []
  let byte = build.byte
  let position = build.expected.position
  for (let n = 0; n < groups; n++) {
    const own = commits.splice(0, n === groups - 1 ? commits.length : 1)
    const frames = own.flatMap((commit) => [...definitions(commit, build.shapes, defined), ...commit])
    const events = own.reduce((sum, commit) => sum + commit.length, 0)
    const body = Buffer.concat(frames)
    const { digest } = checkFrames(body, 0, body.length)
    const present = build.present.subarray(byte - build.byte, byte - build.byte + GROUP_BYTES)
    const sequence = build.expected.sequence + n
    parts.push(
      likest(
        present,
        headFields(build, present, sequence).map(([epoch, durable]) => {
          const window = windowOf(Buffer.alloc(GROUP_BYTES))
          encodeGroup(window, 0, build.storeId, {
            epoch,
            sequence,
            byte,
            firstPosition: position,
            durable,
            frames: frames.length,
            events,
            bodyBytes: body.length,
            digest,
          })
          return window.bytes
        }),
      ),
      body,
    )
    byte += GROUP_BYTES + body.length
    position += events
  }
  return Buffer.concat(parts)
}

/** Returns the candidate that differs in the fewest bits from what stands there. */
export function likest(present: Buffer, candidates: readonly Buffer[]): Buffer {
  let best = candidates[0]!
  let least = Infinity
  for (const candidate of candidates) {
    let distance = 0
    for (let i = 0; i < candidate.length; i++) distance += bits(candidate[i]! ^ (present[i] ?? 0))
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best
}

function bits(byte: number): number {
  let count = 0
  for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1
  return count
}

/** Epoch and durable sequence are in the head of a group only: what is left of it is believed where it is possible. */
function headFields({ expected, next }: GroupsToBuild, present: Buffer, sequence: number): [number, number][] {
  const epochs = new Set([expected.epoch, next.epoch])
  const durables = new Set([sequence])
  if (present.length >= GROUP_BYTES) {
    const { view } = windowOf(present)
    const epoch = readU64(view, 24)
    const durable = readU64(view, 56)
    if (epoch >= expected.epoch && epoch <= next.epoch) epochs.add(epoch)
    if (durable <= sequence) durables.add(durable)
  }
  return [...epochs].flatMap((epoch) => [...durables].map((durable): [number, number] => [epoch, durable]))
}

function commitsOf(events: readonly Buffer[]): Buffer[][] | undefined {
  const commits: Buffer[][] = []
  let open: Buffer[] | undefined
  for (const event of events) {
    const flags = eventFlags(windowOf(event), 0)
    if ((open === undefined) !== ((flags & FLAG_FIRST) !== 0)) return undefined
    open ??= []
    open.push(event)
    if ((flags & FLAG_LAST) === 0) continue
    commits.push(open)
    open = undefined
  }
  return open === undefined && commits.length > 0 ? commits : undefined
}

/** The definitions that a commit needs and its segment lacks stand before its first event. */
function definitions(commit: readonly Buffer[], shapes: ShapeTable, defined: Set<number>): Buffer[] {
  const frames: Buffer[] = []
  for (const event of commit) {
    for (const id of shapesOf(windowOf(event), event.length)) {
      if (defined.has(id)) continue
      defined.add(id)
      const shape = shapes.get(id)
      if (shape !== undefined) frames.push(encodeShape(shape))
    }
  }
  return frames
}

/** The ids of the shapes an event uses. */
export function shapesOf(window: Window, length: number): number[] {
  return Array.from({ length: eventShapeCount(window, 0) }, (_, n) => eventShapeId(window, 0, length, n))
}
