/**
 * Three versions of one program. Each could read and write the store that those before it have left; nothing that was stored is ever
 * changed.
 */
import { defineEvents, event } from '../../kit/index.js'

/** 2024: a customer has a name, and prices are euros. */
interface RegisteredV1 {
  readonly name: string
}
interface OrderedV1 {
  readonly euros: number
}

export const version1 = defineEvents({
  CustomerCreated: event<RegisteredV1>(),
  OrderPlaced: event<OrderedV1>(),
})

/** 2025: names in two parts, prices in cents with a currency. */
interface RegisteredV2 {
  readonly first: string
  readonly last: string
}
interface OrderedV2 {
  readonly cents: number
  readonly currency: string
}

const registered2 = event<RegisteredV1>().upcast(({ name }): RegisteredV2 => {
  const [first = '', ...rest] = name.split(' ')
  return { first, last: rest.join(' ') }
})
const ordered2 = event<OrderedV1>().upcast(({ euros }): OrderedV2 => ({
  cents: Math.round(euros * 100),
  currency: 'EUR',
}))

export const version2 = defineEvents({ CustomerCreated: registered2, OrderPlaced: ordered2 })

/** 2026: the event has a better name, an order has a number (its place in the stream for older ones), and there are cancellations. */
interface OrderedV3 extends OrderedV2 {
  readonly number: number
}

export const version3 = defineEvents({
  CustomerRegistered: registered2.formerly('CustomerCreated'),
  OrderPlaced: ordered2.upcast((data, { offset }): OrderedV3 => ({ ...data, number: offset })),
  OrderCancelled: event<{ readonly number: number }>(),
})
