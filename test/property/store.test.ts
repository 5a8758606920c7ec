/**
 * The store against a model, under limits so tiny that groups, log segments, stream segments, flushes, evictions and
 * indexes turn over all the time. A failure prints the seed and the shortest steps that fail; run them again with
 * ANNALS_PROPERTY_SEED. ANNALS_PROPERTY_RUNS sets the number of runs (default 400; some thousands for a night).
 */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import type { FileEventStore, Limits } from '../../engine/index.js'
import { memoryEnvironment } from '../../engine/io/memory-environment.js'
import type { Environment } from '../../engine/io/file-system.js'
import { openStore } from '../../engine/store/open-store.js'
import { FaultyFileSystem } from '../support/faulty-file-system.js'
import {
  assertListed,
  assertQuery,
  assertRead,
  assertSameStore,
  expectedVersion,
  matches,
  type Part,
  type Step,
  steps,
  StoreModel,
  STREAMS,
} from './store-model.js'

const numRuns = Number(process.env['ANNALS_PROPERTY_RUNS'] ?? 400)
const seed = Number(process.env['ANNALS_PROPERTY_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

const limits: fc.Arbitrary<Partial<Limits>> = fc.record({
  logSegmentBytes: fc.integer({ min: 1024, max: 4096 }),
  streamSegmentBytes: fc.oneof(fc.integer({ min: 512, max: 2048 }), fc.constant(100_000)),
  dirtyBytes: fc.constantFrom(1, 5000, 20_000),
  deferredBytes: fc.constantFrom(1, 12_000, 100_000),
  groupBytes: fc.constantFrom(4096, 16_384),
  groupCommits: fc.constantFrom(1, 3, 1000),
  cachedStreams: fc.constant(16),
  indexIntervalBytes: fc.integer({ min: 64, max: 256 }),
  readWindowBytes: fc.constantFrom(4096, 20_000),
  openFiles: fc.constantFrom(4, 100),
  keyBlocks: fc.constantFrom(1, 1024),
  keyTables: fc.constantFrom(1, 8),
  keyFilterBytes: fc.constantFrom(1, 1_000_000),
})

/** A machine whose disk outlives the processes on it: each opening is a new process, those before are dead. */
class Machine {
  readonly #base = memoryEnvironment()
  #pid = 0
  #files: FaultyFileSystem | undefined

  async open(limits: Partial<Limits>): Promise<FileEventStore> {
    const pid = ++this.#pid
    this.#files = new FaultyFileSystem(this.#base.files)
    const environment: Environment = {
      ...this.#base,
      files: this.#files,
      process: { pid, host: 'here', incarnation: String(pid), isAlive: (other) => (other === pid ? 'alive' : 'dead') },
    }
    return openStore(environment, '/store', { limits, durability: 'fsync' })
  }

  /** The process is killed: nothing it still does reaches the disk. */
  kill(): void {
    this.#files!.freeze()
    this.#files!.release()
  }
}

class Run {
  readonly #machine = new Machine()
  readonly #model = new StoreModel()
  readonly #limits: Partial<Limits>
  store!: FileEventStore

  constructor(limits: Partial<Limits>) {
    this.#limits = limits
  }

  async open(): Promise<void> {
    this.store = await this.#machine.open(this.#limits)
    assert.equal(this.store.recovery.damage, undefined)
  }

  async step(step: Step): Promise<void> {
    switch (step.name) {
      case 'append':
        return this.#append(step)
      case 'burst':
        await Promise.all(step.parts.map(async (part) => this.#append(part)))
        return
      case 'appendMany':
        return this.#appendMany(step.parts)
      case 'read':
      case 'readAll':
        return assertRead(this.store, this.#model, step)
      case 'list':
        return assertListed(this.store, this.#model, step.prefix)
      case 'commit':
        return this.#commit(step)
      case 'query':
        return assertQuery(this.store, this.#model, step)
      case 'decide':
        return this.#decide(step)
      case 'flush':
        return this.store.flush()
      case 'checkpoint':
        return this.store.checkpoint()
      case 'wait':
        await sleep(1)
        return
      case 'reopen':
        await this.store.close()
        return this.open()
      case 'crash':
        this.#machine.kill()
        return this.open()
    }
  }

  /** The model moves at the call: concurrent appends are taken in call order. */
  async #append({ stream, events, expect }: Part): Promise<void> {
    const name = STREAMS[stream]!
    const before = this.#model.version(name)
    const expected = expectedVersion(expect, before)
    const meets = this.#model.meets(name, expected)
    const firstPosition = this.#model.all.length
    if (meets) this.#model.append(name, events)
    const appending = this.store.append(name, events, { expectedVersion: expected })
    if (!meets) return assert.rejects(appending, { code: 'ERR_VERSION_CONFLICT', actual: before })
    const { firstOffset, version, position } = await appending
    assert.deepStrictEqual(
      { firstOffset, version, position },
      {
        firstOffset: before,
        version: before + events.length,
        position: events.length === 0 ? -1 : firstPosition + events.length - 1,
      },
    )
  }

  async #appendMany(parts: readonly Part[]): Promise<void> {
    const versions = new Map<string, number>()
    const misses: string[] = []
    const appends = parts.map(({ stream, events, expect }) => {
      const name = STREAMS[stream]!
      const version = versions.get(name) ?? this.#model.version(name)
      const expected = expectedVersion(expect, version)
      if (!this.#model.meets(name, expected, version)) misses.push(name)
      versions.set(name, version + events.length)
      return { stream: name, events, expectedVersion: expected }
    })
    if (misses.length === 0) for (const { stream, events } of appends) this.#model.append(stream, events)
    const appending = this.store.appendMany(appends)
    if (misses.length > 0) return assert.rejects(appending, { code: 'ERR_VERSION_CONFLICT', stream: misses[0] })
    assert.deepStrictEqual(
      (await appending).map(({ stream, version }) => [stream, version]).at(-1),
      appends.length === 0 ? undefined : [appends.at(-1)!.stream, versions.get(appends.at(-1)!.stream)],
    )
  }

  /** A commit with an id that is known is a repeat: of the same content, or else an error. */
  async #commit({ id, parts, other }: Step & { name: 'commit' }): Promise<void> {
    const commitId = `commit ${id}`
    const known = this.#model.commits.get(id)
    if (known === undefined) {
      const appends = parts.map(({ stream, events }) => ({ stream: STREAMS[stream]!, events }))
      for (const { stream, events } of appends) this.#model.append(stream, events, commitId)
      const results = this.store.appendMany(appends, { commitId })
      if (appends.some(({ events }) => events.length > 0)) this.#model.commits.set(id, { appends, results })
      // Every other one is repeated while it is on its way.
      if (id % 2 === 0 && this.#model.commits.has(id)) await this.#commit({ name: 'commit', id, parts, other })
      assert.ok((await results).every(({ isRepeat }) => isRepeat === undefined))
      return
    }
    if (other) {
      const [first, ...rest] = known.appends
      const changed = [{ stream: first!.stream, events: [...first!.events, { type: 'Other', data: 0 }] }, ...rest]
      return assert.rejects(this.store.appendMany(changed, { commitId }), { code: 'ERR_COMMIT_ID_REUSED' })
    }
    const again = await this.store.appendMany(structuredClone(known.appends), { commitId })
    assert.deepStrictEqual(
      again,
      (await known.results).map((result) => ({ ...result, isRepeat: true })),
    )
  }

  async #decide({ stream, events, query, back }: Step & { name: 'decide' }): Promise<void> {
    const name = STREAMS[stream]!
    const { all } = this.#model
    const after = back === undefined ? undefined : Math.max(-1, all.length - 1 - back)
    const conflict = all.findLastIndex((event) => matches(query, event))
    if (conflict <= (after ?? -1)) this.#model.append(name, events)
    const deciding = this.store.append(name, events, { failIfEventsMatch: query, after })
    if (conflict > (after ?? -1)) {
      return assert.rejects(deciding, { code: 'ERR_QUERY_CONFLICT', position: conflict })
    }
    await deciding
  }

  async check(): Promise<void> {
    await assertSameStore(this.store, this.#model)
  }
}

t.test(
  '[K1] [K2] [K4] [M3] [C1] [C2] [R7] [R11] [R12] [N1] whatever is done, the store answers as the model does',
  { timeout: numRuns * 2000 },
  async (t) => {
    let looks = 0
    const property = fc.asyncProperty(limits, steps, async (limits, steps) => {
      const run = new Run(limits)
      await run.open()
      for (const [i, step] of steps.entries()) {
        await run.step(step)
        // Reading all after each step would hide what only a long quiet stretch brings to light.
        if (i % 5 === 4) await run.check()
        looks++
      }
      await run.check()
      await run.store.close()
      await run.open()
      await run.check()
      await run.store.close()
    })
    t.comment(`seed ${seed}`)
    // A run that hangs is a failure, and shrinking one ends in time to be printed.
    const shrinkUntil = Math.max(90_000, numRuns * 250)
    await fc.assert(property, {
      numRuns,
      seed,
      timeout: 20_000,
      interruptAfterTimeLimit: shrinkUntil,
      markInterruptAsFailure: false, // a slow machine tries fewer
    })
    t.comment(`seed ${seed}: ${looks} steps`)
    t.ok(looks > Math.min(numRuns, 20) * 5, `${looks} steps`)
  },
)
