/** The same account as a decider: three pure functions, and the same rules. */
import type { Decider } from '../../kit/index.js'
import { type AccountEvent, refuse } from './events.js'

export type AccountState =
  | { readonly status: 'new' }
  | { readonly status: 'active'; readonly owner: string; readonly cents: number }
  | { readonly status: 'closed'; readonly owner: string }

export type AccountCommand =
  | { readonly type: 'Open'; readonly accountId: number; readonly owner: string; readonly cents: number }
  | { readonly type: 'Deposit'; readonly cents: number; readonly transferId?: string }
  | { readonly type: 'Withdraw'; readonly cents: number; readonly transferId?: string }
  | { readonly type: 'Close' }

export const accountDecider: Decider<AccountState, AccountCommand, AccountEvent> = {
  initialState: () => ({ status: 'new' }),

  decide(command, state) {
    if (command.type === 'Open') {
      if (state.status !== 'new') return refuse('Account already open')
      if (command.cents < 0) return refuse('Initial balance cannot be negative')
      const { accountId, owner, cents } = command
      return [{ type: 'AccountOpened', data: { accountId, owner, cents } }]
    }
    if (state.status === 'new') return refuse('There is no such account')
    if (command.type === 'Close') {
      if (state.status === 'closed') return refuse('Account already closed')
      if (state.cents !== 0) return refuse('Cannot close account with non-zero balance')
      return [{ type: 'AccountClosed' }]
    }
    const { type, ...data } = command
    if (type === 'Deposit') {
      if (state.status === 'closed') return refuse('Cannot deposit to closed account')
      if (!(data.cents > 0)) return refuse('Amount must be positive')
      return [{ type: 'MoneyDeposited', data }]
    }
    if (state.status === 'closed') return refuse('Cannot withdraw from closed account')
    if (!(data.cents > 0)) return refuse('Amount must be positive')
    if (state.cents < data.cents) return refuse('Insufficient funds')
    return [{ type: 'MoneyWithdrawn', data }]
  },

  evolve(state, event): AccountState {
    switch (event.type) {
      case 'AccountOpened':
        return { status: 'active', owner: event.data.owner, cents: event.data.cents }
      case 'MoneyDeposited':
        return state.status === 'active' ? { ...state, cents: state.cents + event.data.cents } : state
      case 'MoneyWithdrawn':
        return state.status === 'active' ? { ...state, cents: state.cents - event.data.cents } : state
      case 'AccountClosed':
        return { status: 'closed', owner: state.status === 'active' ? state.owner : '' }
    }
  },
}
