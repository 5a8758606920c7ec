/** What can happen to an account. Amounts are whole cents: nobody adds up 0.1 and 0.2 here. */
import { defineEvents, event, type EventOf } from '../../kit/index.js'

export const accountEvents = defineEvents({
  AccountOpened: event<{ readonly accountId: number; readonly owner: string; readonly cents: number }>(),
  MoneyDeposited: event<{ readonly cents: number; readonly transferId?: string }>(),
  MoneyWithdrawn: event<{ readonly cents: number; readonly transferId?: string }>(),
  AccountClosed: event(),
})
export type AccountEvent = EventOf<typeof accountEvents>

export const transferEvents = defineEvents({
  TransferCompleted: event<{
    readonly transferId: string
    readonly from: number
    readonly to: number
    readonly cents: number
  }>(),
})

/** A rule of the business says no. */
export class AccountError extends Error {
  override readonly name = 'AccountError'
}

export const refuse = (reason: string): never => {
  throw new AccountError(reason)
}
