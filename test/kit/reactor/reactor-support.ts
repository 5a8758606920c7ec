/** What the tests of reactors share: a reactor that copies, and a clock that does not wait. */
import type { StoredEvent } from '../../../engine/index.js'
import { type Clock, defineEvents, event, reactor, type Reactor, type ReactionContext } from '../../../kit/index.js'

export const noteEvents = defineEvents({
  Noted: event<{ readonly n: number }>().formerly('Written'),
  Other: event(),
})
export const copyEvents = defineEvents({ Copied: event<{ readonly n: number; readonly attempt: number }>() })

export type Note = StoredEvent<'Noted', { readonly n: number }>
export type HandleNote = (note: Note, context: ReactionContext) => unknown

/** A reactor that appends a copy of each note to `copies`, after it has done what else is given. */
export function copier(also: HandleNote = () => undefined, more: { readonly category?: string } = {}): Reactor {
  return reactor({
    name: 'copier',
    events: noteEvents,
    ...more,
    handlers: {
      Noted: async (note, context) => {
        await also(note, context)
        const data = { n: note.data.n, attempt: context.attempt }
        context.unit.append(copyEvents, { stream: 'copies', events: [{ type: 'Copied', data }] })
      },
    },
  })
}

export const notes = (count: number, first = 0): { readonly type: string; readonly data: { readonly n: number } }[] =>
  Array.from({ length: count }, (_, i) => ({ type: 'Noted', data: { n: first + i } }))

/** A clock on which waits are over at once, but for those of `forever` milliseconds, which last until they are aborted. */
export function swiftClock(forever = 30_000): Clock & { readonly slept: number[] } {
  const slept: number[] = []
  return {
    slept,
    now: () => 0,
    async sleep(ms, { signal } = {}) {
      signal?.throwIfAborted()
      if (ms !== forever) return void slept.push(ms)
      await new Promise((_, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
      })
    },
  }
}
