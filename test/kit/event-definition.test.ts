import t from 'tap'
import type { StoredEvent } from '../../engine/index.js'
import { defineEvents, event, UpcastError } from '../../kit/index.js'
import type { EventDefinition } from '../../kit/event-definition.js'

const stored = (schemaVersion: number, data: unknown): StoredEvent =>
  ({ stream: 's-1', offset: 7, type: 'Opened', schemaVersion, data }) as unknown as StoredEvent

const opened = event<{ name: string }>()
  .upcast(({ name }) => ({ owner: name }))
  .upcast((v2, { offset }) => ({ ...v2, at: offset }))

t.test('[B3] upcasters run one after another, from the version that was stored', (t) => {
  t.equal(opened.version, 3)
  t.same(opened.dataOf(stored(1, { name: 'Ada' })), { owner: 'Ada', at: 7 })
  t.same(opened.dataOf(stored(2, { owner: 'Ada' })), { owner: 'Ada', at: 7 })
  t.same(opened.dataOf(stored(3, { owner: 'Ada', at: 1 })), { owner: 'Ada', at: 1 })
  t.equal(event().version, 1)
  t.end()
})

t.test('[B3] each method returns a definition of its own', (t) => {
  const first = event<{ n: number }>()
  const renamed = first.formerly('Old').formerly('Older')
  t.same(renamed.formerNames, ['Old', 'Older'])
  t.same(first.formerNames, [])
  t.same(renamed.upcast(() => 1).formerNames, ['Old', 'Older'])
  t.equal(first.version, 1)
  t.end()
})

t.test(
  '[B3] an upcaster that throws or returns nonsense, and a version that nobody knows, name stream, offset, type',
  (t) => {
    const boom = new Error('boom')
    const cases: readonly (readonly [unknown, number, RegExp, unknown?])[] = [
      [
        event().upcast(() => {
          throw boom
        }),
        1,
        /from schema version 1: the upcaster threw: boom/,
        boom,
      ],
      [event().upcast(() => undefined), 1, /the upcaster returned undefined/],
      [event().upcast(async () => ({})), 1, /the upcaster returned a promise/],
      [opened.upcast(() => undefined), 2, /from schema version 3: the upcaster returned undefined/],
      [opened, 4, /it is newer than version 3/],
      [opened, 0, /schema versions begin with 1/],
    ]
    for (const [definition, version, message, cause] of cases) {
      try {
        ;(definition as typeof opened).dataOf(stored(version, { name: 'Ada' }))
        t.fail(`version ${version} was read`)
      } catch (error) {
        t.ok(error instanceof UpcastError)
        t.match(error, { code: 'ERR_UPCAST', stream: 's-1', offset: 7, type: 'Opened', message })
        t.match(error, { message: /Cannot upcast "Opened" at offset 7 of stream "s-1"/ })
        t.equal((error as UpcastError).cause, cause)
      }
    }
    t.end()
  },
)

t.test('[B3] a chain of upcasters cannot go round; one that comes back to itself is an error like others', (t) => {
  const back: EventDefinition<unknown> = event<unknown>().upcast((data, old): unknown => back.dataOf({ ...old, data }))
  try {
    back.dataOf(stored(1, { name: 'Ada' }))
    t.fail('it was read')
  } catch (error) {
    t.match(error, { code: 'ERR_UPCAST', stream: 's-1', offset: 7, type: 'Opened', schemaVersion: 1 })
  }
  // Names that go round: there is no saying which type is meant.
  t.throws(() => defineEvents({ A: event().formerly('B'), B: event().formerly('A') }), { code: 'ERR_INVALID_ARGUMENT' })
  t.end()
})

t.test('what is no upcaster and no schema is refused', (t) => {
  const wrong: unknown = 'x'
  t.throws(() => event().upcast(wrong as () => 1), { code: 'ERR_INVALID_ARGUMENT' })
  for (const schema of [null, {}, { '~standard': {} }, 'x']) {
    t.throws(() => event(schema as never), { code: 'ERR_INVALID_ARGUMENT' })
    t.throws(() => event().validate(schema as never), { code: 'ERR_INVALID_ARGUMENT' })
  }
  t.end()
})
