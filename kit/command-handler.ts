import { InvalidArgumentError } from '../engine/errors.js'
import type { StoredEvent } from '../engine/types/event.js'
import type { EventStore } from '../engine/types/event-store.js'
import { eventsOfCommit } from './known-commit.js'
import { retryOnConflict, type RetryOptions } from './retry.js'

/** Handles a command, with a result or without. */
export type CommandHandler<Command, Result = void> = (command: Command, options?: HandleOptions) => Promise<Result>

export interface HandleOptions {
  /** Ends it: it then rejects with the signal's reason. What was handed to the store is not taken back. */
  readonly signal?: AbortSignal | undefined
  /**
   * Identifies the command: one that was handled already, by what is stored, is answered and not handled again. 1 to 255 bytes of
   * UTF-8, of the caller's choice, and the same one only for repeats of the same command. The handler must have been made with `repeats`.
   */
  readonly commandId?: string | undefined
}

/** What a handler is given besides the command. */
export interface CommandContext {
  /** Pass it on to loads and saves. */
  readonly signal: AbortSignal | undefined
  /** 1, and more after conflicts. */
  readonly attempt: number
  /** Pass it on as `commitId` to the one save, `execute` or `unitOfWork` of the command: that is what makes it known. */
  readonly commandId: string | undefined
}

/** How commands with an id are answered when their commit is stored already. */
export type CommandRepeats<Command, Result> = {
  /** Where their commits are. */
  readonly store: EventStore
} & ([Result] extends [Awaited<Promise<void>>]
  ? { readonly answer?: CommandAnswer<Command, Result> | undefined }
  : { readonly answer: CommandAnswer<Command, Result> })

/** Makes the result of a command out of the events of its commit, as they are stored. */
export type CommandAnswer<Command, Result> = (
  events: readonly StoredEvent[],
  command: Command,
) => Result | Promise<Result>

export interface CommandHandlerOptions<Command, Result> extends Pick<RetryOptions, 'attempts'> {
  /** Without it, commands with an id are refused. */
  readonly repeats?: CommandRepeats<Command, Result> | undefined
}

/**
 * Makes a command handler of a function that loads, decides and saves. On a conflict it is called again, so whatever it does besides
 * has to bear that. What it throws reaches the caller as it is.
 *
 * ```ts
 * const deposit = commandHandler<Deposit>(
 *   async ({ accountId, amount }, { signal, commandId }) => {
 *     const account = await accounts.load(accountId, { signal })
 *     account.deposit(amount)
 *     await accounts.save(account, { signal, commitId: commandId })
 *   },
 *   { repeats: { store } },
 * )
 * await deposit({ accountId: 1, amount: 5 }, { commandId: 'request-4711' }) // and again, as often as it takes
 * ```
 */
export function commandHandler<Command, Result = void>(
  handle: (command: Command, context: CommandContext) => Promise<Result>,
  { attempts, repeats }: CommandHandlerOptions<Command, Result> = {},
): CommandHandler<Command, Result> {
  return async (command, { signal, commandId } = {}) => {
    const work = (): Promise<Result> =>
      retryOnConflict((attempt) => handle(command, { signal, attempt, commandId }), { attempts, signal })
    if (commandId === undefined) return work()
    if (repeats === undefined) {
      throw new InvalidArgumentError('Cannot handle a command with an id: the handler was made without repeats.store')
    }
    signal?.throwIfAborted()
    const known = (): Promise<readonly StoredEvent[]> => eventsOfCommit(repeats.store, commandId, signal)
    const answer = async (events: readonly StoredEvent[]): Promise<Result> =>
      repeats.answer === undefined ? (undefined as Result) : repeats.answer(events, command)
    const before = await known()
    if (before.length > 0) return answer(before)
    try {
      return await work()
    } catch (error) {
      // The same command, made a second time meanwhile, may have been first; what was decided from its effects is no answer.
      const meanwhile = await known().catch(() => [])
      if (meanwhile.length === 0) throw error
      return answer(meanwhile)
    }
  }
}
