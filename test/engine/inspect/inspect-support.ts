import type { Environment } from '../../../engine/io/file-system.js'
import { inspectFile, type FileInspection } from '../../../engine/inspect/inspect-file.js'
import { InspectionSummary } from '../../../engine/inspect/inspection-summary.js'
import type { InspectedRecord } from '../../../engine/inspect/records.js'
import { stillEnvironment } from '../../support/hostile-store.js'
import { SmallFiles } from '../../support/small-files.js'

/** An environment with one file. */
function fileWith(name: string, bytes: Buffer): Environment {
  return stillEnvironment(new SmallFiles({ files: new Map([[`/${name}`, bytes]]), folders: ['/'] }), 1)
}

export interface Walked {
  readonly summary: InspectionSummary
  readonly records: readonly InspectedRecord[]
}

function walk(inspection: FileInspection): Walked {
  const summary = new InspectionSummary()
  const records: InspectedRecord[] = []
  for (const item of inspection.items()) {
    summary.add(item)
    if (item.what === 'record') records.push(item)
  }
  return { summary, records }
}

export function inspected(name: string, bytes: Buffer): Walked & { readonly inspection: FileInspection } {
  const inspection = inspectFile(fileWith(name, bytes), `/${name}`)
  return { inspection, ...walk(inspection) }
}

/** What a file is said to have that is wrong: `I2 180 the group …`. */
export function problemsOf(name: string, bytes: Buffer): string[] {
  const { problems } = inspected(name, bytes).summary
  return problems.map(({ invariant, byte, message }) => `${invariant} ${byte} ${message}`)
}
