/**
 * Every operation of the file system fails once, or from then on: every promise settles, with an error of annals where it
 * rejects, and nothing acknowledged is lost, neither for the next process nor after a power cut.
 *
 * A sync that fails forgets what it should have written, as Linux does: it stays readable and never reaches the disk.
 * Usually every 13th operation, from the first, third, fifth and seventh on for the four kinds of fault; all with ANNALS_CRASH_FULL=1.
 */
import t from 'tap'
import { AnnalsError } from '../../engine/index.js'
import { CrashDisk } from '../support/crash-disk.js'
import { everyStep } from '../support/crash-scale.js'
import { checkImage } from '../support/crash-recording.js'
import { CrashWorld } from '../support/crash-world.js'
import { openSession, type Session, work } from '../support/crash-workload.js'
import { type Faults, FaultyFileSystem } from '../support/faulty-file-system.js'

t.setTimeout(3_600_000)

const EVERY = everyStep(13)

interface Outcome {
  readonly disk: CrashDisk
  readonly world: CrashWorld
  readonly acknowledged: Set<number>
  readonly errors: unknown[]
  readonly operations: number
}

/** Opens, works, closes, twice; operation `failAt` fails. */
async function run(seed: number, failAt: number | undefined, faults: Faults): Promise<Outcome> {
  const disk = new CrashDisk()
  const onFailure: Faults['onFailure'] = ({ kind, path }) => {
    if (kind === 'sync') disk.lose(path)
  }
  const files = new FaultyFileSystem(disk, failAt === undefined ? {} : { ...faults, failAt, onFailure })
  const world = new CrashWorld()
  const acknowledged = new Set<number>()
  const errors: unknown[] = []
  const failed = (error: unknown, number?: number): void => {
    errors.push(error)
    // Refused for itself, because its stream could not be loaded: what is appended later need not wait for it.
    if (number !== undefined && (error as AnnalsError).code === 'ERR_IO') world.refused.add(number)
  }
  for (let i = 0; i < 2; i++) {
    world.session = i
    let session: Session
    try {
      session = await openSession(files, seed * 10 + i)
    } catch (error) {
      failed(error)
      continue
    }
    await work(session, world, {
      seed: seed * 10 + i,
      rounds: 6,
      durabilities: ['fsync'],
      acknowledged: (number) => acknowledged.add(number),
      failed,
    })
    await session.store.close().catch(failed)
  }
  // A call that was under way when the writer failed gives its handle back when it ends.
  for (let turn = 0; turn < 50 && files.openHandles > 0; turn++) await new Promise((resolve) => setImmediate(resolve))
  const { operations } = files
  if (files.openHandles > 0) errors.push(new Error(`left open: ${files.openFiles.join(', ')}`))
  return { disk, world, acknowledged, errors, operations }
}

for (const [title, start, faults] of [
  ['[fault 19] [fault 24] [fault 25] [fault 38] EIO once', 1, { code: 'EIO' }],
  ['[fault 20] [F5] EIO from then on', 3, { code: 'EIO', sticky: true }],
  ['[fault 21] [fault 22] [fault 23] ENOSPC once', 5, { code: 'ENOSPC' }],
  ['[fault 21] ENOSPC from then on', 7, { code: 'ENOSPC', sticky: true }],
] as const) {
  t.test(`${title}, at every operation`, async (t) => {
    const changes = new Set(['write', 'sync', 'syncDirectory', 'open', 'rename', 'makeDirectory', 'truncate'])
    const selected: Faults =
      faults.code === 'ENOSPC'
        ? { ...faults, only: ({ kind }) => changes.has(kind) }
        : { ...faults, only: ({ kind }) => kind !== 'close' }
    const { operations } = await run(1, undefined, {})
    const failures: string[] = []
    let runs = 0
    for (let failAt = EVERY === 1 ? 1 : start; failAt <= operations; failAt += EVERY) {
      const hung = setTimeout(() => t.fail(`hangs when operation ${failAt} fails`), 10_000)
      const { disk, world, acknowledged, errors } = await run(1, failAt, selected)
      clearTimeout(hung)
      runs++
      try {
        for (const error of errors) if (!(error instanceof AnnalsError)) throw error
        await checkImage(disk.crash('kill', failAt), world, acknowledged, failAt)
        await checkImage(disk.crash('minimal', failAt), world, acknowledged, failAt)
        await checkImage(disk.crash('strict', failAt), world, acknowledged, failAt)
      } catch (error) {
        failures.push(`operation ${failAt}: ${error instanceof Error ? error.stack : String(error)}`)
      }
    }
    t.comment(`${operations} operations, ${runs} runs`)
    t.same(failures.slice(0, 3), [], `${failures.length} of ${runs} runs failed`)
  })
}
