import type { Command } from './command.js'
import { inspect } from './commands/inspect.js'
import { repair } from './commands/repair.js'
import { verify } from './commands/verify.js'

/** All commands, in the order of the help. */
export const commands: readonly Command[] = [inspect, verify, repair]
