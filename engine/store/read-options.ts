import type { ReadAllOptions, ReadStreamOptions } from '../types/event-store.js'
import { checkKeys, oneOf, refuse, wholeNumber } from './option-checks.js'

const READ_STREAM_KEYS = new Set(['fromOffset', 'toOffset', 'limit', 'direction', 'signal'])
const READ_ALL_KEYS = new Set(['fromPosition', 'toPosition', 'limit', 'signal'])

export function checkReadStream(options: ReadStreamOptions): void {
  const what = 'read the stream'
  checkKeys(options, READ_STREAM_KEYS, what)
  for (const name of ['fromOffset', 'toOffset', 'limit'] as const) {
    if (options[name] !== undefined) wholeNumber(options[name], name, what)
  }
  if (options.direction !== undefined) oneOf(options.direction, ['forward', 'backward'], 'direction', what)
  checkSignal(options.signal, what)
}

export function checkReadAll(options: ReadAllOptions): void {
  const what = 'read the store'
  checkKeys(options, READ_ALL_KEYS, what)
  for (const name of ['fromPosition', 'toPosition', 'limit'] as const) {
    if (options[name] !== undefined) wholeNumber(options[name], name, what)
  }
  checkSignal(options.signal, what)
}

function checkSignal(signal: unknown, what: string): void {
  if (signal !== undefined && !(signal instanceof AbortSignal)) refuse(`Cannot ${what}: signal is no AbortSignal`)
}
