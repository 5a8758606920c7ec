import { openEventStore } from '../../../engine/index.js'
import type { Command } from '../command.js'
import { EXIT, type ExitCode } from '../exit-codes.js'
import { count, duration, plural } from '../numbers.js'
import type { ParsedArguments } from '../parsed-arguments.js'
import { safeJson } from '../safe-text.js'
import type { Terminal } from '../terminal.js'

export const checkpoint: Command = {
  name: 'checkpoint',
  summary: 'write everything to its files and a checkpoint',
  operands: ['<store>'],
  options: { json: { help: 'one JSON object' } },
  description: `
Opens the store, recovering it if its writer was killed, writes all events to the files of their streams, syncs these, writes a
checkpoint and closes it. The next opening has nothing to catch up with, and both copies of every event are on disk. Nobody else may
have the store open.`,
  examples: [['annals checkpoint ./data', 'before a copy of the whole folder, or after a crash']],
  run,
}

async function run(args: ParsedArguments, { out }: Terminal): Promise<ExitCode> {
  const started = performance.now()
  const store = await openEventStore(args.operands[0]!, { create: false })
  const { clean, events: readAgain, tornBytes, damage } = store.recovery
  let events: number
  let unsettled: number
  let settled: number
  try {
    if (damage !== undefined) throw damage
    unsettled = store.stats().writeBehind.unsettledEvents
    await store.checkpoint()
    ;({ events } = store.stats())
    settled = unsettled - store.stats().writeBehind.unsettledEvents
  } finally {
    await store.close()
  }
  const durationMs = performance.now() - started
  if (args.has('json')) {
    out.line(safeJson({ what: 'verdict', ok: true, events, settled, clean, readAgain, tornBytes, durationMs }))
    return EXIT.fine
  }
  const recovered = clean ? '' : `, ${plural(readAgain, 'event')} read again after a crash`
  out.line(
    `${out.paint('green', 'checkpoint')}: ${plural(events, 'event')}, ${count(settled)} settled now${recovered}, in ${duration(durationMs)}`,
  )
  return EXIT.fine
}
