import type { BackupProgress, BackupReport } from '../../engine/index.js'
import { bytes, duration, plural } from './numbers.js'
import { Progress } from './progress.js'
import { safeJson } from './safe-text.js'
import type { Terminal } from './terminal.js'

/** Shows how far a copy has come, then how far reading it. */
export function copyProgress({ err }: Terminal): {
  readonly show: (progress: BackupProgress) => void
  readonly end: () => void
} {
  let phase = ''
  let line: Progress | undefined
  return {
    show(progress) {
      if (progress.phase !== phase) {
        line?.end()
        phase = progress.phase
        line = new Progress(err, phase)
      }
      line!.show(progress.bytes, progress.totalBytes)
    },
    end: () => line?.end(),
  }
}

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
