import type { AppendResult, EventStore } from '../../engine/types/event-store.js'
import { NotProjectedError } from './errors.js'
import type { ProjectionRunner } from './projection-runner.js'

export interface InlineOptions {
  /**
   * Hears of a projection that has failed; the append then resolves all the same. Default: the append rejects with NotProjectedError, although
   * its events are stored.
   */
  readonly onFailure?: ((error: NotProjectedError) => void) | undefined
}

/**
 * Returns the store with appends that wait for projections: they resolve when the events are stored and each of these has projected them. That is
 * two steps and not one: what is committed stays committed, whatever becomes of the projections, and a process that is killed in between
 * projects at its next start what is missing. Paused and stopped projections are not waited for. Everything else is as it was.
 *
 * ```ts
 * const appending = inlineProjections(store, [balances])
 * await appending.append('account-1', [deposited]) // and balances knows of it
 * ```
 */
export function inlineProjections<Store extends EventStore>(
  store: Store,
  projections: readonly Pick<ProjectionRunner, 'name' | 'status' | 'whenProjected'>[],
  { onFailure }: InlineOptions = {},
): Store {
  const projected = async (results: readonly AppendResult[]): Promise<void> => {
    const position = Math.max(...results.map((result) => result.position), -1)
    await Promise.all(
      projections.map(async (projection) => {
        if (position < 0 || isAtRest(projection)) return
        try {
          await projection.whenProjected(position)
        } catch (cause) {
          if (isAtRest(projection)) return
          const error = new NotProjectedError(projection.name, results, { cause })
          if (onFailure === undefined) throw error
          onFailure(error)
        }
      }),
    )
  }
  const waiting: Partial<EventStore> = {
    append: async (...args) => {
      const result = await store.append(...args)
      await projected([result])
      return result
    },
    appendMany: async (...args) => {
      const results = await store.appendMany(...args)
      await projected(results)
      return results
    },
  }
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(Object.hasOwn(waiting, name) ? waiting : target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

function isAtRest({ status }: Pick<ProjectionRunner, 'status'>): boolean {
  return status === 'paused' || status === 'stopped'
}
