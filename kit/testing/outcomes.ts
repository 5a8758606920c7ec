import assert from 'node:assert/strict'
import { said } from '../errors.js'

/** What a refusal must be like: a class of errors, a pattern of the message, or fields, `{ code: 'ERR_…' }`. */
export type ExpectedError = (new (...args: never[]) => Error) | RegExp | object

/** What came of something: a value, or what was thrown. */
export type Attempt<Value> = { readonly value: Value } | { readonly error: unknown }

export function attemptNow<Value>(work: () => Value): Attempt<Value> {
  try {
    return { value: work() }
  } catch (error) {
    return { error }
  }
}

export async function attempt<Value>(work: () => Promise<Value>): Promise<Attempt<Value>> {
  return work().then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
}

/** Returns the value; an AssertionError says what was thrown in its place. */
export function valueOf<Value>(result: Attempt<Value>, otherwise: string): Value {
  if (!('error' in result)) return result.value
  throw fail(`${otherwise}: ${said(result.error)}`, result.error)
}

export function refused(result: Attempt<unknown>, expected: ExpectedError | undefined, otherwise: string): void {
  if (!('error' in result)) throw fail(`A refusal was expected, but ${otherwise}`)
  if (expected === undefined) return
  const rethrow = (): never => {
    throw result.error
  }
  withTitle('The refusal is not the one that was expected', () => assert.throws(rethrow, expected as RegExp))
}

/** Compares as `assert.deepStrictEqual` does, and puts a title above its difference. */
export function compare(actual: unknown, expected: unknown, title: string): void {
  withTitle(title, () => assert.deepStrictEqual(actual, expected))
}

function withTitle(title: string, work: () => void): void {
  try {
    work()
  } catch (error) {
    if (error instanceof assert.AssertionError) {
      error.message = `${title}\n${error.message}`
      throw error
    }
    throw fail(`${title}: ${said(error)}`, error)
  }
}

/** Makes the error of a test that has failed. */
export function fail(message: string, cause?: unknown): assert.AssertionError {
  const error = new assert.AssertionError({ message })
  return Object.assign(error, cause === undefined ? {} : { cause })
}

/** Makes what JSON does not have something that it has. */
export function plain(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value
}
