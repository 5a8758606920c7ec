import { AssertionError } from 'node:assert/strict'
import t from 'tap'
import { cancelDeadline, type Process, setDeadline, type TypedEvent } from '../../../kit/index.js'
import { givenProcess } from '../../../kit/testing/index.js'

type Counted = TypedEvent<'Counted', number>

const process: Process<{ sum: number }, Counted, string> = {
  initialState: () => ({ sum: 0 }),
  // It changes what it is given, as it may.
  evolve: (state, input) => {
    state.sum += input.type === 'Counted' ? input.data : 100
    return state
  },
  react: (input, { sum }) => {
    if (input.type === 'Counted' && input.data < 0) throw new RangeError('less than nothing')
    return sum > 9 ? [`${input.type}: ${sum}`] : []
  },
}
const counted = (data: number) => ({ type: 'Counted', data }) as const

t.test('[T1] given, when, then for a process', (t) => {
  givenProcess(process, [counted(5)])
    .when(counted(6))
    .thenCommands('Counted: 11')
    .thenState({ sum: 11 })
    .thenState(({ sum }) => t.equal(sum, 11))
    .thenCommands('Counted: 11')
  givenProcess(process).when(counted(9)).thenNothing()
  givenProcess(process)
    .when(counted(-1))
    .thenFailed(RangeError)
    .thenFailed(/nothing/)
    .thenFailed()
  givenProcess(process)
    .when({ type: 'CommandRefused', data: { command: 'c', reason: 'r' } })
    .thenCommands('CommandRefused: 100')
  t.end()
})

t.test('[T1] what is not as expected is an AssertionError with a difference', (t) => {
  const outcome = givenProcess(process, [counted(5)]).when(counted(6))
  const failed = givenProcess(process).when(counted(-1))
  const wrong: readonly (readonly [() => unknown, RegExp])[] = [
    [() => outcome.thenCommands('Counted: 12'), /commands are not those[^]*\+ .*11[^]*- .*12/],
    [() => outcome.thenNothing(), /No command was expected/],
    [() => outcome.thenState({ sum: 12 }), /The state is not the one/],
    [() => outcome.thenFailed(), /A refusal was expected, but it answered with commands/],
    [() => failed.thenCommands('x'), /react threw: less than nothing/],
    [() => failed.thenFailed(TypeError), /not the one that was expected/],
  ]
  for (const [work, message] of wrong) {
    try {
      work()
      t.fail(`passed: ${message.source}`)
    } catch (error) {
      t.ok(error instanceof AssertionError)
      t.match(error, { message })
    }
  }
  t.end()
})

type Signal = TypedEvent<'Placed' | 'Paid' | 'Reset' | 'Broken', undefined>
const MINUTE = 60_000

const paying: Process<string, Signal, string> = {
  initialState: () => '',
  evolve: (state, input) => `${state}${input.type[0]!}`,
  react: (input) => {
    switch (input.type) {
      case 'Placed':
        return [
          setDeadline('payment', { afterMs: 10 * MINUTE }, 'late'),
          setDeadline('reminder', { afterMs: 5 * MINUTE }),
        ]
      case 'Paid':
        return [cancelDeadline('payment'), cancelDeadline('reminder'), 'ship']
      case 'Reset':
        return [setDeadline('payment', { at: 20 * MINUTE })]
      case 'DeadlinePassed':
        return input.data.name === 'payment'
          ? [`cancel: ${String(input.data.data)}`]
          : [`remind at ${input.data.passedAt / MINUTE}`, setDeadline('reminder', { afterMs: 2 * MINUTE })]
      default:
        throw new Error('broken')
    }
  },
}
const at = (type: Signal['type'], timestamp?: number) =>
  ({ type, data: undefined, ...(timestamp === undefined ? {} : { timestamp }) }) as const

t.test('[T1] time passes for a process, and with it its deadlines', (t) => {
  const placed = givenProcess(paying, [at('Placed')])
  placed
    .whenTimePasses(5 * MINUTE - 1)
    .thenNothing()
    .thenState('P')
  placed
    .whenTimePasses(5 * MINUTE)
    .thenCommands('remind at 5', setDeadline('reminder', { afterMs: 2 * MINUTE }))
    .thenDeadlines({ payment: 10 * MINUTE, reminder: 7 * MINUTE })
    .thenState('PD')
  placed
    .whenTimePasses(10 * MINUTE)
    .thenCommands(
      ...['remind at 5', setDeadline('reminder', { afterMs: 2 * MINUTE })],
      ...['remind at 7', setDeadline('reminder', { afterMs: 2 * MINUTE })],
      ...['remind at 9', setDeadline('reminder', { afterMs: 2 * MINUTE })],
      'cancel: late',
    )
    .thenDeadlines({ reminder: 11 * MINUTE })
  placed.when(at('Paid')).thenCommands(cancelDeadline('payment'), cancelDeadline('reminder'), 'ship').thenDeadlines({})
  givenProcess(paying, [at('Placed', MINUTE), at('Paid')])
    .whenTimePasses(100 * MINUTE)
    .thenNothing()
  givenProcess(paying, [at('Reset', MINUTE)])
    .whenTimePasses(19 * MINUTE)
    .thenCommands('cancel: undefined')
  givenProcess(paying, [at('Reset', MINUTE), at('Reset')])
    .whenTimePasses(19 * MINUTE - 1)
    .thenNothing()
  t.end()
})

t.test('[T1] a deadline that has passed is given as any input, and what was answered before is past', (t) => {
  const data = { name: 'payment', dueAt: 10 * MINUTE, passedAt: 30 * MINUTE, data: 'x' }
  givenProcess(paying, [at('Placed')])
    .when({ type: 'DeadlinePassed', data })
    .thenCommands('cancel: x')
  const over = givenProcess(paying, [at('Placed'), { type: 'DeadlinePassed', data }])
  over.when(at('Paid')).thenState('PDP').thenDeadlines({})
  over.whenTimePasses(0).thenCommands('remind at 30', setDeadline('reminder', { afterMs: 2 * MINUTE }))
  givenProcess(paying, [at('Broken'), at('Placed')])
    .when(at('Broken'))
    .thenFailed(/broken/)
    .thenState('BPB')
  const endless: Process<number, Signal, string> = {
    initialState: () => 0,
    evolve: (n) => n,
    react: () => [setDeadline('again', { afterMs: 0 })],
  }
  givenProcess(endless, [at('Placed')])
    .whenTimePasses(1)
    .thenFailed(/10000 deadlines/)
  t.throws(
    () =>
      givenProcess(paying, [at('Placed')])
        .whenTimePasses(0)
        .thenDeadlines({ payment: 1 }),
    {
      message: /The deadlines are not those/,
    },
  )
  t.end()
})
