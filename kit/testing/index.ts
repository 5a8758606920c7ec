/**
 * annals/testing: given, when, then for deciders, aggregates, upcasters and processes; a store with faults. Throws AssertionErrors, so it works under any test runner.
 * For a store to test with, open one with `openMemoryStore` of annals.
 *
 * @module
 */
export {
  type AppendFault,
  type Fault,
  type FaultCode,
  type FaultyStore,
  faultyStore,
  type ReadFault,
} from './faulty-store.js'
export { givenProcess, type GivenInput, type GivenProcess, type ProcessOutcome } from './given-process.js'
export { givenProjection, type GivenProjection, type ProjectedEvent } from './given-projection.js'
export { goldenEvents, type GoldenOptions, readGoldenEvents } from './golden-events.js'
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
