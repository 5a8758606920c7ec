import { DURABILITIES } from '../types/durability.js'
import type { ExpectedVersion } from '../types/event.js'
import type { AppendManyOptions, AppendOptions, CommitOptions, StreamAppend } from '../types/event-store.js'
import { checkCommitId, checkKeys, oneOf, refuse, wholeNumber } from './option-checks.js'
import { checkQuery } from './query.js'

const APPEND_KEYS = new Set(['expectedVersion', 'durability', 'commitId', 'failIfEventsMatch', 'after'])
const APPEND_MANY_KEYS = new Set(['durability', 'commitId', 'failIfEventsMatch', 'after'])
const STREAM_APPEND_KEYS = new Set(['stream', 'events', 'expectedVersion'])

export function checkAppendOptions(options: AppendOptions): void {
  checkKeys(options, APPEND_KEYS, 'append')
  checkExpectedVersion(options.expectedVersion)
  checkCommitOptions(options)
}

export function checkAppendMany(appends: readonly StreamAppend[], options: AppendManyOptions): void {
  checkKeys(options, APPEND_MANY_KEYS, 'append')
  checkCommitOptions(options)
  if (!Array.isArray(appends)) refuse('Cannot append: appendMany takes an array of { stream, events }')
  for (const append of appends as readonly StreamAppend[]) {
    checkKeys(append, STREAM_APPEND_KEYS, 'append')
    checkExpectedVersion(append.expectedVersion)
  }
}

function checkCommitOptions({ durability, commitId, failIfEventsMatch, after }: CommitOptions): void {
  if (durability !== undefined) oneOf(durability, DURABILITIES, 'durability', 'append')
  if (commitId !== undefined) checkCommitId(commitId, 'append')
  if (failIfEventsMatch !== undefined) checkQuery(failIfEventsMatch, 'failIfEventsMatch', 'append')
  if (after === undefined) return
  if (failIfEventsMatch === undefined) refuse('Cannot append: after is given without failIfEventsMatch')
  wholeNumber(after, 'after', 'append', -1)
}

function checkExpectedVersion(expected: ExpectedVersion | undefined): void {
  if (expected === undefined || expected === 'any' || expected === 'noStream' || expected === 'streamExists') return
  if (typeof expected !== 'number' || !Number.isSafeInteger(expected) || expected < 0) {
    refuse(
      `Cannot append: expectedVersion is ${String(expected)}, not a whole number from 0, 'any', 'noStream' or 'streamExists'`,
    )
  }
}
