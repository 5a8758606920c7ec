import type { ExpectedGroup } from '../commit-log/group-scan.js'
import { LogDirectory, type LogSegment } from '../commit-log/log-directory.js'
import { eventPosition, eventShapeCount } from '../format/event-record.js'
import { encodeHeader, HEADER_FIXED_BYTES } from '../format/file-header.js'
import { readU64, windowOf } from '../format/frame.js'
import { decodeShape } from '../format/shape-record.js'
import type { FileHandle } from '../io/file-system.js'
import { eachSoundEvent, eachStreamEvent } from './repair-events.js'
import { buildGroups, likest } from './repair-groups.js'
import type { Repairs } from './repair-plan.js'
import type { VerifyContext } from './verify-context.js'
import type { DamagedStretch, LogSink, MissingSegment, SegmentLink } from './log-sink.js'
import { LogVerifier } from './verify-log.js'

/** Damage of the log, as it is found by reading it. */
class LogDamage implements LogSink {
  readonly headers: { readonly segment: LogSegment; readonly link: SegmentLink }[] = []
  readonly stretches: { readonly segment: LogSegment; readonly stretch: DamagedStretch }[] = []
  readonly missingSegments: MissingSegment[] = []
  segment(): void {}
  event(): void {}
  lost(): void {}
  place(): void {}
  finished(): void {}

  damagedHeader(segment: LogSegment, link: SegmentLink): void {
    this.headers.push({ segment, link })
  }

  damaged(segment: LogSegment, stretch: DamagedStretch): void {
    this.stretches.push({ segment, stretch })
  }

  missing(missing: MissingSegment): void {
    this.missingSegments.push(missing)
  }
}

/** A stretch between two places that are known, and what it has to hold. */
interface Hole {
  readonly segment: LogSegment
  readonly from: number
  readonly to: number
  readonly expected: ExpectedGroup
  readonly next: ExpectedGroup
  /** Set when the whole segment is gone. */
  readonly link: SegmentLink | undefined
  /** The stretch need not fit: nothing stands behind it. */
  readonly open: boolean
}

/** Heals the log: damaged heads and groups from what is left of them and from the stream segments. */
export async function repairLog(context: VerifyContext, repairs: Repairs): Promise<void> {
  const { files } = context.environment
  const { directory } = LogDirectory.read(files, context.logPath)
  const damage = new LogDamage()
  const reader = new LogVerifier(context, damage)
  await reader.read(directory)
  const holes: Hole[] = damage.stretches.flatMap(({ segment, stretch: { from, to, expected, next } }) =>
    next === undefined ? [] : [{ segment, from, to, expected, next, link: undefined, open: false }],
  )
  for (const { segment, link, next, end } of damage.missingSegments) {
    const expected = { sequence: link.sequence, position: segment.base, epoch: segment.epoch }
    holes.push({ segment, from: HEADER_FIXED_BYTES, to: end, expected, next, link, open: false })
  }
  const ranges = holes.map(({ expected, next }): [number, number] => [expected.position, next.position])
  const tail = reader.tail
  if (tail !== undefined) ranges.push([reader.next.position, Infinity])
  const { redo } = context.checkpoint ?? {}
  const lastGone = redo !== undefined && redo.position > reader.next.position && directory.find(redo) < 0
  if (lastGone) ranges.push([reader.next.position, redo.position])
  const events = await collect(context, directory, ranges)
  if (tail !== undefined && events.has(reader.next.position)) {
    let position = reader.next.position
    while (events.has(position)) position++
    const next = { sequence: reader.next.sequence + 1, position, epoch: reader.next.epoch }
    holes.push({
      segment: tail.segment,
      from: tail.byte,
      to: tail.size,
      expected: reader.next,
      next,
      link: undefined,
      open: true,
    })
  }
  if (lastGone && redo.base === reader.next.position) {
    const path = directory.beside(redo, '.idx').replace(/idx$/, 'log')
    const link = reader.link
    holes.push({
      segment: { base: redo.base, epoch: redo.epoch, path },
      from: HEADER_FIXED_BYTES,
      to: redo.byte,
      expected: { ...reader.next, epoch: redo.epoch },
      next: { sequence: redo.sequence, position: redo.position, epoch: redo.epoch },
      link,
      open: false,
    })
  }
  await write(context, repairs, damage, holes, events)
}

/** Reads the events of these positions from the stream segments and from what is sound in the log. */
async function collect(
  context: VerifyContext,
  directory: LogDirectory,
  ranges: readonly (readonly [number, number])[],
): Promise<Map<number, Buffer>> {
  const events = new Map<number, Buffer>()
  if (ranges.length === 0) return events
  const take = (window: { readonly bytes: Buffer; readonly view: DataView }, at: number, length: number): void => {
    const position = eventPosition(window, at)
    if (!ranges.some(([from, to]) => position >= from && position < to)) return
    events.set(position, Buffer.from(window.bytes.subarray(at, at + length)))
  }
  await eachStreamEvent(context, take, (window, at, length) => void context.records.shape(window, at, length))
  for (const segment of directory.segments) {
    withFile(context, segment.path, (handle) => eachSoundEvent(handle, HEADER_FIXED_BYTES, handle.size(), take))
  }
  return events
}

async function write(
  context: VerifyContext,
  repairs: Repairs,
  damage: LogDamage,
  holes: readonly Hole[],
  events: ReadonlyMap<number, Buffer>,
): Promise<void> {
  const paths = new Set([
    ...damage.headers.map(({ segment }) => segment.path),
    ...holes.map(({ segment }) => segment.path),
  ])
  for (const path of paths) {
    let contents = repairs.replacer.read(path) ?? Buffer.alloc(0)
    const healed: string[] = []
    const header = damage.headers.find(({ segment }) => segment.path === path)
    const gone = holes.find((hole) => hole.segment.path === path && hole.link !== undefined)
    const segment = header?.segment ?? gone?.segment
    const link = header?.link ?? gone?.link
    if (segment !== undefined && link !== undefined && (contents.length > 0 || gone !== undefined)) {
      const usesShapes = [...events.values()].some((event) => eventShapeCount(windowOf(event), 0) > 0)
      const made = buildHeader(context.storeId, segment, link, contents, usesShapes)
      contents = Buffer.concat([made, contents.subarray(made.length)])
      healed.push('its header')
    }
    for (const hole of holes.filter((one) => one.segment.path === path).sort((a, b) => b.from - a.from)) {
      const made = fill(context, hole, contents, events)
      const what = `positions ${hole.expected.position} to ${hole.next.position - 1}`
      if (made === undefined) repairs.fail(path, hole.from, whyNot(hole, events))
      else {
        contents = Buffer.concat([contents.subarray(0, hole.from), made, contents.subarray(hole.to)])
        healed.push(what)
      }
    }
    if (healed.length > 0) await repairs.replace(path, contents, `healed ${healed.join(', ')}`)
  }
}

function fill(
  context: VerifyContext,
  hole: Hole,
  contents: Buffer,
  events: ReadonlyMap<number, Buffer>,
): Buffer | undefined {
  const wanted: Buffer[] = []
  for (let position = hole.expected.position; position < hole.next.position; position++) {
    const event = events.get(position)
    if (event === undefined) return undefined
    wanted.push(event)
  }
  const defined = hole.link === undefined ? definedBefore(context, hole) : new Set<number>()
  // A writer that went on in a segment defined its shapes there once more.
  for (const known of [defined, new Set<number>()]) {
    const made = buildGroups({
      storeId: context.storeId,
      byte: hole.from,
      expected: hole.expected,
      next: hole.next,
      events: wanted,
      shapes: context.records.shapes,
      defined: known,
      present: contents.subarray(hole.from, hole.to),
    })
    if (made !== undefined && (hole.open || made.length === hole.to - hole.from || fitsAtEnd(hole, contents, made))) {
      return made
    }
  }
  return undefined
}

/** Says what keeps a stretch from being made again. */
function whyNot({ expected, next }: Hole, events: ReadonlyMap<number, Buffer>): string {
  const lost: number[] = []
  for (let at = expected.position; at < next.position && lost.length < 20; at++) if (!events.has(at)) lost.push(at)
  return lost.length > 0
    ? `in neither copy: the events at position ${lost.join(', ')}`
    : `the events from position ${expected.position} to ${next.position - 1} do not fill the place they had`
}

/** The file was cut short: what was behind the stretch is known by its end only. */
function fitsAtEnd(hole: Hole, contents: Buffer, made: Buffer): boolean {
  return hole.to >= contents.length && made.length > hole.to - hole.from
}

function definedBefore(context: VerifyContext, hole: Hole): Set<number> {
  const defined = new Set<number>()
  withFile(context, hole.segment.path, (handle) =>
    eachSoundEvent(
      handle,
      HEADER_FIXED_BYTES,
      Math.min(hole.from, handle.size()),
      () => {},
      (window, at, length) => defined.add(decodeShape(window, at, length)!.id),
    ),
  )
  return defined
}

/** Makes the header of a log segment again. What only the header said is believed as far as it is possible. */
function buildHeader(
  storeId: Buffer,
  segment: LogSegment,
  link: SegmentLink,
  contents: Buffer,
  usesShapes: boolean,
): Buffer {
  const present = contents.subarray(0, HEADER_FIXED_BYTES)
  const durables = new Set([link.sequence])
  if (present.length === HEADER_FIXED_BYTES) {
    const durable = readU64(windowOf(present).view, 84)
    if (durable <= link.sequence) durables.add(durable)
  }
  const { base, epoch } = segment
  const flags = present.length === HEADER_FIXED_BYTES ? [true, false] : [usesShapes]
  const candidates = [...durables].flatMap((durable) =>
    flags.map((shapes) => encodeHeader({ kind: 'L', storeId, base, epoch, shapes, durable, ...link })),
  )
  return likest(present, candidates)
}

function withFile(context: VerifyContext, path: string, use: (handle: FileHandle) => void): void {
  const handle = context.environment.files.open(path, 'read')
  try {
    use(handle)
  } finally {
    handle.close()
  }
}
