import { verifyStore } from '../../../engine/index.js'
import type { Command } from '../command.js'
import { EXIT, type ExitCode } from '../exit-codes.js'
import { fileIn, findingLine, invariantLines, verdictLine } from '../findings.js'
import type { ParsedArguments } from '../parsed-arguments.js'
import { Progress } from '../progress.js'
import { safeJson } from '../safe-text.js'
import type { Terminal } from '../terminal.js'

export const verify: Command = {
  name: 'verify',
  summary: 'read every byte of a store and compare its two copies',
  operands: ['<store>'],
  options: {
    fast: { help: 'do not decode metadata and data: checksums, places and order only' },
    max: { value: '<n>', help: 'show at most so many findings (default 1000)' },
    json: { help: 'one JSON object a line: findings, then the verdict' },
  },
  description: `
Reads all files of a store and holds them to the thirteen invariants of segments-format.md. Changes nothing and takes no lock: the
store may be open. Each finding names the invariant, file and byte, and the stream and offset where they can be told:
  ! damage: stored bytes are not what was written
  ~ a file that is made from others is missing or wrong; it is made again when it is needed
  - something that does not count, such as the end of a group that was never acknowledged
The exit code is 1 when there is damage.`,
  examples: [
    ['annals verify ./data', 'is everything as it was written?'],
    ['annals verify --json ./data | jq -r .file | sort -u', 'files that something is found in'],
    ['annals verify --fast ./data && rsync -a ./data backup:', 'copy only what is sound'],
  ],
  run,
}

async function run(args: ParsedArguments, { out, err, signal }: Terminal): Promise<ExitCode> {
  const store = args.operands[0]!
  const progress = new Progress(err, 'verify')
  const report = await verifyStore(store, {
    fast: args.has('fast'),
    maxFindings: args.number('max', 1),
    signal,
    onProgress: ({ bytesRead, totalBytes }) => progress.show(bytesRead, totalBytes),
  }).finally(() => progress.end())
  const { findings, ok, ...totals } = report
  if (args.has('json')) {
    for (const finding of findings) {
      out.line(safeJson({ what: 'finding', ...finding, file: fileIn(store, finding.file) }))
      await out.drain()
    }
    out.line(safeJson({ what: 'verdict', ok, findings: findings.length, ...totals }))
    return ok ? EXIT.fine : EXIT.findings
  }
  for (const finding of findings) {
    out.line(findingLine(finding, store, out.paint))
    await out.drain()
  }
  const invariants = invariantLines(findings, out.paint)
  if (findings.length > 0) out.line()
  for (const line of invariants) out.line(line)
  if (invariants.length > 0) out.line()
  out.line(verdictLine(report, out.paint))
  if (!ok) err.line('"annals repair" shows what can be healed from the other copy.')
  await out.flush()
  await err.flush()
  return ok ? EXIT.fine : EXIT.findings
}
