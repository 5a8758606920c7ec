/** The account as a class: methods decide, `when` changes the fields. */
import { Aggregate } from '../../kit/index.js'
import { type AccountEvent, refuse } from './events.js'

export class Account extends Aggregate<AccountEvent> {
  #id = 0
  #owner = ''
  #cents = 0
  #status: 'new' | 'active' | 'closed' = 'new'

  static open(accountId: number, owner: string, cents: number): Account {
    if (cents < 0) refuse('Initial balance cannot be negative')
    const account = new Account()
    account.apply({ type: 'AccountOpened', data: { accountId, owner, cents } })
    return account
  }

  get id(): number {
    return this.#id
  }

  get owner(): string {
    return this.#owner
  }

  get cents(): number {
    return this.#cents
  }

  get isClosed(): boolean {
    return this.#status === 'closed'
  }

  deposit(cents: number, transferId?: string): void {
    if (this.isClosed) refuse('Cannot deposit to closed account')
    if (!(cents > 0)) refuse('Amount must be positive')
    this.apply({ type: 'MoneyDeposited', data: { cents, ...(transferId === undefined ? {} : { transferId }) } })
  }

  withdraw(cents: number, transferId?: string): void {
    if (this.isClosed) refuse('Cannot withdraw from closed account')
    if (!(cents > 0)) refuse('Amount must be positive')
    if (this.#cents < cents) refuse('Insufficient funds')
    this.apply({ type: 'MoneyWithdrawn', data: { cents, ...(transferId === undefined ? {} : { transferId }) } })
  }

  close(): void {
    if (this.isClosed) refuse('Account already closed')
    if (this.#cents !== 0) refuse('Cannot close account with non-zero balance')
    this.apply({ type: 'AccountClosed' })
  }

  protected when(event: AccountEvent): void {
    switch (event.type) {
      case 'AccountOpened':
        this.#id = event.data.accountId
        this.#owner = event.data.owner
        this.#cents = event.data.cents
        this.#status = 'active'
        break
      case 'MoneyDeposited':
        this.#cents += event.data.cents
        break
      case 'MoneyWithdrawn':
        this.#cents -= event.data.cents
        break
      case 'AccountClosed':
        this.#status = 'closed'
        break
    }
  }

  /** What a snapshot holds of it. */
  capture(): AccountRecord {
    return { id: this.#id, owner: this.#owner, cents: this.#cents, status: this.#status }
  }

  static restore({ id, owner, cents, status }: AccountRecord): Account {
    const account = new Account()
    account.#id = id
    account.#owner = owner
    account.#cents = cents
    account.#status = status
    return account
  }
}

export interface AccountRecord {
  readonly id: number
  readonly owner: string
  readonly cents: number
  readonly status: 'new' | 'active' | 'closed'
}
