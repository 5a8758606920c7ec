import type { EventCriteria } from '../format/event-filter.js'
import { streamKey } from '../format/names.js'
import type { SubscribeOptions } from '../types/subscription.js'
import { checkKeys, refuse, wholeNumber } from './option-checks.js'
import { checkCategory, checkSignal, criteriaOf } from './read-options.js'

const SUBSCRIBE_KEYS = new Set([
  'stream',
  'category',
  'fromPosition',
  'fromOffset',
  'types',
  'correlationId',
  'onCaughtUp',
  'signal',
])

/**
 * Checks the options. Returns what they filter by; undefined when all events are asked for. Throws InvalidArgumentError
 * (ERR_INVALID_ARGUMENT, ERR_INVALID_NAME).
 */
export function checkSubscribe(options: SubscribeOptions): EventCriteria | undefined {
  const what = 'subscribe'
  checkKeys(options, SUBSCRIBE_KEYS, what)
  const { stream, category, fromPosition, fromOffset, onCaughtUp, signal } = options
  if (stream !== undefined) streamKey(stream)
  if (category !== undefined) {
    checkCategory(category, what)
    if (stream !== undefined) refuse('Cannot subscribe: either a stream or a category')
  }
  for (const [name, from] of Object.entries({ fromPosition, fromOffset })) {
    if (from !== undefined && from !== 'end') wholeNumber(from, name, what)
  }
  if (fromOffset !== undefined && stream === undefined) refuse('Cannot subscribe: fromOffset needs a stream')
  if (fromOffset !== undefined && fromPosition !== undefined) {
    refuse('Cannot subscribe: fromOffset and fromPosition say twice where to start')
  }
  if (onCaughtUp !== undefined && typeof onCaughtUp !== 'function') {
    refuse('Cannot subscribe: onCaughtUp is no function')
  }
  checkSignal(signal, what)
  const { types, correlationId } = options
  return criteriaOf({ types, correlationId }, category, what)
}
