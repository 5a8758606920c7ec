import { DURABILITIES } from '../types/durability.js'
import type { ExpectedVersion } from '../types/event.js'
import type { AppendManyOptions, AppendOptions, StreamAppend } from '../types/event-store.js'
import { checkKeys, oneOf, refuse } from './option-checks.js'

const APPEND_KEYS = new Set(['expectedVersion', 'durability'])
const APPEND_MANY_KEYS = new Set(['durability'])
const STREAM_APPEND_KEYS = new Set(['stream', 'events', 'expectedVersion'])

export function checkAppendOptions(options: AppendOptions): void {
  checkKeys(options, APPEND_KEYS, 'append')
  checkExpectedVersion(options.expectedVersion)
  checkDurability(options.durability)
}

export function checkAppendMany(appends: readonly StreamAppend[], options: AppendManyOptions): void {
  checkKeys(options, APPEND_MANY_KEYS, 'append')
  checkDurability(options.durability)
  if (!Array.isArray(appends)) refuse('Cannot append: appendMany takes an array of { stream, events }')
  for (const append of appends as readonly StreamAppend[]) {
    checkKeys(append, STREAM_APPEND_KEYS, 'append')
    checkExpectedVersion(append.expectedVersion)
  }
}

function checkDurability(durability: unknown): void {
  if (durability !== undefined) oneOf(durability, DURABILITIES, 'durability', 'append')
}

function checkExpectedVersion(expected: ExpectedVersion | undefined): void {
  if (expected === undefined || expected === 'any' || expected === 'noStream' || expected === 'streamExists') return
  if (typeof expected !== 'number' || !Number.isSafeInteger(expected) || expected < 0) {
    refuse(
      `Cannot append: expectedVersion is ${String(expected)}, not a whole number from 0, 'any', 'noStream' or 'streamExists'`,
    )
  }
}
