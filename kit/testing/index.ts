/**
 * annals/testing: given, when, then for deciders, aggregates and upcasters. Throws AssertionErrors, so it works under any test runner.
 * For a store to test with, open one with `openMemoryStore` of annals.
 *
 * @module
 */
export {
  type AggregateEvent,
  given,
  type ExpectedError,
  type Given,
  givenAggregate,
  type GivenAggregate,
  givenStored,
  type GivenStored,
  type Outcome,
} from './given.js'
