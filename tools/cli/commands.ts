import type { Command } from './command.js'
import { append } from './commands/append.js'
import { backup } from './commands/backup.js'
import { cat } from './commands/cat.js'
import { checkpoint } from './commands/checkpoint.js'
import { completionOf } from './commands/completion.js'
import { exportCommand } from './commands/export.js'
import { importCommand } from './commands/import.js'
import { inspect } from './commands/inspect.js'
import { log } from './commands/log.js'
import { ls } from './commands/ls.js'
import { reindex } from './commands/reindex.js'
import { repair } from './commands/repair.js'
import { restore } from './commands/restore.js'
import { segments } from './commands/segments.js'
import { show } from './commands/show.js'
import { stat } from './commands/stat.js'
import { tail } from './commands/tail.js'
import { torture } from './commands/torture.js'
import { verify } from './commands/verify.js'

/** All commands, in the order of the help. */
export const commands: readonly Command[] = [
  ls,
  cat,
  tail,
  show,
  stat,
  log,
  segments,
  inspect,
  verify,
  repair,
  reindex,
  exportCommand,
  importCommand,
  append,
  backup,
  restore,
  checkpoint,
  torture,
  completionOf(() => commands),
]
