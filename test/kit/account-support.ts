/** What the tests of the kit share: a store that counts what is read, and can be made to fail. */
import { type EventStore, openMemoryStore, type ReadStreamOptions } from '../../engine/index.js'
import type { KitWarning } from '../../kit/index.js'

export { Account } from '../../examples/account/account.js'
export { accountDecider, type AccountCommand, type AccountState } from '../../examples/account/account-decider.js'
export { accountEvents, type AccountEvent, AccountError } from '../../examples/account/events.js'

/** Events of `account-1`: opened with nothing, then `count` deposits of one cent. */
export async function fill(store: EventStore, count: number, stream = 'account-1'): Promise<void> {
  await store.append(stream, [{ type: 'AccountOpened', data: { accountId: 1, owner: 'Ada', cents: 0 } }])
  await store.append(
    stream,
    Array.from({ length: count }, () => ({ type: 'MoneyDeposited', data: { cents: 1 } })),
  )
}

/** A store that counts the events it hands out of each stream, and does something in front of each append. */
export interface Watched {
  readonly store: EventStore
  /** Events read since this was last asked. */
  takeReads(): number
  beforeAppend: (() => void | Promise<void>) | undefined
}

export async function watched(inner?: EventStore): Promise<Watched> {
  const target = inner ?? (await openMemoryStore())
  let reads = 0
  const self: Watched = {
    takeReads: () => {
      const count = reads
      reads = 0
      return count
    },
    beforeAppend: undefined,
    store: new Proxy(target, {
      get(_, name) {
        if (name === 'readStream') {
          return (stream: string, options?: ReadStreamOptions) => counted(target.readStream(stream, options))
        }
        const value: unknown = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        if (name !== 'append' && name !== 'appendMany') return value.bind(target) as unknown
        return async (...args: unknown[]) => {
          await self.beforeAppend?.()
          return Reflect.apply(value, target, args) as unknown
        }
      },
    }),
  }
  async function* counted<Event>(events: AsyncIterable<Event>): AsyncIterable<Event> {
    for await (const event of events) {
      reads++
      yield event
    }
  }
  return self
}

/** A listener, and what it heard. */
export function listener(): { readonly heard: KitWarning[]; readonly onWarning: (warning: KitWarning) => void } {
  const heard: KitWarning[] = []
  return { heard, onWarning: (warning) => void heard.push(warning) }
}
