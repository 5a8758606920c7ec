import t from 'tap'
import { defineEvents, event, projection, type SqlTableDefinition, table } from '../../../kit/index.js'
import { accountEvents } from './projection-support.js'

const common = { events: accountEvents, initialState: () => 0 }
const handlers = { Closed: () => 1 }

t.test('a definition says what it reads, and what would make other rows of the same events', (t) => {
  const events = defineEvents({ A: event(), B: event().formerly('Z'), C: event() })
  const make = (more: object) =>
    projection({ name: 'one', events, initialState: () => 0, handlers: { B: () => 1 }, ...more })
  const one = make({})
  t.same([one.kind, one.version, one.types], ['state', 1, ['B', 'Z']])
  t.equal(one.handlerOf('B')?.name, 'B')
  t.equal(one.handlerOf('A'), undefined)
  const all = make({ handlers: { B: () => 1, '*': () => 2 } })
  t.same(all.types, ['A', 'B', 'Z', 'C'])
  t.same([all.handlerOf('A')?.name, all.handlerOf('B')?.name], ['*', 'B'])
  t.equal(make({ version: 7 }).shape, one.shape)
  const shapes = [
    one,
    all,
    make({ category: 'x' }),
    make({ stream: 'x' }),
    make({ initialState: undefined, tables: { t: table() } }),
  ]
  t.equal(new Set(shapes.map(({ shape }) => shape)).size, shapes.length)
  t.end()
})

t.test('definitions that make no sense are refused', (t) => {
  const refused = (definition: object, message: RegExp) =>
    t.throws(() => projection({ name: 'fine', ...common, handlers, ...definition } as never), {
      code: 'ERR_INVALID_ARGUMENT',
      message,
    })
  for (const name of ['', 'A', 'a_b', '-a', 'a-', 'a--b', '../a', 'a'.repeat(65), 7]) {
    refused({ name }, /a name is made of/)
  }
  for (const version of [0, -1, 1.5, '1', NaN]) refused({ version }, /version/)
  refused({ category: 'a', stream: 'b' }, /not both/)
  refused({ handlers: {} }, /no event type/)
  refused({ handlers: { Nothing: () => 1 } }, /not among its events/)
  refused({ handlers: { Closed: 1 } }, /no function/)
  refused({ initialState: undefined }, /one of/)
  refused({ tables: { a: table() } }, /one of/)
  for (const name of ['a-b', 'a__b', '_a', '1', 'dead_letters', 'a"']) {
    refused({ initialState: undefined, tables: { [name]: table() } }, /table/)
    refused({ initialState: undefined, sql: { [name]: { columns: 'a' } satisfies SqlTableDefinition } }, /table/)
  }
  t.end()
})
