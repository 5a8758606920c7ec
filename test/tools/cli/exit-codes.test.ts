import t from 'tap'
import { AnnalsError } from '../../../engine/index.js'
import { systemError } from '../../../engine/io/system-error.js'
import { BrokenPipeError, EXIT, explain, InterruptedError, UsageError } from '../../../tools/cli/exit-codes.js'

t.test('an error of annals ends with the code of its kind, and says what to do where that is known', (t) => {
  const told = (code: ConstructorParameters<typeof AnnalsError>[0]) => explain(new AnnalsError(code, 'Cannot do it'))
  t.same(told('ERR_INVALID_NAME'), { code: EXIT.usage, message: 'Cannot do it' })
  t.match(told('ERR_CORRUPT'), { code: EXIT.findings, message: 'Cannot do it', hint: /annals verify/ })
  t.match(told('ERR_LOCKED'), { code: EXIT.io, hint: /stop that process/ })
  t.same(told('ERR_IO'), { code: EXIT.io, message: 'Cannot do it' })
  t.end()
})

t.test('a wrong command line, an interruption and a reader that has gone have codes of their own', (t) => {
  t.same(explain(new UsageError('no')), { code: 2, message: 'no' })
  t.same(explain(new UsageError('no', 'try this')), { code: 2, message: 'no', hint: 'try this' })
  t.same(explain(new InterruptedError()), { code: 130 })
  t.same(explain(new BrokenPipeError()), { code: 141 })
  t.end()
})

t.test('what the system reports is told in words, and else by its code', (t) => {
  const told = (error: unknown): unknown => explain(error).message
  t.equal(told(systemError('ENOENT', 'open', '/a')), '"/a": there is no such file')
  t.equal(told(systemError('EMFILE', 'open', '/a')), '"/a": the system reported EMFILE')
  const pathless = systemError('EIO', 'read')
  t.equal(told(pathless), pathless.message)
  t.same(explain(pathless).code, EXIT.io)
  t.end()
})

t.test('what nobody expected is an internal error, with where it was', (t) => {
  t.match(explain(new TypeError('oops')), { code: EXIT.io, message: /^internal error: TypeError: oops\n {4}at / })
  const bare = new Error('bare')
  delete bare.stack
  t.equal(explain(bare).message, 'internal error: Error: bare')
  t.end()
})
