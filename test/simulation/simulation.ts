/**
 * A store in a world where nothing but a seed decides: what its callers do, in what order the disk answers, what fails, when it
 * crashes, and when another process takes the store. The model is a list of commits and three sets of their numbers.
 */
import {
  AnnalsError,
  type AppendResult,
  CommitIdReusedError,
  type FileEventStore,
  QueryConflictError,
  type StoredEvent,
  VersionConflictError,
} from '../../engine/index.js'
import type { Durability } from '../../engine/types/durability.js'
import { CrashDisk } from '../support/crash-disk.js'
import { openSession, type Session, STORE_PATH, TINY } from '../support/crash-workload.js'
import { type Commit, CrashWorld, eventsOf } from '../support/crash-world.js'
import type { CrashMode } from '../support/disk-state.js'
import { type Faults, FaultyFileSystem } from '../support/faulty-file-system.js'
import { assertSettled, checkRecovery, checkStore, isEqual } from '../support/invariants.js'
import { SeededRandom } from '../support/random.js'
import { Follower } from './follower.js'

const NAMES = ['a', 'b', 'account/1', 'Account/1', 'ü', '..', 'x'.repeat(200)]
const TAGS = ['red', 'green', 'blue']
/** Whoever lives gives a sign of it more often. */
const STALE_MS = 10_000
const CODES = ['EIO', 'ENOSPC', 'EMFILE', 'EACCES', 'EROFS']

/** What happened in one world. */
export interface Tally {
  commits: number
  conflicts: number
  reads: number
  openings: number
  crashes: number
  faults: number
  takeovers: number
  pauses: number
  /** Events that subscriptions were given, appends repeated by their ids, and decisions by query. */
  followed: number
  repeats: number
  decisions: number
}

export function emptyTally(): Tally {
  return {
    ...{ commits: 0, conflicts: 0, reads: 0, openings: 0, crashes: 0, faults: 0, takeovers: 0, pauses: 0 },
    ...{ followed: 0, repeats: 0, decisions: 0 },
  }
}

/** Lives through one world. Throws what is wrong, with the seed and the last things that were done. */
export async function simulate(seed: number, actions = 60): Promise<Tally> {
  const world = new World(seed)
  try {
    await world.run(actions)
  } catch (error) {
    const last = world.history.slice(-12).join('; ')
    throw new Error(
      `seed ${seed}: ${(error as Error).message}\n  after: ${last}\n  again: npm run soak -- --seed ${seed}`,
      { cause: error },
    )
  }
  return world.tally
}

/** A process that has the store open, or had. */
interface Writer {
  readonly session: Session
  readonly number: number
  readonly files: FaultyFileSystem
  paused: boolean
  /** Somebody else has opened the store since: it may acknowledge nothing more. */
  fenced: boolean
  /** Appends under way. */
  readonly waiting: Set<Promise<void>>
  /** Something has failed: what it still rejects is no surprise. */
  faulty: boolean
  readonly follower: Follower
}

class World {
  readonly tally = emptyTally()
  readonly history: string[] = []
  readonly #seed: number
  readonly #random: SeededRandom
  readonly #model = new CrashWorld()
  /** Commits that must be there after a kill; those of them that a power cut may not take; those that were not there once. */
  readonly #required = new Set<number>()
  readonly #durable = new Set<number>()
  readonly #gone = new Set<number>()
  /** Versions that callers have been told. */
  readonly #versions = new Map<string, number>()
  readonly #asleep: Writer[] = []
  /** The checkpoint of a subscriber that lives on from process to process. */
  #checkpoint = 0
  #disk: CrashDisk
  #writer: Writer | undefined
  #processes = 0
  #wrong: Error | undefined

  constructor(seed: number) {
    this.#seed = seed
    this.#random = new SeededRandom(seed)
    this.#disk = new CrashDisk(undefined, { later: (callback) => this.#later(callback) })
  }

  async run(actions: number): Promise<void> {
    for (let i = 0; i < actions; i++) {
      const writer = this.#writer ?? (await this.#open())
      await this.#act(writer)
      if (this.#wrong !== undefined) throw this.#wrong
    }
    for (const writer of this.#asleep.splice(0)) await this.#wake(writer)
    if (this.#writer !== undefined) await this.#close(this.#writer)
    const { session } = await this.#open()
    await session.store.checkpoint()
    await session.store.close()
    const last = await openSession(this.#disk, this.#seed, TINY, ++this.#processes)
    await checkStore(last.store, this.#model, this.#required)
    await assertSettled(last.store, true)
    await last.store.close()
    if (this.#wrong !== undefined) throw this.#wrong
  }

  /** Answers come in any order. */
  #later(callback: () => void): void {
    let turns = this.#random.chance(0.5) ? 0 : this.#random.below(4)
    const wait = (): void => {
      if (turns-- > 0) setImmediate(wait)
      else callback()
    }
    setImmediate(wait)
  }

  async #act(writer: Writer): Promise<void> {
    const random = this.#random
    const dice = random.below(100)
    if (dice < 38) return this.#append(writer, random.chance(0.5))
    if (dice < 43) return this.#appendExpecting(writer)
    if (dice < 46) return this.#repeat(writer)
    if (dice < 49) return this.#decide(writer)
    if (dice < 58) return this.#read(writer)
    if (dice < 66) return this.#turns(1 + random.below(8))
    if (dice < 72) {
      return this.#note('time passes', () => writer.session.process.advance(random.pick([120, 600, 1100, 4000])))
    }
    if (dice < 76) return this.#attempt(writer, 'flush', () => writer.session.store.flush())
    if (dice < 80) return this.#attempt(writer, 'checkpoint', () => writer.session.store.checkpoint())
    if (dice < 84) return this.#close(writer)
    if (dice < 88) return this.#takeOver(writer)
    if (dice < 93) return this.#fail(writer)
    if (dice < 94) return this.#asleep.length > 0 ? this.#wake(this.#asleep.shift()!) : undefined
    return this.#crash()
  }

  async #open(): Promise<Writer> {
    this.tally.openings++
    const files = new FaultyFileSystem(this.#disk)
    const number = ++this.#processes
    const hadCheckpoint = this.#disk.stat(`${STORE_PATH}/checkpoint`) !== undefined
    const session = await openSession(files, this.#seed, TINY, number)
    const follower = new Follower(session.store, this.#checkpoint, (event) => this.#checkEvent(event))
    const writer = {
      follower,
      session,
      number,
      files,
      paused: false,
      fenced: false,
      faulty: false,
      waiting: new Set<Promise<void>>(),
    }
    this.#writer = writer
    this.#model.session = number
    this.#note(`process ${number} opens`)
    checkRecovery(session.store, hadCheckpoint)
    const present = await checkStore(session.store, this.#model, this.#required)
    this.#versions.clear()
    for (const { number: commit, session: of, streams } of this.#model.commits) {
      if (of === number) continue
      if (!present.has(commit)) this.#gone.add(commit)
      else if (this.#gone.has(commit)) throw new Error(`commit ${commit} was not there once and is now`)
      else {
        this.#mustStay(commit)
        for (const name of streams) this.#versions.set(name, (this.#versions.get(name) ?? 0) + 1)
      }
    }
    return writer
  }

  /** From now on it is there, whatever happens: an opening has made it durable, or a sync. */
  #mustStay(commit: number): void {
    this.#required.add(commit)
    this.#durable.add(commit)
  }

  async #append(writer: Writer, wait: boolean): Promise<void> {
    const random = this.#random
    const shape = random.below(10)
    const streams =
      shape < 5
        ? [random.pick(NAMES)]
        : shape < 8
          ? new Array<string>(2 + random.below(8)).fill(random.pick(NAMES))
          : Array.from({ length: 2 + random.below(5) }, () => random.pick(NAMES))
    const durability = random.pick<Durability>(['fsync', 'fsync', 'fsync', 'interval', 'os'])
    this.#model.session = writer.number
    const textBytes = random.chance(0.04) ? 3000 : undefined
    const commit = this.#model.plan(streams, durability, textBytes, this.#keys())
    this.#note(`append ${commit.number} (${streams.length}, ${durability})`)
    const settled: Promise<void> = this.#model
      .append(writer.session.store, commit)
      .then(
        () => this.#acknowledged(writer, commit),
        (error: unknown) => this.#refused(writer, commit, error),
      )
      .finally(() => writer.waiting.delete(settled))
    writer.waiting.add(settled)
    if (wait && !writer.paused) await settled
  }

  #acknowledged(writer: Writer, { number, durability, streams }: Commit): void {
    if (writer.fenced) {
      this.#wrong ??= new Error(`commit ${number} was acknowledged by a writer that had lost the store`)
    }
    this.tally.commits++
    this.#required.add(number)
    for (const name of streams) this.#versions.set(name, (this.#versions.get(name) ?? 0) + 1)
    if (durability === 'fsync') this.#syncedUpTo(writer, number)
  }

  /** Everything that was acknowledged before it is durable with it. */
  #syncedUpTo({ number: session }: Writer, number: number): void {
    for (const other of this.#required) {
      if (other <= number && this.#model.commits[other]!.session === session) this.#durable.add(other)
    }
  }

  #refused(writer: Writer, { number }: Commit, error: unknown): void {
    if (writer.files.frozen) return // it is dead
    if (!(error instanceof AnnalsError)) this.#wrong ??= error as Error
    else if (!writer.faulty && !writer.fenced && !writer.paused) {
      this.#wrong ??= new Error(`commit ${number} was refused for no reason: ${error.message}`)
    }
    this.#model.rejected(number, error)
  }

  /** An id for every third commit: now and then that of one which was lost, since nobody has it. Tags for every fourth. */
  #keys(): { commitId?: string; tags?: string[] } {
    const random = this.#random
    const { commits } = this.#model
    const taken = new Set(commits.map(({ number, keys }) => (this.#gone.has(number) ? undefined : keys?.commitId)))
    const lost = [...this.#gone].map((number) => commits[number]!.keys?.commitId).filter((id) => !taken.has(id))
    const commitId = random.chance(0.1) ? lost.at(-1) : `commit ${commits.length}`
    return {
      ...(random.chance(0.3) && commitId !== undefined ? { commitId } : {}),
      ...(random.chance(0.25) ? { tags: [random.pick(TAGS)] } : {}),
    }
  }

  /** A caller that does not know what became of a commit appends it again: it is there once. Another one does not get its id. */
  async #repeat(writer: Writer): Promise<void> {
    if (writer.faulty || writer.fenced) return this.#turns(1)
    await this.#settled(writer)
    if (this.#wrong !== undefined) return
    const { store } = writer.session
    const known = [...this.#required]
      .map((number) => this.#model.commits[number]!)
      .filter(({ keys }) => keys?.commitId !== undefined)
    if (known.length === 0) return
    const commit = this.#random.pick(known)
    const { commitId } = commit.keys!
    this.#note(`repeat ${commit.number}`)
    this.tally.repeats++
    const results: AppendResult[] = [await this.#model.append(store, commit)].flat()
    if (!results.every(({ isRepeat }) => isRepeat)) throw new Error(`commit ${commit.number} was appended twice`)
    try {
      await store.append('a', [{ type: 'Other', data: null }], { commitId: commitId! })
      throw new Error(`another commit got the id of ${commit.number}`)
    } catch (error) {
      if (!(error instanceof CommitIdReusedError)) throw error
    }
  }

  /** Decides by what a query finds, which is what is there; then by what was there before the last of it, which is too late. */
  async #decide(writer: Writer): Promise<void> {
    if (writer.faulty || writer.fenced) return this.#turns(1)
    await this.#settled(writer)
    if (this.#wrong !== undefined) return
    const { store } = writer.session
    const tag = this.#random.pick(TAGS)
    const type = this.#random.chance(0.5) ? `Type${this.#random.below(3)}` : undefined
    const query = { items: [type === undefined ? { tags: [tag] } : { types: [type] }] }
    this.#note(`decide by ${type ?? tag}`)
    this.tally.decisions++
    const wanted: number[] = []
    for await (const event of store.readAll()) {
      const { commit, event: i } = event.data as { commit: number; event: number }
      const isTagged = i === 0 && this.#model.commits[commit]!.keys?.tags?.includes(tag) === true
      if (type === undefined ? isTagged : type === `Type${commit % 3}`) wanted.push(event.position)
    }
    const found: number[] = []
    for await (const { position } of store.readAll({ query })) found.push(position)
    if (!isEqual(found, wanted)) throw new Error(`${type ?? tag} is at ${found.join()} instead of ${wanted.join()}`)
    const last = found.at(-1)
    if (last !== undefined) {
      try {
        await store.append('a', [{ type: 'Other', data: null }], { failIfEventsMatch: query, after: last - 1 })
        throw new Error(`a decision that overlooked position ${last} was accepted`)
      } catch (error) {
        if (!(error instanceof QueryConflictError) || error.position !== last) throw error
      }
    }
    const name = this.#random.pick(NAMES)
    this.#model.session = writer.number
    const commit = this.#model.plan([name], 'fsync', undefined, type === undefined ? { tags: [tag] } : undefined)
    await store.append(name, eventsOf(commit), { failIfEventsMatch: query, after: last ?? -1 })
    this.#acknowledged(writer, commit)
  }

  /** With what the caller believes is the version: right, or too low. Nothing else is under way then, so it must be as expected. */
  async #appendExpecting(writer: Writer): Promise<void> {
    if (writer.faulty || writer.fenced) return this.#turns(1)
    await this.#settled(writer)
    if (this.#wrong !== undefined) return
    const name = this.#random.pick(NAMES)
    const version = this.#versions.get(name) ?? 0
    const right = version === 0 || this.#random.chance(0.7)
    const expectedVersion = right ? version : this.#random.below(version)
    this.#note(`append to ${name.slice(0, 12)} expecting ${expectedVersion}`)
    this.#model.session = writer.number
    if (right) {
      const commit = this.#model.plan([name], 'fsync')
      try {
        const { firstOffset } = await writer.session.store.append(name, eventsOf(commit), { expectedVersion })
        if (firstOffset !== version) throw new Error(`an append expecting ${version} got offset ${firstOffset}`)
        this.#acknowledged(writer, commit)
      } catch (error) {
        this.#refused(writer, commit, error)
      }
      return
    }
    try {
      await writer.session.store.append(name, [{ type: 'T', data: null }], { expectedVersion })
      throw new Error(`an append expecting ${expectedVersion} succeeded at version ${version}`)
    } catch (error) {
      if (!(error instanceof VersionConflictError)) throw error
      if (error.actual !== version) {
        throw new Error(`the conflict says ${error.actual}, the version is ${version}`, { cause: error })
      }
      this.tally.conflicts++
    }
  }

  /** Reads while other things are under way. What is read is right, whole and without a gap, and must be there ever after. */
  async #read(writer: Writer): Promise<void> {
    if (writer.paused) return
    this.tally.reads++
    const { store } = writer.session
    const known = new Map(this.#versions)
    const random = this.#random
    const name = random.pick(NAMES)
    const kind = random.below(4)
    this.#note(`read ${['forward', 'backward', 'part', 'all'][kind]}`)
    try {
      if (kind === 0) this.#check(await collect(store, name, {}), 0, known.get(name) ?? 0)
      else if (kind === 1) {
        const events = await collect(store, name, { direction: 'backward' })
        this.#check(events.reverse(), 0, known.get(name) ?? 0)
      } else if (kind === 2) {
        const from = random.below((known.get(name) ?? 0) + 1)
        this.#check(await collect(store, name, { fromOffset: from, limit: 5 }), from, 0)
      } else await this.#readAll(store)
    } catch (error) {
      if (!writer.faulty || !(error instanceof AnnalsError)) throw error
    }
  }

  async #readAll(store: FileEventStore): Promise<void> {
    let position = 0
    let last: StoredEvent | undefined
    for await (const event of store.readAll()) {
      if (event.position !== position++) throw new Error(`position ${event.position} instead of ${position - 1}`)
      this.#checkEvent(event)
      last = event
      if (position % 50 === 0) await this.#turns(1)
    }
    const { event: i = 0, of = 1 } = (last?.data ?? {}) as { event?: number; of?: number }
    if (i !== of - 1) throw new Error(`a reader saw a part of a commit: it ends with event ${i} of ${of}`)
  }

  #check(events: readonly StoredEvent[], from: number, atLeast: number): void {
    for (const [i, event] of events.entries()) {
      if (event.offset !== from + i) throw new Error(`offset ${event.offset} instead of ${from + i} in ${event.stream}`)
      this.#checkEvent(event)
    }
    if (events.length < atLeast) throw new Error(`${events.length} events where ${atLeast} were acknowledged`)
  }

  #checkEvent(event: StoredEvent): void {
    const { commit: number, event: i } = event.data as { commit: number; event: number }
    const commit = this.#model.commits[number]
    const wanted = commit && eventsOf(commit)[i]
    if (wanted === undefined || event.stream !== commit!.streams[i] || !isEqual(event.data, wanted.data)) {
      throw new Error(`an event that nobody appended: ${JSON.stringify(event)}`)
    }
    if (this.#gone.has(number)) throw new Error(`commit ${number} was not there once and is read now`)
    this.#required.add(number)
    // Relaxed ones are seen before they are durable.
    if (commit!.durability === 'fsync') this.#durable.add(number)
  }

  async #attempt(writer: Writer, what: string, call: () => Promise<void>): Promise<void> {
    this.#note(what)
    const before = [...this.#required]
    try {
      await call()
      if (what !== 'flush') for (const number of before) this.#durable.add(number)
    } catch (error) {
      if (!(error instanceof AnnalsError) || (!writer.faulty && !writer.fenced)) throw error
    }
  }

  async #close(writer: Writer): Promise<void> {
    if (!writer.faulty && !writer.fenced) {
      await this.#settled(writer)
      if (this.#wrong !== undefined) return
      await writer.follower.caughtUp(writer.session.store.stats().events)
    }
    this.#stopFollowing(writer)
    await this.#attempt(writer, 'close', () => writer.session.store.close())
    await this.#settled(writer)
    if (this.#writer === writer) this.#writer = undefined
  }

  /** Its subscriber goes on in the next process. */
  #stopFollowing({ follower }: Writer): void {
    this.tally.followed += follower.seen
    this.#checkpoint = Math.max(this.#checkpoint, follower.position)
    follower.stop()
  }

  /** Another process opens the store; this one is stopped, or goes on and finds out. */
  async #takeOver(writer: Writer): Promise<void> {
    this.tally.takeovers++
    if (this.#random.chance(0.6)) {
      this.tally.pauses++
      this.#note(`process ${writer.number} stops`)
      writer.paused = true
      writer.files.pause()
    }
    writer.faulty = true // what is refused while the other opens is no surprise
    this.#stopFollowing(writer)
    writer.session.process.oversleep(STALE_MS) // or nobody could have taken the store
    const opening = this.#open()
    await opening
    writer.fenced = true
    this.#asleep.push(writer)
    if (!writer.paused) await this.#wake(this.#asleep.pop()!)
  }

  /** A writer that lost the store goes on: it may write and acknowledges nothing. */
  async #wake(writer: Writer): Promise<void> {
    this.#note(`process ${writer.number} goes on`)
    writer.paused = false
    writer.files.resume()
    for (let i = this.#random.below(3); i > 0; i--) await this.#append(writer, false)
    writer.session.process.advance(600)
    await this.#turns(this.#random.below(10))
    await writer.session.store.close().catch(() => undefined)
  }

  /** One of the next calls of the file system goes wrong, or all from one on. */
  async #fail(writer: Writer): Promise<void> {
    this.tally.faults++
    const random = this.#random
    const faults: Faults = {
      only: ({ kind }) => kind !== 'close',
      failAt: 1 + random.below(25),
      code: random.pick(CODES),
      sticky: random.chance(0.3),
      effect: random.pick(['none', 'none', 'part', 'whole']),
      short: random.chance(0.15),
    }
    this.#note(`call ${faults.failAt} fails: ${faults.short === true ? 'short' : faults.code}`)
    writer.faulty = true
    writer.files.setFaults({
      ...faults,
      onFailure: ({ kind, path }) => (kind === 'sync' && faults.short !== true ? this.#disk.lose(path) : undefined),
    })
    for (let i = 1 + random.below(6); i > 0; i--) await this.#act2(writer)
    this.#stopFollowing(writer)
    await this.#attempt(writer, 'close', () => writer.session.store.close())
    writer.files.setFaults()
    await this.#settled(writer)
    this.#writer = undefined
  }

  #act2(writer: Writer): Promise<void> {
    const dice = this.#random.below(6)
    if (dice < 3) return this.#append(writer, true)
    if (dice === 3) return this.#read(writer)
    return dice === 4
      ? this.#attempt(writer, 'checkpoint', () => writer.session.store.checkpoint())
      : this.#attempt(writer, 'flush', () => writer.session.store.flush())
  }

  /** All processes end here; what they had not made durable may be lost. */
  async #crash(): Promise<void> {
    this.tally.crashes++
    const mode = this.#random.pick<CrashMode>(['kill', 'torn', 'minimal', 'strict', 'strict', 'ordered'])
    this.#note(`crash: ${mode}`)
    const disk = this.#disk.crash(mode, this.#random.below(2 ** 31), undefined, {
      later: (callback) => this.#later(callback),
    })
    const dead = this.#writer === undefined ? this.#asleep : [...this.#asleep, this.#writer]
    if (this.#writer !== undefined) this.#stopFollowing(this.#writer)
    for (const writer of dead) {
      writer.files.freeze()
      writer.files.release()
      // Lets go of timers; what it waits for never comes.
      writer.session.store.discard(new Error('crashed')).catch(() => undefined)
    }
    this.#asleep.length = 0
    this.#writer = undefined
    this.#disk = disk
    if (mode === 'kill' || mode === 'torn') return
    this.#checkpoint = 0 // it may have seen relaxed ones that are gone, and begins again
    for (const number of this.#required) if (!this.#durable.has(number)) this.#required.delete(number)
  }

  async #settled({ waiting }: Writer): Promise<void> {
    await Promise.all(waiting)
  }

  async #turns(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
  }

  #note(what: string, action?: () => void): void {
    this.history.push(what)
    action?.()
  }
}

async function collect(
  store: FileEventStore,
  name: string,
  options: { fromOffset?: number; limit?: number; direction?: 'backward' },
): Promise<StoredEvent[]> {
  const events: StoredEvent[] = []
  for await (const event of store.readStream(name, options)) events.push(event)
  return events
}
