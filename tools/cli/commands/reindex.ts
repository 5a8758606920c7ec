import { reindexStore, type ReindexReport } from '../../../engine/index.js'
import type { Command } from '../command.js'
import { EXIT, type ExitCode } from '../exit-codes.js'
import { duration, plural } from '../numbers.js'
import type { ParsedArguments } from '../parsed-arguments.js'
import { PhaseProgress } from '../phase-progress.js'
import { safeJson } from '../safe-text.js'
import type { Terminal } from '../terminal.js'

export const reindex: Command = {
  name: 'reindex',
  summary: 'make all indexes and the checkpoint again from the events',
  operands: ['<store>'],
  options: {
    interval: { value: '<bytes>', help: 'bytes of events between two entries of an index (default 4096)' },
    json: { help: 'one JSON object' },
  },
  description: `
Makes everything again that is made from events, whatever stands there: sparse indexes, stream tables, key files, the checkpoint. "repair"
makes only what verify has found wrong; this is for indexes of another density, and for who does not trust them. Everything is read
before and after. No event is touched, and a damaged store is left as it is: that is for "repair". Nobody else may have the store open.
Interrupted, or killed, it can be run again.`,
  examples: [
    ['annals reindex ./data', 'make all of it again'],
    [
      'annals reindex --interval 16384 ./data',
      'smaller indexes, which a store that is opened with this limit goes on with',
    ],
  ],
  run,
}

async function run(args: ParsedArguments, terminal: Terminal): Promise<ExitCode> {
  const interval = args.number('interval', 64)
  const progress = new PhaseProgress(terminal.err)
  const report = await reindexStore(args.operands[0]!, {
    signal: terminal.signal,
    onProgress: (at) => progress.show(at),
    ...(interval === undefined ? {} : { limits: { indexIntervalBytes: interval } }),
  }).finally(() => progress.end())
  print(report, args.has('json'), terminal)
  return EXIT.fine
}

function print({ verified, durationMs, ...files }: ReindexReport, json: boolean, { out }: Terminal): void {
  const { events, streams, bytes } = verified
  if (json) {
    out.line(safeJson({ what: 'verdict', ok: true, events, streams, ...files, verifiedBytes: bytes, durationMs }))
    return
  }
  const { logIndexes, streamIndexes, keyFiles, removed } = files
  const made = [
    plural(logIndexes, 'index of the log', 'indexes of the log'),
    plural(streamIndexes, 'index of streams', 'indexes of streams'),
    plural(keyFiles, 'key file'),
  ]
  const taken = removed === 0 ? '' : `; ${plural(removed, 'file')} that nothing wants removed`
  out.line(
    `${out.paint('green', 'reindexed')}: ${plural(events, 'event')} in ${plural(streams, 'stream')}; ${made.join(', ')}, the checkpoint${taken}; verified, in ${duration(durationMs)}`,
  )
}
