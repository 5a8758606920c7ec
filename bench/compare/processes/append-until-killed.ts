/** Appends durably to a stream until it is killed, noting how many events it had when the last append was acknowledged. */
import { openSync, writeSync } from 'node:fs'
import { Plan } from '../../plan.js'
import { contestant } from '../engines/index.js'
import { KILLED_IN_FLIGHT } from '../rows/open.js'

async function main([name, directory, notes]: readonly string[]): Promise<void> {
  const engine = contestant(name!)
  if (engine.kind !== 'store') throw new Error(`${name} cannot be opened`)
  await engine.prepare()
  const store = await engine.open({ directory: directory!, level: 'durable', inFlight: KILLED_IN_FLIGHT })
  const plan = new Plan(1)
  const fd = openSync(notes!, 'w')
  const line = Buffer.alloc(16)
  let next = await store.version(plan.stream(0))
  let acknowledged = next
  let said = false
  const loop = async (): Promise<never> => {
    for (;;) {
      const n = next++
      await store.append(plan.stream(n), [plan.event(n)], n)
      if (n < acknowledged) continue
      acknowledged = n + 1
      line.fill(' ').write(String(acknowledged))
      writeSync(fd, line, 0, line.length, 0)
      if (!said) process.send?.('appending')
      said = true
    }
  }
  await Promise.all(Array.from({ length: KILLED_IN_FLIGHT }, loop))
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})
