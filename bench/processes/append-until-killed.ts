/** Appends to a store until it is killed, noting how many events it had when the last append was acknowledged. */
import { openSync, writeSync } from 'node:fs'
import { type Durability, openEventStore } from '../../engine/index.js'
import { Plan } from '../plan.js'

async function main([directory, notes, streams, durability, inFlight]: readonly string[]): Promise<void> {
  const plan = new Plan(Number(streams))
  const store = await openEventStore(directory!, { durability: durability as Durability })
  const fd = openSync(notes!, 'w')
  const line = Buffer.alloc(16)
  let next = store.stats().events
  let acknowledged = next
  let said = false
  const note = (events: number): void => {
    if (events <= acknowledged) return
    acknowledged = events
    line.fill(' ').write(String(events))
    writeSync(fd, line, 0, line.length, 0)
    if (!said) process.send?.('appending')
    said = true
  }
  const loop = async (): Promise<never> => {
    for (;;) {
      const n = next++
      const { position } = await store.append(plan.stream(n), [plan.event(n)])
      note(position + 1)
    }
  }
  await Promise.all(Array.from({ length: Number(inFlight) }, loop))
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})
