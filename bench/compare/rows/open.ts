/** Opening, each time in a new process: after a clean close, and after the writer was killed in mid-append. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { check } from '../../measure.js'
import type { ComparedEngine } from '../engine.js'
import type { Opened } from '../processes/open-once.js'
import type { Measured, Row, RowContext, Skipped } from '../row.js'
import { killInMidAppend } from '../../kill-writer.js'

const script = (name: string): string => fileURLToPath(new URL(`../processes/${name}.js`, import.meta.url))

/** How many appends are under way when the writer is killed. */
export const KILLED_IN_FLIGHT = 64

const row = {
  unit: 'ms',
  contestants: ['annals', 'sqlite', 'lmdb', 'classic-level', 'event-storage'],
  streams: 1,
} as const

export const openRows: readonly Row[] = [
  {
    ...row,
    name: 'open',
    title: 'open 1M events after a clean close',
    needs: 'one',
    async store(engine: ComparedEngine, { dataSet }: RowContext): Promise<Measured> {
      const { version, ms, ...cost } = await openOnce(engine, dataSet)
      check(version > 0, 'the store is empty')
      return { value: ms, ...cost }
    },
  },
  {
    ...row,
    name: 'open-killed',
    title: 'open 1M events after SIGKILL in mid-append',
    needs: 'one',
    copies: true,
    async store(engine: ComparedEngine, { directory, quick }: RowContext): Promise<Measured | Skipped> {
      const notes = join(directory, '..', `acknowledged-${engine.name}`)
      const acknowledged = await appendAndKill(engine, directory, notes, quick ? 50 : 700)
      const { version, ms, ...cost } = await openOnce(engine, directory)
      const left = `${version} events are left of ${acknowledged} acknowledged`
      if (engine.acknowledgesEarly === true && version < acknowledged) return { skipped: left }
      check(version >= acknowledged, left)
      return { value: ms, ...cost }
    },
  },
]

async function openOnce(engine: ComparedEngine, directory: string): Promise<Opened> {
  const child = fork(script('open-once'), [engine.name, directory], { execArgv: [] })
  let opened: Opened | undefined
  child.on('message', (message) => (opened = message as Opened))
  await once(child, 'close')
  if (opened === undefined) throw new Error(`Opening ${directory} failed`)
  return opened
}

/** Returns how many events the stream had when its writer had the last acknowledgement. */
async function appendAndKill(engine: ComparedEngine, directory: string, notes: string, ms: number): Promise<number> {
  const child = fork(script('append-until-killed'), [engine.name, directory, notes], { execArgv: [] })
  return killInMidAppend(child, notes, ms)
}
