/** Real processes that project into files and into SQLite, killed with SIGKILL at random moments, one after the other. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'
import t from 'tap'
import { openEventStore } from '../../../engine/index.js'
import { runProjection } from '../../../kit/index.js'
import { DEAD_LETTERS } from '../../../kit/projection/batches.js'
import { drivers } from './sqlite-drivers.js'
import { killable, type KillableKind } from './killable-projections.js'

const EVENTS = 600
const KILLS = 3

const folder = mkdtempSync(join(tmpdir(), 'annals-killed-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
t.jobs = 3

// In one file, so that it starts in a fifth of the time; below the repository, where the driver is found.
const script = join(t.testdir(), 'project-until-killed.mjs')
buildSync({
  entryPoints: [fileURLToPath(new URL('fixtures/project-until-killed.js', import.meta.url))],
  bundle: true,
  platform: 'node',
  format: 'esm',
  outfile: script,
  logLevel: 'silent',
})

for (const kind of ['files', 'rows', 'columns'] as const) {
  t.test(`[P1] [B5] ${kind}: ${KILLS} processes killed while they project; each event counts once`, async (t) => {
    const own = join(folder, kind)
    mkdirSync(own)
    const store = await openEventStore(join(own, 'events'), { durability: 'os' })
    const events = Array.from({ length: EVENTS }, () => ({ type: 'Deposited', data: { cents: 1 } }))
    await store.append('account-1', events)
    await store.close()

    let last = 0
    for (let kill = 0; kill < KILLS; kill++) {
      await projectAndKill(own, kind, Math.random() * 60)
      const position = await look(own, kind, (seen, position) => {
        t.same(seen, new Map(Array.from({ length: position }, (_, n) => [n, 1])), `after kill ${kill}, at ${position}`)
      })
      t.ok(position >= last, `${position} of ${EVENTS}`)
      last = position
    }
    const { definition, open } = killable[kind]
    const { projections, close } = open(own)
    await using reader = await openEventStore(join(own, 'events'), { readOnly: true })
    const runner = await runProjection<unknown>(reader, definition, { projections, leaseMs: 200 })
    await runner.whenProcessed(EVENTS - 1)
    await runner.stop()
    close()
    await look(own, kind, (seen) => t.same(seen, new Map(Array.from({ length: EVENTS }, (_, n) => [n, 1]))))
  })
}

/** Starts a process that projects, and kills it so many milliseconds after it has begun. */
async function projectAndKill(own: string, kind: KillableKind, afterMs: number): Promise<void> {
  const child = spawn(process.execPath, [script, own, kind, String(EVENTS - 1)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  const closed = once(child, 'close')
  await Promise.race([once(child.stdout, 'data'), closed])
  await setTimeout(afterMs)
  child.kill('SIGKILL')
  await closed
}

/** Shows which positions are projected, how often, and where the checkpoint is. Returns that. */
async function look(
  own: string,
  kind: KillableKind,
  show: (seen: ReadonlyMap<number, number>, position: number) => void,
): Promise<number> {
  const { definition, open } = killable[kind]
  const { projections, close } = open(own)
  const build = await projections.open({ name: definition.name, tables: ['seen', DEAD_LETTERS], sql: {} }, 'live')
  const position = build.head?.position ?? 0
  if (kind !== 'columns') {
    const rows = [...build.entries('seen')].map(([key, times]) => [Number(key), times as number] as const)
    show(new Map(rows.sort(([a], [b]) => a - b)), position)
  } else if (build.head !== undefined) {
    const database = drivers['libsql']!(join(own, 'views.db'))
    const rows = database.prepare('SELECT position, times FROM "in-columns_seen" ORDER BY position').all()
    database.close()
    show(
      new Map((rows as { position: number; times: number }[]).map(({ position, times }) => [position, times])),
      position,
    )
  }
  close()
  return position
}
