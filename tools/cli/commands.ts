import type { Command } from './command.js'
import { inspect } from './commands/inspect.js'

/** All commands, in the order of the help. */
export const commands: readonly Command[] = [inspect]
