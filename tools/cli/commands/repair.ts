import { type RepairReport, repairStore } from '../../../engine/index.js'
import { ask } from '../ask.js'
import type { Command } from '../command.js'
import { EXIT, type ExitCode, UsageError } from '../exit-codes.js'
import { fileIn, findingLine, verdictLine } from '../findings.js'
import { plural } from '../numbers.js'
import type { ParsedArguments } from '../parsed-arguments.js'
import { Progress } from '../progress.js'
import { escapeUnsafe, safeJson, showName } from '../safe-text.js'
import type { Terminal } from '../terminal.js'

export const repair: Command = {
  name: 'repair',
  summary: 'heal a damaged store from its other copy',
  operands: ['<store>'],
  options: {
    'dry-run': { help: 'only show what would be done' },
    yes: { short: 'y', help: 'do not ask' },
    json: { help: 'one JSON object a line: actions and failures, then the verdict; needs --yes or --dry-run' },
  },
  description: `
Shows what is damaged and what would be done about it, asks, and does it: each copy of an event is healed from the other, and what is
made from others is made again. What is replaced is first set aside, in the folder "aside" of the store. Then everything is verified
again. Nobody else may have the store open. Interrupted, it can be run again.
The exit code is 1 when damage is left.`,
  examples: [
    ['annals repair --dry-run ./data', 'what would be done?'],
    ['annals repair ./data', 'show it, ask, do it'],
    ['annals repair --yes ./data', 'in a script'],
  ],
  run,
}

async function run(args: ParsedArguments, terminal: Terminal): Promise<ExitCode> {
  const { out, err, signal, input } = terminal
  const store = args.operands[0]!
  const json = args.has('json')
  if (json && !args.has('yes') && !args.has('dry-run')) throw new UsageError('--json needs --yes or --dry-run')
  const go = async (dryRun: boolean): Promise<RepairReport> => {
    const progress = new Progress(err, 'verify')
    const onProgress = (at: { bytesRead: number; totalBytes: number }): void => {
      progress.show(at.bytesRead, at.totalBytes)
    }
    return repairStore(store, { dryRun, signal, onProgress }).finally(() => progress.end())
  }
  if (json) {
    const report = await go(args.has('dry-run'))
    await printJson(report, store, terminal)
    return codeOf(report)
  }
  const plan = await go(true)
  for (const finding of plan.before.findings) {
    out.line(findingLine(finding, store, out.paint))
    await out.drain()
  }
  out.line(verdictLine(plan.before, out.paint))
  if (plan.actions.length === 0) {
    out.line(plan.failures.length === 0 ? 'Nothing is to be repaired.' : 'Nothing of it can be repaired:')
    failures(plan, store, terminal)
    return codeOf(plan)
  }
  out.line()
  out.line(`${out.paint('bold', 'plan')}  ${plural(plan.actions.length, 'file')}`)
  actions(plan, store, terminal)
  failures(plan, store, terminal)
  if (args.has('dry-run')) return codeOf(plan)
  if (!args.has('yes')) {
    if (!input.isTTY) {
      await out.flush()
      throw new UsageError('nothing was changed: nobody can be asked here', 'Run it with --yes, or on a terminal.')
    }
    if (!(await ask('Do this? What is replaced is set aside first.', terminal))) {
      err.line('Nothing was changed.')
      await err.flush()
      return codeOf(plan)
    }
  }
  const report = await go(false)
  out.line()
  out.line(`${out.paint('bold', 'done')}  ${plural(report.actions.length, 'file')}`)
  actions(report, store, terminal)
  failures(report, store, terminal)
  out.line(verdictLine(report.after ?? report.before, out.paint))
  return codeOf(report)
}

function codeOf({ ok }: RepairReport): ExitCode {
  return ok ? EXIT.fine : EXIT.findings
}

function actions({ actions: list }: RepairReport, store: string, { out }: Terminal): void {
  for (const { file, action, aside } of list) {
    const kept = aside === undefined ? '' : out.paint('dim', `, old one in ${showName(fileIn(store, aside))}`)
    out.line(`  ${out.paint('green', '+')} ${showName(fileIn(store, file))}  ${escapeUnsafe(action)}${kept}`)
  }
}

function failures({ failures: list }: RepairReport, store: string, { out }: Terminal): void {
  for (const { file, byte, reason, stream } of list) {
    const whose = stream === undefined ? '' : `  ${showName(stream)}`
    out.line(`  ${out.paint('red', 'x')} ${showName(fileIn(store, file))}:${byte}${whose}  ${escapeUnsafe(reason)}`)
  }
}

async function printJson(report: RepairReport, store: string, { out }: Terminal): Promise<void> {
  for (const { file, action, aside } of report.actions) {
    const kept = aside === undefined ? {} : { aside: fileIn(store, aside) }
    out.line(safeJson({ what: 'action', file: fileIn(store, file), action, ...kept }))
    await out.drain()
  }
  for (const failure of report.failures) {
    out.line(safeJson({ what: 'failure', ...failure, file: fileIn(store, failure.file) }))
    await out.drain()
  }
  const { ok, before, after } = report
  const [actionCount, failureCount] = [report.actions.length, report.failures.length]
  const isDryRun = after === undefined
  out.line(safeJson({ what: 'verdict', ok, isDryRun, wasOk: before.ok, actions: actionCount, failures: failureCount }))
}
