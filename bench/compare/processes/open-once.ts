/** Opens a store in a process that has done nothing yet, up to the first answer: how many events a stream has. */
import { check, peakMib } from '../../measure.js'
import { Plan } from '../../plan.js'
import { contestant } from '../engines/index.js'
import { refuses } from '../work.js'

export interface Opened {
  readonly ms: number
  readonly version: number
  readonly peakMib: number
}

async function main([name, directory]: readonly string[]): Promise<void> {
  const engine = contestant(name!)
  if (engine.kind !== 'store') throw new Error(`${name} cannot be opened`)
  await engine.prepare()
  const plan = new Plan(1)
  const begun = performance.now()
  const store = await engine.open({ directory: directory!, level: 'durable', inFlight: 1 })
  const version = await store.version(plan.stream(0))
  const opened: Opened = { ms: performance.now() - begun, version, peakMib: peakMib() }
  let last = ''
  await store.readStream(plan.stream(0), version - 1, 1, ({ data }) => (last = data.id))
  check(last === plan.event(version - 1).data.id, 'the last event is another one')
  await refuses(engine, store, plan.stream(0))
  await store.close()
  process.send?.(opened)
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})
