import { relative } from 'node:path'
import { type Finding, INVARIANTS, type Severity, type VerifyReport } from '../../engine/index.js'
import { bytes, duration, plural } from './numbers.js'
import type { Colour, Paint } from './paint.js'
import { escapeUnsafe, showName } from './safe-text.js'

const SIGNS: Readonly<Record<Severity, readonly [string, Colour]>> = {
  damage: ['!', 'red'],
  derived: ['~', 'yellow'],
  note: ['-', 'dim'],
}

/** A file below the folder of the store, as it is named there. */
export function fileIn(store: string, file: string): string {
  return relative(store, file) || '.'
}

/** A finding on one line: how bad, which invariant, where, whose. */
export function findingLine(finding: Finding, store: string, paint: Paint): string {
  const { invariant, severity, file, byte, stream, offset, position, message } = finding
  const [sign, colour] = SIGNS[severity]
  const event =
    stream === undefined
      ? position === undefined
        ? ''
        : `  position ${position}`
      : `  ${showName(stream)}${offset === undefined ? '' : `@${offset}`}`
  const where = `${showName(fileIn(store, file))}:${byte}`
  return `${paint(colour, `${sign} ${invariant.padEnd(3)}`)}  ${where}${event}  ${escapeUnsafe(message)}`
}

/** The texts of the invariants that findings name. */
export function invariantLines(findings: readonly Finding[], paint: Paint): string[] {
  const broken = new Set(findings.filter(({ severity }) => severity !== 'note').map(({ invariant }) => invariant))
  const names = [...broken].sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)))
  return names.map((name) => `${paint('bold', name)}: ${INVARIANTS[name]}`)
}

/** What was read, and how it was. */
export function verdictLine({ ok, findings, truncated, events, streams, ...read }: VerifyReport, paint: Paint): string {
  const damage = findings.filter(({ severity }) => severity === 'damage').length
  const derived = findings.filter(({ severity }) => severity === 'derived').length
  const word = ok ? paint('green', 'sound') : paint('red', 'damaged')
  const parts = [
    `${plural(events, 'event')} in ${plural(streams, 'stream')}`,
    ...(damage > 0 ? [`${plural(damage, 'place')} damaged`] : []),
    ...(derived > 0 ? [`${plural(derived, 'finding')} on files that are made again`] : []),
    ...(truncated > 0 ? [`${plural(truncated, 'finding')} not shown`] : []),
    `${plural(read.files, 'file')}, ${bytes(read.bytes)} read in ${duration(read.durationMs)}`,
  ]
  return `${word}: ${parts.join('; ')}`
}
