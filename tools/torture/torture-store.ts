import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AnnalsError, openEventStore, type OpenOptions, verifyStore } from '../../engine/index.js'
import { diskFacts } from './disk-facts.js'
import { FollowingReader } from './following-reader.js'
import { Ballast, type FullDiskReport, isFull } from './full-disk.js'
import { plannedKill } from './plan.js'
import type { TortureFinding, TortureFindingKind, TortureProgress, TortureReport } from './report.js'
import { settingsOf, type TortureOptions, type TortureSettings } from './settings.js'
import { StoreCheck } from './store-check.js'
import { measureSync } from './sync-cost.js'
import { TortureFolder } from './torture-folder.js'
import { Workload } from './workload.js'
import { openPatiently } from './writer-messages.js'
import { WriterProcess, type WriterRun } from './writer-process.js'

/** No writer appends so many commits. */
const COMMITS_PER_WRITER = 1_000_000_000
/** How long a writer may take for what takes milliseconds, and a store that nobody writes to until it is taken over. */
const PATIENCE_MS = 60_000
/** Room left beside the ballast, so that the disk is full in the middle of a write. */
const LAST_ROOM = 256 * 1024
const COMMITS_OF_SUCCESSOR = 50
const LOADED_AHEAD = 2

/**
 * Kills processes that write to a store in `directory`, again and again, and looks whether anything is lost that was acknowledged: whether
 * every commit is there whole or not at all, over all its streams, whether offsets and positions are dense, whether streams
 * and log agree, and what `verifyStore` says in the end.
 *
 * @param directory A folder on the disk that is meant; it must be empty or not there. Removed again, unless something was found.
 * @throws InvalidArgumentError for options and folders that will not do; AnnalsError ERR_NO_SPACE when the disk is full though it was not to
 * be filled, ERR_IO when the system refuses what the test itself needs; the signal's reason
 */
export async function tortureStore(directory: string, options: TortureOptions = {}): Promise<TortureReport> {
  const settings = settingsOf(options)
  settings.signal?.throwIfAborted()
  try {
    return await new Torture(settings, new TortureFolder(resolve(directory))).run()
  } catch (error) {
    settings.signal?.throwIfAborted()
    const { code, syscall, message } = error as NodeJS.ErrnoException
    if (syscall === undefined || code === undefined || error instanceof AnnalsError) throw error
    const reason = isFull(error) ? 'ERR_NO_SPACE' : 'ERR_IO'
    throw new AnnalsError(reason, `Cannot torture a store in ${JSON.stringify(directory)}: ${message}`, {
      cause: error,
    })
  }
}

class Torture {
  readonly #settings: TortureSettings
  readonly #folder: TortureFolder
  readonly #workload: Workload
  readonly #open: OpenOptions
  readonly #begun = performance.now()
  readonly #runs: WriterRun[] = []
  readonly #check: StoreCheck
  readonly #reader: FollowingReader
  readonly #findings: TortureFinding[] = []
  readonly #notDone: string[] = []
  readonly #processes = new Set<WriterProcess>()
  /** Loaded while those before them still write, so that a kill does not wait for the start of a process. */
  readonly #loaded: WriterProcess[] = []
  #fullDisk: FullDiskReport | undefined
  #kills = 0
  #killsWhileOpening = 0
  #acknowledged = 0
  #checks = 0
  #refused = 0
  #pauses = 0

  constructor(settings: TortureSettings, folder: TortureFolder) {
    this.#settings = settings
    this.#folder = folder
    this.#workload = new Workload(settings)
    this.#open = { durability: settings.durability, limits: settings.limits, networkFileSystem: 'allow' }
    this.#check = new StoreCheck(this.#workload, this.#runs)
    this.#reader = new FollowingReader(folder.store)
  }

  async run(): Promise<TortureReport> {
    let keep = false
    try {
      this.#say('measuring')
      const disk = diskFacts(this.#folder.path)
      const sync = await measureSync(this.#folder.probe, disk)
      await this.#killAgainAndAgain()
      for (let i = 0; i < this.#settings.pauses && this.#fine; i++) await this.#pause()
      if (this.#settings.fillDisk !== undefined && this.#fine) await this.#fill(this.#settings.fillDisk)
      await this.#checkStore(true)
      this.#say('verifying')
      await this.#verify()
      const { seed, streams, eventBytes, inFlight, durability } = this.#settings
      const report: TortureReport = {
        ok: this.#fine,
        findings: this.#findings,
        seed,
        shape: { streams, eventBytes, inFlight, durability },
        kills: this.#kills,
        killsWhileOpening: this.#killsWhileOpening,
        acknowledged: this.#acknowledged,
        commits: this.#check.commits,
        events: this.#check.events,
        checks: this.#checks,
        followed: this.#reader.events,
        refused: this.#refused,
        pauses: this.#pauses,
        fullDisk: this.#fullDisk,
        sync,
        disk,
        notDone: this.#notDone,
        kept: this.#fine ? undefined : this.#folder.path,
        durationMs: Math.round(performance.now() - this.#begun),
      }
      keep = !report.ok
      if (keep) this.#folder.keep(report)
      return report
    } finally {
      await this.#reader.stop()
      await Promise.all([...this.#processes].map((writer) => writer.kill()))
      if (!keep) this.#folder.remove()
    }
  }

  get #fine(): boolean {
    return this.#findings.length === 0
  }

  async #killAgainAndAgain(): Promise<void> {
    const { rounds, minutes, checkEvery, seed } = this.#settings
    const end = minutes === undefined ? Infinity : this.#begun + minutes * 60_000
    for (let round = 1; round <= rounds && performance.now() < end && this.#fine; round++) {
      this.#say('killing')
      await this.#killOne(seed, round)
      if (round % checkEvery === 0 && round < rounds) await this.#checkStore()
    }
  }

  async #killOne(seed: number, round: number): Promise<void> {
    const plan = plannedKill(seed, round)
    const writer = this.#begin()
    while (this.#loaded.length < LOADED_AHEAD) this.#load()
    await this.#wait(writer.reached(plan.from))
    await sleep(plan.delayMs, undefined, { signal: this.#settings.signal })
    if (plan.rival) await this.#rival(writer)
    const { failure } = writer
    await this.#end(writer)
    this.#kills++
    if (!writer.hasOpened) this.#killsWhileOpening++
    if (failure?.code === 'ERR_NO_SPACE') {
      throw new AnnalsError('ERR_NO_SPACE', `Cannot torture a store: the disk is full, though it was not to be filled`)
    }
    if (failure !== undefined) this.#find('writer', `a writer ended by itself: ${failure.code}: ${failure.message}`)
  }

  /** Wants to write to a store that a living process has: must be refused. */
  async #rival(writer: WriterProcess): Promise<void> {
    try {
      const store = await openEventStore(this.#folder.store, this.#open)
      await store.close()
      if (writer.failure === undefined) this.#find('second-writer', 'two processes had the store open for writing')
    } catch (error) {
      if ((error as AnnalsError).code === 'ERR_LOCKED') this.#refused++
      else if (writer.failure === undefined) this.#find('second-writer', `a second writer was told ${textOf(error)}`)
    }
  }

  /** Stops a writer for as long as it takes another to take the store over, and wakes it up while that one writes. */
  async #pause(): Promise<void> {
    if (process.platform === 'win32') {
      this.#notDone.push('pauses: processes cannot be stopped on Windows')
      return
    }
    this.#say('pausing')
    const writer = this.#begin()
    await this.#wait(writer.reached('acknowledged'))
    writer.signal('SIGSTOP')
    const successor = this.#newRun()
    const store = await openPatiently(async () => {
      this.#settings.signal?.throwIfAborted()
      return openEventStore(this.#folder.store, this.#open)
    }, PATIENCE_MS)
    try {
      for (let commit = successor.first; commit < successor.first + COMMITS_OF_SUCCESSOR; commit++) {
        if (commit === successor.first + COMMITS_OF_SUCCESSOR / 2) writer.signal('SIGCONT')
        await store.appendMany(this.#workload.commit(commit), { durability: 'fsync' })
        successor.last = commit
        this.#acknowledged++
      }
      await this.#wait(writer.ended)
      const { failure } = writer
      if (failure?.code !== 'ERR_LOCK_LOST') {
        this.#find(
          'woken-writer',
          `a writer that was stopped, replaced and woken up reported ${failure?.code ?? 'nothing'}: ${failure?.message}`,
        )
      }
    } catch (error) {
      this.#find('woken-writer', `the writer that had taken over failed: ${textOf(error)}`)
    } finally {
      await this.#end(writer)
      await store.close()
    }
    this.#pauses++
    await this.#checkStore()
  }

  /** Lets a writer run into a full disk, opens the store on it, makes room and goes on. */
  async #fill(most: number): Promise<void> {
    this.#say('filling')
    const { signal } = this.#settings
    const ballast = new Ballast(this.#folder.ballast, most)
    try {
      const writer = this.#begin()
      await this.#wait(writer.reached('acknowledged'))
      let full = await ballast.fill(signal)
      const ballastBytes = ballast.bytes
      let told: string | undefined
      if (full) {
        await ballast.shrink(LAST_ROOM)
        await this.#wait(Promise.race([writer.ended, sleep(PATIENCE_MS / 2, undefined, { ref: false })]))
        told = writer.failure?.code
        // What is reserved for this user may have room left where the ballast had none.
        full = told !== undefined
      }
      await this.#end(writer)
      if (!full) {
        this.#notDone.push(`a full disk: it was not full after ${ballastBytes} bytes`)
        this.#fullDisk = { ballastBytes, full, writer: told, opener: undefined, acknowledgedAfter: 0 }
        return
      }
      // Who had a group on its way when something else met the full disk cannot know whether it is stored.
      const { failure } = writer
      if (told !== 'ERR_NO_SPACE' && !(told === 'ERR_OUTCOME_UNKNOWN' && failure?.cause === 'ERR_NO_SPACE')) {
        this.#find('full-disk', `a writer on a full disk reported ${told}: ${failure?.message}`)
      }
      await ballast.fill(signal)
      const opener = await this.#openWithoutRoom()
      await ballast.remove()
      const after = this.#begin()
      await this.#wait(after.reached('acknowledged'))
      await this.#end(after)
      const acknowledgedAfter = after.acknowledged
      if (acknowledgedAfter === 0) {
        this.#find('full-disk', `nothing could be appended after room was made: ${after.failure?.message}`)
      }
      this.#fullDisk = { ballastBytes, full, writer: told, opener, acknowledgedAfter }
    } finally {
      await ballast.remove()
    }
  }

  async #openWithoutRoom(): Promise<string> {
    try {
      const store = await openEventStore(this.#folder.store, this.#open)
      await store.close()
      return 'opened'
    } catch (error) {
      const { code, message } = error as AnnalsError
      if (code !== 'ERR_NO_SPACE') {
        this.#find('full-disk', `opening on a full disk reported ${code}: ${message}`)
      }
      return code
    }
  }

  /** Opens the store here and compares it with what was acknowledged. What was found stays as it was found: nothing is opened then. */
  async #checkStore(whole = false): Promise<void> {
    if (!this.#fine || (this.#runs.length === 0 && !whole)) return
    this.#say('checking')
    this.#checks++
    let store
    try {
      store = await openPatiently(() => openEventStore(this.#folder.store, this.#open))
    } catch (error) {
      this.#find('opening', `the store cannot be opened: ${textOf(error)}`)
      return
    }
    try {
      const { damage } = store.recovery
      if (damage !== undefined) this.#find('opening', `opening has met damage: ${damage.message}`)
      const found = whole ? await this.#check.checkAll(store) : await this.#check.checkNew(store)
      for (const { kind, message } of found) this.#find(kind, message)
      const unseen = whole ? await this.#reader.compare(store, store.stats().events) : undefined
      if (unseen !== undefined) this.#find('reader', unseen)
    } finally {
      await store.close()
    }
  }

  async #verify(): Promise<void> {
    try {
      const { signal, limits } = this.#settings
      const { findings } = await verifyStore(this.#folder.store, { signal, limits, maxFindings: 20 })
      for (const { severity, file, byte, message } of findings) {
        if (severity === 'damage') this.#find('verify', `${file}, byte ${byte}: ${message}`)
      }
    } catch (error) {
      this.#settings.signal?.throwIfAborted()
      this.#find('verify', textOf(error))
    }
  }

  #newRun(): WriterRun {
    const first = this.#runs.length * COMMITS_PER_WRITER
    const run = { first, last: first - 1 }
    this.#runs.push(run)
    return run
  }

  #load(): void {
    const writer = new WriterProcess()
    this.#processes.add(writer)
    this.#loaded.push(writer)
  }

  #begin(): WriterProcess {
    if (this.#loaded.length === 0) this.#load()
    const writer = this.#loaded.shift()!
    const { inFlight, seed, streams, eventBytes } = this.#settings
    const workload = { seed, streams, eventBytes }
    writer.begin({ directory: this.#folder.store, open: this.#open, workload, inFlight }, this.#newRun())
    return writer
  }

  async #end(writer: WriterProcess): Promise<void> {
    await writer.kill()
    this.#processes.delete(writer)
    this.#acknowledged += writer.acknowledged
  }

  /** Waits for something that a writer does at once, unless it hangs. */
  async #wait(what: Promise<unknown>): Promise<void> {
    const timer = new AbortController()
    const { signal } = this.#settings
    const aborted = signal === undefined ? [timer.signal] : [timer.signal, signal]
    const late = sleep(PATIENCE_MS, 'late', { signal: AbortSignal.any(aborted) })
    try {
      const first = await Promise.race([what.then(() => 'done'), late])
      if (first === 'late') this.#find('writer', `a writer did nothing for ${PATIENCE_MS / 1000} seconds`)
    } finally {
      timer.abort()
      await late.catch(() => undefined)
    }
  }

  #find(kind: TortureFindingKind, message: string): void {
    this.#findings.push({ kind, round: this.#kills, message })
  }

  #say(part: TortureProgress['part']): void {
    this.#settings.signal?.throwIfAborted()
    this.#settings.onProgress?.({
      part,
      kills: this.#kills,
      acknowledged: this.#acknowledged,
      elapsedMs: performance.now() - this.#begun,
    })
  }
}

function textOf(error: unknown): string {
  return error instanceof AnnalsError ? `${error.code}: ${error.message}` : String(error)
}
