/**
 * A transfer as a saga: three commits one after another, each over the streams of one step, with other things happening between them. What cannot be
 * finished is made good again.
 */
import type { EventStore } from '../../engine/index.js'
import {
  combineEvents,
  type Decider,
  deciderRepository,
  defineEvents,
  event,
  type EventOf,
  type Process,
  processManager,
  type Reactor,
} from '../../kit/index.js'
import { accountDecider } from '../account/account-decider.js'
import { AccountError, accountEvents, refuse } from '../account/events.js'

/** What can happen to a transfer. Streams are named `transfer-<id>`. */
export const transferEvents = defineEvents({
  TransferRequested: event<{
    readonly transferId: string
    readonly from: number
    readonly to: number
    readonly cents: number
  }>(),
  TransferCompleted: event<{ readonly transferId: string }>(),
  TransferFailed: event<{ readonly transferId: string; readonly reason: string }>(),
})
type TransferEvent = EventOf<typeof transferEvents>

export type TransferState =
  { readonly status: 'none' | 'requested' | 'completed' } | { readonly status: 'failed'; readonly reason: string }
export type TransferCommand =
  | {
      readonly type: 'Request'
      readonly transferId: string
      readonly from: number
      readonly to: number
      readonly cents: number
    }
  | { readonly type: 'Complete'; readonly transferId: string }
  | { readonly type: 'Fail'; readonly transferId: string; readonly reason: string }

export const transferDecider: Decider<TransferState, TransferCommand, TransferEvent> = {
  initialState: () => ({ status: 'none' }),
  decide({ type, ...data }, { status }) {
    if (type === 'Request') {
      if (status !== 'none') return refuse('This transfer was requested already')
      return [{ type: 'TransferRequested', data: data as EventData<'TransferRequested'> }]
    }
    if (status !== 'requested') return refuse('This transfer is not under way')
    if (type === 'Complete') return [{ type: 'TransferCompleted', data: { transferId: data.transferId } }]
    return [{ type: 'TransferFailed', data: data as EventData<'TransferFailed'> }]
  },
  evolve(_, { type, data }) {
    if (type === 'TransferRequested') return { status: 'requested' }
    return type === 'TransferCompleted' ? { status: 'completed' } : { status: 'failed', reason: data.reason }
  },
}
type EventData<Type extends TransferEvent['type']> = Extract<TransferEvent, { readonly type: Type }>['data']

const sagaEvents = combineEvents(accountEvents, transferEvents)
type SagaEvent = EventOf<typeof sagaEvents>

/** A step of the saga: a command to an account, or to the transfer itself. */
export type Step =
  | { readonly type: 'Withdraw' | 'Deposit' | 'Refund'; readonly account: number; readonly cents: number }
  | { readonly type: 'Complete' }
  | { readonly type: 'Fail'; readonly reason: string }

/** How far a transfer is. */
export interface SagaState {
  readonly from: number
  readonly to: number
  readonly cents: number
  /** Why it cannot be finished. */
  readonly reason?: string
}

/** The saga itself: what it knows, and what it does about it. Nothing here touches a store. */
export const transferSaga: Process<SagaState, SagaEvent, Step> = {
  initialState: () => ({ from: 0, to: 0, cents: 0 }),

  evolve(state, input) {
    if (input.type === 'TransferRequested') {
      const { from, to, cents } = input.data
      return { from, to, cents }
    }
    return input.type === 'CommandRefused' ? { ...state, reason: input.data.reason } : state
  },

  react(input, { from, to, cents, reason }) {
    switch (input.type) {
      case 'TransferRequested':
        return [{ type: 'Withdraw', account: from, cents }]
      case 'MoneyWithdrawn':
        return [{ type: 'Deposit', account: to, cents }]
      case 'MoneyDeposited':
        // With a reason, this is the money that went back.
        return reason === undefined ? [{ type: 'Complete' }] : [{ type: 'Fail', reason }]
      case 'CommandRefused':
        // Nothing was taken yet: it is over.
        if (input.data.command.type === 'Withdraw') return [{ type: 'Fail', reason: input.data.reason }]
        // The money goes back to where it came from.
        if (input.data.command.type === 'Deposit') return [{ type: 'Refund', account: from, cents }]
        // Nobody takes it: this is for people to look at, as a dead letter.
        throw new Error(`${input.data.command.type} was refused: ${input.data.reason}`)
      default:
        return []
    }
  },
}

/** Puts the saga over a store: a reactor for `runReactor`, and the repositories it works with. */
export function transferManager(store: EventStore) {
  const accounts = deciderRepository(store, { category: 'account', events: accountEvents, decider: accountDecider })
  const transfers = deciderRepository(store, { category: 'transfer', events: transferEvents, decider: transferDecider })
  const manager: Reactor = processManager<SagaState, SagaEvent, Step>({
    name: 'transfer-saga',
    store,
    events: sagaEvents,
    process: transferSaga,
    processOf: ({ data }) => (data !== undefined && 'transferId' in data ? data.transferId : undefined),
    execute: async (step, { unit, processId: transferId }) => {
      switch (step.type) {
        case 'Complete':
          return unit.execute(transfers, transferId, { type: 'Complete', transferId })
        case 'Fail':
          return unit.execute(transfers, transferId, { type: 'Fail', transferId, reason: step.reason })
        case 'Withdraw':
          return unit.execute(accounts, step.account, { type: 'Withdraw', cents: step.cents, transferId })
        case 'Deposit':
        case 'Refund':
          return unit.execute(accounts, step.account, { type: 'Deposit', cents: step.cents, transferId })
      }
    },
    isRefusal: (error) => error instanceof AccountError,
  })
  return { accounts, transfers, manager }
}
