import { restoreStore } from '../../../engine/index.js'
import { printCopy } from '../copy-report.js'
import type { Command } from '../command.js'
import { EXIT } from '../exit-codes.js'
import { PhaseProgress } from '../phase-progress.js'

export const restore: Command = {
  name: 'restore',
  summary: 'make a store of a backup',
  operands: ['<backup>', '<store>'],
  options: { json: { help: 'one JSON object' } },
  description: `
Makes a store of a backup, in a folder that is empty or not there yet: copies it, reads the copy again, every byte, and makes what is
made from others. Interrupted, or killed, it can be run again; until then the folder is not taken for a store.

The restored store is the same store, with the same id. Do not go on writing to the one that was backed up.`,
  examples: [['annals restore /mnt/backup/data ./data', 'after the disk was replaced']],
  async run(args, terminal) {
    const [folder, store] = args.operands as [string, string]
    const progress = new PhaseProgress(terminal.err)
    const options = { signal: terminal.signal, onProgress: progress.show.bind(progress) }
    const report = await restoreStore(folder, store, options).finally(() => progress.end())
    printCopy('restored', report, args.has('json'), terminal)
    return EXIT.fine
  },
}
