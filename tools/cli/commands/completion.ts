import type { Command } from '../command.js'
import { completionScript, type Shell, SHELLS } from '../completion-scripts.js'
import { EXIT, UsageError } from '../exit-codes.js'
import { quoted } from '../safe-text.js'

/** Completes the commands that it is given, itself among them. */
export function completionOf(commands: () => readonly Command[]): Command {
  return {
    name: 'completion',
    summary: 'print what makes a shell complete commands and options',
    operands: ['<shell>'],
    options: {},
    description: `
Prints a script for ${SHELLS.join(', ')} that completes commands, their options, and files. To be read by the shell when it starts.`,
    examples: [
      ['source <(annals completion bash)', 'in ~/.bashrc'],
      ['source <(annals completion zsh)', 'in ~/.zshrc, behind compinit'],
      ['annals completion fish > ~/.config/fish/completions/annals.fish', 'once'],
    ],
    run(args, { out }) {
      const shell = args.operands[0]!
      if (!(SHELLS as readonly string[]).includes(shell)) {
        throw new UsageError(`there is no completion for ${quoted(shell)}`, `There is one for ${SHELLS.join(', ')}.`)
      }
      out.text(completionScript(shell as Shell, commands()))
      return Promise.resolve(EXIT.fine)
    },
  }
}
