import { InvalidArgumentError, quote } from '../../engine/errors.js'
import type { EventStore } from '../../engine/types/event-store.js'
import type { Projection } from './projection.js'
import { type ProjectionOptions, settingsOf } from './projection-options.js'
import { ProjectionRunner } from './projection-runner.js'
import { describe } from './rebuild.js'

/**
 * Keeps a projection up to date with an event store, in the background, until it is stopped or the store is closed. Of several processes that
 * run it over the same `projections` one projects, and the others stand by.
 *
 * @throws InvalidArgumentError (ERR_INVALID_ARGUMENT), ProjectionExistsError (ERR_PROJECTION_EXISTS), ProjectionChangedError
 * (ERR_PROJECTION_CHANGED), ProjectionDamagedError (ERR_PROJECTION_DAMAGED), and what the store for projections throws
 */
export async function runProjection<View>(
  store: EventStore,
  projection: Projection<'state' | 'tables' | 'sql', View>,
  options: ProjectionOptions,
): Promise<ProjectionRunner<View>> {
  const settings = settingsOf(projection.name, options)
  if (projection.kind === 'sql' && !settings.projections.hasSql) {
    throw new InvalidArgumentError(
      `Cannot run projection ${quote(projection.name)}: it has tables of SQLite, and its store has none`,
    )
  }
  if (projection.kind !== 'tables' && settings.concurrency > 1) {
    throw new InvalidArgumentError(
      `Cannot run projection ${quote(projection.name)}: with concurrency it needs tables of rows by key`,
    )
  }
  const build = await settings.projections.open(describe(projection), 'live')
  const runner = new ProjectionRunner<View>(store, projection, build, settings)
  await runner.start()
  return runner
}
