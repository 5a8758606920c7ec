import type { BackupReport } from '../../engine/index.js'
import { bytes, duration, plural } from './numbers.js'
import { safeJson } from './safe-text.js'
import type { Terminal } from './terminal.js'

/** What was copied, on one line. */
export function printCopy(what: string, report: BackupReport, json: boolean, { out }: Terminal): void {
  const { verified, ...rest } = report
  if (json) {
    out.line(safeJson({ what: 'verdict', ok: true, ...rest, verifiedBytes: verified.bytes }))
    return
  }
  const { events, segments, bytes: all, copiedSegments, copiedBytes, durationMs } = report
  const copied = copiedSegments === segments ? '' : `; ${copiedSegments} of them, ${bytes(copiedBytes)}, copied now`
  out.line(
    `${out.paint('green', what)}: ${plural(events, 'event')}; ${plural(segments, 'log segment')}, ${bytes(all)}${copied}; verified, in ${duration(durationMs)}`,
  )
}
