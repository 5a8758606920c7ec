import type { FileEventStore, StoredEvent } from '../../engine/index.js'
import type { OpenOptions } from '../../engine/store/options.js'
import { openStore } from '../../engine/store/open-store.js'
import { LIMITS, STORE, stillEnvironment } from '../support/hostile-store.js'
import { type FilesImage, SmallFiles } from '../support/small-files.js'

/** A store that is checked in as this version of the format leaves it. */
export interface GoldenStore {
  readonly name: string
  readonly options?: OpenOptions | undefined
  /** As a kill leaves it, and not closed. */
  readonly killed?: boolean | undefined
  /** Positions at which the clock has gone on by a millisecond. Default: none. */
  readonly ticks?: readonly number[] | undefined
  readonly fill: (store: FileEventStore) => Promise<void>
}

const counted = (n: number): object => ({ n, text: `event ${n}`, more: { of: ['the', 'same', n] } })

export const goldenStores: readonly GoldenStore[] = [
  {
    name: 'plain',
    async fill(store) {
      await store.append('cart-1', [{ type: 'Opened' }, { type: 'Added', data: 'tea', metadata: { user: 'ada' } }])
      await store.append('cart-2', [{ type: 'Opened', data: null, timestamp: 1, schemaVersion: 3 }])
    },
  },
  {
    name: 'shapes',
    async fill(store) {
      for (let n = 0; n < 24; n++) await store.append(`s-${n % 2}`, [{ type: 'Counted', data: counted(n) }])
    },
  },
  {
    name: 'commits',
    async fill(store) {
      for (let n = 0; n < 6; n++) {
        await store.appendMany([
          { stream: 'from', events: [{ type: 'Withdrawn', data: n }] },
          { stream: 'to', events: [{ type: 'Deposited', data: n, tags: ['money', `n${n}`] }] },
          { stream: 'from', events: [{ type: 'Noted', metadata: { correlationId: `c${n}`, causationId: 'x' } }] },
        ])
      }
      await store.append('to', [{ type: 'Once' }], { commitId: 'only once' })
    },
  },
  {
    name: 'segments',
    ticks: [17, 33],
    options: { limits: LIMITS },
    async fill(store) {
      for (let n = 0; n < 40; n++) {
        await store.append(n % 3 === 0 ? 'a' : 'b', [{ type: 'Filled', data: 'x'.repeat(5 * n) }])
        if (n % 10 === 9) await store.flush()
      }
      await store.checkpoint()
    },
  },
  {
    name: 'killed',
    killed: true,
    ticks: [17],
    options: { limits: LIMITS },
    async fill(store) {
      for (let n = 0; n < 20; n++) {
        await store.append(`k-${n % 3}`, [{ type: 'Written', data: counted(n) }])
        if (n === 11) await store.flush()
      }
    },
  },
  {
    // Every kind of file that the others lack: stream tables, merged key files, an index of a stream segment.
    name: 'tables',
    killed: true,
    options: {
      limits: {
        ...{ ...LIMITS, logSegmentBytes: 7000, streamSegmentBytes: 200_000, indexIntervalBytes: 4096 },
        dirtyBytes: 1024 * 1024,
      },
    },
    async fill(store) {
      for (let n = 0; n < 12; n++) {
        if (n === 10) await store.flush()
        await store.append('long', [{ type: 'Long', data: 'x'.repeat(7000), tags: [`n${n}`, 'all'] }], {
          commitId: `c${n}`,
        })
        await store.append(`short-${n % 2}`, [{ type: 'Short', data: n }])
        for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
      }
    },
  },
  {
    name: 'relaxed',
    options: { durability: 'os' },
    async fill(store) {
      for (let n = 0; n < 5; n++) await store.append('log', [{ type: 'Logged', data: n }])
    },
  },
  {
    name: 'names',
    async fill(store) {
      const names = ['..', 'a/b', 'A', 'a', 'CON', 'naïve', '💥', 'sp ace', '%41', '\u0000', 'x'.repeat(400)]
      for (const stream of names) await store.append(stream, [{ type: stream.slice(0, 20), data: stream }])
    },
  },
  {
    name: 'values',
    async fill(store) {
      const values: unknown[] = [
        [null, true, false, 0, -0, 1, -1, 127, 128, -33, 65_536, 2 ** 32, 0.1, NaN, Infinity, -Infinity],
        [0n, -1n, 2n ** 64n - 1n, -(2n ** 63n), 2n ** 64n, -(3n ** 80n)],
        ['', 'é', '💥', 'y'.repeat(300)],
        [new Date(0), new Date(-1), new Date(8.64e15)],
        new Uint8Array([0, 1, 255]),
        new Map<unknown, unknown>([[1, 'one'], ['two', new Set([2n, 'zwei'])]]), // prettier-ignore
        { missing: undefined, nested: { deep: [[[{}]]] }, ['__proto__']: 'plain', constructor: 1 },
      ]
      for (const data of values) await store.append('values', [{ type: 'Value', data }])
    },
  },
]

/** Makes a store with a seeded machine and a clock that the appends move, however often the engine looks at it: the same bytes every time. */
export async function makeGolden({ fill, killed, options, ticks = [] }: GoldenStore): Promise<FilesImage> {
  const files = new SmallFiles()
  let events = (): number => 0
  const now = (): number => 1_700_000_000_000 + ticks.filter((at) => events() >= at).length
  const store = await openStore({ ...stillEnvironment(files, 1), now }, STORE, { ...options })
  events = () => store.stats().events
  await fill(store)
  const image = files.image()
  await store.close()
  return killed === true ? image : files.image()
}

/** Events as text, one a line, with their fields in the order of the alphabet. */
export function asText(events: readonly StoredEvent[]): string {
  const sorted = (event: StoredEvent): object =>
    Object.fromEntries(Object.entries(event).sort(([a], [b]) => (a < b ? -1 : 1)))
  return events.map((event) => `${render(sorted(event))}\n`).join('')
}

function render(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'bigint') return `${value}n`
  if (Object.is(value, -0)) return '-0'
  if (typeof value !== 'object' || value === null) return String(value)
  if (value instanceof Date) return `Date(${value.getTime()})`
  if (value instanceof Uint8Array) return `bytes(${Buffer.from(value).toString('hex')})`
  if (value instanceof Map) return `Map{${[...value].map(([key, one]) => `${render(key)}: ${render(one)}`).join(', ')}}`
  if (value instanceof Set) return `Set{${[...value].map(render).join(', ')}}`
  if (Array.isArray(value)) return `[${value.map(render).join(', ')}]`
  return `{${Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${render(one)}`).join(', ')}}` // prettier-ignore
}
