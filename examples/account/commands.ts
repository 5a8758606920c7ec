/** Command handlers over the class. The seed of it is the tutorial's service, with the transfer as one commit. */
import type { EventStore } from '../../engine/index.js'
import {
  commandHandler,
  type CommandHandler,
  deciderRepository,
  type DeciderRepository,
  repository,
  type Repository,
  type SnapshotStore,
  unitOfWork,
  type WarningListener,
} from '../../kit/index.js'
import { Account, type AccountRecord } from './account.js'
import { type AccountCommand, accountDecider, type AccountState } from './account-decider.js'
import { type AccountEvent, accountEvents, transferEvents } from './events.js'

export interface Transfer {
  readonly transferId: string
  readonly from: number
  readonly to: number
  readonly cents: number
}

export interface AccountService {
  /** Accounts as classes. */
  readonly accounts: Repository<Account, AccountEvent>
  /** The same streams through the decider. */
  readonly decided: DeciderRepository<AccountState, AccountCommand, AccountEvent>
  readonly open: CommandHandler<{ readonly accountId: number; readonly owner: string; readonly cents: number }, number>
  readonly deposit: CommandHandler<{ readonly accountId: number; readonly cents: number }>
  readonly withdraw: CommandHandler<{ readonly accountId: number; readonly cents: number }>
  readonly close: CommandHandler<{ readonly accountId: number }>
  readonly transfer: CommandHandler<Transfer>
}

export interface AccountServiceOptions {
  readonly snapshots: SnapshotStore
  readonly onWarning?: WarningListener | undefined
}

export function accountService(store: EventStore, { snapshots, onWarning }: AccountServiceOptions): AccountService {
  const accounts = repository(store, {
    category: 'account',
    events: accountEvents,
    create: () => new Account(),
    snapshots: {
      store: snapshots,
      reducer: 'account-class/1',
      every: { events: 100 },
      capture: (account) => account.capture(),
      restore: (record: AccountRecord) => Account.restore(record),
    },
    onWarning,
  })
  const decided = deciderRepository(store, {
    category: 'account',
    events: accountEvents,
    decider: accountDecider,
    snapshots: { store: snapshots, reducer: 'account-decider/1', every: { events: 100 } },
    onWarning,
  })
  return {
    accounts,
    decided,
    open: commandHandler(async ({ accountId, owner, cents }, { signal }) => {
      const account = Account.open(accountId, owner, cents)
      await accounts.save(account, { signal })
      return account.id
    }),
    deposit: commandHandler(async ({ accountId, cents }, { signal }) => {
      const account = await accounts.load(accountId, { signal })
      account.deposit(cents)
      await accounts.save(account, { signal })
    }),
    withdraw: commandHandler(async ({ accountId, cents }, { signal }) => {
      const account = await accounts.load(accountId, { signal })
      account.withdraw(cents)
      await accounts.save(account, { signal })
    }),
    close: commandHandler(async ({ accountId }, { signal }) => {
      const account = await accounts.load(accountId, { signal })
      account.close()
      await accounts.save(account, { signal })
    }),
    transfer: async ({ transferId, from, to, cents }, { signal } = {}) =>
      unitOfWork(
        store,
        async (unit) => {
          const source = await unit.load(accounts, from)
          const target = await unit.load(accounts, to)
          source.withdraw(cents, transferId)
          target.deposit(cents, transferId)
          unit.append(transferEvents, {
            stream: 'transfers',
            events: [{ type: 'TransferCompleted', data: { transferId, from, to, cents } }],
          })
        },
        { signal, metadata: { correlationId: transferId } },
      ),
  }
}
