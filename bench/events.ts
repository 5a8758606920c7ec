/**
 * The events that all benchmarks write. Deterministic: the same number gives the same event in every process, so that annals
 * and its rivals store the same bytes.
 */

export interface OrderItem {
  readonly sku: string
  readonly quantity: number
  readonly price: number
}

export interface Order {
  readonly id: string
  readonly customer: string
  readonly amount: number
  readonly currency: string
  readonly items: readonly OrderItem[]
  readonly time: string
}

export interface OrderMetadata {
  readonly correlationId: string
  readonly userId: string
}

export interface OrderEvent {
  readonly type: string
  readonly data: Order
  readonly metadata: OrderMetadata
}

const SEED = 0x5eed
const TYPES = ['OrderPlaced', 'OrderPaid', 'OrderShipped', 'OrderDelivered'] as const
const CURRENCIES = ['EUR', 'USD', 'GBP', 'JPY'] as const
/** 1 January 2026. */
const FIRST_TIME = 1_767_225_600_000

/** The n-th order event: about 200 bytes of payload in MessagePack without keys, two items, all of the same two shapes. */
export function orderEvent(n: number): OrderEvent {
  const random = randomFrom(n)
  const quantities = [1 + (random() % 5), 1 + (random() % 9)] as const
  const prices = [100 + (random() % 20_000), 5 + (random() % 900)] as const
  return {
    type: TYPES[n % TYPES.length]!,
    data: {
      id: uuid(random),
      customer: `customer-${random() % 100_000}`,
      amount: (quantities[0] * prices[0] + quantities[1] * prices[1]) / 100,
      currency: CURRENCIES[random() % CURRENCIES.length]!,
      items: [
        { sku: `SKU-${10_000 + (random() % 90_000)}`, quantity: quantities[0], price: prices[0] / 100 },
        { sku: `SKU-${10_000 + (random() % 90_000)}`, quantity: quantities[1], price: prices[1] / 100 },
      ],
      time: new Date(FIRST_TIME + n * 250).toISOString(),
    },
    metadata: { correlationId: uuid(random), userId: `user-${random() % 10_000}` },
  }
}

/** A kind of payload that a benchmark may be run with. */
export interface Variant {
  readonly name: string
  event(n: number): { readonly type: string; readonly data: unknown; readonly metadata: unknown }
}

/** The order event, then payloads that stress one thing each. */
export const variants: readonly Variant[] = [
  { name: 'order', event: orderEvent },
  { name: 'small', event: (n) => ({ type: 'Counted', data: { value: n }, metadata: undefined }) },
  {
    name: 'wide',
    event: (n) => ({
      type: 'Measured',
      data: Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`sensor${index}`, (n * 31 + index * 7) / 8])),
      metadata: undefined,
    }),
  },
  {
    name: 'list',
    event: (n) => ({
      type: 'BasketSaved',
      data: { items: Array.from({ length: 20 }, (_, index) => orderEvent(n * 20 + index).data.items[0]) },
      metadata: undefined,
    }),
  },
  {
    name: 'unicode',
    event: (n) => ({
      type: 'NoteWritten',
      data: { title: `Größe ${n} – naïve café`, text: `日本語のテキスト ${n} と絵文字 🎉 `.repeat(4) },
      metadata: { author: 'Zoë' },
    }),
  },
  {
    name: 'text',
    event: (n) => ({
      type: 'NoteWritten',
      data: { title: `Note ${n}`, text: `line ${n} of a longer text. `.repeat(80) },
      metadata: undefined,
    }),
  },
  {
    name: 'dynamic keys',
    event: (n) => {
      const random = randomFrom(n)
      return {
        type: 'VotesCounted',
        data: Object.fromEntries(Array.from({ length: 6 }, () => [uuid(random), random() % 100])),
        metadata: undefined,
      }
    },
  },
]

/** A UUID from the generator, in canonical form with the bits of version 4. */
export function uuid(random: () => number): string {
  const hex = Array.from({ length: 4 }, () => random().toString(16).padStart(8, '0')).join('')
  const variant = ((parseInt(hex[16]!, 16) & 3) | 8).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`
}

/** A generator of 32-bit integers (splitmix32), started from the seed of the benchmarks and `n`. */
export function randomFrom(n: number): () => number {
  let state = (Math.imul(n + 1, 0x9e3779b9) ^ SEED) | 0
  return () => {
    state = (state + 0x9e3779b9) | 0
    let value = state ^ (state >>> 16)
    value = Math.imul(value, 0x21f0aaad)
    value = Math.imul(value ^ (value >>> 15), 0x735a2d97)
    return (value ^ (value >>> 15)) >>> 0
  }
}
