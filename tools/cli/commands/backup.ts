import { backupStore } from '../../../engine/index.js'
import { printCopy } from '../copy-report.js'
import type { Command } from '../command.js'
import { EXIT } from '../exit-codes.js'
import { PhaseProgress } from '../phase-progress.js'

export const backup: Command = {
  name: 'backup',
  summary: 'copy a store, also while it is written to',
  operands: ['<store>', '<folder>'],
  options: { json: { help: 'one JSON object' } },
  description: `
Copies everything that is committed when it begins into a folder, also beside a writer. The first time all of the log is copied; after
that, into the same folder, only what is new. Then the copy is read again, every byte: only if it is right does it count. Interrupted,
or killed, it can be run again, and what was a whole backup before still is one.

A backup can be looked at and verified like a store. It holds each event once; "annals restore" makes a store of it. The folder must be
empty or not there, or the backup of this store.`,
  examples: [
    ['annals backup ./data /mnt/backup/data', 'every night'],
    ['annals verify /mnt/backup/data', 'is it still what was written?'],
    ['annals cat -n 10 /mnt/backup/data account-1', 'look into it'],
  ],
  async run(args, terminal) {
    const [store, folder] = args.operands as [string, string]
    const progress = new PhaseProgress(terminal.err)
    const options = { signal: terminal.signal, onProgress: progress.show.bind(progress) }
    const report = await backupStore(store, folder, options).finally(() => progress.end())
    printCopy('backed up', report, args.has('json'), terminal)
    return EXIT.fine
  },
}
