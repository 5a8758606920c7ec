import { newerVersion } from '../errors.js'
import { crc32c } from '../format/crc32c.js'
import type { Environment } from '../io/file-system.js'
import { acquireWriterLock } from '../lock/acquire-writer-lock.js'
import type { Finding, VerifyReport } from './findings.js'
import { repairDerived } from './repair-derived.js'
import { Replacer } from './repair-files.js'
import { repairLog } from './repair-log.js'
import { type RepairAction, type RepairFailure, Repairs } from './repair-plan.js'
import { repairStreams } from './repair-streams.js'
import { contextOf, verify, type VerifyOptions } from './verify.js'
import { readHead, type VerifyContext } from './verify-context.js'

export interface RepairOptions extends VerifyOptions {
  /** Only says what would be done; writes nothing and takes no lock. Default: false. */
  readonly dryRun?: boolean | undefined
}

export interface RepairReport {
  /** True when no damage is left. */
  readonly ok: boolean
  readonly actions: readonly RepairAction[]
  /** What cannot be healed: it stays as it is, damaged. */
  readonly failures: readonly RepairFailure[]
  readonly before: VerifyReport
  /** Undefined in a dry run. */
  readonly after: VerifyReport | undefined
}

/** Findings beyond this are found by the next round. */
const MAX_FINDINGS = 100_000
const MAX_ROUNDS = 4

/**
 * Heals what `verify` finds from the other copy of the same events, and makes again what is derived. Becomes the writer of the
 * store for as long as it takes. Sound files are not touched; what is replaced is set aside first, in `aside/<time>/`.
 * Interrupted, it can be run again.
 *
 * @throws StoreLockedError (ERR_LOCKED); AnnalsError ERR_NOT_FOUND, ERR_FORMAT (a file of a newer version: nothing is changed),
 *   ERR_IO, ERR_NO_SPACE
 */
export async function repair(
  environment: Environment,
  directory: string,
  options: RepairOptions = {},
): Promise<RepairReport> {
  const { dryRun = false, ...rest } = options
  const settings = { ...rest, maxFindings: MAX_FINDINGS }
  const before = await verify(environment, directory, settings)
  const context = (): VerifyContext => contextOf(environment, directory, settings)
  refuseNewer(environment, before.findings)
  const first = context()
  const lock = dryRun ? undefined : await acquireWriterLock(environment, directory, { storeId: first.storeId })
  try {
    const repairs = new Repairs(new Replacer(environment, directory, dryRun), () => lock?.check())
    let { findings } = before
    let after: VerifyReport | undefined
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const done = repairs.actions.length
      repairs.failures.length = 0
      if (findings.some(({ severity }) => severity === 'damage')) {
        await repairLog(context(), repairs)
        await repairStreams(context(), repairs, findings)
      }
      await repairDerived(context(), repairs, lock?.epoch ?? 0, findings)
      if (lock === undefined) break
      after = await verify(environment, directory, settings)
      findings = after.findings
      if (after.ok && !findings.some(isDerived)) break
      if (repairs.actions.length === done) break
    }
    return { ok: (after ?? before).ok, actions: repairs.actions, failures: repairs.failures, before, after }
  } finally {
    await lock?.release()
  }
}

function isDerived({ severity }: Finding): boolean {
  return severity === 'derived'
}

/** A file of a newer version is not damaged, and is left to whoever understands it. */
function refuseNewer({ files }: Environment, findings: readonly Finding[]): void {
  for (const file of new Set(findings.map((finding) => finding.file))) {
    if (files.stat(file)?.kind !== 'file') continue
    const handle = files.open(file, 'read')
    try {
      const head = readHead(handle, 4096)
      if (head.length < 96 || head.toString('latin1', 0, 6) !== 'ANNALS' || head.readUInt16LE(8) === 1) continue
      const length = Math.min(head.length, head.readUInt32LE(12))
      const sound = length > 20 && crc32c(head, 20, length, crc32c(head, 0, 16)) === head.readUInt32LE(16)
      if (sound) throw newerVersion(file, head.readUInt16LE(8), head.readUInt16LE(10))
    } finally {
      handle.close()
    }
  }
}
