import { AnnalsError, quote } from '../../engine/errors.js'
import { ProgressMeter, type Progress } from '../progress.js'
import { DEAD_LETTERS, STATE } from './batches.js'
import { ProjectionMovedError } from './errors.js'
import type { Projection } from './projection.js'
import type { BuildDescription, ProjectionBuild } from './projection-store.js'
import { ProjectionWorker, type WorkerContext } from './projection-worker.js'

export interface RebuildOptions {
  /** Goes on with what an earlier rebuild of the same version left behind. Default: false, it begins anew. */
  readonly resume?: boolean | undefined
  /** Hears of each batch. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
  /** Ends it: it then rejects with the signal's reason, and the live projection stays what it is. */
  readonly signal?: AbortSignal | undefined
}

/** After so many rounds the live projection is stopped for the rest: it may move as fast as the rebuild follows. */
const MAX_ROUNDS = 10

/** What a rebuild needs of the projection that is live meanwhile. */
export interface LiveProjection {
  readonly build: ProjectionBuild
  /** How far it is. */
  position(): Promise<number>
  /** Does something while it stands still. Called once or, when somebody moved it all the same, again. */
  still(work: () => Promise<void>): Promise<void>
}

/**
 * Makes a projection anew beside the live one, without its effects, up to where that is; then switches in one step.
 *
 * @throws the signal's reason, ERR_CLOSED, and what the worker throws: then the live projection is what it was
 */
export async function rebuildBeside(
  context: Omit<WorkerContext, 'onAdvance' | 'onProjected'>,
  live: LiveProjection,
  { resume, onProgress, signal }: RebuildOptions & { readonly signal: AbortSignal },
): Promise<void> {
  const { projection, settings } = context
  const description = describe(projection)
  for (let round = 0; ;) {
    const next = await settings.projections.open(description, 'next')
    await begin(
      next,
      context,
      live.build.head?.generation ?? 0,
      (resume === true || round > 0) && (await live.position()),
    )
    const meter = new ProgressMeter(settings.clock, next.head!.position)
    let end = next.head!.position
    const worker = new ProjectionWorker(next, {
      ...context,
      onAdvance: (position) => onProgress?.(meter.progress(position, Math.max(end, position))),
      onProjected: (events) => meter.count(events),
    })
    const follow = async (until: number): Promise<void> => {
      end = until
      const why = await worker.follow({ signal, until })
      if (why === 'closed') throw closed(projection.name)
      if (worker.scanned > until) throw new ProjectionMovedError(projection.name, 'it has gone back')
      await worker.persist()
    }
    try {
      while (round++ < MAX_ROUNDS) {
        const until = await live.position()
        if (worker.scanned >= until) break
        await follow(until)
      }
      await live.still(async () => {
        await live.build.refresh()
        await follow(live.build.head!.position)
        signal.throwIfAborted()
        await settings.projections.promote(description, live.build.head!, next.head!)
      })
      return
    } catch (error) {
      // Somebody moved the live projection at the last moment, or took it back: once more, from where this is if that is possible.
      if (!(error instanceof ProjectionMovedError)) throw error
      signal.throwIfAborted()
      await live.build.refresh()
    }
  }
}

/** Leaves a build that can be gone on with, at most as far as `upTo`. */
async function begin(
  next: ProjectionBuild,
  { projection, holder }: Omit<WorkerContext, 'onAdvance' | 'onProjected'>,
  generation: number,
  upTo: number | false,
): Promise<void> {
  const { version, shape } = projection
  const { head } = next
  if (upTo !== false && head?.version === version && head.shape === shape && head.position <= upTo) return
  await next.drop()
  // Until it is live, all effects are those of the other.
  const fresh = { generation: generation + 1, version, shape, position: 0, effectsFrom: Number.MAX_SAFE_INTEGER }
  await next.commit({ expected: undefined, holder, clear: true }, () => ({ head: fresh, rows: [] }))
}

/** Returns what a store must know of a projection. */
export function describe({ kind, name, tables, sql }: Projection): BuildDescription {
  return { name, tables: [...(kind === 'state' ? [STATE] : tables), DEAD_LETTERS], sql }
}

export function closed(name: string): AnnalsError {
  return new AnnalsError('ERR_CLOSED', `Cannot run projection ${quote(name)}: the event store was closed`)
}
