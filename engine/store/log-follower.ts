import { LogDirectory, type LogSegment } from '../commit-log/log-directory.js'
import { type ExpectedGroup, GroupScanner, type ScanStop } from '../commit-log/group-scan.js'
import type { WatermarkReader } from '../commit-log/watermark-file.js'
import { CorruptionError, newerVersion } from '../errors.js'
import type { LogPlace } from '../format/checkpoint.js'
import { type FileHeader, HEADER_FIXED_BYTES, parseHeader } from '../format/file-header.js'
import { type Window, windowOf } from '../format/frame.js'
import { GROUP_BYTES } from '../format/group.js'
import type { FileSystem } from '../io/file-system.js'
import { isSystemError } from '../io/system-error.js'
import { readFullySync } from '../io/transfer.js'
import { MAX_GROUP_BYTES } from '../limits.js'
import type { ReadHandles } from '../segment/read-handles.js'

/** What a follower tells of the log. */
export interface FollowHooks {
  /** The log goes on in this segment. */
  began(segment: LogSegment): void
  /** The frames of a group that is committed, whole: `start` … `end` of a window, whose byte 0 is byte `base` of the segment. */
  group(segment: LogSegment, window: Window, start: number, end: number, base: number): void
  /** A segment ends here, and a later one goes on. */
  left(segment: LogSegment, byte: number, position: number): void
}

/** A segment on the way to a place, and how much of it counts. */
interface Step {
  readonly segment: LogSegment
  readonly end: number
  /** Its own header, where it is one to be begun, and that of the next, which says where this one ends. */
  readonly header: FileHeader | undefined
  readonly successor: FileHeader | undefined
}

/** A folder may change twice in one tick of the system's clock: only one that was found the same so often is not listed. */
const SAME_TIMES = 3

/** Visited, of a group: where it stands in its segment. */
type Visit = (window: Window, start: number, end: number, base: number) => void

/**
 * Follows the log that another process writes: goes on to where commits are proven, and never beyond. What is written may not be durable
 * yet, and what is not durable may never have been. Proof is the watermark of the writer; the header of the next segment, which says how
 * much of this one counts; a checkpoint; and where there is none of these, a later group that says that this one was durable. Of what is
 * proven every group is checked whole before anybody hears of it.
 */
export class LogFollower {
  readonly directory: LogDirectory
  readonly #files: FileSystem
  readonly #handles: ReadHandles
  readonly #storeId: Buffer
  readonly #watermark: WatermarkReader
  readonly #hooks: FollowHooks
  /** How much counts of segments that others follow. */
  readonly #ends = new Map<string, number>()
  #segment: LogSegment | undefined
  #byte = 0
  #next: ExpectedGroup = { sequence: 0, position: 0, epoch: 0 }
  /** The furthest place known to be committed, and the writer that said so last. */
  #target: LogPlace | undefined
  #writer = 0
  /** Sequence that it began with. */
  #begunAt = 0
  /** The greatest sequence that was once durable: what is wrong below it is damage. */
  #durable = 0
  /** A place that is not to be reached: what was relaxed and lost with the power does not come back. */
  #held: LogPlace | undefined
  /** Time of the folder of the log when it was listed, and how often it was found the same since. */
  #listedAt = -1
  #same = 0
  #damage: CorruptionError | undefined

  /** `start`: a place that is proven; undefined: the beginning. `directory` ends with its segment. */
  constructor(
    parts: { files: FileSystem; handles: ReadHandles; storeId: Buffer; watermark: WatermarkReader },
    directory: LogDirectory,
    start: LogPlace | undefined,
    hooks: FollowHooks,
  ) {
    this.#files = parts.files
    this.#handles = parts.handles
    this.#storeId = parts.storeId
    this.#watermark = parts.watermark
    this.#hooks = hooks
    this.directory = directory
    const segment = start && directory.segments[directory.find(start)]
    if (start === undefined || segment === undefined) return
    this.#segment = segment
    this.#byte = start.byte
    this.#next = { sequence: start.sequence, position: start.position, epoch: start.epoch }
    this.#durable = start.sequence
    this.#begunAt = start.sequence
    hooks.began(segment)
  }

  /** Position behind the last event that may be read. */
  get position(): number {
    return this.#damage === undefined ? this.#next.position : Math.max(this.#next.position, this.#target!.position)
  }

  /** The segment that grows, and how much of it counts. */
  get active(): { readonly path: string; readonly end: number } | undefined {
    return this.#segment && { path: this.#segment.path, end: this.#byte }
  }

  /** What keeps it from going on, for ever. */
  get damage(): CorruptionError | undefined {
    return this.#damage
  }

  /** How much counts of a segment that another follows, as far as this was seen. */
  endOf(path: string): number | undefined {
    return this.#ends.get(path)
  }

  /** Looks at the watermark. Throws CorruptionError when a new writer has not found what was read. */
  look(): void {
    const mark = this.#watermark.read()
    if (mark === undefined) return
    if (mark.writer > this.#writer) {
      this.#writer = mark.writer
      // Never synced, so a power cut may leave it older than the checkpoint, which is proof enough of what is before it.
      const hasRead = this.#next.sequence > this.#begunAt
      if (hasRead && mark.place.sequence < this.#next.sequence) throw this.#diverged()
      this.#target = undefined // the new writer may not have found all that the one before has told of
    }
    this.prove(mark.place)
  }

  /** Everything before a place is committed. `durable`: and was once durable. */
  prove(place: LogPlace, durable = false): void {
    if (this.#damage !== undefined) return
    if (durable) this.#durable = Math.max(this.#durable, place.sequence)
    if (place.sequence > this.#next.sequence && place.sequence > (this.#target?.sequence ?? 0)) this.#target = place
  }

  /**
   * Goes on to what is proven, by `bytes` at most or by one group. Returns true when there is more. Throws CorruptionError when the log no
   * longer holds what was read, and what the system reports.
   */
  advance(bytes: number): boolean {
    const target = this.#target
    if (this.#damage !== undefined || target === undefined || target === this.#held) return false
    if (target.sequence <= this.#next.sequence) return false
    const steps = this.#stepsTo(target)
    if (steps === undefined) return false
    let left = bytes
    for (const [i, step] of steps.entries()) {
      if (step.segment !== this.#segment) this.#begin(step)
      while (this.#byte < step.end) {
        if (left <= 0) return true
        const from = this.#byte
        let stop = this.#scan(Math.min(step.end, from + left))
        if (stop !== undefined && left < bytes) return true // what is left is too little for the next group
        // That may be longer than all that was to be taken.
        for (let most = bytes; stop !== undefined && from + most < step.end; most *= 2) {
          stop = this.#scan(Math.min(step.end, from + 2 * most))
        }
        if (stop !== undefined) {
          if (this.#isDamage(stop, step)) this.#damaged(stop, steps.slice(i))
          else this.#held = target
          return false
        }
        left -= this.#byte - from
      }
    }
    return false
  }

  /**
   * Looks for proof in the log itself, where no watermark tells: groups that say of those before that they were durable, and the
   * segment after this one.
   */
  lookAhead(): void {
    if (this.#segment !== undefined && this.#isGroupNext(this.#segment)) {
      const ends: LogPlace[] = []
      const { base, epoch } = this.#segment
      const stop = this.#visit(this.#segment, this.#byte, Infinity, this.#next, (group, _window, start, end) => {
        const { sequence, firstPosition, events } = group
        const byte = group.byte + GROUP_BYTES + end - start
        ends.push({ base, epoch, byte, sequence: sequence + 1, position: firstPosition + events })
      })
      const proven = ends.findLast(({ sequence }) => sequence <= stop.durable)
      if (proven !== undefined) this.prove(proven, true)
    }
    const time = this.#files.stat(this.directory.path)?.modificationTime ?? -1
    this.#same = time === this.#listedAt ? this.#same + 1 : 0
    this.#listedAt = time
    if (this.#same > SAME_TIMES) return
    const successor = this.#successor(this.#segment)
    if (successor === undefined) return
    const { segment, header } = successor
    const place = {
      base: segment.base,
      epoch: segment.epoch,
      byte: HEADER_FIXED_BYTES,
      sequence: header.sequence,
      position: segment.base,
    }
    if (place.sequence > this.#next.sequence) return this.prove(place)
    // Nothing is left to be read before it: only its own groups can tell more.
    const steps = this.#stepsTo(place) ?? []
    for (const step of steps) if (step.segment !== this.#segment) this.#begin(step)
    if (this.#segment?.path === segment.path) this.lookAhead()
  }

  /** Visits the events that the log holds behind what is proven, as far as it is right: they may be in the files of their streams already. */
  eachAhead(visit: Visit): void {
    let segment = this.#segment
    let next = this.#next
    for (let byte = this.#byte; ; byte = HEADER_FIXED_BYTES) {
      if (segment !== undefined) {
        const expected = { ...next, epoch: Math.max(next.epoch, segment.epoch) }
        const stop = this.#visit(segment, byte, Infinity, expected, (group, window, start, end) =>
          visit(window, start, end, group.byte + GROUP_BYTES - start),
        )
        next = stop.next
      }
      const successor = this.#successor(segment)
      if (successor === undefined || successor.segment.base < next.position) return
      segment = successor.segment
    }
  }

  /** Moves on to the segment of a step. */
  #begin({ segment, header }: Step): void {
    const { sequence, position } = this.#next
    if (header?.sequence !== sequence || segment.base !== position) {
      throw new CorruptionError('the log segment does not go on where the one before ends', {
        file: segment.path,
        byte: 0,
      })
    }
    const before = this.#segment
    if (before !== undefined) {
      this.#ends.set(before.path, this.#byte)
      this.#hooks.left(before, this.#byte, position)
    }
    this.directory.add(segment)
    this.#segment = segment
    this.#byte = HEADER_FIXED_BYTES
    this.#next = { sequence, position, epoch: Math.max(this.#next.epoch, segment.epoch) }
    this.#durable = Math.max(this.#durable, header.durable)
    this.#hooks.began(segment)
  }

  /** Takes in groups up to a byte. Returns where and why it stopped when it has taken none. */
  #scan(end: number): ScanStop | undefined {
    const segment = this.#segment!
    const from = this.#byte
    const size = Math.min(end, this.#handles.get(segment.path).size())
    const stop = this.#visit(
      segment,
      from,
      end,
      this.#next,
      ({ byte, epoch, sequence, firstPosition, events }, window, start, bodyEnd) => {
        this.#hooks.group(segment, window, start, bodyEnd, byte + GROUP_BYTES - start)
        // At once: reading the next one may fail, and this one is not to be taken in twice.
        this.#byte = byte + GROUP_BYTES + bodyEnd - start
        this.#next = { sequence: sequence + 1, position: firstPosition + events, epoch }
      },
      size,
    )
    return stop.byte > from ? undefined : stop
  }

  #visit(
    { path }: LogSegment,
    byte: number,
    end: number,
    expected: ExpectedGroup,
    visit: Parameters<GroupScanner['scan']>[3],
    size?: number,
  ): ScanStop {
    const scanner = new GroupScanner(this.#handles.get(path), this.#storeId, MAX_GROUP_BYTES, size)
    return scanner.scan(byte, end, expected, visit)
  }

  /** Tells damage from a torn tail, by the evidence that recovery goes by. A torn tail waits for the next writer to cut it off. */
  #isDamage(stop: ScanStop, { successor }: Step): boolean {
    const { sequence } = stop.next
    if (this.#durable > sequence || (successor?.durable ?? 0) > sequence) return true
    const scanner = new GroupScanner(this.#handles.get(this.#segment!.path), this.#storeId, MAX_GROUP_BYTES)
    return scanner.behind(stop).behind === 'durable'
  }

  /** What is behind the damage is known by its place: whoever reads on meets the damage, and no read ends in silence before it. */
  #damaged(stop: ScanStop, [here, ...later]: readonly Step[]): void {
    this.#damage = new CorruptionError(stop.reason, { file: here!.segment.path, byte: stop.byte })
    this.#byte = here!.end
    for (const { segment, end } of later) {
      this.#ends.set(this.#segment!.path, this.#byte)
      this.directory.add(segment)
      this.#segment = segment
      this.#byte = end
    }
  }

  /**
   * The way from here to a place: each segment says by its header which one it goes on from, and where that ends. Undefined when a
   * header cannot be read now. A segment that was begun and holds nothing may be none of them: a later writer has put its own in its place.
   */
  #stepsTo(target: LogPlace): Step[] | undefined {
    const steps: Step[] = []
    let at: { readonly base: number; readonly epoch: number } = target
    let end = target.byte
    let successor: FileHeader | undefined
    for (;;) {
      const known = this.directory.find(at)
      if (known >= 0) {
        const segment = this.directory.segments[known]!
        this.#returnTo(known)
        if (end < this.#byte) throw this.#diverged()
        steps.unshift({ segment, end, header: undefined, successor })
        return steps
      }
      const path = this.directory.beside(at, '.log')
      const header = this.#header(path)
      if (header === undefined) return undefined
      steps.unshift({ segment: { base: at.base, epoch: at.epoch, path }, end, header, successor })
      if (header.previousEnd === 0) {
        this.#returnTo(-1)
        return steps
      }
      if (!(header.previousBase < at.base)) return undefined
      successor = header
      at = { base: header.previousBase, epoch: header.previousEpoch }
      end = header.previousEnd
    }
  }

  /** Forgets the segments behind one, none of which may hold anything that was read. −1: all. */
  #returnTo(known: number): void {
    const { segments } = this.directory
    const dropped = segments[known + 1]
    if (dropped === undefined) return
    if (dropped.base < this.#next.position) throw this.#diverged()
    const segment = segments[known]
    if (segment === undefined) this.directory.clear()
    else this.directory.keepUpTo(segment)
    this.#segment = segment
    this.#byte = segment === undefined ? 0 : (this.#ends.get(segment.path) ?? this.#handles.get(segment.path).size())
    if (segment === undefined) return
    this.#ends.delete(segment.path)
    this.#hooks.began(segment)
  }

  /** The segment that goes on from one; from none: the first. One that holds nothing may have been replaced by it. */
  #successor(
    segment: LogSegment | undefined,
  ): { readonly segment: LogSegment; readonly header: FileHeader } | undefined {
    const { directory } = LogDirectory.read(this.#files, this.directory.path)
    const { base: ownBase = 0, epoch: ownEpoch = 0, path: ownPath = '' } = segment ?? {}
    const isEmpty = segment === this.#segment && (segment === undefined || ownBase === this.#next.position)
    for (const later of directory.segments) {
      if (later.base < ownBase || later.epoch < ownEpoch || later.path === ownPath) continue
      const header = this.#header(later.path)
      if (header === undefined) continue
      const { previousBase: base, previousEpoch: epoch, previousEnd } = header
      const isFirst = previousEnd === 0 && isEmpty
      const follows = segment !== undefined && base === ownBase && epoch === ownEpoch
      const replaces = isEmpty && later.base === ownBase && this.directory.find({ base, epoch }) >= 0
      if (isFirst || follows || replaces) return { segment: later, header }
    }
    return undefined
  }

  /** Tells whether a group seems to stand behind what was followed. The segment may be gone: a later writer removes one that holds nothing. */
  #isGroupNext({ path }: LogSegment): boolean {
    try {
      const head = Buffer.alloc(GROUP_BYTES)
      const got = readFullySync(this.#handles.get(path), head, 0, GROUP_BYTES, this.#byte)
      return got === GROUP_BYTES && head.readUInt32LE(0) === GROUP_BYTES
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return false
      throw error
    }
  }

  /** Reads the header of a segment. Undefined where there is none yet, or not any more. Throws ERR_FORMAT. */
  #header(path: string): FileHeader | undefined {
    try {
      const bytes = Buffer.alloc(HEADER_FIXED_BYTES)
      const got = readFullySync(this.#handles.get(path), bytes, 0, bytes.length, 0)
      const verdict = parseHeader(windowOf(bytes), got, 'L')
      if (verdict.kind === 'version') throw newerVersion(path, verdict.readVersion, verdict.writeVersion)
      return verdict.kind === 'header' && verdict.header.storeId.equals(this.#storeId) ? verdict.header : undefined
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return undefined
      throw error
    }
  }

  #diverged(): CorruptionError {
    return new CorruptionError('the log no longer holds what was read from it', {
      file: this.#segment?.path ?? this.directory.path,
      byte: this.#byte,
    })
  }
}
