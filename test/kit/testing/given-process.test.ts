import { AssertionError } from 'node:assert/strict'
import t from 'tap'
import type { Process, TypedEvent } from '../../../kit/index.js'
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
