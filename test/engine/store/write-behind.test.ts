import t from 'tap'
import { streamKey } from '../../../engine/format/names.js'
import type { Environment } from '../../../engine/io/file-system.js'
import { memoryEnvironment } from '../../../engine/io/memory-environment.js'
import { defaultLimits } from '../../../engine/limits.js'
import type { Slabs } from '../../../engine/segment/slabs.js'
import { turn, WriteBehind, type WriteBehindHooks } from '../../../engine/store/write-behind.js'
import type { StreamFlusher } from '../../../engine/streams/stream-flush.js'
import { StreamState } from '../../../engine/streams/stream-state.js'

const limits = { ...defaultLimits, dirtyBytes: 1000, deferredBytes: 5000, dirtyStreams: 300 }

/** What moves events, with files, memory and clock that the test says. */
class Behind {
  readonly told: string[] = []
  position = 100
  busy = false
  secured: Promise<void> | undefined
  /** What a flush of a stream does at each of its steps. */
  step: (state: StreamState) => void = () => undefined
  now = 0
  memory = { bytes: 0, span: 0 }
  readonly #timers: (() => void)[] = []
  readonly behind: WriteBehind

  constructor() {
    const environment: Environment = {
      ...memoryEnvironment(),
      elapsed: () => this.now,
      after: (_, callback) => {
        this.#timers.push(callback)
        return { cancel: () => void this.#timers.splice(this.#timers.indexOf(callback), 1) }
      },
    }
    const hooks: WriteBehindHooks = {
      position: () => this.position,
      busy: () => this.busy,
      secure: () => (this.told.push('secure'), this.secured),
      hold: (held) => this.told.push(held ? 'hold' : 'let go'),
      flushed: (position) => this.told.push(`flushed below ${position}`),
      failed: (error) => this.told.push(`failed: ${(error as Error).message}`),
    }
    const told = this.told
    const step = (state: StreamState): void => this.step(state)
    const flusher = {
      renew: (state: StreamState) => Promise.resolve(void told.push(`renew ${state.key.name}`)),
      *flush(state: StreamState, position: number) {
        told.push(`${state.key.name} below ${position}`)
        for (let n = 0; n < 3; n++) {
          step(state)
          yield
        }
        state.flushed = state.version
        state.tail.length = 0
      },
    } as unknown as StreamFlusher
    const slabs = Object.defineProperties(
      { shrink: (bytes: number) => told.push(`shrink to ${bytes}`) },
      {
        bytes: { get: () => this.memory.bytes },
        span: { get: () => this.memory.span },
      },
    ) as unknown as Slabs
    this.behind = new WriteBehind(environment, limits, flusher, slabs, hooks)
  }

  /** A stream has so many events more. */
  add(name: string, events = 1): StreamState {
    const state = new StreamState(streamKey(name), 0)
    state.version = events
    for (let n = 0; n < events; n++) state.tail.push(n)
    this.behind.add(state)
    return state
  }

  get timers(): number {
    return this.#timers.length
  }

  /** The quiet time is over. */
  fire(): void {
    for (const callback of this.#timers.splice(0)) callback()
  }

  /** Everything that was started is over; returns what was told since the last time. */
  async settled(): Promise<string[]> {
    for (let n = 0; n < 30; n++) await turn()
    return this.told.splice(0)
  }
}

t.test('a flush secures the log, writes every stream that has events, and says up to where', async (t) => {
  const at = new Behind()
  const [a, b] = [at.add('a', 3), at.add('b')]
  at.behind.add(a)
  await at.behind.flush()
  const told = at.told.splice(0)
  t.equal(told[0], 'secure', 'the log first')
  t.same(told.slice(1, 3).sort(), ['a below 100', 'b below 100'], 'each once')
  t.same(told.slice(3), ['shrink to 500', 'flushed below 100'])
  t.same([a.flushed, b.flushed, a.queued], [3, 1, false])
  t.match(at.behind, { runs: 1, streamsFlushed: 2 })
  await at.behind.flush()
  t.same(at.told, [], 'there is nothing more')
  at.add('c').flushed = 1
  await at.behind.flush()
  t.notOk(
    at.told.some((line) => line.startsWith('c ')),
    'a stream that was flushed by another is passed over',
  )
})

t.test('only what is committed when a flush begins is written, and nothing before the log is durable', async (t) => {
  const at = new Behind()
  let durable = (): void => undefined
  at.secured = new Promise((resolve) => (durable = resolve))
  at.add('a')
  const flushing = at.behind.flush()
  at.position = 200
  at.add('late')
  t.same(await at.settled(), ['secure'])
  at.secured = undefined
  durable()
  await flushing
  t.same(
    at.told.filter((line) => line.includes('below')),
    ['a below 100', 'flushed below 100', 'late below 200', 'flushed below 200'],
  )
})

t.test('streams of one folder are written one after another', async (t) => {
  const at = new Behind()
  const names = Array.from({ length: 40 }, (_, n) => `stream-${n}`)
  for (const name of names) at.add(name)
  await at.behind.flush()
  const shards = at.told
    .filter((line) => line.startsWith('stream-'))
    .map((line) => streamKey(line.split(' ')[0]!).shard)
  t.same(shards, shards.toSorted((a, b) => a - b)) // prettier-ignore
})

t.test('a segment that was not finished is renewed before it is written to', async (t) => {
  const at = new Behind()
  const state = at.add('a')
  state.last = { unfinished: true } as NonNullable<StreamState['last']>
  await at.behind.flush()
  t.same(at.told.slice(1, 3), ['renew a', 'a below 100'])
})

t.test('what is left is flushed after a quiet while, and not while appends go on', async (t) => {
  const at = new Behind()
  at.add('a')
  at.behind.afterCommit()
  at.behind.afterCommit()
  t.equal(at.timers, 1)
  at.fire()
  t.same(await at.settled(), [], 'there was a commit since the timer began')
  at.busy = true
  at.fire()
  t.same(await at.settled(), [], 'an append waits for the disk')
  at.busy = false
  at.fire()
  t.equal((await at.settled()).at(-1), 'flushed below 100')
  t.equal(at.timers, 0)
  at.behind.afterCommit()
  at.fire()
  t.same(await at.settled(), [], 'nothing is left')
  t.equal(at.timers, 0)
})

t.test('when memory is full, streams with many events are written, and the others wait in the log', async (t) => {
  const at = new Behind()
  const few = at.add('few', 63)
  at.add('many', 64)
  at.memory.bytes = 999
  at.behind.afterCommit()
  t.same(await at.settled(), [])
  at.memory.bytes = 1000
  at.behind.afterCommit()
  t.same(await at.settled(), ['secure', 'many below 100', 'shrink to 500'], 'not all of it is flushed')
  t.ok(few.queued)
  at.memory.bytes = 2000
  at.behind.afterCommit()
  t.same(
    (await at.settled()).slice(0, 2),
    ['secure', 'shrink to 1000'],
    'at twice as much, memory is given back at once',
  )
  at.memory.bytes = 0
  await at.behind.flush()
  t.equal(few.flushed, 63)
})

t.test(
  'when too much of the log waits, all are written; at twice as much groups are held back until they are',
  async (t) => {
    const at = new Behind()
    at.add('few')
    at.memory.span = 5000
    at.behind.afterCommit()
    t.same(await at.settled(), ['secure', 'few below 100', 'shrink to 500', 'flushed below 100'])

    at.add('few')
    at.memory.span = 10_000
    at.step = () => (at.memory.span = 9_999)
    at.behind.afterCommit()
    at.behind.afterCommit()
    const told = await at.settled()
    t.equal(told[0], 'hold')
    t.same(told.filter((line) => /hold|let go/.test(line)), ['hold', 'let go']) // prettier-ignore

    at.add('few')
    at.memory.span = 10_000
    at.step = () => undefined
    at.behind.afterCommit()
    t.equal((await at.settled()).at(-1), 'let go', 'when there is nothing more to write they go on in any case')

    at.add('first')
    let more = 2
    at.step = () => {
      if (more-- > 0) at.add(`more-${more}`)
    }
    at.behind.afterCommit()
    const again = await at.settled()
    t.ok(
      again.some((line) => line.startsWith('more-0')),
      'what has come meanwhile goes next',
    )
    t.equal(again.filter((line) => line === 'hold').length, 1)
    t.equal(again.at(-1), 'let go')
  },
)

t.test(
  '[N1] so many streams wait and no more: then all are written, and at twice as many groups are held back',
  async (t) => {
    const at = new Behind()
    for (let n = 0; n < 299; n++) at.add(`stream-${n}`)
    at.behind.afterCommit()
    t.same(await at.settled(), [], 'not yet')
    at.add('last')
    let slices = 0
    // While they are written as many come again, and one more than that.
    at.step = () => {
      at.now += 1
      if (++slices > 1) return
      for (let n = 0; n < 310; n++) at.add(`new-${n}`)
      at.behind.afterCommit()
    }
    at.behind.afterCommit()
    let told = await at.settled()
    t.equal(told[0], 'secure', 'all are written')
    const shards = told.filter((line) => line.startsWith('stream-')).map((line) => streamKey(line.split(' ')[0]!).shard)
    t.same(shards, shards.toSorted((a, b) => a - b), 'those of one folder one after another') // prettier-ignore
    for (let n = 0; n < 200; n++) told = [...told, ...(await at.settled())]
    const holds = told.filter((line) => /hold|let go/.test(line))
    t.same(holds, ['hold', 'let go'])
    const written = (line: string): number =>
      told.slice(0, told.indexOf(line)).filter((one) => one.includes(' below ')).length
    t.equal(written('hold'), 1)
    t.equal(written('let go'), 11, 'only until there is room again')
    t.equal(told.filter((line) => line.startsWith('stream-')).length, 299, 'each once')
    t.notOk(told.includes('new-0 below 100'))
    at.behind.afterCommit()
    for (let n = 0; n < 200; n++) told = [...told, ...(await at.settled())]
    t.ok(told.includes('new-0 below 100'), 'what has come meanwhile is enough for another run')
  },
)

t.test('others have their turn when a slice of time is over, and not before', async (t) => {
  const at = new Behind()
  for (let n = 0; n < 5; n++) at.add(`s${n}`)
  let turns = 0
  const counting = { on: true }
  const count = (): void => {
    turns++
    if (counting.on) setImmediate(count)
  }
  setImmediate(count)
  await at.behind.flush()
  const without = turns
  for (let n = 0; n < 5; n++) at.add(`s${n}`)
  at.step = () => (at.now += limits.flushSliceMs)
  await at.behind.flush()
  t.ok(without <= 2 && turns - without >= 14, `${without} turns, then ${turns - without} for 15 slices`)
  counting.on = false
})

t.test('[fault 19] a run that fails in the background is told, once; one that was asked for rejects too', async (t) => {
  const at = new Behind()
  at.step = () => {
    throw new Error('no')
  }
  at.add('a')
  at.memory.span = 5000
  at.behind.afterCommit()
  const told = await at.settled()
  t.same(told, ['secure', 'a below 100', 'failed: no'], 'and nothing counts as flushed')
  at.add('b')
  await t.rejects(at.behind.flush(), { message: 'no' })
  t.equal(at.behind.runs, 0)
})

t.test('[fault 24] when the log cannot be made durable no stream is written', async (t) => {
  const at = new Behind()
  at.add('a')
  at.secured = Promise.reject(new Error('sync'))
  await t.rejects(at.behind.flush(), { message: 'sync' })
  t.same(at.told, ['secure', 'failed: sync'])
})

t.test('one run at a time, whoever asks', async (t) => {
  const at = new Behind()
  at.add('a')
  at.memory.span = 5000
  at.behind.afterCommit()
  at.behind.afterCommit()
  await Promise.all([at.behind.flush(), at.behind.flush()])
  t.equal(at.told.filter((line) => line === 'secure').length, 1)
  t.equal(at.behind.runs, 1)
})

t.test('stopped, it starts nothing by itself and keeps failures to who asks', async (t) => {
  const at = new Behind()
  at.add('a')
  at.behind.afterCommit()
  at.behind.stop()
  t.equal(at.timers, 0)
  at.step = () => {
    throw new Error('no')
  }
  await t.rejects(at.behind.flush(), { message: 'no' })
  t.notOk(at.told.some((line) => line.startsWith('failed')))
})

t.test(
  '[F4] once the writer has failed the run under way ends at its next turn, and whoever waits for it hears why',
  async (t) => {
    const at = new Behind()
    for (const name of ['a', 'b', 'c']) at.add(name)
    at.step = () => {
      at.now += 1000 // each step takes longer than a slice
    }
    const flushing = t.rejects(at.behind.flush(), { message: 'the writer failed' })
    await turn()
    at.secured = Promise.reject(new Error('the writer failed'))
    at.secured.catch(() => undefined)
    await at.behind.abandon()
    t.equal(at.told.filter((line) => line.endsWith('below 100')).length, 1, 'the first is not even flushed to its end')
    at.told.length = 0
    t.same(await at.settled(), [], 'nothing goes on afterwards')
    await flushing
    await at.behind.abandon()
  },
)
