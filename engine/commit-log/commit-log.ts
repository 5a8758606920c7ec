import type { AnnalsError } from '../errors.js'
import { encodeGroup, GROUP_BYTES } from '../format/group.js'
import { sealFrames } from '../format/crc32c.js'
import { encodeShape } from '../format/shape-record.js'
import type { Window } from '../format/frame.js'
import type { ShapeDefinition } from '../format/shapes.js'
import type { Done, Environment } from '../io/file-system.js'
import type { Limits } from '../limits.js'
import type { Durability } from '../types/durability.js'
import { PendingGroup, type Waiter } from './group.js'
import type { LogSegmentFile } from './log-segment-file.js'
import { type LogStart, LogTail, type LogTailHooks } from './log-tail.js'
import type { Slab, Slabs } from '../segment/slabs.js'
import { MainThreadWrites } from './main-thread-writes.js'
import { failureOfSync, failureOfWrite, isOfSync, outcomeUnknown } from './write-failure.js'
import { WritePace } from './write-pace.js'

/** One append: finished frames of events, back to back, checksums still missing. */
export interface Commit<Owner> {
  readonly bytes: Buffer
  /** Where they start, and how long they are together. */
  readonly at: number
  readonly length: number
  readonly count: number
  /** Where each event's frame starts, from `at` on, and its stream; entries beyond `count` mean nothing. */
  readonly starts: readonly number[]
  readonly owners: readonly Owner[]
  /** Shapes its events use. */
  readonly shapes: readonly number[]
  readonly firstPosition: number
}

export interface CommitLogHooks<Owner> extends LogTailHooks {
  /** The definition of a shape that a commit uses. */
  shape(id: number): ShapeDefinition
  /** Throws when this writer was fenced: called after each sync, before anything is acknowledged. */
  checkFence(): void
  /** Returns why something failed: the error given, or that this writer was fenced. */
  explain(error: AnnalsError): AnnalsError
  /** The group is committed: moves versions. `fileBytes[i]` is where event i's frame starts in the segment. */
  publish(group: PendingGroup<Owner>, segment: LogSegmentFile, byteShift: number): void
  /** The writer failed, for good. */
  failed(error: AnnalsError): void
}

export interface CommitLogFigures {
  groups: number
  commits: number
  bytes: number
  largestGroup: number
}

/**
 * The commit log: everything every caller appends, in one order, in as few writes as the disk allows. While one group is
 * on its way to the disk the next collects; group n + 1 is never written before group n is durable (or, with relaxed
 * durability, written). A commit is committed when the sync that covers its group has returned (D2): then, and only
 * then, it is published and its append resolves. The first failure is the last: everything that waits is rejected, and
 * nothing is accepted until the store is opened again.
 */
export class CommitLog<Owner> {
  readonly #environment: Environment
  readonly #storeId: Buffer
  readonly #limits: Limits
  readonly #hooks: CommitLogHooks<Owner>
  readonly slabs: Slabs
  readonly figures: CommitLogFigures = { groups: 0, commits: 0, bytes: 0, largestGroup: 0 }
  readonly pace: WritePace
  readonly #mainThread: MainThreadWrites
  readonly #tail: LogTail
  #slab: Slab | undefined
  #sequence: number
  /** Bytes and shapes of the segment that the next group goes to, counting groups not written yet. */
  #plannedBytes: number
  #plannedShapes: Set<number>
  #collecting: PendingGroup<Owner> | undefined
  readonly #queue: PendingGroup<Owner>[] = []
  #inFlight: PendingGroup<Owner> | undefined
  #pendingBytes = 0
  #scheduled = false
  #held = false
  #failure: AnnalsError | undefined
  readonly #idle: (() => void)[] = []

  constructor(
    environment: Environment,
    directory: string,
    storeId: Buffer,
    limits: Limits,
    slabs: Slabs,
    shapes: boolean,
    start: LogStart,
    hooks: CommitLogHooks<Owner>,
  ) {
    this.#environment = environment
    this.#storeId = storeId
    this.#limits = limits
    this.#hooks = hooks
    this.slabs = slabs
    this.pace = new WritePace(() => environment.elapsed())
    this.#mainThread = new MainThreadWrites(() => environment.elapsed())
    const options = {
      storeId,
      indexIntervalBytes: limits.indexIntervalBytes,
      shapes,
      zeroLimit: limits.logSegmentBytes,
    }
    this.#tail = new LogTail(environment, directory, options, start, hooks)
    this.#sequence = start.sequence
    this.#plannedBytes = start.resume?.end ?? Infinity
    // A resumed segment defines its shapes once more: cheaper than reading which ones it has.
    this.#plannedShapes = new Set()
  }

  get failure(): AnnalsError | undefined {
    return this.#failure
  }

  /** Encoded bytes that wait for the disk. */
  get pendingBytes(): number {
    return this.#pendingBytes
  }

  get segment(): LogSegmentFile | undefined {
    return this.#tail.segment
  }

  /** Sequence behind the last group that is committed. */
  get writtenSequence(): number {
    return this.#inFlight?.sequence ?? this.#queue[0]?.sequence ?? this.#collecting?.sequence ?? this.#sequence
  }

  /** Sequence of the next group. */
  get sequence(): number {
    return this.#sequence
  }

  /** Adds a commit to the group that collects. `waiter` hears when it is committed. */
  append(commit: Commit<Owner>, durability: Durability, waiter: Waiter): void {
    const group = this.#groupFor(commit)
    const inPlace = commit.bytes === group.slab.window.bytes && commit.at === group.end
    const at =
      inPlace && this.#definesAll(commit.shapes) ? group.take(commit.length, commit.count) : this.#copyIn(group, commit)
    for (let i = 0; i < commit.count; i++) group.addEvent(commit.owners[i]!, at + commit.starts[i]!)
    group.commits++
    group.payload += commit.length
    group.need(durability)
    group.waiters.push(waiter)
    this.#pendingBytes += commit.length
    if (this.#inFlight !== undefined || this.#held) return
    if (this.pace.isTime(group.bytes, group.durable)) this.#writeNext()
    else this.#schedule()
  }

  /** Where the next commit would best be encoded: at the end of the group that collects. */
  get place(): { readonly window: Window; readonly at: number } | undefined {
    return this.#collecting
  }

  #definesAll(shapes: readonly number[]): boolean {
    for (const id of shapes) if (!this.#plannedShapes.has(id)) return false
    return true
  }

  /** Copies a commit into its group, behind the definitions that it needs and the segment lacks. */
  #copyIn(group: PendingGroup<Owner>, commit: Commit<Owner>): number {
    // The head of a new group and definitions may overwrite a commit that stands in the slab already.
    const inSlab = commit.bytes === group.slab.window.bytes
    const bytes = inSlab ? Buffer.from(commit.bytes.subarray(commit.at, commit.at + commit.length)) : commit.bytes
    const at = inSlab ? 0 : commit.at
    for (const id of commit.shapes) {
      if (this.#plannedShapes.has(id)) continue
      this.#plannedShapes.add(id)
      const definition = encodeShape(this.#hooks.shape(id))
      group.add(definition, 0, definition.length, 1)
    }
    return group.add(bytes, at, at + commit.length, commit.count)
  }

  /** Lets `waiter` hear of the newest group that is not committed yet. Returns false when there is none. */
  waitForNewest(waiter: Waiter): boolean {
    const newest = this.#collecting ?? this.#queue.at(-1) ?? this.#inFlight
    newest?.waiters.push(waiter)
    return newest !== undefined
  }

  /** Groups that are not committed yet, oldest first. */
  *pendingGroups(): Generator<PendingGroup<Owner>> {
    if (this.#inFlight !== undefined) yield this.#inFlight
    yield* this.#queue
    if (this.#collecting !== undefined) yield this.#collecting
  }

  /** Stops or resumes writing groups: back-pressure of the flush behind. */
  hold(held: boolean): void {
    this.#held = held
    if (!held) this.#schedule()
  }

  /** Calls back when nothing waits for the disk any more, committed or failed. */
  whenIdle(done: () => void): void {
    if (this.#inFlight === undefined && this.#collecting === undefined && this.#queue.length === 0) done()
    else this.#idle.push(done)
  }

  /** True while committed groups are not known durable. */
  get unsynced(): boolean {
    return this.#tail.unsynced
  }

  /** Makes durable what relaxed appends left to the operating system. */
  sync(done: Done): void {
    if (this.#failure !== undefined) done(null)
    else this.#tail.sync(this.writtenSequence, done)
  }

  /** Makes the names of segments, and of what stands beside them, durable. */
  syncNames(done: Done): void {
    this.#tail.syncNames(done)
  }

  /** A sync of relaxed appends failed. */
  failSync(error: NodeJS.ErrnoException): void {
    this.fail(failureOfSync(error))
  }

  /** The writer cannot go on: rejects everything that waits. The first failure is kept. */
  fail(cause: AnnalsError): void {
    if (this.#failure !== undefined) return
    const error = this.#hooks.explain(cause)
    this.#failure = error
    const onItsWay = this.#inFlight
    const groups = [...this.#queue.splice(0), this.#collecting]
    this.#inFlight = undefined
    this.#collecting = undefined
    this.#pendingBytes = 0
    this.#hooks.failed(error)
    // What is being written while something else fails may be stored all the same.
    for (const waiter of onItsWay?.waiters ?? []) waiter.fail(outcomeUnknown(error))
    for (const group of groups) for (const waiter of group?.waiters ?? []) waiter.fail(error)
    this.#settleIdle()
  }

  /** The write of a group failed: those who wait for it hear why. */
  #failGroup(group: PendingGroup<Owner>, cause: AnnalsError): void {
    const error = this.#hooks.explain(cause)
    this.#inFlight = undefined
    for (const waiter of group.waiters) waiter.fail(error)
    this.fail(error)
  }

  #groupFor(commit: Commit<Owner>): PendingGroup<Owner> {
    let definitions = 0
    for (const id of commit.shapes) if (!this.#plannedShapes.has(id)) definitions += 256 + 2048
    const bytes = commit.length + definitions
    let group = this.#collecting
    if (group !== undefined) {
      const full = group.bytes + bytes > this.#limits.groupBytes || group.commits >= this.#limits.groupCommits
      if (!full && group.slab.window.bytes.length - group.slab.used >= bytes) return group
      this.#close(group)
    }
    const opensSegment = this.#plannedBytes >= this.#limits.logSegmentBytes
    if (opensSegment) {
      this.#plannedBytes = 0
      this.#plannedShapes = new Set()
    }
    // Definitions are few; a segment's first commit may need many of them.
    const room = GROUP_BYTES + commit.length + commit.shapes.length * (256 + 2048)
    this.#slab = this.slabs.withRoom(this.#slab, room)
    group = new PendingGroup(this.#slab, GROUP_BYTES, this.#sequence++, commit.firstPosition, opensSegment)
    this.#collecting = group
    return group
  }

  #close(group: PendingGroup<Owner>): void {
    this.#plannedBytes += group.bytes
    this.#queue.push(group)
    this.#collecting = undefined
  }

  #schedule(): void {
    if (this.#scheduled || this.#inFlight !== undefined || this.#held) return
    this.#scheduled = true
    // Not at once: appends made in this turn of the event loop, and by those whom the last group woke, shall join.
    this.#environment.soon(() => {
      this.#scheduled = false
      this.#writeNext()
    })
  }

  #writeNext(): void {
    if (this.#inFlight !== undefined || this.#failure !== undefined || this.#held) return
    if (this.#collecting !== undefined && this.#queue.length === 0) this.#close(this.#collecting)
    const group = this.#queue.shift()
    if (group === undefined) return this.#settleIdle()
    this.#inFlight = group
    try {
      const segment = group.opensSegment ? this.#tail.roll(group.firstPosition, group.sequence) : this.#tail.current()
      if (!group.durable) return this.#write(group, segment)
      this.#tail.secure(segment, (error) => {
        if (this.#failure !== undefined) return
        if (error !== null) return this.#failGroup(group, failureOfSync(error))
        this.#write(group, segment)
      })
    } catch (error) {
      this.#failGroup(group, failureOfWrite(error))
    }
  }

  /** Begins a segment at once, whatever the size of the one before. */
  startSegment(base: number, done: Done): void {
    this.#plannedBytes = this.#tail.start(base, this.#sequence, done).end
  }

  #write(group: PendingGroup<Owner>, segment: LogSegmentFile): void {
    const { window } = group.slab
    const body = group.start + GROUP_BYTES
    const digest = sealFrames(window.bytes, body, group.end)
    const byte = segment.end
    encodeGroup(window, group.start, this.#storeId, {
      epoch: this.#tail.epoch,
      sequence: group.sequence,
      byte,
      firstPosition: group.firstPosition,
      durable: this.#tail.durable,
      frames: group.frames,
      events: group.owners.length,
      bodyBytes: group.end - body,
      digest,
    })
    const began = this.pace.begin()
    const written: Done = (error) => {
      if (this.#failure !== undefined) return
      this.pace.end(began, group.durable && error === null)
      if (error !== null) {
        this.#cutOff(segment)
        this.#failGroup(group, isOfSync(error, group.durable) ? failureOfSync(error) : failureOfWrite(error))
        return
      }
      this.#commit(group, segment, byte - group.start)
    }
    // Never while an append is still being taken in, whose group would be committed under its hands: such groups are larger.
    if (!group.durable && segment.isIdle && this.#mainThread.allows(group.bytes)) {
      let error: NodeJS.ErrnoException | null = null
      try {
        segment.writeSync(window.bytes, group.start, group.bytes)
      } catch (failure) {
        error = failure as NodeJS.ErrnoException
      }
      this.#mainThread.wrote(began)
      written(error)
      return
    }
    try {
      segment.write(window.bytes, group.start, group.bytes, group.durable, written)
    } catch (error) {
      this.#failGroup(group, failureOfWrite(error)) // the file could not be opened for synced writes
    }
  }

  #commit(group: PendingGroup<Owner>, segment: LogSegmentFile, byteShift: number): void {
    try {
      this.#hooks.checkFence()
    } catch (error) {
      return this.#failGroup(group, error as AnnalsError)
    }
    this.#inFlight = undefined
    this.#tail.advance(segment, group.sequence, group.durable)
    const { figures } = this
    figures.groups++
    figures.commits += group.commits
    figures.bytes += group.bytes
    if (group.commits > figures.largestGroup) figures.largestGroup = group.commits
    this.#pendingBytes = this.#pendingBytes - group.payload
    this.#hooks.publish(group, segment, byteShift)
    for (const waiter of group.waiters) waiter.commit()
    this.#schedule()
  }

  /** After a failed write its bytes are cut off where possible; recovery does it where not. */
  #cutOff(segment: LogSegmentFile): void {
    try {
      this.#hooks.checkFence() // a successor that has found the group whole has accepted it
      segment.truncate()
    } catch {
      // The group is not acknowledged, and recovery finds it torn or whole: both are right.
    }
  }

  #settleIdle(): void {
    for (const done of this.#idle.splice(0)) done()
  }
}
