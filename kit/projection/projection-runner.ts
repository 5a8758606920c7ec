import { AnnalsError, InvalidArgumentError, quote } from '../../engine/errors.js'
import type { EventStore } from '../../engine/types/event-store.js'
import { randomId } from '../io/clock.js'
import { endOf } from '../progress.js'
import type { DeadLetter } from './dead-letters.js'
import { ProjectionExistsError, ProjectionMovedError } from './errors.js'
import { LeaseKeeper } from './lease-keeper.js'
import { leaseLost } from './leases.js'
import type { Projection } from './projection.js'
import { emptied, isStale, leaseOf } from './projection-head.js'
import type { ProjectionStatus, Settings } from './projection-options.js'
import type { ProjectionBuild } from './projection-store.js'
import { ProjectionWorker, type WorkerContext } from './projection-worker.js'
import { closed, rebuildBeside, type RebuildOptions } from './rebuild.js'
import { type RowOf, storedLetters, storedState, type StoredTable, storedTable } from './stored-rows.js'
import { type Task, TaskQueue } from './task-queue.js'
import { Waiters } from './waiters.js'

/** Keeps a projection up to date, from when it is started until it is stopped. */
export class ProjectionRunner<View = unknown> implements AsyncDisposable {
  readonly projection: Projection<'state' | 'tables' | 'sql', View>
  readonly #store: EventStore
  readonly #settings: Settings
  readonly #build: ProjectionBuild
  readonly #lease: LeaseKeeper
  readonly #nextLease: LeaseKeeper
  readonly #stop = new AbortController()
  readonly #waiters = new Waiters()
  #status: ProjectionStatus = 'starting'
  #failure: unknown
  #isPaused = false
  #isRebuilding = false
  #position: number
  #worker: ProjectionWorker | undefined
  /** One for as long as the lease is held. */
  #session: { readonly held: AbortSignal; readonly signal: AbortSignal } | undefined
  readonly #tasks = new TaskQueue()
  #wake: () => void = () => undefined
  #loop: Promise<void> | undefined

  /** @internal Use `runProjection`. */
  constructor(
    store: EventStore,
    projection: Projection<'state' | 'tables' | 'sql', View>,
    build: ProjectionBuild,
    settings: Settings,
  ) {
    const { clock, leaseMs, projections } = settings
    const { name } = projection
    const holder = randomId()
    this.projection = projection
    this.#store = store
    this.#settings = settings
    this.#build = build
    this.#lease = new LeaseKeeper(projections, leaseOf(name, 'live'), holder, clock, leaseMs)
    this.#nextLease = new LeaseKeeper(projections, leaseOf(name, 'next'), holder, clock, leaseMs)
    this.#position = build.head?.position ?? 0
  }

  get name(): string {
    return this.projection.name
  }

  get status(): ProjectionStatus {
    return this.#status
  }

  /** Why it has failed: an error of annals, or what a store threw. `resume` tries again. */
  get failure(): unknown {
    return this.#failure
  }

  /** The next position to read: everything before it is projected. */
  get position(): number {
    return this.#position
  }

  /** Positions up to the end of the event store. Which of them it wants is only known when they have been looked at. */
  get lag(): number {
    return Math.max(0, endOf(this.#store) - this.#position)
  }

  /** Returns a copy of the state that is stored. */
  state(): View {
    return storedState(this.#build, this.projection)
  }

  /** Returns a table as it is stored. */
  table<Name extends keyof View & string>(name: Name): StoredTable<RowOf<View[Name]>> {
    return storedTable(this.#build, this.projection, name) as StoredTable<RowOf<View[Name]>>
  }

  /** Returns the events that were set aside, in the order of their positions. */
  deadLetters(): DeadLetter[] {
    return storedLetters(this.#build)
  }

  /**
   * Resolves when everything up to a position, as an append returns it, is projected and stored: to read what one has written. A
   * position that does not exist yet is waited for.
   *
   * @throws what it has failed with; ERR_CLOSED when it is stopped; the signal's reason
   */
  async whenProcessed(position: number, { signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    if (!Number.isSafeInteger(position) || position < -1) throw this.#misuse(`${position} is no position`)
    if (position < this.#position) return
    this.#refuseWhenOver()
    const events = this.#store.subscribe({ fromPosition: position, signal })
    try {
      const { done } = await this.#waiters.orOver(events.next())
      if (done === true) throw closed(this.name)
    } finally {
      await events.close()
    }
    await this.whenProjected(position, signal)
  }

  /** As `whenProcessed`, of a position that is known to exist: it is not looked for. */
  async whenProjected(position: number, signal?: AbortSignal): Promise<void> {
    if (position < this.#position) return
    this.#refuseWhenOver()
    const projected = this.#waiters.at(position, signal)
    if (this.#worker !== undefined) this.#worker.ring()
    else this.#wake()
    await projected
  }

  /** Stops after the batch that is under way, and keeps its place as the one that projects. */
  async pause(): Promise<void> {
    if (this.#isPaused || this.#status === 'stopped') return
    this.#isPaused = true
    await this.#exclusively(async () => undefined).catch(() => undefined)
  }

  /** Goes on after a pause, or tries again after a failure. */
  resume(): void {
    this.#isPaused = false
    if (this.#failure !== undefined) {
      this.#failure = undefined
      this.#status = 'starting'
    }
    this.#wake()
  }

  /**
   * Empties it and begins again with the first event; resolves when it is empty. Effects of events that were projected before are held back.
   * Until it has caught up, readers see less than there was: `rebuild` does the same beside what is there.
   *
   * @throws ERR_PROJECTION_MOVED when another process runs it; ERR_CLOSED
   */
  async reset(): Promise<void> {
    await this.#exclusively(async () => {
      await this.#build.refresh()
      const { head: expected } = this.#build
      const head = emptied(expected, this.projection, this.#position)
      const request = { expected, holder: this.#lease.holder, clear: true }
      await this.#build.commit(request, () => ({ head, rows: [] }))
      this.#worker = undefined
      this.#position = 0
    }, true)
  }

  /**
   * Makes it anew beside what is there, which stays readable and up to date meanwhile, and then switches in one step. Effects are held back.
   *
   * @throws ERR_PROJECTION_HANDLER and what the stores throw: then what is there stays; ERR_PROJECTION_MOVED when another process
   * runs or rebuilds it; ERR_CLOSED; the signal's reason
   */
  async rebuild(options: RebuildOptions = {}): Promise<void> {
    if (this.#isRebuilding) throw this.#misuse('it is being rebuilt')
    this.#refuseWhenOver(true)
    if (this.#status === 'standby') throw leaseLost(this.name)
    this.#isRebuilding = true
    try {
      const held = await this.#nextLease.claim()
      if (held === undefined) throw leaseLost(leaseOf(this.name, 'next'))
      const signals = [held, this.#stop.signal, options.signal].filter((signal) => signal !== undefined)
      await rebuildBeside(
        this.#context(this.#nextLease.holder),
        {
          build: this.#build,
          position: async () => this.#position,
          still: async (work) =>
            this.#exclusively(async (worker) => {
              await worker.persist()
              await work()
              this.#worker = undefined
            }, true),
        },
        { ...options, signal: AbortSignal.any(signals) },
      )
    } finally {
      this.#isRebuilding = false
      await this.#nextLease.release()
    }
  }

  /** Has the handlers try the dead letters again, in order. Resolves to those that failed again, and stay. */
  async retryDeadLetters(): Promise<DeadLetter[]> {
    await this.#exclusively(async (worker, signal) => {
      for (const letter of this.deadLetters()) {
        for await (const event of this.#store.readAll({ fromPosition: letter.position, limit: 1, signal })) {
          await worker.retryLetter(event, letter, signal)
        }
      }
    })
    return this.deadLetters()
  }

  /** Stops it. A handler under way is told by its signal; what it has not finished is projected at the next start. Twice is a no-op. */
  async stop(): Promise<void> {
    this.#stop.abort(new AnnalsError('ERR_CLOSED', `Projection ${quote(this.name)} was stopped`))
    this.#wake()
    await this.#loop
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** @internal */
  async start(): Promise<void> {
    const { running } = this.#settings.projections
    if (running.has(this.name)) throw new ProjectionExistsError(this.name)
    running.add(this.name)
    try {
      isStale(this.#build.head, this.projection, this.#settings.onChange)
    } catch (error) {
      running.delete(this.name)
      throw error
    }
    const begun = new Promise<void>((resolve) => this.#waiters.onBegin(resolve))
    this.#loop = this.#run().finally(() => running.delete(this.name))
    await begun
  }

  async #run(): Promise<void> {
    const isOver = (): boolean => this.#stop.signal.aborted || this.#status === 'stopped'
    while (!isOver()) {
      try {
        await this.#turn(this.#stop.signal)
      } catch (error) {
        if (isOver()) break
        this.#worker = undefined
        if (!(error instanceof ProjectionMovedError)) await this.#fail(error)
        // Somebody else has it now, or had it: what is stored says how to go on, once the lease is held anew.
        else await this.#lease.release().catch(() => undefined)
      }
    }
    await this.#end()
  }

  /** One look at what there is to do, and doing it. */
  async #turn(stopped: AbortSignal): Promise<void> {
    const { recovers } = this.#tasks
    if ((this.#failure !== undefined && !recovers) || (this.#isPaused && this.#tasks.isEmpty)) {
      if (this.#failure === undefined) this.#become('paused')
      else this.#tasks.reject(this.#failure)
      return new Promise((resolve) => (this.#wake = resolve))
    }
    if (this.#worker === undefined) {
      await this.#build.refresh()
      const { onChange } = this.#settings
      if (!recovers && isStale(this.#build.head, this.projection, onChange) && onChange === 'rebuild') {
        return this.#replace(stopped)
      }
    }
    const held = await this.#lease.claim()
    if (held === undefined) return this.#standBy(this.#lease.intervalMs)
    const worker = (this.#worker ??= await this.#ready())
    if (this.#session?.held !== held) this.#session = { held, signal: AbortSignal.any([held, stopped]) }
    const { signal } = this.#session
    const task = this.#tasks.take()
    if (task !== undefined) return this.#do(task, worker, signal)
    this.#become('running')
    try {
      if ((await worker.follow({ signal })) === 'closed') this.#status = 'stopped'
    } catch (error) {
      if (stopped.aborted || !held.aborted) throw error
      this.#worker = undefined
    }
  }

  async #do({ work, recovers, resolve, reject }: Task, worker: ProjectionWorker, signal: AbortSignal): Promise<void> {
    try {
      await work(worker, signal)
      if (recovers && this.#failure !== undefined) this.#failure = undefined
      resolve()
    } catch (error) {
      this.#worker = undefined
      reject(error)
    }
  }

  /** Makes an older version into this one, with the lease; and something where there is nothing. */
  async #ready(): Promise<ProjectionWorker> {
    const { version, shape } = this.projection
    const { head } = this.#build
    if (head?.version !== version || head.shape !== shape) {
      const first = { generation: 1, position: 0, effectsFrom: 0, ...head, version, shape }
      await this.#build.commit({ expected: head, holder: this.#lease.holder }, () => ({ head: first, rows: [] }))
    }
    this.#advanced(this.#build.head!.position)
    return new ProjectionWorker(this.#build, this.#context(this.#lease.holder))
  }

  /** Makes this version beside an older one, which another process may still keep up to date, and switches. */
  async #replace(stopped: AbortSignal): Promise<void> {
    const held = await this.#nextLease.claim()
    if (held === undefined) return this.#standBy(this.#nextLease.intervalMs)
    this.#become('rebuilding')
    try {
      await rebuildBeside(
        this.#context(this.#nextLease.holder),
        {
          build: this.#build,
          position: async () => {
            await this.#build.refresh()
            return this.#build.head!.position
          },
          still: async (work) => work(),
        },
        { resume: true, signal: AbortSignal.any([held, stopped]) },
      )
      await this.#build.refresh()
    } finally {
      await this.#nextLease.release()
    }
  }

  async #standBy(ms: number): Promise<void> {
    this.#become('standby')
    this.#tasks.reject(leaseLost(this.name))
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    const keepAlive = !this.#waiters.isEmpty
    await this.#settings.clock.sleep(ms, { signal: woken.signal, keepAlive }).catch(() => undefined)
    await this.#build.refresh()
    this.#advanced(this.#build.head?.position ?? 0)
  }

  /** Does something while nothing is projected. */
  async #exclusively(work: Task['work'], recovers = false): Promise<void> {
    this.#refuseWhenOver(recovers)
    const done = this.#tasks.add(work, recovers)
    this.#worker?.interrupt()
    this.#wake()
    return done
  }

  #context(holder: string): WorkerContext {
    return {
      store: this.#store,
      projection: this.projection,
      settings: this.#settings,
      holder,
      onAdvance: (position) => this.#advanced(position),
      onProjected: () => undefined,
    }
  }

  #advanced(position: number): void {
    this.#position = position
    this.#waiters.passed(position)
  }

  #become(status: ProjectionStatus): void {
    this.#status = status
    this.#waiters.begun()
  }

  async #fail(error: unknown): Promise<void> {
    this.#failure = error ?? new Error('it failed with nothing')
    this.#become('failed')
    this.#waiters.reject(this.#failure)
    // Another process may have a program that can.
    await this.#lease.release().catch(() => undefined)
  }

  async #end(): Promise<void> {
    this.#become('stopped')
    const reason: unknown = this.#stop.signal.aborted ? this.#stop.signal.reason : closed(this.name)
    this.#waiters.reject(reason)
    this.#tasks.reject(reason)
    // What is not stored of this is found out again at the next start.
    await this.#worker?.persist().catch(() => undefined)
    await this.#lease.release().catch(() => undefined)
  }

  #refuseWhenOver(recovers = false): void {
    if (this.#status === 'stopped' || this.#stop.signal.aborted) {
      throw new AnnalsError('ERR_CLOSED', `Projection ${quote(this.name)} was stopped`)
    }
    if (this.#failure !== undefined && !recovers) throw this.#failure as Error
  }

  #misuse(reason: string): InvalidArgumentError {
    return new InvalidArgumentError(`Cannot use projection ${quote(this.name)}: ${reason}`)
  }
}
