/** Follows a store that another process writes to, and says of each event when it came: on the clock that all processes of a machine share. */
import { openEventStore } from '../../engine/index.js'

export interface Followed {
  readonly position: number
  /** Nanoseconds of `process.hrtime`. */
  readonly arrived: string
}

async function main(directory: string): Promise<void> {
  const store = await openEventStore(directory, { readOnly: true })
  const subscription = store.subscribe()
  process.once('message', () => {
    subscription.close().catch(() => undefined)
  })
  process.send?.('ready')
  for await (const { position } of subscription) {
    const arrived = process.hrtime.bigint().toString()
    process.send?.({ position, arrived } satisfies Followed)
  }
  await store.close()
  process.disconnect()
}

main(process.argv[2]!).catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})
