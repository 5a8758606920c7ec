/**
 * Following: how long after an append its subscriber has the event, what catching up costs beside a plain scan, and what a thousand idle
 * subscriptions cost the appends. All figures are of one run; the first is to be read beside the sync of the same run.
 */
import { fork } from 'node:child_process'
import { on, once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openEventStore, type StoredEvent, type Subscription } from '../../engine/index.js'
import { sizeOf } from '../data-sets.js'
import { alternate, check, latency, median, ratioOf } from '../measure.js'
import type { Followed } from '../processes/follow.js'
import { appendLoops, Plan } from '../plan.js'
import type { Context, Result, Workload } from '../workload.js'

const IDLE = 1000
const BATCH = 1000
const FOLLOW = fileURLToPath(new URL('../processes/follow.js', import.meta.url))

export const subscribe: Workload = {
  needs: ['small-one'],
  run: async (context) => [
    ...(await delay(context)),
    await otherProcess(context),
    ...(await catchUp(context)),
    ...(await idle(context)),
  ],
}

/** One append in flight; its subscriber follows the stream, the category or everything. */
async function delay({ folder, quick }: Context): Promise<Result[]> {
  const results: Result[] = []
  for (const [name, options] of [
    ['everything', {}],
    ['category', { category: 'order' }],
    ['stream', { stream: 'order-0' }],
  ] as const) {
    await using store = await openEventStore(join(folder, `delay-${name}`))
    const plan = new Plan(1)
    const appends = quick ? 20 : 3000
    const [fromCall, fromCommit]: number[][] = [[], []]
    let begun = 0
    /** When the event under way was appended, and when it came: −1 until it has. */
    const at = { resolved: -1, arrived: -1 }
    const note = (): void => {
      if (at.arrived < 0 || at.resolved < 0) return
      fromCall!.push(at.arrived - begun)
      fromCommit!.push(at.arrived - at.resolved)
    }
    const subscription = store.subscribe({ ...options, fromPosition: 'end' })
    const following = (async () => {
      let n = 0
      for await (const event of subscription) {
        at.arrived = performance.now()
        plan.check(event, n)
        note()
        if (++n === appends) break
      }
    })()
    for (let n = 0; n < appends; n++) {
      at.arrived = -1
      at.resolved = -1
      begun = performance.now()
      await store.append(plan.stream(n), [plan.event(n)])
      at.resolved = performance.now()
      note()
      while (at.arrived < 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await following
    check(fromCall!.length === appends, `${fromCall!.length} of ${appends} events arrived`)
    const { sync } = store.stats()
    const us = (ms: number): string => (ms * 1000).toFixed(0)
    const after = latency(fromCommit!)
    results.push({
      name: `subscribe, ${name}`,
      eventsPerSecond: 1000 / median(fromCall!),
      ...latency(fromCall!),
      note: `after the append has resolved: p50 ${after.p50Us.toFixed(0)} µs, p99 ${after.p99Us.toFixed(0)} µs; sync p50 ${us(sync.p50)} µs, p99 ${us(sync.p99)} µs`,
    })
  }
  return results
}

/** One append in flight; a subscriber in another process follows everything. Raw: the same appends while nobody follows. */
async function otherProcess({ folder, quick }: Context): Promise<Result> {
  const appends = quick ? 20 : 2000
  const directory = join(folder, 'other-process')
  await using store = await openEventStore(directory)
  const plan = new Plan(1)
  const alone: number[] = []
  for (let n = 0; n < appends; n++) {
    const begun = process.hrtime.bigint()
    await store.append(plan.stream(n), [plan.event(n)])
    alone.push(Number(process.hrtime.bigint() - begun) / 1e6)
  }
  const follower = fork(FOLLOW, [directory])
  const arrivals = on(follower, 'message') as AsyncIterableIterator<['ready' | Followed]>
  const next = async (): Promise<Followed> => ((await arrivals.next()).value as [Followed])[0]
  try {
    await arrivals.next()
    for (let n = 0; n < appends; n++) await next()
    const [fromCall, fromCommit, followed]: number[][] = [[], [], []]
    for (let n = appends; n < 2 * appends; n++) {
      const begun = process.hrtime.bigint()
      await store.append(plan.stream(n), [plan.event(n)])
      const resolved = process.hrtime.bigint()
      const { position, arrived } = await next()
      check(position === n, `position ${position} instead of ${n}`)
      fromCall!.push(Number(BigInt(arrived) - begun) / 1e6)
      fromCommit!.push(Number(BigInt(arrived) - resolved) / 1e6)
      followed!.push(Number(resolved - begun) / 1e6)
    }
    const ended = once(follower, 'exit')
    follower.send('stop')
    await ended
    const after = latency(fromCommit!)
    const { sync } = store.stats()
    return {
      name: 'subscribe, another process',
      eventsPerSecond: 1000 / median(followed!),
      rawPerSecond: 1000 / median(alone),
      ratio: median(alone) / median(followed!),
      ...latency(fromCall!),
      note: `after the append has resolved: p50 ${after.p50Us.toFixed(0)} µs, p99 ${after.p99Us.toFixed(0)} µs; sync p50 ${(sync.p50 * 1000).toFixed(0)} µs; the ratio is that of the appends to appends that nobody follows`,
    }
  } finally {
    follower.kill()
  }
}

/** Raw: `readAll` of the same store. */
async function catchUp({ quick, dataSet }: Context): Promise<Result[]> {
  const { events, streams } = sizeOf('small-one', quick)
  const plan = new Plan(streams)
  await using store = await openEventStore(dataSet('small-one'))
  let next = 0
  const visit = (event: StoredEvent): void => {
    if (event.position !== next) throw new Error(`Position ${event.position} instead of ${next}`)
    if (next % 997 === 0) plan.check(event, next)
    next++
  }
  const whole = async (measure: () => Promise<void>): Promise<void> => {
    next = 0
    await measure()
    check(next === events, `${next} of ${events} events`)
  }
  const followed = async (subscription: Subscription): Promise<void> => {
    for await (const event of subscription) {
      visit(event)
      if (next === events) break
    }
  }
  const seconds = await alternate(quick ? 1 : 9, {
    rawItems: () =>
      whole(async () => {
        for await (const event of store.readAll()) visit(event)
      }),
    rawBatches: () =>
      whole(async () => {
        for await (const batch of store.readAll().batches(BATCH)) for (const event of batch) visit(event)
      }),
    items: () => whole(() => followed(store.subscribe())),
    batches: () =>
      whole(async () => {
        for await (const batch of store.subscribe().batches(BATCH)) {
          for (const event of batch) visit(event)
          if (next === events) break
        }
      }),
    stream: () => whole(() => followed(store.subscribe({ stream: plan.stream(0) }))),
  })
  const result = (name: string, of: readonly number[], raw: readonly number[]): Result => ({
    name: `subscribe, catching up, ${name}`,
    eventsPerSecond: events / median(of),
    rawPerSecond: events / median(raw),
    ratio: ratioOf(of, raw),
    note: 'raw: readAll',
  })
  return [
    result('items', seconds.items, seconds.rawItems),
    result('batches', seconds.batches, seconds.rawBatches),
    result('one stream', seconds.stream, seconds.rawItems),
  ]
}

/** 64 appends in flight over streams that nobody follows. Raw: the same without a subscription. */
async function idle({ folder, quick }: Context): Promise<Result[]> {
  const [rounds, perRound] = quick ? [1, 256] : [9, 9600]
  const store = await openEventStore(join(folder, 'idle'))
  const plan = new Plan(64)
  await appendLoops(store, plan, 0, perRound, 64)
  let appended = perRound
  const work = async (): Promise<void> => {
    await appendLoops(store, plan, appended, perRound, 64)
    appended += perRound
  }
  let waiting: Promise<unknown>[] = []
  const stop: (() => Promise<void>)[] = []
  const seconds = await alternate(rounds, { raw: work, streams: work, categories: work }, async (name) => {
    await Promise.all(stop.splice(0).map((close) => close()))
    check(
      (await Promise.all(waiting)).every((next) => next === true),
      'a subscription was woken',
    )
    waiting = []
    if (name === 'raw') return
    for (let n = 0; n < IDLE; n++) {
      const followed = name === 'streams' ? { stream: `idle-${n}` } : { category: `idle${n}` }
      const subscription = store.subscribe({ ...followed, fromPosition: 'end' })
      waiting.push(subscription.next().then(({ done }) => done))
      stop.push(() => subscription.close())
    }
  })
  await store.close()
  check(
    (await Promise.all(waiting)).every((next) => next === true),
    'a subscription was woken',
  )
  return (['streams', 'categories'] as const).map((name) => ({
    name: `append-64, ${IDLE} idle, ${name}`,
    eventsPerSecond: perRound / median(seconds[name]),
    rawPerSecond: perRound / median(seconds.raw),
    ratio: ratioOf(seconds[name], seconds.raw),
    note: 'raw: without subscriptions',
  }))
}
