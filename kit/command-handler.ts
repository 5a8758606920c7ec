import { retryOnConflict, type RetryOptions } from './retry.js'

/** Handles a command, with a result or without. */
export type CommandHandler<Command, Result = void> = (command: Command, options?: HandleOptions) => Promise<Result>

export interface HandleOptions {
  /** Ends it: it then rejects with the signal's reason. What was handed to the store is not taken back. */
  readonly signal?: AbortSignal | undefined
}

/** What a handler is given besides the command. */
export interface CommandContext {
  /** Pass it on to loads and saves. */
  readonly signal: AbortSignal | undefined
  /** 1, and more after conflicts. */
  readonly attempt: number
}

/**
 * Makes a command handler of a function that loads, decides and saves. On a conflict it is called again, so whatever it does besides
 * has to bear that. What it throws reaches the caller as it is.
 *
 * ```ts
 * const deposit = commandHandler<Deposit>(async ({ accountId, amount }, { signal }) => {
 *   const account = await accounts.load(accountId, { signal })
 *   account.deposit(amount)
 *   await accounts.save(account, { signal })
 * })
 * ```
 */
export function commandHandler<Command, Result = void>(
  handle: (command: Command, context: CommandContext) => Promise<Result>,
  { attempts }: Pick<RetryOptions, 'attempts'> = {},
): CommandHandler<Command, Result> {
  return (command, { signal } = {}) =>
    retryOnConflict((attempt) => handle(command, { signal, attempt }), { attempts, signal })
}
